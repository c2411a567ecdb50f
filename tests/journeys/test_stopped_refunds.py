"""A refund has stopped, early or late, and finance says how it ends: that word holds for its units.

Nothing is paid for them later, and nothing else of the order waits for them.
"""

from __future__ import annotations

from typing import Any

import pytest

from finance.models import Refund
from integrator.sandbox.returngo import bodies
from tests.story import Row, Stage

SKU = "JKT-NVY-M"


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
    stage.passes(hours=30, step=60)

    assert stage.refunds_there(order) == []
