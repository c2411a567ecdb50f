"""Causes in returns and in their units."""

from __future__ import annotations

from tests.journeys.causes_in_money import refund_refused
from tests.journeys.causing import RMA, RMA_DONE, SKU, Story, inspected
from tests.story import Stage


def return_not_read(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.breaks("returngo", RMA, "error", status=422, times=1)
    return Story(order, stage.shopper_returns(order))


def return_order_unknown(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.act("returngo", "unknown_order")
    stage.settle()
    return Story(order, rma)


def unit_not_bought(stage: Stage) -> Story:
    order = stage.sold(SKU)
    unit = {"item_id": order["items"][0]["id"], "sku": "TEE-BLK-M"}
    return Story(order, stage.shopper_returns(order, units=[unit]))


def unit_not_shipped(stage: Stage) -> Story:
    order = stage.shop_sells(SKU)
    return Story(order, stage.shopper_returns(order, 0, unchecked=True))


def unit_returned_twice(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.shopper_returns(order, 0)
    return Story(order, stage.shopper_returns(order, 0, unchecked=True))


def ambiguous_unit_price(stage: Stage) -> Story:
    items = [{"sku": SKU, "price": 8925}, {"sku": SKU, "price": 6000}]
    order = stage.ships(stage.act("scayle", "place_order", items=items))
    stage.settle()
    unit = {"item_id": order["items"][1]["id"], "unnamed": True}
    return Story(order, stage.shopper_returns(order, units=[unit]))


def wrong_customer(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.act("returngo", "wrong_customer", order_id=order["id"])
    stage.settle()
    return Story(order, rma)


def sot_violation(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.act("returngo", "tamper", rma_id=rma["id"], amount=2000)
    stage.approves(rma)
    return Story(order, rma)


def refund_mode_unknown(stage: Stage) -> Story:
    return inspected(stage, stage.sold(SKU), resolution="KeepAndDonate")


def validated_without_disposition(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    return Story(order, rma)


def not_in_parcel(stage: Stage) -> Story:
    return inspected(stage, stage.sold(SKU), outcome={"returned": False})


def return_went_back(stage: Stage) -> Story:
    story = inspected(stage, stage.sold(SKU))
    stage.act("returngo", "reopen", rma_id=story.rma["id"], status="Received")
    stage.settle()
    return story


def cancelled_with_goods(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    return Story(order, rma)


def resolution_by_hand(stage: Stage) -> Story:
    """An exchange without a word of what is wanted: nobody but a person can go on."""
    return inspected(stage, stage.sold(SKU), resolution="InstantVariantExchange")


def _stands(stage: Stage, status: str, *steps: str) -> Story:
    """A return that came so far and no further, for longer than it may."""
    stage.configure(stage_hours={status: 1})
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    for step in steps:
        getattr(stage, step)(rma)
    stage.passes(minutes=80, step=20)
    return Story(order, rma)


def return_not_answered(stage: Stage) -> Story:
    return _stands(stage, "REQUESTED")


def return_not_sent(stage: Stage) -> Story:
    return _stands(stage, "AUTHORISED", "approves")


def return_not_arrived(stage: Stage) -> Story:
    return _stands(stage, "IN_TRANSIT", "approves", "hands_in")


def return_not_checked(stage: Stage) -> Story:
    return _stands(stage, "RECEIVED", "approves", "hands_in", "arrives")


def return_not_finished(stage: Stage) -> Story:
    """Somebody stopped its refund: nothing else says that it does not end."""
    stage.configure(stage_hours={"INSPECTED": 1})
    story = refund_refused(stage)
    stage.decide(stage.case("REFUND_REFUSED"), "give_up", by=stage.fiona)
    stage.passes(minutes=80, step=20)
    return story


def complete_failed(stage: Stage) -> Story:
    stage.breaks("returngo", RMA_DONE, "error", status=422, times=1)
    return inspected(stage, stage.sold(SKU))
