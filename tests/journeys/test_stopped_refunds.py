"""A refund has stopped, early or late, and finance says how it ends: that word holds for its units.

Nothing is paid for them later, and nothing else of the order waits for them.
"""

from __future__ import annotations

from typing import Any

import pytest

from finance.models import Refund
from integrator.sandbox.returngo import bodies
from tests.story import Row, Stage

SKU, CHEAP = "JKT-NVY-M", "TEE-BLK-L"
RETURN_ITEMS = "POST /fulfillment/return-items"


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The return is read well once after its verdict; the refund's own reading is odd."""
    usual, state = bodies.item, {"reads": 0, "on": True}

    def item(row: Any) -> dict[str, Any]:
        state["reads"] += row.validation.at is not None
        is_odd = state["on"] and state["reads"] > 1
        return usual(row) | ({"paidPrice": {"amount": -1, "currency": "EUR"}} if is_odd else {})

    monkeypatch.setattr(bodies, "item", item)
    return state


def test_paid_by_hand_where_the_return_could_not_be_read(stage: Stage, odd: Row) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    case = stage.case("REFUND_REFUSED")
    assert case.money_minor == order["items"][0]["paid"]
    data = {"reference": "BANK-5"}
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(minutes=20, step=5)

    refund = Refund.objects.get()
    assert (refund.status, refund.reference) == ("RECORDED", "BANK-5")


def test_given_up_where_the_return_could_not_be_read(stage: Stage, odd: Row) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.decide(stage.case("REFUND_REFUSED"), "give_up", by=stage.fiona)
    assert stage.unit(rma).money == "WAIVED"
    odd["on"] = False
    about = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"]}
    stage.act("returngo", "correct_validation", **about, restockable=False)
    stage.passes(hours=30, step=120)

    assert stage.refunds_there(order) == []


def test_given_up_after_a_doubt_it_holds_up_nothing_of_its_order(stage: Stage) -> None:
    """ReturnGO pays while nobody knows whether the shop has it; two people saw that it has not."""
    order = stage.sold(SKU, CHEAP)
    rma, other = stage.comes_back(order, 0), stage.comes_back(order, 1)
    stage.breaks("scayle", RETURN_ITEMS, "hang", seconds=60, times=1)  # it never got there
    stage.warehouse_checks(rma)
    stage.passes(minutes=60, step=5)
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=20, step=5)
    doubt = stage.case("REFUND_IN_DOUBT")
    stage.decide(doubt, "it_did_not_happen", by=stage.fiona, second=stage.conrad)
    stage.passes(minutes=10, step=5)
    stage.decide(stage.case("REFUND_REFUSED"), "give_up", by=stage.fiona)
    stage.warehouse_checks(other)
    stage.passes(hours=24, step=120)

    assert [row["item_ids"] for row in stage.refunds_there(order)] == [[order["items"][1]["id"]]]
    assert stage.unit(rma).money == stage.unit(other).money == "RECORDED"
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.order(order).refunded_minor == sum(one["paid"] for one in order["items"])
    assert stage.open_cases() == []
