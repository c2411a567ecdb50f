"""One jacket comes back, from ReturnGO's portal to the shopper's card; nobody lifts a finger."""

from __future__ import annotations

import pytest
from django.core import mail

from finance.models import LedgerEntry, Refund
from integrator.models import CaseEvent, Transition
from tests.story import Stage

RETURN_ITEMS = "POST /fulfillment/return-items"


@pytest.mark.requirement("R007")
@pytest.mark.requirement("R037")
def test_a_return_refunds_the_shopper_and_restocks_the_unit_without_a_person(stage: Stage) -> None:
    order = stage.sold("JKT-NVY-M")
    before = stage.sellable("JKT-NVY-M")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, restockable=True)

    paid = order["items"][0]["paid"]
    refunds = stage.refunds_there(order)
    assert [(row["amount"], row["item_ids"], row["executed"]) for row in refunds] == [
        (paid, [order["items"][0]["id"]], True)
    ]
    assert stage.sellable("JKT-NVY-M") == before + 1 == stage.stock_there("JKT-NVY-M")["truth"]
    assert stage.rma_there(rma)["status"] == "Done"
    assert [row["status"] for row in stage.transactions_there(rma)] == ["Success"]

    refund = Refund.objects.get()
    assert (refund.order, refund.status) == (stage.order(order), "RECORDED")
    assert refund.executed_minor == paid
    assert stage.movements(rma) == [
        "OUTSIDE>IN_TRANSIT",
        "IN_TRANSIT>RECEIVED",
        "RECEIVED>SELLABLE",
    ]
    assert stage.returned(rma).status == "COMPLETED"
    owed = LedgerEntry.objects.filter(order_id=refund.order_id).order_by("id")
    assert [(one.from_account, one.to_account, one.amount_minor) for one in owed] == [
        ("SALES_RETURNS", "REFUNDS_OWED", paid),
        ("REFUNDS_OWED", "PAYER", paid),
    ]
    assert not CaseEvent.objects.exists()
    assert not Transition.objects.filter(actor__startswith="user:").exists()
    assert stage.owed() == []
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R007")
@pytest.mark.requirement("R026")
def test_the_return_is_done_only_after_the_shop_recorded_the_refund(stage: Stage) -> None:
    rma = stage.comes_back(stage.sold("JKT-NVY-M"))
    stage.checks_only(rma)
    stage.deliver()
    stage.work()

    # The shop took the unit and has not paid yet: ReturnGO is told nothing.
    assert RETURN_ITEMS in stage.calls("POST")
    assert stage.calls("PUT") == []
    assert stage.rma_there(rma)["status"] == "Validated"

    stage.passes(minutes=10)

    transaction = stage.transactions_there(rma)[0]["id"]
    money = [one for one in stage.calls("POST", "PUT") if "/variants/" not in one]
    assert money == [
        RETURN_ITEMS,
        f"PUT /transaction/{transaction}",
        f"PUT /rma/{rma['id']}/status",
    ]
    recorded = Transition.objects.get(record_kind="refund", new="RECORDED").at
    assert recorded <= next(one.at for one in stage.wire.calls if one.method == "PUT")


def test_two_units_of_a_return_are_paid_in_one_call(stage: Stage) -> None:
    order = stage.sold("JKT-NVY-M", "TEE-BLK-L")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)

    assert stage.calls("POST").count(RETURN_ITEMS) == 1
    assert [len(row["item_ids"]) for row in stage.refunds_there(order)] == [2]
    assert stage.rma_there(rma)["status"] == "Done"
    assert "0 differences" in stage.compare()


def test_units_checked_on_different_days_are_paid_one_after_another(stage: Stage) -> None:
    order = stage.sold("JKT-NVY-M", "TEE-BLK-L")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, 0)

    # The first unit is paid, the return stays open for the second.
    assert [row["item_ids"] for row in stage.refunds_there(order)] == [[order["items"][0]["id"]]]
    assert stage.rma_there(rma)["status"] == "Received"
    stage.passes(days=1, step=240)
    stage.warehouse_checks(rma, 1)

    assert [row["item_ids"] for row in stage.refunds_there(order)] == [
        [order["items"][0]["id"]],
        [order["items"][1]["id"]],
    ]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.returned(rma).status == "COMPLETED"
    assert "0 differences" in stage.compare()


def test_a_unit_the_shopper_keeps_is_paid_on_approval_and_moves_no_stock(stage: Stage) -> None:
    order = stage.sold("JKT-NVY-M")
    before = stage.sellable("JKT-NVY-M")
    rma = stage.shopper_returns(order, method="No shipment required")
    assert stage.refunds_there(order) == []
    stage.approves(rma)
    stage.passes(minutes=10)

    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.sellable("JKT-NVY-M") == before
    assert stage.movements(rma) == []
    assert "0 differences" in stage.compare()


def test_store_credit_is_the_returns_platforms_own_and_is_not_paid_again(stage: Stage) -> None:
    order = stage.sold("JKT-NVY-M")
    rma = stage.comes_back(order, resolution="RefundToStoreCredit")
    stage.warehouse_checks(rma)

    assert RETURN_ITEMS not in stage.calls("POST")
    refund = Refund.objects.get()
    assert (refund.executor, refund.status) == ("returns_platform", "RECORDED")
    assert stage.rma_there(rma)["status"] == "Done"
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R002")
def test_nobody_here_writes_to_a_shopper(stage: Stage) -> None:
    order = stage.sold("JKT-NVY-M")
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)

    assert mail.outbox, "the alert to finance proves that this test would see a mail"
    shopper = stage.order(order).customer
    assert shopper is not None
    ours = {"alerts@demo-sport.test", *(one.email for one in stage.people.values())}
    assert {to for one in mail.outbox for to in one.recipients()} <= ours
    assert shopper.email not in ours
    assert not [one for one in mail.outbox if shopper.email in one.body]
    # What stands on the return's timeline is for the people there: no name, and no word to "you".
    said = [one["htmlText"] for one in stage.rma_there(rma)["comments"] if "[" in one["htmlText"]]
    assert len(said) == 1
    for word in (shopper.email, shopper.first_name, shopper.last_name, " you"):
        assert word not in said[0]
