"""A replacement is not wanted any more while its steps are under way: nothing of it is left over."""

from __future__ import annotations

from tests.journeys.exchanges import (
    ORDERS,
    SKU,
    approved,
    exchange,
    orders_there,
    reserved_there,
)
from tests.journeys.test_money_instead import paid_once
from tests.story import Stage


def test_one_that_may_have_been_ordered_is_withdrawn_once_it_is_proved_that_it_was_not(
    stage: Stage,
) -> None:
    order = stage.sold(SKU)
    stage.breaks("scayle", ORDERS, "error", status=503, times=1)
    rma = approved(stage, order)
    stage.act("returngo", "change_wish", rma_id=rma["id"])  # money instead
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.passes(minutes=30, step=2)

    assert (exchange(rma).status, orders_there(stage), reserved_there(stage)) == (
        "CANCELLED",
        [],
        [],
    )
    before = len(stage.calls("GET"))
    stage.passes(minutes=30, step=1)
    assert len([one for one in stage.calls("GET")[before:] if "/rma/" in one]) <= 2
    paid_once(stage, order, rma)
