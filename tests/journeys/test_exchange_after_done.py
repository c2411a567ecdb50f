"""A return is marked as done there before we read the step that makes its replacement due."""

from __future__ import annotations

from tests.journeys.exchanges import OTHER, SKU, approved, ends_well, leaves, wants
from tests.story import Stage


def test_what_the_customer_keeps_is_replaced_although_the_return_is_done(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, method="No shipment required", **wants(order))
    stage.act("returngo", "approve", rma_id=rma["id"])
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()

    leaves(stage)
    stage.passes(minutes=9, step=3)
    ends_well(stage, rma)


def test_a_unit_is_replaced_although_its_return_is_done_as_soon_as_it_is_checked(
    stage: Stage,
) -> None:
    stage.configure(exchange_trigger="inspected")
    order = stage.sold(SKU)
    rma = stage.comes_back(order, **wants(order))
    stage.checks_only(rma, restockable=True)
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()

    leaves(stage)
    stage.passes(minutes=9, step=3)
    ends_well(stage, rma)


def test_one_that_was_sold_out_goes_out_later_although_the_return_is_done(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.act("scayle", "change_stock", sku=OTHER, quantity=0)
    rma = approved(stage, order)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    assert stage.open_cases() == ["EXCHANGE_NO_STOCK"]
    stage.act("scayle", "change_stock", sku=OTHER, quantity=5)
    stage.decide(stage.case("EXCHANGE_NO_STOCK"), "try_again", by=stage.carla)
    stage.passes(minutes=9, step=3)

    leaves(stage)
    stage.passes(minutes=9, step=3)
    ends_well(stage, rma)
