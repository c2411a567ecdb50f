"""Causes in orders, bundles and stock."""

from __future__ import annotations

from fulfilment.models import Location
from tests.journeys.causing import ORDER, SKU, STOCKS, Story, inspected
from tests.story import Stage


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
    story = inspected(stage, stage.sold(SKU))
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
    return inspected(stage, order)


def stock_authority_missing(stage: Stage) -> Story:
    Location.objects.update(authority=Location.Authority.SITOO)
    return inspected(stage, stage.sold(SKU))


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
