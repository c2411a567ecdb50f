"""The return changes between the moment its refund is owed and the moment money is sent.

None of these changes makes a callback. Whatever is known right before the money counts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from finance.models import Refund
from tests.story import Row, Stage

SKU = "JKT-NVY-M"
OTHER = "TEE-BLK-L"
RETURN_ITEMS = "POST /fulfillment/return-items"
INVOICES = "GET /shops/{shop}/countries/{country}/orders/{id}/invoices"
BUSY: dict[str, Any] = {"fault": "error", "status": 429, "times": 1}


def corrected(stage: Stage, rma: Row, place: int = 0, **finding: Any) -> None:
    item = rma["items"][place]["id"]
    stage.act("returngo", "correct_validation", rma_id=rma["id"], item_id=item, **finding)


def missing(stage: Stage, rma: Row) -> None:
    corrected(stage, rma, returned=False, reason="Not in the parcel")


def cancelled(stage: Stage, rma: Row) -> None:
    stage.act("returngo", "cancel", rma_id=rma["id"])


def a_fee_is_taken(stage: Stage, rma: Row) -> None:
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].return_fee = 250


def dropped(stage: Stage, rma: Row) -> None:
    stage.act("returngo", "drop_item", rma_id=rma["id"], item_id=rma["items"][0]["id"])


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (missing, ["NOT_IN_PARCEL"]),
        (cancelled, ["CANCELLED_WITH_GOODS"]),
        (dropped, ["CANCELLED_WITH_GOODS"]),
        (a_fee_is_taken, ["REFUND_BY_HAND"]),
    ],
)
@pytest.mark.parametrize("held_up_at", [RETURN_ITEMS, INVOICES], ids=["reserved", "not reserved"])
@pytest.mark.requirement("R058")
def test_what_is_not_owed_any_more_is_not_sent(
    stage: Stage, change: Any, left: list[str], held_up_at: str
) -> None:
    """The shop is busy at first: meanwhile the return changes, and nobody has read it again."""
    stage.breaks("scayle", held_up_at, retry_after=30, **BUSY)
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order, 0)
    stage.checks_only(rma)
    stage.passes(minutes=5, step=5)
    for _ in range(9):
        if any("429" in one for one in stage.owed()):
            break
        stage.passes(seconds=30, step=0.5)
    assert any(one.startswith("refund: WAITING") for one in stage.owed()), stage.owed()
    change(stage, rma)
    stage.passes(minutes=20, step=0.5)

    assert stage.refunds_there(order) == []
    assert stage.open_cases() == left
    waiting = [one for one in Refund.objects.all() if one.status != "REFUSED"]
    owed = order["items"][0]["paid"] - 250 if change is a_fee_is_taken else 0
    assert sum(one.calculated_minor for one in waiting) == owed
    assert stage.order(order).refunded_minor == owed
    said = [one["htmlText"] for one in stage.rma_there(rma)["comments"]]
    assert not any("could not be paid" in one for one in said)  # no payer has failed


def test_one_of_two_that_turns_out_to_be_missing_leaves_the_other_its_money(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, retry_after=1500, **BUSY)
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    assert Refund.objects.get().status == "AUTHORISED"
    missing(stage, rma)
    stage.passes(minutes=40, step=4)

    (paid,) = stage.refunds_there(order)
    assert (paid["item_ids"], paid["executed"]) == ([order["items"][1]["id"]], True)
    assert stage.order(order).refunded_minor == order["items"][1]["paid"]
    assert stage.open_cases() == ["NOT_IN_PARCEL"]


def test_a_cancelled_return_that_is_opened_again_is_paid_once(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, retry_after=1500, **BUSY)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    cancelled(stage, rma)
    stage.passes(minutes=40, step=4)
    assert stage.refunds_there(order) == []
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.passes(minutes=40, step=4)

    assert len(stage.refunds_there(order)) == 1
    assert stage.rma_there(rma)["status"] in ("Done", "Received", "Validated")
    assert stage.unit(rma).money == "RECORDED"


def test_what_a_person_has_overruled_is_no_news_by_a_clock_that_is_ahead(stage: Stage) -> None:
    """The inspector's date lies in the future. The unit set aside must not go on sale by it."""
    stage.sold(OTHER)
    order = stage.sold(SKU)
    stage.act("scayle", "block_sku", sku=SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].validation.at += timedelta(hours=2)
    stage.passes(minutes=12, step=6)
    case = stage.case("SKU_DISCONTINUED")
    stage.decide(case, "quarantine_unit", by=stage.omar, data={"location": "hamburg"})
    stage.act("returngo", "tamper", rma_id=rma["id"], amount=1)  # another version of the return
    stage.passes(minutes=40, step=4)
    assert stage.movements(rma)[-1] == "RECEIVED>QUARANTINE"

    stage.clock.shift(3 * 3600)
    corrected(stage, rma, restockable=False, location="online")  # a new look is news
    stage.passes(minutes=40, step=4)
    assert stage.unit(rma).inspections.count() == 3


# --- what a person is asked to pay ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (missing, ["NOT_IN_PARCEL"]),
        (cancelled, ["CANCELLED_WITH_GOODS"]),
        (dropped, ["CANCELLED_WITH_GOODS"]),
        (a_fee_is_taken, ["REFUND_BY_HAND"]),
    ],
)
@pytest.mark.requirement("R058")
def test_finance_is_not_asked_to_pay_what_is_not_owed_any_more(
    stage: Stage, change: Any, left: list[str]
) -> None:
    stage.configure(refund_executor="manual", refund_executor_otherwise="manual")
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order, 0)
    stage.warehouse_checks(rma)
    assert stage.open_cases() == ["REFUND_BY_HAND"]
    change(stage, rma)
    stage.passes(minutes=40, step=4)

    owed = order["items"][0]["paid"] - 250 if change is a_fee_is_taken else 0
    assert stage.open_cases() == left
    assert stage.order(order).refunded_minor == owed
    if owed:
        assert stage.case("REFUND_BY_HAND").money_minor == owed
    assert stage.owed() == []


@pytest.mark.parametrize("change", [missing, a_fee_is_taken])
@pytest.mark.requirement("R058")
def test_what_was_paid_by_hand_at_that_very_moment_is_recorded_and_asked_about(
    stage: Stage, change: Any
) -> None:
    """Two people have decided, and it is held for half a minute when the change is heard."""
    stage.configure(refund_executor="manual", refund_executor_otherwise="manual")
    order = stage.sold(SKU, OTHER)
    price = order["items"][0]["paid"]
    rma = stage.comes_back(order, 0)
    stage.warehouse_checks(rma)
    case = stage.case("REFUND_BY_HAND")
    stage.passes(minutes=6, step=6)
    stage.presses(case, "paid_by_hand", by=stage.fiona, reference="BANK-1")
    stage.agrees(case, by=stage.conrad)
    change(stage, rma)
    stage.posts(stage.carla, "return_read", stage.returned(rma).pk)
    for _ in range(4):
        stage.clock.shift(4)
        stage.tick_and_work()
    assert "REFUSED" in Refund.objects.values_list("status", flat=True)
    stage.passes(minutes=20, step=1)

    (paid,) = Refund.objects.exclude(status="REFUSED")
    assert (paid.status, paid.executed_minor, paid.reference) == ("RECORDED", price, "BANK-1")
    case = stage.case("CORRECTION_AFTER_REFUND")
    assert case.money_minor == (250 if change is a_fee_is_taken else price)
    assert "JOB_FAILED" not in stage.open_cases()


@pytest.mark.requirement("R058")
def test_the_returns_platform_pays_while_a_payment_by_hand_is_held(stage: Stage) -> None:
    stage.configure(refund_executor="manual")
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    case = stage.case("REFUND_BY_HAND")
    stage.presses(case, "paid_by_hand", by=stage.fiona, reference="BANK-1")
    stage.agrees(case, by=stage.conrad)
    (asked,) = stage.transactions_there(rma)
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.deliver()
    stage.tick_and_work()
    stage.passes(minutes=12, step=1)
    assert stage.open_cases() == ["CORRECTION_AFTER_REFUND"]
    case = stage.case("CORRECTION_AFTER_REFUND")
    assert case.money_minor == order["items"][0]["paid"]
    assert "BANK-1" in case.facts["why"]
