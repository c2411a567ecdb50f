"""However we come to hear of it, the end is the same.

A history of the platforms is drawn and told twice: callbacks late, twice, out of order or never,
our workers and sweeps looking at any moment between. Verdicts change at any moment, also after the
money and after the return is done, and returns that are done are opened again for a while.

What decides the end is each unit's last verdict, whatever was said before it. Stock follows it
always. Money follows it but for one thing, which depends on the moment in the world itself: whom
the shop paid before the unit turned out to be missing is paid. So of a unit whose last verdict is
"missing", and which had been said to have come, one of two things is true, and nothing else:

- it was not paid: it waits for customer service, unless its return was ended as done there;
- it was paid, once and in full: finance has the question, and the return ends by itself.

Everything else is one and the same in all tellings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.proofs.histories import (
    MISSING,
    RESTOCK,
    VERDICTS,
    Act,
    End,
    Telling,
    drawn,
    end_of,
    right_from_the_start,
    told,
)
from tests.story import Row

OPENING = 200
HISTORIES = 2
Verdicts = dict[tuple[int, int], list[Row]]


def ends_alike(monkeypatch: pytest.MonkeyPatch, *histories: list[Act], seed: int) -> None:
    """One telling of each: they end as they happened, and alike."""
    ends = []
    for way, history in enumerate(histories):
        with told(monkeypatch, seed, way) as telling:
            telling.play(history)
            end = end_of(telling)
            assert_as_it_happened(history, telling, end)
            ends.append(end_but_for(end, telling, late_ones(verdicts_of(histories[0]))))
    assert all(end == ends[0] for end in ends), ends


def verdicts_of(history: Sequence[Act]) -> Verdicts:
    """What was said of each unit of each return, in order."""
    found: Verdicts = {}
    for act in history:
        if act.verb in VERDICTS:
            place, outcome = act.values
            found.setdefault((act.which, place), []).append(dict(outcome))
    return found


def late_ones(verdicts: Verdicts) -> set[tuple[int, int]]:
    """Units that may have been paid before they turned out to be missing."""
    return {
        unit
        for unit, said in verdicts.items()
        if said[-1] == MISSING and any(one != MISSING for one in said)
    }


def assert_as_it_happened(history: list[Act], telling: Telling, end: End) -> None:
    """The last verdicts say where units are, which are on sale, who was paid, what is asked."""
    verdicts = verdicts_of(history)
    late = late_ones(verdicts)
    on_sale = dict.fromkeys(end.on_sale, OPENING)
    for act in history:
        for sku in act.values if act.verb in ("sell", "buy") else ():
            on_sale[sku] -= 1
    refunded, asked = {}, []
    for (number, place), said in verdicts.items():
        item, rma = telling.rmas[number]["items"][place], telling.rmas[number]
        name = str(item["id"])
        on_sale[item["sku"]] += said[-1] == RESTOCK
        is_paid = said[-1] != MISSING or ((number, place) in late and item["id"] in end.refunded)
        if is_paid:
            refunded[item["id"]] = item["paid_price"]
        if said[-1] == MISSING and is_paid:
            asked.append(("CORRECTION_AFTER_REFUND", name))
        elif said[-1] == MISSING and end.rmas[rma["id"]] != "Done":
            asked.append(("NOT_IN_PARCEL", name))
    assert end.refunded == refunded
    assert end.on_sale == on_sale
    assert end.cases == sorted(asked)
    for number, rma in enumerate(telling.rmas):
        said_of_all = [verdicts.get((number, place)) for place in range(len(rma["items"]))]
        if all(said_of_all):
            assert_ended(rma, [said[-1] for said in said_of_all if said], end, history, number)


def assert_ended(rma: Row, last: list[Row], end: End, history: list[Act], number: int) -> None:
    """A return is done when all of it was paid, or when an agent of theirs ended it."""
    paid = [item["id"] in end.refunded for item in rma["items"]]
    ended_there = any(act.verb == "finish" and act.which == number for act in history)
    is_done = all(paid) or ended_there
    assert end.rmas[rma["id"]] == ("Done" if is_done else "Validated")
    for item, verdict, is_paid in zip(rma["items"], last, paid, strict=True):
        open_one = "RECEIVED" if verdict == MISSING else "INSPECTED"
        assert end.units[str(item["id"])] == (
            "CLOSED" if is_done else open_one,
            "RECORDED" if is_paid else "NONE",
        )


def end_but_for(end: End, telling: Telling, late: set[tuple[int, int]]) -> End:
    """Without what depends on whether late ones had been paid; each alternative was judged."""
    units = {telling.rmas[number]["items"][place]["id"] for number, place in late}
    rmas = {telling.rmas[number]["id"]: telling.rmas[number] for number, _ in late}
    beside = {str(item["id"]) for rma in rmas.values() for item in rma["items"]}
    return replace(
        end,
        refunded={unit: paid for unit, paid in end.refunded.items() if unit not in units},
        units={unit: at for unit, at in end.units.items() if unit not in beside},
        rmas={rma: status for rma, status in end.rmas.items() if rma not in rmas},
        cases=[(kind, name) for kind, name in end.cases if name not in {str(one) for one in units}],
    )


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_histories_end_alike_in_any_order(
    db: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    history = drawn(seed, steps=60)
    ends_alike(monkeypatch, history, history, seed=seed)


@pytest.mark.parametrize("seed", range(500, 500 + HISTORIES))
def test_corrected_later_ends_as_right_from_the_start(
    db: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    history = drawn(seed, steps=60)
    ends_alike(monkeypatch, history, right_from_the_start(history), seed=seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(1000, 2000))
def test_long_histories_end_alike_in_any_order(
    db: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    history = drawn(seed, steps=300)
    ends_alike(monkeypatch, history, history, right_from_the_start(history), seed=seed)
