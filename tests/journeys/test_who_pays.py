"""Who pays a returned unit, row by row (design §4.2), judged by what was really paid and told.

Whatever is not a plain refund at SCAYLE's own price must never reach ``return-items``: that call
has no amount and pays the shopper the whole unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from finance.models import LedgerEntry, Refund
from tests.story import Row, Stage

SKU = "JKT-NVY-M"
OTHER = "TEE-BLK-L"
RETURN_ITEMS = "POST /fulfillment/return-items"
FEE = 250


def nothing(stage: Stage, rma: Row) -> None:
    """Nobody does anything besides the usual."""


def returngo_pays(stage: Stage, rma: Row) -> None:
    """ReturnGO pays by itself what it asked for when the units were checked."""
    for row in stage.transactions_there(rma):
        stage.act("returngo", "mark_transaction", transaction_id=row["id"])
    stage.passes(minutes=6, step=6)


def finance_pays(stage: Stage, rma: Row) -> None:
    stage.decide(
        stage.case("REFUND_BY_HAND"),
        "paid_by_hand",
        by=stage.fiona,
        second=stage.conrad,
        data={"reference": "BANK-1"},
    )
    stage.passes(minutes=3)


def paid_before_it_arrives(stage: Stage, rma: Row) -> None:
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.settle()


@dataclass(frozen=True)
class Line:
    """One row of the table: what was promised and set, and what must come of it."""

    name: str
    executor: str  # who our account says has paid
    policy: Row = field(default_factory=dict)
    wish: Row = field(default_factory=dict)
    before: Callable[[Stage, Row], None] = nothing
    after: Callable[[Stage, Row], None] = nothing
    less: int = 0
    way: str = "REFUND"
    part: str = ""  # the component of a set that comes back alone


MANUAL = {"refund_executor_otherwise": "manual"}
THEIRS = {"refund_executor_otherwise": "returns_platform"}
CREDIT = {"resolution": "RefundToStoreCredit"}
TABLE = (
    Line("a plain refund is paid by SCAYLE", "scayle"),
    Line(
        "executor manual: a person pays",
        "manual",
        policy={"refund_executor": "manual"},
        after=finance_pays,
    ),
    Line(
        "executor returns platform: it pays",
        "returns_platform",
        policy={"refund_executor": "returns_platform"},
        after=returngo_pays,
    ),
    Line(
        "a fee is deducted: a person pays",
        "manual",
        policy=MANUAL,
        wish={"return_fee": FEE},
        after=finance_pays,
        less=FEE,
    ),
    Line(
        "a fee is deducted: the returns platform pays",
        "returns_platform",
        policy=THEIRS,
        wish={"return_fee": FEE},
        after=returngo_pays,
        less=FEE,
    ),
    Line(
        "instant: the returns platform has paid before the parcel arrives",
        "returns_platform",
        before=paid_before_it_arrives,
    ),
    Line(
        "store credit: the returns platform has issued it",
        "returns_platform",
        wish=CREDIT,
        way="STORE_CREDIT",
    ),
    Line(
        "part of a bundle: never by SCAYLE",
        "manual",
        policy=MANUAL,
        part="TEE-BLK-M",
        after=finance_pays,
    ),
)


def paid_there(stage: Stage, order: Row, rma: Row) -> list[tuple[str, int]]:
    """What left a platform's own purse, by its own books."""
    rows = [(row["by"], row["amount"]) for row in stage.refunds_there(order) if row["executed"]]
    theirs = ("RG-", "CREDIT-")
    rows += [
        ("returngo", row["amount"])
        for row in stage.transactions_there(rma)
        if row["status"] == "Success" and row["reference"].startswith(theirs)
    ]
    return rows


PURSE = {"scayle": "return-items", "returns_platform": "returngo"}


@pytest.mark.requirement("R058")
@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.name)
def test_the_table_of_who_pays(stage: Stage, line: Line) -> None:
    stage.configure(**line.policy)
    order = stage.sold("SET-WEEKEND" if line.part else SKU)
    unit = {"item_id": order["items"][0]["id"], "component": line.part}
    wish = line.wish | ({"units": [unit]} if line.part else {})
    rma = stage.shopper_returns(order, **wish)
    stage.approves(rma)
    stage.hands_in(rma)
    line.before(stage, rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    line.after(stage, rma)

    paid = stage.shares(order)[line.part][0] if line.part else order["items"][0]["paid"]
    amount = paid - line.less
    refund = Refund.objects.get(status="RECORDED")
    assert (refund.executor, refund.executed_minor, refund.way) == (
        line.executor,
        amount,
        line.way,
    )
    purse = [(PURSE[line.executor], amount)] if line.executor in PURSE else []
    assert paid_there(stage, order, rma) == purse
    assert (RETURN_ITEMS in stage.calls()) is (line.executor == "scayle")
    assert stage.order(order).refunded_minor == amount
    assert owed_by_the_books() == 0
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def owed_by_the_books() -> int:
    balance = 0
    for one in LedgerEntry.objects.all():
        balance += one.amount_minor * (one.to_account == "REFUNDS_OWED")
        balance -= one.amount_minor * (one.from_account == "REFUNDS_OWED")
    return balance


def test_an_exchange_is_paid_by_nobody(stage: Stage) -> None:
    order = stage.sold(SKU)
    unit = {"item_id": order["items"][0]["id"], "exchange_sku": "JKT-NVY-L"}
    rma = stage.comes_back(order, units=[unit])
    stage.warehouse_checks(rma)

    assert not Refund.objects.exists()
    assert RETURN_ITEMS not in stage.calls()
    assert paid_there(stage, order, rma) == []


@pytest.mark.parametrize("choice", ["refund_executor", "refund_executor_otherwise"])
def test_nobody_pays_while_nobody_is_named(stage: Stage, choice: str) -> None:
    stage.configure(**{choice: None})
    wish: dict[str, Any] = {"return_fee": FEE} if choice == "refund_executor_otherwise" else {}
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order, **wish))

    assert stage.open_cases() == ["REFUND_EXECUTOR_MISSING"]
    assert not Refund.objects.exists()
    assert stage.refunds_there(order) == []


def test_units_of_one_return_go_to_their_own_payers(stage: Stage) -> None:
    """The fee is on one unit only: the other is SCAYLE's, and waits for nobody."""
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order)
    returned = stage.sandbox.world.returngo.rmas[rma["id"]]
    returned.items[0].return_fee = FEE
    stage.warehouse_checks(rma)

    assert paid_there(stage, order, rma) == [("return-items", order["items"][1]["paid"])]
    assert stage.case("REFUND_BY_HAND").money_minor == order["items"][0]["paid"] - FEE
    finance_pays(stage, rma)

    assert stage.order(order).refunded_minor == sum(row["paid"] for row in order["items"]) - FEE
    assert stage.rma_there(rma)["status"] == "Done"
    assert "0 differences" in stage.compare()


def test_a_fee_on_the_whole_return_is_taken_once(stage: Stage) -> None:
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order)
    stage.sandbox.world.returngo.rmas[rma["id"]].cancellation_fee = 400
    stage.warehouse_checks(rma, 0)
    first = stage.case("REFUND_BY_HAND")
    assert first.money_minor == order["items"][0]["paid"] - 400
    finance_pays(stage, rma)
    stage.warehouse_checks(rma, 1)

    assert paid_there(stage, order, rma) == [("return-items", order["items"][1]["paid"])]


def test_money_listed_as_failed_becomes_a_case_and_ends_when_it_is_paid(stage: Stage) -> None:
    stage.configure(refund_executor="returns_platform")
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    (asked,) = stage.transactions_there(rma)
    assert Refund.objects.get().status == "SENT"

    stage.act("returngo", "mark_transaction", transaction_id=asked["id"], status="Failed")
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == ["REFUND_FAILED"]
    assert stage.case("REFUND_FAILED").facts["platform"] == "ReturnGO"
    assert stage.order(order).refunded_minor == order["items"][0]["paid"]

    returngo_pays(stage, rma)
    assert Refund.objects.get().status == "RECORDED"
    assert stage.open_cases() == []
    assert stage.rma_there(rma)["status"] == "Done"
    assert RETURN_ITEMS not in stage.calls()


def test_money_they_never_pay_is_told_after_a_day(stage: Stage) -> None:
    stage.configure(refund_executor="returns_platform")
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(hours=25, step=360)

    assert stage.open_cases() == ["REFUND_NOT_RECORDED"]
    returngo_pays(stage, rma)
    assert stage.open_cases() == []
    assert Refund.objects.get().executor == "returns_platform"


def test_what_they_pay_while_a_person_was_to_pay_is_not_paid_by_both(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order, return_fee=FEE)
    stage.warehouse_checks(rma)
    assert stage.open_cases() == ["REFUND_BY_HAND"]

    returngo_pays(stage, rma)

    assert stage.open_cases() == []
    assert [(one.executor, one.status) for one in Refund.objects.order_by("id")] == [
        ("manual", "REFUSED"),
        ("returns_platform", "RECORDED"),
    ]
    assert owed_by_the_books() == 0
    assert stage.rma_there(rma)["status"] == "Done"


def test_a_credits_code_is_nowhere_to_be_read(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order, resolution="RefundToStoreCredit")
    stage.warehouse_checks(rma)

    (credit,) = stage.transactions_there(rma)
    refund = Refund.objects.get()
    assert credit["reference"] not in str([refund.reference, refund.evidence])
    assert refund.reference.startswith("…")
