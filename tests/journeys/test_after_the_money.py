"""Money has moved, and then something is known that says another amount, or that the shop missed.

Nothing is ever taken back by itself: finance sees the difference and settles it; the shop is told
of what was paid past it.
"""

from __future__ import annotations

from typing import Any

import pytest

from finance.models import LedgerEntry, Refund
from integrator.models import Approval
from tests.story import Row, Stage

SKU = "JKT-NVY-M"
OTHER = "TEE-BLK-L"
RETURN_ITEMS = "POST /fulfillment/return-items"
FEE = 250


def balance(account: str) -> int:
    total = 0
    for one in LedgerEntry.objects.all():
        total += one.amount_minor * (one.to_account == account)
        total -= one.amount_minor * (one.from_account == account)
    return total


def half_done(stage: Stage) -> tuple[Row, Row]:
    """Of two units one is checked and paid; the other keeps the return open."""
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, 0)
    stage.passes(minutes=4, step=2)
    assert stage.unit(rma, 0).money == "RECORDED"
    return order, rma


def fee_appears(stage: Stage, rma: Row, fee: int = FEE) -> None:
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].return_fee = fee
    stage.passes(minutes=8, step=2)


def decide(stage: Stage, key: str, **data: Any) -> None:
    case = stage.case("CORRECTION_AFTER_REFUND")
    stage.decide(case, key, by=stage.fiona, second=stage.conrad, data=data)


def test_a_fee_that_appears_after_the_money_is_a_difference_for_finance(stage: Stage) -> None:
    order, rma = half_done(stage)
    fee_appears(stage, rma)

    case = stage.case("CORRECTION_AFTER_REFUND")
    assert (case.money_minor, case.owner) == (FEE, "FINANCE")
    assert "fees" in case.facts["why"]
    assert len(stage.refunds_there(order)) == 1

    decide(stage, "settle_difference", reference="BANK-7")
    assert stage.open_cases() == []
    paid = order["items"][0]["paid"]
    assert stage.order(order).refunded_minor == paid - FEE
    assert balance("REFUNDS_OWED") == balance("DIFFERENCES") == 0
    assert balance("PAYER") == paid - FEE
    stage.warehouse_checks(rma, 1)
    assert stage.open_cases() == []
    assert stage.rma_there(rma)["status"] == "Done"


def test_a_fee_that_goes_again_closes_the_question(stage: Stage) -> None:
    _, rma = half_done(stage)
    fee_appears(stage, rma)
    assert stage.open_cases() == ["CORRECTION_AFTER_REFUND"]
    fee_appears(stage, rma, 0)
    assert stage.open_cases() == []


def test_what_stays_as_it_was_paid_is_a_loss_in_the_books_and_not_asked_again(stage: Stage) -> None:
    order, rma = half_done(stage)
    fee_appears(stage, rma)
    decide(stage, "leave_as_paid")
    assert balance("DIFFERENCES") == -FEE
    stage.warehouse_checks(rma, 1)
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == []
    assert stage.order(order).refunded_minor == sum(one["paid"] for one in order["items"])


def test_a_unit_paid_at_once_that_was_not_in_the_parcel(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.hands_in(rma)
    stage.arrives(rma)
    assert stage.unit(rma).money == "RECORDED"
    stage.warehouse_checks(rma, returned=False)

    case = stage.case("CORRECTION_AFTER_REFUND")
    assert case.money_minor == order["items"][0]["paid"]
    assert RETURN_ITEMS not in stage.calls()
    assert stage.rma_there(rma)["status"] == "Done"


@pytest.mark.requirement("R058")
def test_what_both_have_paid_is_seen_as_paid_twice(stage: Stage) -> None:
    order, rma = half_done(stage)
    item = rma["items"][0]["id"]
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"], item_ids=[item])
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=6, step=3)

    case = stage.case("CORRECTION_AFTER_REFUND")
    assert case.money_minor == order["items"][0]["paid"]
    decide(stage, "settle_difference", reference="BANK-8")
    assert balance("DIFFERENCES") == 0
    assert balance("PAYER") == order["items"][0]["paid"]
    stage.passes(minutes=6, step=3)
    assert stage.open_cases() == []


@pytest.mark.requirement("R058")
def test_what_they_had_asked_for_and_pay_while_the_shop_is_at_it_is_paid_twice(
    stage: Stage,
) -> None:
    """The return is done there by then: no later version of it would tell."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.deliver()
    we_work(stage, minutes=4)
    assert Refund.objects.get().status == "SENT"
    (asked,) = stage.transactions_there(rma)
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.deliver()
    we_work(stage, minutes=8)
    stage.settle()  # the shop carries out what it took
    stage.passes(hours=24, step=120)

    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.case("CORRECTION_AFTER_REFUND").money_minor == order["items"][0]["paid"]


def told_there(stage: Stage, order: Row) -> list[Row]:
    rows: list[Row] = stage.order_there(order)["billing_log"]
    return rows


def by_hand(stage: Stage, order: Row, *units: int, fee: int = FEE) -> Row:
    """A return with a fee: finance pays it past the shop."""
    rma = stage.comes_back(order, *units, return_fee=fee)
    stage.warehouse_checks(rma)
    stage.decide(
        stage.case("REFUND_BY_HAND"),
        "paid_by_hand",
        by=stage.fiona,
        second=stage.conrad,
        data={"reference": "BANK-1"},
    )
    stage.passes(minutes=4, step=2)
    return rma


def test_the_shop_shows_what_was_paid_past_it_with_our_reference(stage: Stage) -> None:
    order = stage.sold(SKU, OTHER)
    rma = by_hand(stage, order, 0)

    (told,) = told_there(stage, order)
    paid = f"EUR {(order['items'][0]['paid'] - FEE) / 100:.2f}"
    assert told["code"] == "billing_partially_refunded"
    assert told["items"] == [{"id": order["items"][0]["id"], "code": "billing_partially_refunded"}]
    for said in (Refund.objects.get(status="RECORDED").key, paid, str(rma["id"]), "by hand"):
        assert said in told["reason"]
    assert "0 differences" in stage.compare()


def test_all_of_it_paid_past_the_shop_is_refunded_there(stage: Stage) -> None:
    stage.configure(refund_executor="manual")
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    case = stage.case("REFUND_BY_HAND")
    data = {"reference": "BANK-2"}
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(minutes=4, step=2)

    whole = order["total"] == order["items"][0]["paid"]
    codes = [row["code"] for row in told_there(stage, order)]
    assert codes == ["billing_refunded" if whole else "billing_partially_refunded"]
    assert told_there(stage, order)[0]["items"][0]["code"] == "billing_refunded"


def test_a_lost_answer_of_the_shop_is_looked_up_and_told_again(stage: Stage) -> None:
    stage.breaks(
        "scayle", "PATCH /shops/nb/countries/DE/orders/{order}/billing-status", "drop_after"
    )
    order = stage.sold(SKU)
    by_hand(stage, order)
    stage.mended()
    stage.passes(minutes=10, step=5)

    assert told_there(stage, order)
    assert stage.owed() == []
    assert stage.open_cases() == []


def we_work(stage: Stage, minutes: int) -> None:
    """Time in which the platforms carry nothing out."""
    for _ in range(minutes):
        stage.clock.shift(60)
        stage.tick_and_work()


def test_the_shop_is_not_told_while_it_owes_a_proof(stage: Stage) -> None:
    """A billing status of ours would look like the proof of the refund it still owes."""
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order)
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].return_fee = FEE
    stage.checks_only(rma)
    stage.deliver()
    we_work(stage, minutes=8)
    sent = Refund.objects.get(executor="scayle")
    assert sent.status == "SENT"
    case = stage.case("REFUND_BY_HAND")
    stage.presses(case, "paid_by_hand", by=stage.fiona, reference="BANK-3")
    asked = Approval.objects.get(record_id=case.pk)
    stage.posts(stage.conrad, "case_agree", case.pk, asked.pk, answer="agree")
    we_work(stage, minutes=4)
    assert Refund.objects.get(executor="manual").status == "RECORDED"
    assert told_there(stage, order) == []
    sent.refresh_from_db()
    assert sent.status == "SENT"

    stage.settle()
    stage.passes(minutes=8, step=2)
    assert len(told_there(stage, order)) >= 1
    assert "0 differences" in stage.compare()
