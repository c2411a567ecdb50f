"""Money has moved, was corrected, and then something else turns out to be right: it counts anew.

What is asked for is always the difference between all that the customer got for a unit and what is
due for it by now.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.story import Row, Stage

SKU = "JKT-NVY-M"


def corrected(stage: Stage, rma: Row, *, returned: bool) -> None:
    about = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"]}
    stage.act("returngo", "correct_validation", **about, returned=returned)
    stage.passes(hours=30, step=360)


def with_fee(stage: Stage, rma: Row, fee: int) -> None:
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].return_fee = fee
    stage.passes(hours=30, step=360)


def asked(stage: Stage) -> tuple[int, int]:
    """What finance is told was paid, and what would be right."""
    facts = stage.case("CORRECTION_AFTER_REFUND").facts
    return facts["paid_minor"], facts["due_minor"]


def settled(stage: Stage, reference: str = "BANK-8") -> None:
    case = stage.case("CORRECTION_AFTER_REFUND")
    data = {"reference": reference}
    stage.browsers.clear()  # days have passed: they sign in again
    stage.decide(case, "settle_difference", by=stage.fiona, second=stage.conrad, data=data)
    assert stage.open_cases() == []


@pytest.mark.parametrize("what", ["verdict", "fee"])
def test_what_the_customer_paid_back_and_is_due_after_all(stage: Stage, what: str) -> None:
    def changes(*, wrong: bool) -> None:
        if what == "fee":
            with_fee(stage, rma, 500 if wrong else 0)
        else:
            corrected(stage, rma, returned=not wrong)

    order = stage.sold(SKU)
    price = order["items"][0]["paid"]
    less = 0 if what == "verdict" else price - 500
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    changes(wrong=True)
    assert asked(stage) == (price, less)
    settled(stage)
    assert stage.order(order).refunded_minor == less
    changes(wrong=False)
    assert asked(stage) == (less, price)
    settled(stage, "BANK-9")
    assert stage.order(order).refunded_minor == price

    changes(wrong=True)  # it was paid in two parts, and is paid back from the later one first
    assert asked(stage) == (price, less)
    settled(stage, "BANK-10")
    assert stage.order(order).refunded_minor == less
    changes(wrong=False)
    assert asked(stage) == (less, price)


def test_what_was_paid_as_the_rest_counts(stage: Stage) -> None:
    stage.configure(refund_executor="returns_platform")
    order = stage.sold(SKU)
    price = order["items"][0]["paid"]
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    (transaction,) = stage.transactions_there(rma)
    stage.sandbox.world.returngo.transactions[transaction["id"]].amount = 4000
    stage.act("returngo", "mark_transaction", transaction_id=transaction["id"])
    stage.passes(minutes=20, step=4)
    assert asked(stage) == (4000, price)
    settled(stage)
    stage.passes(minutes=40, step=4)
    assert stage.order(order).refunded_minor == price

    with_fee(stage, rma, 500)
    assert asked(stage) == (price, price - 500)
    settled(stage, "BANK-9")
    assert stage.order(order).refunded_minor == price - 500


def test_another_amount_that_two_people_agreed_on_is_not_asked_about(stage: Stage) -> None:
    stage.configure(refund_executor="manual")
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    data: dict[str, Any] = {"reference": "BANK-5", "amount": "40.00"}
    case = stage.case("REFUND_BY_HAND")
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(hours=30, step=120)

    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.order(order).refunded_minor == 4000
    assert stage.open_cases() == []
