"""Causes in replacements."""

from __future__ import annotations

from tests.journeys.causing import ORDER, OTHER, SKU, Story
from tests.journeys.exchanges import FREE, ORDERS
from tests.story import Stage


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
    stage.breaks("scayle", ORDERS, "error", status=400)
    story = _exchanged(stage)
    stage.mended()
    return story


def exchange_still_reserved(stage: Stage) -> Story:
    """It could not be ordered, the customer took it back, and the shop keeps the piece."""
    stage.breaks("scayle", ORDERS, "error", status=400)
    stage.breaks("scayle", FREE, "error", status=400)
    story = _exchanged(stage)
    stage.act("returngo", "cancel", rma_id=story.rma["id"])
    stage.passes(minutes=12, step=2)
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


def exchange_payment_owed(stage: Stage) -> Story:
    """The difference was paid, the piece is sold out, and the customer takes the money."""
    stage.act("scayle", "change_stock", sku=OTHER, quantity=0)
    story = _exchanged(stage, exchange_price=99_900)
    stage.act("returngo", "pay_difference", rma_id=story.rma["id"])
    stage.passes(minutes=6, step=2)
    stage.act("returngo", "change_wish", rma_id=story.rma["id"])
    stage.passes(minutes=6, step=2)
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
