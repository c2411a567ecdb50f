"""How each kind of case comes about in the platforms. Used by ``test_every_case``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fulfilment.models import Location
from integrator.models import Connection, RateWindow
from tests.story import Row, Stage
from tests.wire import Death

SKU, OTHER = "JKT-NVY-M", "JKT-NVY-L"
RETURN_ITEMS = "POST /fulfillment/return-items"
STOCKS = "POST /variants/{variant}/stocks"
BILLING = "PATCH /shops/nb/countries/DE/orders/{order}/billing-status"
RMA = "GET /rma/{rma}"
RMA_DONE = "PUT /rma/{rma}/status"
ORDER = "GET /shops/nb/countries/DE/orders/{order}"
STATUSES = "PUT /shops/nb/countries/DE/orders/{order}/legacy-custom-data"
ORDERS = "GET /shops/nb/countries/DE/orders"


@dataclass
class Story:
    """What a cause leaves behind for the end of the story."""

    order: Row
    rma: Row


def _inspected(stage: Stage, order: Row, *units: int, **wish: object) -> Story:
    outcome = wish.pop("outcome", {})
    rma = stage.comes_back(order, *units, **wish)
    stage.warehouse_checks(rma, **outcome)  # type: ignore[arg-type]
    return Story(order, rma)


def job_failed(stage: Stage) -> Story:
    stage.breaks("scayle", ORDERS, "error", status=403)
    stage.passes(minutes=6, step=6)
    stage.mended()
    return Story({}, {})


def job_crashes(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.act("returngo", "request_return", order_id=order["id"])
    # Every reading of this return kills its worker, until one of them has done so three times.
    for _ in range(12):
        stage.dies_at("GET", f"/rma/{rma['id']}", after=False)
    for _ in range(12):
        try:
            stage.passes(minutes=3, step=1)
        except Death:
            stage.new_worker()
            stage.clock.shift(61)
        if "JOB_CRASHES" in stage.open_cases():
            break
    stage.wire.traps.clear()
    stage.settle()
    return Story(order, rma)


def job_late(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.breaks("returngo", RMA, "error", status=503)
    rma = stage.shopper_returns(order)
    stage.passes(minutes=14, step=2)
    stage.mended()
    return Story(order, rma)


def mapping_missing(stage: Stage) -> Story:
    return _inspected(stage, stage.sold(SKU), outcome={"location": "WH-9"})


def credentials_refused(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.breaks("returngo", "*", "error", status=401)
    rma = stage.shopper_returns(order)
    stage.mended()
    return Story(order, rma)


def write_switched_off(stage: Stage) -> Story:
    switch(stage, "off")
    return _inspected(stage, stage.sold(SKU))


def switch(stage: Stage, to: str) -> None:
    connection = stage.connection("returngo")
    settings = connection.settings | {"write_set_rma_status": to}
    Connection.objects.filter(pk=connection.pk).update(settings=settings)


def message_unknown(stage: Stage) -> Story:
    body = {"key": "new-1", "type": "order-teleported", "payload": {"id": 7}}
    assert stage.hears("scayle", body | {"occurredAt": stage.now().isoformat()}) == 200
    stage.settle()
    return Story({}, {})


def message_changed(stage: Stage) -> Story:
    stage.breaks("scayle", "order-delegated", "callback_same_id_other_body", times=1)
    return Story(stage.sold(SKU), {})


def row_not_read(stage: Stage) -> Story:
    """The first order of the list has no date any more: the others are found all the same."""
    first = stage.sold(SKU)
    stage.breaks("scayle", ORDERS, "missing_field", field="entities.updatedAt")
    stage.passes(minutes=6, step=6)
    return Story(first, {})


def order_does_not_add_up(stage: Stage) -> Story:
    stage.breaks("scayle", ORDER, "new_enum", field="payment.amount", value=1)
    order = stage.sold(SKU)
    stage.mended()
    return Story(order, {})


def bundle_unreadable(stage: Stage) -> Story:
    """The article is deleted before anybody asked whether it is a set."""
    order = stage.ships(stage.shop_sells(SKU))
    stage.act("scayle", "discontinue_sku", sku=SKU)
    stage.settle()
    return Story(order, {})


def bundle_price_fallback(stage: Stage) -> Story:
    stage.act("scayle", "price_sku", sku="HOD-GRY-M")
    return Story(stage.sold("SET-WEEKEND"), {})


def order_not_read(stage: Stage) -> Story:
    stage.breaks("scayle", ORDER, "error", status=422)
    order = stage.ships(stage.shop_sells(SKU))
    stage.settle()
    stage.mended()
    return Story(order, {})


def restock_failed(stage: Stage) -> Story:
    stage.breaks("scayle", STOCKS, "error", status=422)
    story = _inspected(stage, stage.sold(SKU))
    stage.mended()
    return story


def restock_in_doubt(stage: Stage) -> Story:
    """The answer is lost, and before we look somebody counts and types another figure."""
    stage.breaks("scayle", STOCKS, "drop_after", times=1)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.deliver()
    stage.work()
    stage.act("scayle", "change_stock", sku=SKU, quantity=50)
    stage.passes(minutes=6, step=3)
    return Story(order, rma)


def sku_discontinued(stage: Stage) -> Story:
    stage.sold("TEE-BLK-L")  # another article that is still sold
    order = stage.sold(SKU)
    stage.act("scayle", "block_sku", sku=SKU)
    return _inspected(stage, order)


def stock_authority_missing(stage: Stage) -> Story:
    Location.objects.update(authority=Location.Authority.SITOO)
    return _inspected(stage, stage.sold(SKU))


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
    return _inspected(stage, stage.sold(SKU), resolution="KeepAndDonate")


def validated_without_disposition(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    return Story(order, rma)


def not_in_parcel(stage: Stage) -> Story:
    return _inspected(stage, stage.sold(SKU), outcome={"returned": False})


def return_went_back(stage: Stage) -> Story:
    story = _inspected(stage, stage.sold(SKU))
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
    return _inspected(stage, stage.sold(SKU), resolution="InstantVariantExchange")


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
    return _inspected(stage, stage.sold(SKU))


def _exchanged(stage: Stage, **wish: object) -> Story:
    """A return that was approved, with another size wanted for its unit."""
    order = stage.sold(SKU)
    unit = {"item_id": order["items"][0]["id"], "exchange_sku": OTHER, **wish}
    rma = stage.shopper_returns(order, units=[unit])
    stage.approves(rma)
    return Story(order, rma)


def exchange_no_stock(stage: Stage) -> Story:
    stage.act("scayle", "change_stock", sku=OTHER, quantity=0)
    return _exchanged(stage)


def exchange_data_missing(stage: Stage) -> Story:
    stage.breaks("scayle", ORDER, "missing_field", field="address.shipping.street")
    story = _exchanged(stage)
    stage.mended()
    return story


def exchange_refused(stage: Stage) -> Story:
    stage.breaks("scayle", "POST /shops/nb/countries/DE/orders", "error", status=400)
    story = _exchanged(stage)
    stage.mended()
    return story


def exchange_location_missing(stage: Stage) -> Story:
    stage.configure(exchange_location=None)
    return _exchanged(stage)


def exchange_release_by_hand(stage: Stage) -> Story:
    return _exchanged(stage)


def exchange_unpaid(stage: Stage) -> Story:
    story = _exchanged(stage, exchange_price=99_900)
    stage.passes(hours=73, step=365)
    return story


def exchange_difference_owed(stage: Stage) -> Story:
    story = _exchanged(stage, exchange_price=100)
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)
    stage.passes(minutes=6, step=6)
    return story


def exchange_stalled(stage: Stage) -> Story:
    story = _exchanged(stage)
    stage.passes(minutes=40, step=5)
    return story


def exchange_changed_late(stage: Stage) -> Story:
    story = _exchanged(stage)
    stage.act("returngo", "change_wish", rma_id=story.rma["id"], exchange_sku="JKT-NVY-S")
    stage.passes(minutes=9, step=3)
    return story


def exchange_order_cancelled(stage: Stage) -> Story:
    story = _exchanged(stage)
    made = next(row for row in stage.books("scayle")["orders"] if row["imported"])
    stage.act("scayle", "cancel_order", order_id=made["id"])
    stage.settle()
    return story


def exchange_returned(stage: Stage) -> Story:
    """The replacement arrived, did not fit either, and came back for money."""
    story = _exchanged(stage)
    made = next(row for row in stage.books("scayle")["orders"] if row["imported"])
    case = stage.case("EXCHANGE_RELEASE_BY_HAND")
    stage.decide(case, "exchange_released", by=stage.omar, data={"reference": "WMS-1"})
    stage.act("scayle", "send_imported", order_id=made["id"])
    stage.settle()
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)
    story.rma = stage.comes_back(made)
    stage.warehouse_checks(story.rma)
    return story


def refund_refused(stage: Stage) -> Story:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    return _inspected(stage, stage.sold(SKU))


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
    return _inspected(stage, stage.sold(SKU))


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
    return _inspected(stage, stage.sold(SKU), return_fee=250)


def refund_more_than_paid(stage: Stage) -> Story:
    stage.breaks("scayle", ORDER, "new_enum", field="payment.amount", value=1)
    story = _inspected(stage, stage.sold(SKU))
    stage.mended()
    return story


def refund_executor_missing(stage: Stage) -> Story:
    stage.configure(refund_executor=None)
    return _inspected(stage, stage.sold(SKU))


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
    story = _inspected(stage, stage.sold(SKU), return_fee=250)
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


def oversell_risk(stage: Stage) -> Story:
    """The last unit is sold, and then turns out not to be fit for sale."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("scayle", "change_stock", sku=SKU, quantity=0)
    stage.warehouse_checks(rma)
    assert stage.sellable(SKU) == 1
    sold = stage.shop_sells(SKU)
    stage.settle()
    wish = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"], "restockable": False}
    stage.act("returngo", "correct_validation", **wish)
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    return Story(sold, rma)


def order_oversold(stage: Stage) -> Story:
    return oversell_risk(stage)


def status_not_posted(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.breaks("scayle", STATUSES, "error", status=422)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=12, step=4)
    stage.mended()
    return Story(order, rma)


def calls_run_low(stage: Stage) -> Story:
    order = stage.sold(SKU)
    connection = stage.connection("returngo")
    settings = connection.settings | {"daily_call_limit": 1000}
    Connection.objects.filter(pk=connection.pk).update(settings=settings)
    window = RateWindow.objects.filter(connection=connection, scope="day")
    window.update(limit=1000, remaining=300)
    stage.passes(minutes=2)
    return Story(order, {})


CAUSES: Mapping[str, Callable[[Stage], Story]] = {
    cause.__name__.upper(): cause
    for cause in (
        job_failed,
        job_crashes,
        job_late,
        mapping_missing,
        credentials_refused,
        write_switched_off,
        message_unknown,
        message_changed,
        row_not_read,
        order_does_not_add_up,
        bundle_unreadable,
        bundle_price_fallback,
        order_not_read,
        restock_failed,
        restock_in_doubt,
        sku_discontinued,
        stock_authority_missing,
        return_not_read,
        return_order_unknown,
        unit_not_bought,
        unit_not_shipped,
        unit_returned_twice,
        ambiguous_unit_price,
        wrong_customer,
        sot_violation,
        refund_mode_unknown,
        validated_without_disposition,
        not_in_parcel,
        return_went_back,
        cancelled_with_goods,
        resolution_by_hand,
        exchange_no_stock,
        exchange_data_missing,
        exchange_refused,
        exchange_location_missing,
        exchange_release_by_hand,
        exchange_unpaid,
        exchange_difference_owed,
        exchange_stalled,
        exchange_changed_late,
        exchange_order_cancelled,
        exchange_returned,
        return_not_answered,
        return_not_sent,
        return_not_arrived,
        return_not_checked,
        return_not_finished,
        complete_failed,
        refund_refused,
        refund_in_doubt,
        refund_failed,
        refund_not_recorded,
        refund_by_hand,
        refund_more_than_paid,
        refund_executor_missing,
        refunded_past_us,
        paid_in_shop,
        goodwill,
        goodwill_over_limit,
        correction_after_refund,
        refund_not_mirrored,
        systems_differ,
        status_not_posted,
        calls_run_low,
        oversell_risk,
        order_oversold,
    )
}
