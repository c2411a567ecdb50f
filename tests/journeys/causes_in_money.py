"""Causes in refunds, goodwill and what the systems say of them."""

from __future__ import annotations

from tests.journeys.causing import BILLING, ORDER, RETURN_ITEMS, SKU, Story, inspected
from tests.story import Row, Stage


def refund_refused(stage: Stage) -> Story:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    return inspected(stage, stage.sold(SKU))


def refund_in_doubt(stage: Stage) -> Story:
    """The connection broke and twice nothing was found. Whether it had arrived, the end decides."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.breaks("scayle", RETURN_ITEMS, "refused", times=1)
    stage.warehouse_checks(rma)
    stage.passes(minutes=18, step=2)
    return Story(order, rma)


def refund_failed(stage: Stage) -> Story:
    stage.breaks("scayle", RETURN_ITEMS, "refund_failed", times=1)
    return inspected(stage, stage.sold(SKU))


def refund_not_recorded(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.deliver()
    for _ in range(10):
        stage.clock.shift(1800)
        stage.tick_and_work()
    return Story(order, rma)


def refund_by_hand(stage: Stage) -> Story:
    return inspected(stage, stage.sold(SKU), return_fee=250)


def refund_more_than_paid(stage: Stage) -> Story:
    stage.breaks("scayle", ORDER, "new_enum", field="payment.amount", value=1)
    story = inspected(stage, stage.sold(SKU))
    stage.mended()
    return story


def refund_executor_missing(stage: Stage) -> Story:
    stage.configure(refund_executor=None)
    return inspected(stage, stage.sold(SKU))


def refunded_past_us(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.warehouse_checks(rma)
    return Story(order, rma)


def paid_in_shop(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.settle()
    return Story(order, {})


def goodwill(stage: Stage) -> Story:
    order = stage.sold(SKU)
    _asks(stage, order, "5.00")
    return Story(order, {})


def goodwill_over_limit(stage: Stage) -> Story:
    order = stage.sold(SKU)
    _asks(stage, order, "50.00")
    return Story(order, {})


def _asks(stage: Stage, order: Row, amount: str) -> None:
    page = stage.order(order).pk
    stage.posts(stage.carla, "order_goodwill", page, amount=amount, note="It came late")


def correction_after_refund(stage: Stage) -> Story:
    """A fee appears on a unit that was paid already; the other unit keeps the return open."""
    order = stage.sold(SKU, "TEE-BLK-L")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, 0)
    stage.passes(minutes=4, step=2)
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].return_fee = 250
    stage.passes(minutes=8, step=2)
    return Story(order, rma)


def refund_not_mirrored(stage: Stage) -> Story:
    stage.breaks("scayle", BILLING, "error", status=422, times=1)
    story = inspected(stage, stage.sold(SKU), return_fee=250)
    case = stage.case("REFUND_BY_HAND")
    data = {"reference": "BANK-1"}
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(minutes=6, step=3)
    return story


def systems_differ(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.sandbox.world.scayle.orders[order["id"]].billing_code = "billing_refunded"
    stage.passes(minutes=70, step=35)
    return Story(order, {})
