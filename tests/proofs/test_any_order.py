"""However we come to hear of it, the end is the same.

A history of the platforms is drawn and told twice: callbacks late, twice, out of order or never,
our workers and sweeps looking at any moment between. Both end in what the history itself says.
"""

from __future__ import annotations

import pytest

from tests.proofs.histories import MISSING, RESTOCK, Act, End, Telling, drawn, end_of, told

OPENING = 200


def ends_alike(monkeypatch: pytest.MonkeyPatch, seed: int, steps: int) -> None:
    history = drawn(seed, steps)
    ends = []
    for way in range(2):
        with told(monkeypatch, seed, way) as telling:
            telling.play(history)
            ends.append(end_of(telling))
            assert_as_it_happened(history, telling, ends[-1])
    assert ends[0] == ends[1]


def assert_as_it_happened(history: list[Act], telling: Telling, end: End) -> None:
    """The last verdict on each unit says where it is, whether it is on sale and who was paid."""
    verdicts = {
        (act.which, act.values[0]): dict(act.values[1]) for act in history if act.verb == "validate"
    }
    on_sale = dict.fromkeys(end.on_sale, OPENING)
    for act in history:
        for sku in act.values if act.verb in ("sell", "buy") else ():
            on_sale[sku] -= 1
    refunded = {}
    for (number, place), verdict in verdicts.items():
        item = telling.rmas[number]["items"][place]
        if verdict != MISSING:
            refunded[item["id"]] = item["paid_price"]
        on_sale[item["sku"]] += verdict == RESTOCK
    assert end.refunded == refunded
    assert end.on_sale == on_sale


@pytest.mark.parametrize("seed", range(2))
def test_histories_end_alike_in_any_order(
    db: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    ends_alike(monkeypatch, seed, steps=60)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(1000, 2000))
def test_long_histories_end_alike_in_any_order(
    db: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    ends_alike(monkeypatch, seed, steps=300)
