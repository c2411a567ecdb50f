"""What happens at the platforms, drawn by a seed: fixed before anything runs.

No act depends on what we do; only people at ReturnGO look whether a return is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.story import Row

SKUS = ("JKT-NVY-M", "TEE-BLK-L", "SHT-OXF-S")
RESTOCK: Row = {"returned": True, "restockable": True}
QUARANTINE: Row = {"returned": True, "restockable": False}
MISSING: Row = {"returned": False}
OUTCOMES = (RESTOCK, QUARANTINE, MISSING)
VERDICTS = ("validate", "correct")


@dataclass(frozen=True)
class Act:
    """One act at a platform. ``which`` is the order or the return it is about, by its number."""

    verb: str
    which: int
    values: tuple[Any, ...] = ()


@dataclass
class Draft:
    """A return as the one who draws a history imagines it."""

    units: int
    step: str = "Requested"
    verdicts: dict[int, Row] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        return self.step not in ("Over", "Judged")


def drawn(seed: int, steps: int) -> list[Act]:
    """So many acts, each possible whatever we have done meanwhile."""
    dice = Random(f"{seed}:history")
    acts: list[Act] = []
    free: dict[int, list[int]] = {}
    drafts: list[Draft] = []
    while len(acts) + sum(one.step == "Looked at" for one in drafts) < steps:
        going = [place for place, one in enumerate(drafts) if one.goes_on]
        judged = [place for place, one in enumerate(drafts) if one.verdicts]
        if judged and dice.random() < 0.2:
            number = dice.choice(judged)
            acts.append(_corrected(dice, number, drafts[number]))
        elif len(going) < 3 and not any(free.values()):
            skus = tuple(dice.choice(SKUS) for _ in range(dice.randint(1, 3)))
            free[len(free)] = list(range(len(skus)))
            acts.append(Act("sell", len(free) - 1, skus))
        elif len(going) < 4 and any(free.values()):
            order = dice.choice([one for one, places in free.items() if places])
            count = dice.randint(1, len(free[order]))
            acts.append(Act("request", order, tuple(free[order][:count])))
            free[order] = free[order][count:]
            drafts.append(Draft(count))
        elif dice.random() < 0.15:
            acts.append(Act("buy", 0, (dice.choice(SKUS),)))
        else:
            number = dice.choice(going)
            acts.append(_next_act(dice, number, drafts[number]))
    for number, draft in enumerate(drafts):
        if draft.step == "Looked at":
            acts.append(_moved(draft, number, "finish"))
    return acts


def _next_act(dice: Random, number: int, draft: Draft) -> Act:
    if draft.step == "Requested":
        return _moved(draft, number, "approve" if dice.random() < 0.85 else "reject")
    if draft.step == "Ended":
        return _moved(draft, number, "reopen" if dice.random() < 0.7 else "stay_ended")
    if draft.step == "Approved":
        return _moved(draft, number, "ship_parcel" if dice.random() < 0.85 else "cancel")
    if draft.step == "Shipped":
        return _moved(draft, number, "receive")
    if draft.step == "Looked at":
        return _moved(draft, number, "finish")
    place = dice.choice([one for one in range(draft.units) if one not in draft.verdicts])
    outcome = dice.choices(OUTCOMES, [5, 3, 1])[0]
    draft.verdicts[place] = outcome
    if len(draft.verdicts) == draft.units:
        draft.step = "Judged"
    return Act("validate", number, (place, tuple(outcome.items())))


def _corrected(dice: Random, number: int, draft: Draft) -> Act:
    """Another verdict on a unit; or a return, once it is done, is opened again for a while."""
    if draft.step == "Judged" and dice.random() < 0.25:
        return _moved(draft, number, "look_again")
    place = dice.choice(list(draft.verdicts))
    others = [one for one in OUTCOMES if one != draft.verdicts[place]]
    outcome = dice.choices(others, [1 if one == MISSING else 4 for one in others])[0]
    draft.verdicts[place] = outcome
    return Act("correct", number, (place, tuple(outcome.items())))


def right_from_the_start(history: Sequence[Act]) -> list[Act]:
    """The same history where each verdict is at once what it became in the end."""
    last = {(act.which, act.values[0]): act.values for act in history if act.verb in VERDICTS}
    return [
        replace(act, values=last[act.which, act.values[0]]) if act.verb == "validate" else act
        for act in history
        if act.verb != "correct"
    ]


_THEN = {
    "approve": "Approved",
    "reject": "Ended",
    "cancel": "Ended",
    "reopen": "Requested",
    "stay_ended": "Over",
    "ship_parcel": "Shipped",
    "receive": "Received",
    "look_again": "Looked at",
    "finish": "Judged",
}


def _moved(draft: Draft, number: int, verb: str) -> Act:
    draft.step = _THEN[verb]
    return Act(verb, number)
