"""However we come to hear of it, the end is the same, and it is what the history itself says.

A history of the platforms is drawn and told: callbacks late, twice, out of order or never,
our workers and sweeps looking at any moment between. Verdicts change at any moment, also after the
money and after the return is done, and returns that are done are opened again for a while. Each
telling is judged against an end worked out from the history alone, so all tellings end alike.

What decides the end is each unit's last verdict, whatever was said before it. Stock follows it
always. Money follows it but for one thing, which depends on the moment in the world itself: whom
the shop paid before the unit turned out to be missing is paid. So of a unit whose last verdict is
"missing", and which had been said to have come, one of two things is true, and nothing else:

- it was not paid: it waits for customer service, unless its return was ended as done there;
- it was paid, once and in full: finance has the question, and nobody waits for the unit.

That is all an end may depend on besides the history. Every unit that never was wrongly said to have
come ends as if its last verdict had been said at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.proofs.acts import (
    MISSING,
    QUARANTINE,
    RESTOCK,
    SKUS,
    VERDICTS,
    Act,
    drawn,
    right_from_the_start,
)
from tests.proofs.histories import End, end_of, told
from tests.story import Row

# Every telling is judged by the history alone, so that one each tries more than two of half as many
# would. Every tenth is told a second time, as if everything had been right from the start.
HISTORIES = range(50)
LONG_HISTORIES = range(1000, 2000)
SAID_TWICE = 10
OPENING = 200
# What ReturnGO shows after an act, where that puts the units, and where they are counted.
STANDS = {
    "request": ("Pending", "REQUESTED", ""),
    "approve": ("Approved", "AUTHORISED", ""),
    "reject": ("Rejected", "CLOSED", ""),
    "cancel": ("Canceled", "CLOSED", ""),
    "reopen": ("Pending", "REQUESTED", ""),
    "ship_parcel": ("Approved", "IN_TRANSIT", "IN_TRANSIT"),
    "receive": ("Received", "RECEIVED", "RECEIVED"),
}


@dataclass
class Fate:
    """What a history says of one return."""

    status: str = ""
    custody: str = ""
    bucket: str = ""
    said: dict[int, list[Row]] = field(default_factory=dict)
    ended_there: bool = False


def fates_of(history: Sequence[Act]) -> list[Fate]:
    """The returns of a history, in the order in which they were asked for."""
    fates: list[Fate] = []
    for act in history:
        if act.verb == "request":
            fates.append(Fate())
        if act.verb in STANDS:
            fate = fates[-1] if act.verb == "request" else fates[act.which]
            fate.status, fate.custody, fate.bucket = STANDS[act.verb]
        elif act.verb in VERDICTS:
            place, outcome = act.values
            fates[act.which].said.setdefault(place, []).append(dict(outcome))
        elif act.verb == "finish":
            fates[act.which].ended_there = True
    return fates


def expected(history: Sequence[Act], rmas: Sequence[Row], refunded: Sequence[int]) -> End:
    """The one end there may be. ``refunded`` decides about units that turned out to be missing."""
    on_sale = Counter(dict.fromkeys(SKUS, OPENING))
    for act in history:
        if act.verb in ("sell", "buy"):
            on_sale.subtract(act.values)
    end = End({}, {}, {}, {}, {}, [])
    for rma, fate in zip(rmas, fates_of(history), strict=True):
        _add(end, rma, fate, refunded)
        for place, said in fate.said.items():
            on_sale[rma["items"][place]["sku"]] += said[-1] == RESTOCK
    end.on_sale.update(on_sale)
    end.cases.sort()
    return end


def _add(end: End, rma: Row, fate: Fate, refunded: Sequence[int]) -> None:
    """One return's part of the end."""
    paid = set()
    for place, said in fate.said.items():
        item = rma["items"][place]
        had_come = any(one != MISSING for one in said)
        if said[-1] != MISSING or (had_come and item["id"] in refunded):
            paid.add(item["id"])
            end.refunded[item["id"]] = item["paid_price"]
    status = fate.status
    if len(fate.said) == len(rma["items"]):
        is_done = fate.ended_there or len(paid) == len(rma["items"])
        status = "Done" if is_done else "Validated"
    end.rmas[rma["id"]] = status
    for place, item in enumerate(rma["items"]):
        name, verdict = str(item["id"]), fate.said.get(place, [{}])[-1]
        custody, bucket = fate.custody, fate.bucket
        if verdict:
            custody = "RECEIVED" if verdict == MISSING else "INSPECTED"
            bucket = {str(RESTOCK): "SELLABLE", str(QUARANTINE): "QUARANTINE"}.get(str(verdict), "")
        if verdict == MISSING and item["id"] in paid:
            end.cases.append(("CORRECTION_AFTER_REFUND", name))
        elif verdict == MISSING and status != "Done":
            end.cases.append(("NOT_IN_PARCEL", name))
        money = "RECORDED" if item["id"] in paid else "NONE"
        end.units[name] = ("CLOSED" if status == "Done" else custody, money)
        end.balances[name] = {"OUTSIDE": -1, bucket: 1} if bucket else {}


def ends_as_it_happened(
    monkeypatch: pytest.MonkeyPatch, *histories: list[Act], seed: int
) -> list[End]:
    """One telling of each history, in different ways."""
    ends = []
    for way, history in enumerate(histories):
        with told(monkeypatch, seed, way) as telling:
            telling.play(history)
            ends.append(end_of(telling))
            assert ends[-1] == expected(history, telling.rmas, list(ends[-1].refunded))
    return ends


@pytest.mark.parametrize("seed", HISTORIES)
def test_histories_end_alike_in_any_order(
    committed: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    ends_alike(monkeypatch, seed, steps=60)


@pytest.mark.prove
@pytest.mark.parametrize("seed", LONG_HISTORIES)
def test_long_histories_end_alike_in_any_order(
    committed: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    ends_alike(monkeypatch, seed, steps=300)


def ends_alike(monkeypatch: pytest.MonkeyPatch, seed: int, *, steps: int) -> None:
    """As the history says; every tenth also as if what was corrected had been right at once."""
    history = drawn(seed, steps=steps)
    if seed % SAID_TWICE == 0:
        ends_as_right_from_the_start(monkeypatch, history, seed=seed)
    else:
        ends_as_it_happened(monkeypatch, history, seed=seed)


def ends_as_right_from_the_start(
    monkeypatch: pytest.MonkeyPatch, history: list[Act], *, seed: int
) -> None:
    later, at_once = ends_as_it_happened(
        monkeypatch, history, right_from_the_start(history), seed=seed
    )
    assert (later.balances, later.on_sale) == (at_once.balances, at_once.on_sale)
    assert later.refunded.items() >= at_once.refunded.items()
    if later.refunded == at_once.refunded:  # nobody was paid before a unit turned out to be missing
        assert later == at_once
