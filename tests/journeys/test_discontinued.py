"""An article that is not sold any more comes back: paid, parked, counted, decided (R066)."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from fulfilment.models import Order, OrderItem, StockMovement
from integrator.models import Case
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
        looks_again(stage, rma, restockable=False)
    else:
        counts_as(stage, "TEE-BLK-L")

    sold = 2  # one in each shop
    assert stage.sellable("TEE-BLK-L") == before - sold + (0 if taken_back else 1)
    assert not [one for one in stage.calls() if "/999" in one]


def counts_as(stage: Stage, sku: str) -> None:
    case = stage.case("SKU_DISCONTINUED")
    stage.decide(case, "count_as", by=stage.omar, second=stage.conrad, data={"sku": sku})
    stage.passes(minutes=4, step=2)


def set_without_a_black_one(stage: Stage) -> Row:
    """A set of two white tees and a black one comes back; the black one is not sold any more."""
    stage.sold("HOD-GRY-M")
    order = stage.sold("SET-TEES")
    stage.act("scayle", "block_sku", sku="TEE-BLK-L")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    return rma


def places(stage: Stage, rma: Row) -> dict[str, tuple[int, str]]:
    """How many of each article the unit is counted as, and where."""
    rows = StockMovement.objects.filter(return_item_id=stage.unit(rma).pk).order_by("id")
    last = rows.values_list("sku__code", "quantity", "to_bucket")
    return {code: (quantity, bucket) for code, quantity, bucket in last}


@pytest.mark.requirement("R066")
@pytest.mark.parametrize(
    ("button", "data", "black", "then"),
    [
        ("count_as", {"sku": "HOD-GRY-M"}, "OUTSIDE", {"HOD-GRY-M": (1, "SELLABLE")}),
        ("write_off_unit", {}, "WRITTEN_OFF", {}),
        ("quarantine_unit", {"location": "hamburg"}, "QUARANTINE", {}),
    ],
)
def test_a_decision_on_one_piece_of_a_set_leaves_the_rest_on_sale(
    stage: Stage, button: str, data: dict[str, str], black: str, then: dict[str, tuple[int, str]]
) -> None:
    rma = set_without_a_black_one(stage)
    before = stage.sellable("TEE-WHT-M"), stage.sellable("HOD-GRY-M")
    posts = len([one for one in stage.calls("POST") if "/stocks" in one])
    case = stage.case("SKU_DISCONTINUED")
    assert (case.facts["sku"], case.facts["quantity"]) == ("TEE-BLK-L", 1)
    browser = Client()
    browser.force_login(stage.omar)
    page = browser.get(f"/cases/{case.pk}/?do={button}").content.decode()
    preview = " ".join(strip_tags(page[page.index("What will happen") :]).split())
    assert "on 1 × TEE-BLK-L, not on the rest of the set" in preview
    assert "TEE-BLK-L is counted as" in preview
    assert ("becomes Another article" in preview) is (button == "count_as")
    assert "With the customer" not in preview
    assert "TEE-WHT-M" not in preview

    stage.decide(case, button, by=stage.omar, second=stage.conrad, data=data)
    stage.passes(minutes=4, step=2)

    white = {"TEE-WHT-M": (2, "SELLABLE")}
    assert places(stage, rma) == white | {"TEE-BLK-L": (1, black)} | then
    added = len(then)
    assert (stage.sellable("TEE-WHT-M"), stage.sellable("HOD-GRY-M")) == (
        before[0],
        before[1] + added,
    )
    assert len([one for one in stage.calls("POST") if "/stocks" in one]) == posts + added
    assert "0 units" in off_sale(stage)
    assert (stage.open_cases(), stage.owed()) == ([], [])
    assert "\n0 differences" in stage.compare()


@pytest.mark.requirement("R066")
def test_each_piece_of_a_set_is_decided_by_itself(stage: Stage) -> None:
    stage.sold("HOD-GRY-M")
    order = stage.sold("SET-TEES")
    for sku in ("TEE-BLK-L", "TEE-WHT-M"):
        stage.act("scayle", "block_sku", sku=sku)
    before = stage.sellable("HOD-GRY-M")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    cases = {case.facts["sku"]: case for case in Case.objects.filter(kind="SKU_DISCONTINUED")}
    assert cases["TEE-WHT-M"].facts["quantity"] == 2

    stage.decide(cases["TEE-BLK-L"], "write_off_unit", by=stage.omar, second=stage.conrad)
    stage.passes(minutes=4, step=2)
    assert [case.facts["sku"] for case in [stage.case("SKU_DISCONTINUED")]] == ["TEE-WHT-M"]
    data = {"sku": "HOD-GRY-M"}
    stage.decide(cases["TEE-WHT-M"], "count_as", by=stage.omar, second=stage.conrad, data=data)
    stage.passes(minutes=4, step=2)

    assert places(stage, rma) == {
        "TEE-WHT-M": (2, "OUTSIDE"),
        "TEE-BLK-L": (1, "WRITTEN_OFF"),
        "HOD-GRY-M": (2, "SELLABLE"),
    }
    assert stage.sellable("HOD-GRY-M") == before + 2
    assert (stage.open_cases(), stage.owed()) == ([], [])
    assert "\n0 differences" in stage.compare()


@pytest.mark.requirement("R066")
def test_a_piece_is_not_counted_as_what_else_is_in_its_set(stage: Stage) -> None:
    """Two pieces of one unit that are one article could not be told apart any more."""
    rma = set_without_a_black_one(stage)
    before = stage.sellable("TEE-WHT-M")
    counts_as(stage, "TEE-WHT-M")

    assert stage.sellable("TEE-WHT-M") == before
    assert places(stage, rma)["TEE-BLK-L"] == (1, "RECEIVED")
    assert "SKU_DISCONTINUED" in stage.open_cases()


def test_the_warehouse_overrules_what_was_decided_on_a_piece(stage: Stage) -> None:
    rma = set_without_a_black_one(stage)
    data = {"location": "hamburg"}
    stage.decide(stage.case("SKU_DISCONTINUED"), "quarantine_unit", by=stage.omar, data=data)
    stage.passes(minutes=4, step=2)
    found = stage.sandbox.world.catalogue.by_sku("TEE-BLK-L")
    assert found is not None
    found[0].state = "live"
    looks_again(stage, rma)

    assert places(stage, rma) == {"TEE-WHT-M": (2, "SELLABLE"), "TEE-BLK-L": (1, "SELLABLE")}
    looks_again(stage, rma, restockable=False)
    assert places(stage, rma) == {"TEE-WHT-M": (2, "QUARANTINE"), "TEE-BLK-L": (1, "QUARANTINE")}


def looks_again(stage: Stage, rma: Row, **outcome: bool) -> None:
    """The warehouse judges the unit once more, of a return that was done."""
    item = rma["items"][0]["id"]
    stage.act("returngo", "correct_validation", rma_id=rma["id"], item_id=item, **outcome)
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    stage.passes(minutes=6, step=6)


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
    looks_again(stage, rma)

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
