"""Replacements that do not move are told before the customer notices (R032)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.core import mail

from integrator.flows.watch_exchanges import after_working_days
from tests.journeys.exchanges import SKU, approved, exchange, leaves, orders_there, released, wants
from tests.story import Stage

pytestmark = pytest.mark.requirement("R032")


def test_nobody_told_the_warehouse_for_half_an_hour(stage: Stage) -> None:
    approved(stage, stage.sold(SKU))
    stage.passes(minutes=25, step=5)
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]

    stage.passes(minutes=10, step=5)
    case = stage.case("EXCHANGE_STALLED")
    assert (case.owner, case.facts["why"]) == ("CX", "the warehouse was not told")
    assert any("does not move" in one.subject for one in mail.outbox)
    released(stage)
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == []


def test_operations_are_told_when_customer_service_does_not_act(stage: Stage) -> None:
    approved(stage, stage.sold(SKU))
    stage.passes(minutes=35, step=5)
    stage.passes(hours=2, minutes=5, step=25)

    told = [one.subject for one in mail.outbox if "Overdue" in one.subject]
    assert any(one.startswith("[Operations]") and "does not move" in one for one in told)


def test_an_order_that_cannot_be_made_counts_as_well(stage: Stage) -> None:
    stage.act("scayle", "change_stock", sku="JKT-NVY-L", quantity=0)
    approved(stage, stage.sold(SKU))
    stage.passes(minutes=35, step=5)

    assert stage.open_cases() == ["EXCHANGE_NO_STOCK", "EXCHANGE_STALLED"]


def test_a_shop_that_does_not_answer_counts_as_well(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.breaks("scayle", "*", "error", status=503)
    approved(stage, order)
    stage.passes(minutes=40, step=5)

    assert "EXCHANGE_STALLED" in stage.open_cases()
    assert orders_there(stage) == []


def test_no_parcel_after_two_working_days(stage: Stage) -> None:
    """Released on a Monday: told on Wednesday, and closed by the parcel itself."""
    rma = approved(stage, stage.sold(SKU))
    released(stage)
    stage.passes(hours=47, step=235)
    assert stage.open_cases() == []

    stage.passes(hours=2, step=30)
    assert stage.case("EXCHANGE_STALLED").facts["why"] == "no parcel after 2 working days"
    (made,) = orders_there(stage)
    stage.act("scayle", "send_imported", order_id=made["id"])
    stage.passes(minutes=6, step=6)
    assert exchange(rma).status == "SHIPPED"
    assert stage.open_cases() == []


@pytest.mark.parametrize(
    ("day", "days", "until"),
    [(2, 2, 4), (5, 2, 9), (6, 2, 10), (7, 2, 10), (8, 1, 9)],
    ids=["Monday", "Thursday", "Friday", "Saturday", "Sunday"],
)
def test_working_days_leave_the_weekend_out(day: int, days: int, until: int) -> None:
    at = datetime(2026, 3, day, 15, 0, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))

    assert after_working_days(at, days).day == until


def test_a_draft_that_nothing_becomes_of_is_told(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    stage.act("returngo", "draft_only", rma_id=rma["id"])
    stage.passes(minutes=12, step=6)
    stage.passes(hours=23, step=230)
    assert stage.open_cases() == []

    stage.passes(hours=2, step=30)
    case = stage.case("EXCHANGE_STALLED")
    assert case.record_kind == "return"
    assert "drafted" in case.facts["why"]
    stage.sandbox.world.returngo.rmas[rma["id"]].exchange_orders.clear()
    stage.passes(minutes=12, step=3)
    assert stage.open_cases() == []


def test_a_draft_whose_replacement_we_ordered_is_no_draft_that_hangs(stage: Stage) -> None:
    rma = approved(stage, stage.sold(SKU))
    leaves(stage)
    stage.passes(hours=26, step=260)

    assert stage.rma_there(rma)["exchange_orders"][0]["orderId"] == ""
    assert stage.open_cases() == []


def test_a_payment_that_is_missing_is_no_stall(stage: Stage) -> None:
    order = stage.sold(SKU)
    price = order["items"][0]["paid"] + 2500
    rma = stage.shopper_returns(order, **wants(order, exchange_price=price))
    stage.approves(rma)
    stage.passes(hours=3, step=30)
    assert stage.open_cases() == []

    stage.act("returngo", "pay_difference", rma_id=rma["id"])
    stage.passes(minutes=10, step=5)
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]
    stage.passes(minutes=40, step=5)
    assert "EXCHANGE_STALLED" in stage.open_cases()
