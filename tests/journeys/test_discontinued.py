"""An article that is not sold any more comes back: paid, parked, counted, decided (R066)."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from fulfilment.models import Order, OrderItem, StockMovement
from tests.journeys.causing import SKU, STOCKS
from tests.story import Row, Stage


def off_sale(stage: Stage) -> str:
    browser = Client()
    browser.force_login(stage.omar)
    return " ".join(strip_tags(browser.get(reverse("off_sale")).content.decode()).split())


def comes_back_too_late(stage: Stage, act: str) -> tuple[Row, Row]:
    stage.sold("TEE-BLK-L")  # another article that is still sold
    order = stage.sold(SKU)
    stage.act("scayle", act, sku=SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    return order, rma


@pytest.mark.requirement("R066")
@pytest.mark.parametrize("act", ["discontinue_sku", "block_sku"])
def test_it_is_paid_and_done_and_stays_among_the_units_nobody_can_buy(
    stage: Stage, act: str
) -> None:
    order, rma = comes_back_too_late(stage, act)

    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.case("SKU_DISCONTINUED").facts["quantity"] == 1
    assert not [one for one in stage.calls("POST") if "/stocks" in one]
    assert "nobody can buy them: 1 unit" in off_sale(stage)


@pytest.mark.requirement("R066")
def test_counted_as_another_article_it_is_sold_again_once(stage: Stage) -> None:
    comes_back_too_late(stage, "block_sku")
    before = stage.sellable("TEE-BLK-L")
    case = stage.case("SKU_DISCONTINUED")
    browser = Client()
    browser.force_login(stage.omar)
    page = browser.get(f"/cases/{case.pk}/?do=count_as").content.decode()
    preview = " ".join(strip_tags(page[page.index("What will happen") :]).split())
    assert "Read how many of that article are on sale" in preview
    assert "Add the unit to that number" in preview, "SCAYLE's stock is written"
    with pytest.raises(PermissionDenied):
        stage.decide(case, "count_as", by=stage.carla, data={"sku": "TEE-BLK-L"})

    stage.decide(case, "count_as", by=stage.omar, second=stage.conrad, data={"sku": "TEE-BLK-L"})
    stage.passes(minutes=4, step=2)

    assert stage.sellable("TEE-BLK-L") == before + 1
    ways = StockMovement.objects.order_by("id").values_list("sku__code", "from_bucket", "to_bucket")
    assert (
        sorted(ways)[-4:]
        == sorted(
            [
                (SKU, "OUTSIDE", "IN_TRANSIT"),
                (SKU, "RECEIVED", "OUTSIDE"),
                ("TEE-BLK-L", "OUTSIDE", "RECEIVED"),
                ("TEE-BLK-L", "RECEIVED", "SELLABLE"),
                (SKU, "IN_TRANSIT", "RECEIVED"),
            ]
        )[-4:]
    )
    assert "0 units" in off_sale(stage)
    assert (stage.open_cases(), stage.owed()) == ([], [])
    assert "\n0 differences" in stage.compare()


@pytest.mark.requirement("R066")
@pytest.mark.parametrize("taken_back", [False, True])
def test_another_article_is_looked_up_in_the_shop_the_unit_came_from(
    stage: Stage, taken_back: bool
) -> None:
    """Another shop of the retailer sold that article last, and knows it by another number."""
    before = stage.sellable("TEE-BLK-L")
    _, rma = comes_back_too_late(stage, "block_sku")
    if taken_back:
        counts_as(stage, "TEE-BLK-L")
    elsewhere = stage.connection("scayle")
    elsewhere.pk, elsewhere.slug, elsewhere.base_url = None, "elsewhere", "https://shop.example"
    elsewhere._state.adding, elsewhere.callback_token_hash = True, "f" * 64
    elsewhere.save()
    units = OrderItem.objects.filter(order=stage.order(stage.sold("TEE-BLK-L")))
    Order.objects.filter(items__in=units).update(connection=elsewhere)
    units.update(variant_id="999", product_id="999")

    if taken_back:
        wish = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"], "restockable": False}
        stage.act("returngo", "correct_validation", **wish)
        stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
        stage.act("returngo", "done", rma_id=rma["id"])
        stage.settle()
        stage.passes(minutes=6, step=6)
    else:
        counts_as(stage, "TEE-BLK-L")

    sold = 2  # one in each shop
    assert stage.sellable("TEE-BLK-L") == before - sold + (0 if taken_back else 1)
    assert not [one for one in stage.calls() if "/999" in one]


def counts_as(stage: Stage, sku: str) -> None:
    case = stage.case("SKU_DISCONTINUED")
    stage.decide(case, "count_as", by=stage.omar, second=stage.conrad, data={"sku": sku})
    stage.passes(minutes=4, step=2)


@pytest.mark.requirement("R066")
def test_only_two_people_write_a_unit_off(stage: Stage) -> None:
    comes_back_too_late(stage, "block_sku")
    stage.decide(
        stage.case("SKU_DISCONTINUED"), "write_off_unit", by=stage.omar, second=stage.conrad
    )
    stage.passes(minutes=4, step=2)

    gone = StockMovement.objects.get(to_bucket="WRITTEN_OFF")
    assert gone.approval_id is not None
    assert "0 units" in off_sale(stage)
    gone.pk, gone.key, gone.approval_id, gone.return_item_id = None, "forged", None, 999_999
    gone.from_bucket = "OUTSIDE"
    with (
        pytest.raises(DatabaseError, match="movement_written_off_needs_approval"),
        transaction.atomic(),
    ):
        gone.save(force_insert=True)


def test_the_warehouse_overrules_what_was_decided_here(stage: Stage) -> None:
    """It was set aside here; later the article is sold again and the warehouse looks once more."""
    _, rma = comes_back_too_late(stage, "block_sku")
    stage.decide(
        stage.case("SKU_DISCONTINUED"),
        "quarantine_unit",
        by=stage.omar,
        data={"location": "hamburg"},
    )
    stage.passes(minutes=4, step=2)
    assert stage.movements(rma)[-1] == "RECEIVED>QUARANTINE"

    found = stage.sandbox.world.catalogue.by_sku(SKU)
    assert found is not None
    found[0].state = "live"
    wish = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"]}
    stage.act("returngo", "correct_validation", **wish)
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    stage.passes(minutes=6, step=6)

    assert stage.movements(rma)[-2:] == ["QUARANTINE>RECEIVED", "RECEIVED>SELLABLE"]
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]


@pytest.mark.requirement("R009")
def test_an_article_deleted_while_we_were_not_sure_is_named_as_that(stage: Stage) -> None:
    """Nobody can look up any more what became of the figure; the shop's refusal is clear enough."""
    order = stage.sold("JKT-NVY-M")
    rma = stage.comes_back(order)
    stage.breaks("scayle", STOCKS, "drop_after", times=1)
    stage.checks_only(rma, 0, restockable=True)
    stage.deliver()
    stage.passes(minutes=1)
    for endpoint in (STOCKS, STOCKS.replace("POST", "GET")):
        stage.breaks("scayle", endpoint, "error", status=404)
    stage.passes(minutes=30, step=2)

    assert "RESTOCK_FAILED" in stage.open_cases()
    assert "RESTOCK_IN_DOUBT" not in stage.open_cases()
