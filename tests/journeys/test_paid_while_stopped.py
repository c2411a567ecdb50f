"""A refund has stopped and waits for finance, and meanwhile the returns platform pays it itself.

Found by a storm: the stopped step stayed open beside the payment that was recorded, and whoever
said "paid by hand" of it was told that more would go back than was paid, again and again.
"""

from __future__ import annotations

import pytest

from finance.models import Refund
from finance.states import Executor
from tests.story import Row, Stage

RETURN_ITEMS = "POST /fulfillment/return-items"


def refused(stage: Stage) -> tuple[Row, Row]:
    """An order, and its return whose refund the shop has refused."""
    order = stage.sold("JKT-NVY-M", "TEE-BLK-L")
    rma = stage.comes_back(order, 0)
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    stage.warehouse_checks(rma)
    assert stage.open_cases() == ["REFUND_REFUSED"]
    return order, rma


def returngo_pays(stage: Stage, rma: Row) -> str:
    about = {"rma_id": rma["id"], "item_ids": [rma["items"][0]["id"]]}
    asked = stage.act("returngo", "request_refund_transaction", **about)
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    return str(asked["id"])


def recorded(stage: Stage, order: Row) -> list[tuple[str, int]]:
    rows = Refund.objects.filter(order=stage.order(order), status="RECORDED").order_by("id")
    return [(one.executor, one.calculated_minor) for one in rows]


@pytest.mark.requirement("R025")
def test_what_stopped_ends_by_itself_when_others_have_paid(stage: Stage) -> None:
    order, rma = refused(stage)

    returngo_pays(stage, rma)
    stage.passes(minutes=20, step=4)

    assert recorded(stage, order) == [(Executor.RETURNS_PLATFORM, order["items"][0]["paid"])]
    assert stage.refunds_there(order) == []
    assert stage.open_cases() == []
    assert stage.owed() == []


@pytest.mark.requirement("R025")
@pytest.mark.parametrize(
    ("typed", "known_as", "open_then"),
    [
        ("RG-{}", "RG-{}", []),
        ("bank transfer 7", "bank transfer 7", []),
        ("BANK-7", "RG-{}", ["CORRECTION_AFTER_REFUND"]),
    ],
)
def test_finance_said_paid_by_hand_in_the_same_moment(
    stage: Stage, typed: str, known_as: str, open_then: list[str]
) -> None:
    """The same payment is recorded once; another one is a second payment, and asked about."""
    order, rma = refused(stage)
    case = stage.case("REFUND_REFUSED")
    number = returngo_pays(stage, rma)
    stage.presses(case, "paid_by_hand", by=stage.fiona, reference=typed.format(number))
    stage.agrees(case, by=stage.conrad)  # carried out in half a minute; their news comes sooner
    stage.deliver()
    stage.work()
    Refund.objects.filter(status="RECORDED").update(reference=known_as.format(number))

    stage.passes(minutes=20, step=4)

    assert recorded(stage, order) == [(Executor.RETURNS_PLATFORM, order["items"][0]["paid"])]
    assert stage.open_cases() == open_then
    assert stage.owed() == []
