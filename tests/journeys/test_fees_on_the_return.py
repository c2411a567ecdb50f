"""A fee on a whole return, the customer's for cancelling it: taken once, by whoever pays first.

It may be there from the start, appear while somebody is to pay, or after the money.
"""

from __future__ import annotations

from typing import Any

import pytest

from finance.models import Refund
from tests.story import Row, Stage

SKU, CHEAP = "JKT-NVY-M", "TEE-BLK-L"
FEE = 500


def takes(stage: Stage, rma: Row, fee: int = FEE) -> None:
    stage.sandbox.world.returngo.rmas[rma["id"]].cancellation_fee = fee


def prices(order: Row) -> list[int]:
    return [item["paid"] for item in order["items"]]


def settled(stage: Stage, kind: str, key: str) -> None:
    data = {"reference": "BANK-1"}
    stage.browsers.clear()  # a day has passed: they sign in again
    stage.decide(stage.case(kind), key, by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(hours=2, step=20)


@pytest.mark.parametrize("fee", [FEE, 400])
def test_one_that_appears_while_finance_is_to_pay(stage: Stage, fee: int) -> None:
    stage.configure(refund_executor="manual")
    order = stage.sold(SKU, CHEAP)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    for one in (FEE, fee):
        takes(stage, rma, one)
        stage.passes(hours=26, step=360)

    assert stage.case("REFUND_BY_HAND").money_minor == sum(prices(order)) - fee
    settled(stage, "REFUND_BY_HAND", "paid_by_hand")
    assert stage.order(order).refunded_minor == sum(prices(order)) - fee
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def test_one_that_appears_after_the_money_is_asked_about(stage: Stage) -> None:
    order = stage.sold(SKU, CHEAP)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    takes(stage, rma)
    stage.passes(hours=26, step=360)
    assert stage.open_cases() == ["CORRECTION_AFTER_REFUND", "CORRECTION_AFTER_REFUND"]
    parts = [stage.some_case("CORRECTION_AFTER_REFUND").money_minor]
    takes(stage, rma, 0)
    stage.passes(hours=26, step=360)
    assert stage.open_cases() == []
    assert 0 < parts[0] < FEE


def test_one_that_appears_between_two_units_is_taken_off_the_later_one(stage: Stage) -> None:
    order = stage.sold(SKU, CHEAP)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, 0)
    takes(stage, rma)
    stage.passes(hours=26, step=360)
    assert stage.open_cases() == []
    stage.warehouse_checks(rma, 1)

    assert stage.case("REFUND_BY_HAND").money_minor == prices(order)[1] - FEE
    settled(stage, "REFUND_BY_HAND", "paid_by_hand")
    assert stage.order(order).refunded_minor == sum(prices(order)) - FEE
    assert stage.open_cases() == []


def test_one_that_is_taken_and_then_waived_is_owed_to_the_customer(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    takes(stage, rma)
    stage.warehouse_checks(rma)
    settled(stage, "REFUND_BY_HAND", "paid_by_hand")
    takes(stage, rma, 0)
    stage.passes(hours=26, step=360)

    facts = stage.case("CORRECTION_AFTER_REFUND").facts
    assert (facts["paid_minor"], facts["due_minor"]) == (prices(order)[0] - FEE, prices(order)[0])


def test_a_refund_that_stopped_is_worth_its_price_less_the_fee(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    takes(stage, rma)
    row = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.sandbox.world.returngo.transactions[row["id"]].status = "Processing"
    stage.warehouse_checks(rma)

    assert stage.case("REFUND_REFUSED").money_minor == prices(order)[0] - FEE
    settled(stage, "REFUND_REFUSED", "paid_by_hand")
    assert stage.order(order).refunded_minor == prices(order)[0] - FEE


def test_one_they_took_off_their_own_payment_is_not_taken_again(stage: Stage) -> None:
    order = stage.sold(SKU, CHEAP)
    first, second = prices(order)
    rma = stage.comes_back(order)
    takes(stage, rma)
    wish: dict[str, Any] = {"item_ids": [rma["items"][0]["id"]], "amount": first - FEE}
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"], **wish)
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.warehouse_checks(rma)
    stage.passes(hours=2, step=20)

    assert sum(Refund.objects.values_list("calculated_minor", flat=True)) == first + second - FEE
    assert stage.open_cases() == []


@pytest.mark.parametrize("of", ["return", "unit"])
def test_a_fee_as_high_as_the_price_leaves_nothing_to_wait_for(stage: Stage, of: str) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    returned = stage.sandbox.world.returngo.rmas[rma["id"]]
    if of == "return":
        returned.cancellation_fee = prices(order)[0]
    else:
        returned.items[0].return_fee = prices(order)[0]
    stage.warehouse_checks(rma)
    stage.passes(hours=3, step=20)

    assert stage.rma_there(rma)["status"] == "Done"
    assert Refund.objects.count() == 0
    assert stage.open_cases() == []


def test_a_fee_that_goes_again_before_the_end_leaves_the_money_owed(stage: Stage) -> None:
    order = stage.sold(SKU, CHEAP)
    rma = stage.comes_back(order)
    takes(stage, rma, prices(order)[0])
    stage.warehouse_checks(rma, 0)
    assert Refund.objects.count() == 0
    takes(stage, rma, 0)
    stage.passes(hours=26, step=360)

    assert [row["amount"] for row in stage.refunds_there(order)] == [prices(order)[0]]
