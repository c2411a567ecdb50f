"""Payments the returns platform lists oddly: one for several units, of nothing, in other money.

What counts as paid is what was really paid for each unit; what cannot be counted stops before
anybody pays, and a person is asked.
"""

from __future__ import annotations

from typing import Any

import pytest

from finance.models import LedgerEntry, Refund
from integrator.sandbox.returngo import bodies
from tests.story import Row, Stage

SKU = "JKT-NVY-M"
CHEAP = "TEE-BLK-L"


def is_paid(stage: Stage, rma: Row) -> None:
    """An agent pays all units in one transaction."""
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])


@pytest.fixture
def in_francs(monkeypatch: pytest.MonkeyPatch) -> None:
    """ReturnGO shows all payments in another currency than the shop sold in."""
    usual = bodies.transaction

    def shown(row: Any) -> dict[str, Any]:
        body = usual(row)
        return body | {"amount": body["amount"] | {"currency": "CHF"}}

    monkeypatch.setattr(bodies, "transaction", shown)


@pytest.mark.requirement("R058")
def test_one_payment_for_units_of_different_prices(stage: Stage) -> None:
    """Two refunds, for their units were checked on different days; one has a fee."""
    stage.configure(
        refund_executor="returns_platform", refund_executor_otherwise="returns_platform"
    )
    order = stage.sold(SKU, CHEAP)
    rma = stage.comes_back(order)
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].return_fee = 250
    stage.warehouse_checks(rma, 0)
    stage.warehouse_checks(rma, 1, restockable=False)
    assert Refund.objects.count() == 2
    is_paid(stage, rma)
    stage.passes(minutes=6, step=6)

    dear, cheap = (item["paid"] for item in order["items"])
    paid = [one.executed_minor for one in Refund.objects.order_by("id")]
    assert paid == [dear - 250, cheap]
    assert stage.order(order).refunded_minor == dear - 250 + cheap
    assert stage.open_cases() == []


def test_one_payment_before_they_arrive_is_split_by_what_is_asked_for_each(stage: Stage) -> None:
    order = stage.sold(SKU, CHEAP)
    rma = stage.shopper_returns(order, return_fee=250)
    stage.approves(rma)
    is_paid(stage, rma)
    stage.passes(minutes=6, step=6)
    paid = [one.executed_minor for one in Refund.objects.order_by("id")]
    assert paid == [item["paid"] - 250 for item in order["items"]]


def test_a_payment_of_nothing_proves_nothing(stage: Stage) -> None:
    stage.configure(refund_executor="returns_platform")
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    (asked,) = stage.transactions_there(rma)
    stage.sandbox.world.returngo.transactions[asked["id"]].amount = 0
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=20, step=4)
    assert (Refund.objects.get().status, stage.owed()) == ("SENT", [])
    stage.passes(hours=60, step=360)
    assert stage.open_cases() == ["REFUND_NOT_RECORDED"]


@pytest.mark.requirement("R058")
def test_a_unit_named_twice_in_one_payment_is_paid_once_and_in_full(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.sandbox.world.returngo.transactions[asked["id"]].item_ids *= 2
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=12, step=6)
    assert Refund.objects.get().executed_minor == order["items"][0]["paid"]
    assert stage.open_cases() == []


@pytest.mark.requirement("R058")
def test_a_payment_in_another_currency_stops_ours(stage: Stage, in_francs: None) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    is_paid(stage, rma)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    assert not Refund.objects.exists()
    assert stage.refunds_there(order) == []
    case = stage.case("REFUND_REFUSED")
    # Finance knows what the francs are worth.
    told = {"reference": "RG-CHF", "amount": "88.00"}
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=told)
    stage.passes(minutes=12, step=6)
    assert Refund.objects.get().executed_minor == 8800
    assert (stage.open_cases(), stage.refunds_there(order)) == ([], [])


def test_one_in_another_currency_does_not_prove_what_they_were_to_pay(
    stage: Stage, in_francs: None
) -> None:
    stage.configure(refund_executor="returns_platform")
    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma)
    (asked,) = stage.transactions_there(rma)
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=12, step=6)
    assert Refund.objects.get().status == "SENT"


def test_a_fee_in_another_currency_is_not_taken_off(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "money", lambda amount: {"amount": amount / 100, "currency": "CHF"})
    order = stage.sold(SKU)
    rma = stage.comes_back(order, return_fee=250)
    stage.warehouse_checks(rma)
    assert not Refund.objects.exists()
    assert stage.open_cases() == ["REFUND_REFUSED", "SOT_VIOLATION"]


def test_a_bill_of_the_customer_is_not_told_as_paid(stage: Stage) -> None:
    """They are to pay for a dearer piece; that we have paid them back says nothing of it."""
    rma = stage.comes_back(stage.sold(SKU))
    about = {"rma_id": rma["id"], "amount": 2500}
    row = stage.act("returngo", "request_refund_transaction", **about)
    stage.sandbox.world.returngo.transactions[row["id"]].type = "InvoicePayment"
    stage.warehouse_checks(rma)
    stage.passes(hours=1, step=10)

    assert stage.unit(rma).money == "RECORDED"
    bill = next(one for one in stage.transactions_there(rma) if one["type"] == "InvoicePayment")
    assert bill["status"] == "Requested"


@pytest.mark.parametrize("more", [-4925, 1075], ids=["less", "more"])
@pytest.mark.requirement("R058")
def test_another_amount_than_was_set_aside_is_asked_about(stage: Stage, more: int) -> None:
    """Theirs is what counts; what the customer is still owed, or has too much, is not forgotten."""
    stage.configure(refund_executor="returns_platform")
    order = stage.sold(SKU)
    price = order["items"][0]["paid"]
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    (asked,) = stage.transactions_there(rma)
    stage.sandbox.world.returngo.transactions[asked["id"]].amount = price + more
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=20, step=4)
    assert Refund.objects.get().executed_minor == price + more
    case = stage.case("CORRECTION_AFTER_REFUND")
    assert (case.money_minor, case.facts["due_minor"]) == (abs(more), price)

    told = {"reference": "BANK-8"}
    stage.decide(case, "settle_difference", by=stage.fiona, second=stage.conrad, data=told)
    stage.passes(minutes=40, step=4)
    assert stage.order(order).refunded_minor == price
    assert (stage.open_cases(), stage.owed()) == ([], [])
    books = LedgerEntry.objects
    out = sum(books.filter(to_account="PAYER").values_list("amount_minor", flat=True))
    back = sum(books.filter(from_account="PAYER").values_list("amount_minor", flat=True))
    assert out - back == price


@pytest.mark.requirement("R058")
@pytest.mark.parametrize("odd", ["kind", "no units", "a held unit too"])
def test_money_listed_as_paid_that_cannot_be_tied_is_not_paid_again(stage: Stage, odd: str) -> None:
    order = stage.sold(SKU, CHEAP)
    first, second = (item["id"] for item in order["items"])
    never_bought = {"item_id": second, "sku": "JKT-NVY-L"}
    units = [first, never_bought] if odd == "a held unit too" else [first]
    rma = stage.comes_back(order, units=units)
    is_paid(stage, rma)
    (paid,) = stage.sandbox.world.returngo.transactions.values()
    if odd == "kind":
        paid.type = "RefundToBankAccount"
    elif odd == "no units":
        paid.item_ids = []
    stage.warehouse_checks(rma, 0)
    stage.passes(hours=2, step=20)

    assert stage.refunds_there(order) == []
    assert stage.case("REFUND_REFUSED").money_minor == order["items"][0]["paid"]
