"""Somebody paid in the shop, past us: finance is asked what it paid, and nothing is paid twice."""

from __future__ import annotations

import pytest

from finance.models import Refund
from integrator.models import Case
from tests.journeys.causing import RETURN_ITEMS, SKU
from tests.story import Stage


@pytest.mark.requirement("R058")
def test_what_somebody_paid_in_the_shop_by_hand_is_not_paid_again(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.warehouse_checks(rma)

    assert RETURN_ITEMS not in stage.calls()
    assert stage.open_cases() == ["REFUNDED_PAST_US"]
    stage.decide(
        stage.case("REFUNDED_PAST_US"),
        "paid_by_hand",
        by=stage.fiona,
        second=stage.conrad,
        data={"reference": "PANEL-77"},
    )
    stage.passes(minutes=3)

    assert [row["by"] for row in stage.refunds_there(order)] == ["hand"]
    refund = Refund.objects.get()
    assert (refund.executor, refund.status, refund.reference) == ("manual", "RECORDED", "PANEL-77")
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def test_a_document_of_a_kind_nobody_knows_may_be_a_payment_and_is_asked_about(
    stage: Stage,
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.sandbox.world.scayle.orders[order["id"]].invoices[-1].type = "credit_memo"
    stage.warehouse_checks(rma)

    assert RETURN_ITEMS not in stage.calls()
    assert stage.open_cases() == ["REFUNDED_PAST_US"]


def test_a_correction_for_something_else_does_not_stop_a_refund_for_ever(stage: Stage) -> None:
    order = stage.sold(SKU, "TEE-BLK-L")
    first = stage.comes_back(order, 0)
    stage.act("scayle", "refund_by_hand", order_id=order["id"], amount=100)
    stage.warehouse_checks(first)
    case = stage.case("REFUNDED_PAST_US")
    stage.decide(case, "pay_anyway", by=stage.fiona)  # asked, and nobody has agreed
    assert [row["by"] for row in stage.refunds_there(order)] == ["hand"]
    stage.decide(case, "pay_anyway", by=stage.fiona, second=stage.conrad)
    stage.passes(minutes=5)

    assert [row["by"] for row in stage.refunds_there(order)] == ["hand", "return-items"]
    # What was it for, then? Until somebody says so it stays a question of its own.
    assert stage.open_cases() == ["PAID_IN_SHOP"]
    # What it was not for is known of this return only: the next one is asked about it anew.
    stage.warehouse_checks(stage.comes_back(order, 1))
    assert stage.open_cases() == ["REFUNDED_PAST_US"]
    assert len(stage.refunds_there(order)) == 2


@pytest.mark.requirement("R058")
def test_a_correction_that_was_for_another_return_is_not_paid_again(stage: Stage) -> None:
    order = stage.sold(SKU, "TEE-BLK-L")
    first, second = stage.comes_back(order, 0), stage.comes_back(order, 1)
    unit = order["items"][1]["id"]
    stage.act("scayle", "refund_by_hand", order_id=order["id"], item_ids=[unit])
    stage.warehouse_checks(first)
    case = stage.case("REFUNDED_PAST_US")
    stage.decide(case, "pay_anyway", by=stage.fiona, second=stage.conrad)
    stage.passes(minutes=5)
    stage.warehouse_checks(second)

    assert [row["item_ids"] for row in stage.refunds_there(order)].count([unit]) == 1
    assert stage.open_cases() == ["REFUNDED_PAST_US"]


@pytest.mark.requirement("R058")
def test_one_payment_in_the_panel_may_have_paid_the_next_unit_too(stage: Stage) -> None:
    """Its correction shows no amount: that it paid the first unit does not say it was all."""
    order = stage.sold(SKU, "TEE-BLK-L")
    rma = stage.comes_back(order)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    told = {"reference": "PANEL-11"}
    for place in (0, 1):
        stage.warehouse_checks(rma, place)
        case = stage.case("REFUNDED_PAST_US")
        stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=told)
        stage.passes(minutes=6, step=3)

    assert [row["by"] for row in stage.refunds_there(order)] == ["hand"]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def test_a_refund_in_the_shop_without_any_return_is_found_once(stage: Stage) -> None:
    """Reading the order finds it; the comparison does not ask the same question again."""
    order = stage.sold(SKU)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.passes(minutes=70, step=10)

    assert stage.open_cases() == ["PAID_IN_SHOP"]


@pytest.mark.requirement("R058")
def test_a_payment_in_the_panel_is_asked_about_for_each_unit_on_its_own(stage: Stage) -> None:
    """One return, two units checked on different days; somebody paid the second in the panel."""
    order = stage.sold(SKU, "TEE-BLK-L")
    rma = stage.comes_back(order)
    jacket, tee = (item["id"] for item in order["items"])
    stage.act("scayle", "refund_by_hand", order_id=order["id"], item_ids=[tee])
    stage.warehouse_checks(rma, 0)
    first = stage.case("REFUNDED_PAST_US")
    assert first.money_minor == order["items"][0]["paid"]
    stage.warehouse_checks(rma, 1)
    second = Case.objects.exclude(pk=first.pk).get(kind="REFUNDED_PAST_US")
    assert second.money_minor == order["items"][1]["paid"]

    stage.decide(first, "pay_anyway", by=stage.fiona, second=stage.conrad)
    stage.passes(minutes=6, step=3)
    told = {"reference": "PANEL-9"}
    stage.decide(second, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=told)
    stage.passes(minutes=6, step=3)

    rows = [(row["by"], row["item_ids"]) for row in stage.refunds_there(order)]
    assert rows == [("hand", [tee]), ("return-items", [jacket])]
    assert [stage.unit(rma, place).money for place in (0, 1)] == ["RECORDED", "RECORDED"]
    assert stage.rma_there(rma)["status"] == "Done"
