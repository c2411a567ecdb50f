"""The promise changes after the unit was checked: whoever is to get money instead gets it."""

from __future__ import annotations

import pytest

from finance.models import Refund
from tests.journeys import causes
from tests.journeys.causes import Story
from tests.journeys.exchanges import OTHER
from tests.story import Row, Stage

SKU = "JKT-NVY-M"


def paid_once(stage: Stage, order: Row, rma: Row) -> None:
    stage.passes(hours=2, step=10)
    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.rma_there(rma)["status"] == "Done"
    assert (stage.open_cases(), stage.owed()) == ([], [])


def is_checked(stage: Stage, story: Story) -> None:
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)


@pytest.mark.requirement("R058")
def test_sold_out_and_money_is_agreed_instead(stage: Stage) -> None:
    story = causes.exchange_no_stock(stage)
    is_checked(stage, story)
    stage.decide(stage.case("EXCHANGE_NO_STOCK"), "exchange_refuse", by=stage.carla)
    stage.passes(minutes=6, step=3)
    assert stage.open_cases() == ["RESOLUTION_BY_HAND"]
    stage.act("returngo", "change_wish", rma_id=story.rma["id"])
    paid_once(stage, story.order, story.rma)


@pytest.mark.requirement("R058")
def test_the_wish_is_changed_before_the_replacement_is_ended(stage: Stage) -> None:
    story = causes.exchange_no_stock(stage)
    is_checked(stage, story)
    case = stage.case("EXCHANGE_NO_STOCK")
    stage.act("returngo", "change_wish", rma_id=story.rma["id"])
    stage.passes(minutes=40, step=5)
    if "EXCHANGE_NO_STOCK" in stage.open_cases():
        stage.decide(case, "exchange_refuse", by=stage.carla)
    paid_once(stage, story.order, story.rma)


@pytest.mark.requirement("R058")
def test_its_order_is_cancelled_after_the_customer_chose_money(stage: Stage) -> None:
    """Nothing is paid on top of goods that may be on their way; once they are not, it is."""
    story = causes.exchange_changed_late(stage)
    stage.act("returngo", "change_wish", rma_id=story.rma["id"])
    is_checked(stage, story)
    stage.passes(minutes=30, step=5)
    assert not Refund.objects.exists()
    made = next(row for row in stage.books("scayle")["orders"] if row["imported"])
    stage.act("scayle", "cancel_order", order_id=made["id"])
    stage.settle()
    stage.decide(stage.case("EXCHANGE_ORDER_CANCELLED"), "exchange_refuse", by=stage.carla)
    paid_once(stage, story.order, story.rma)


@pytest.mark.requirement("R058")
def test_an_exchange_nobody_named_a_piece_for_becomes_money(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order, resolution="InstantVariantExchange")
    stage.warehouse_checks(rma)
    assert stage.open_cases() == ["RESOLUTION_BY_HAND"]
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    paid_once(stage, order, rma)


@pytest.mark.requirement("R058")
def test_a_piece_for_the_whole_return_is_sold_out_and_money_is_agreed_instead(
    stage: Stage,
) -> None:
    stage.act("scayle", "change_stock", sku=OTHER, quantity=0)
    order = stage.sold(SKU)
    rma = stage.comes_back(order, resolution="InstantVariantExchange", exchange_sku=OTHER)
    stage.warehouse_checks(rma)
    stage.decide(stage.case("EXCHANGE_NO_STOCK"), "exchange_refuse", by=stage.carla)
    stage.passes(minutes=6, step=3)
    assert stage.open_cases() == ["RESOLUTION_BY_HAND"]
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    paid_once(stage, order, rma)


@pytest.mark.requirement("R058")
def test_money_is_agreed_before_the_piece_for_the_whole_return_is_ended(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order, resolution="InstantVariantExchange", exchange_sku=OTHER)
    stage.warehouse_checks(rma)
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    stage.passes(minutes=12, step=4)
    (made,) = [row for row in stage.books("scayle")["orders"] if row["imported"]]
    stage.act("scayle", "cancel_order", order_id=made["id"])
    stage.settle()
    stage.decide(stage.case("EXCHANGE_ORDER_CANCELLED"), "exchange_refuse", by=stage.carla)
    paid_once(stage, order, rma)


@pytest.mark.requirement("R058")
def test_it_becomes_money_and_is_marked_as_done_before_we_read_it_again(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order, resolution="InstantVariantExchange")
    stage.warehouse_checks(rma)
    assert stage.open_cases() == ["RESOLUTION_BY_HAND"]
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    paid_once(stage, order, rma)
