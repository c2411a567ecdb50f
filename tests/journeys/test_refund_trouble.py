"""Refunds that do not go as they should: finance hears at once, and nobody is paid twice."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied

from finance.models import LedgerEntry, Refund
from integrator.models import Case, CaseEvent
from tests.story import Row, Stage

SKU = "JKT-NVY-M"
RETURN_ITEMS = "POST /fulfillment/return-items"


def amount_of(order: Row) -> str:
    return f"EUR {order['items'][0]['paid'] / 100:.2f}"


@pytest.mark.requirement("R028", "R141")
def test_a_refused_refund_is_told_within_a_minute(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)

    refused = next(one for one in stage.wire.calls if str(one) == RETURN_ITEMS)
    told = CaseEvent.objects.get(kind="ALERTED")
    assert timedelta() <= told.at - refused.at < timedelta(minutes=1)
    assert len(mail.outbox) == 1
    letter = mail.outbox[0]
    assert letter.to == ["alerts@demo-sport.test"]
    text = f"{letter.subject}\n{letter.body}"
    case = stage.case("REFUND_REFUSED")
    for said in (
        order["public_key"],
        str(rma["id"]),
        amount_of(order),
        "The sandbox was told to answer 422.",
        f"http://127.0.0.1:8000/cases/{case.pk}/",
        "Finance",
        # As the clock in the house says it, not as the platforms do.
        f"Due {case.due_at.astimezone(ZoneInfo('Europe/Berlin')):%-d %b %H:%M}.",
    ):
        assert said in text


@pytest.mark.requirement("R028")
def test_the_same_failure_is_told_once_and_again_when_it_comes_back(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=2)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    stage.passes(hours=1, step=20)
    assert len(mail.outbox) == 1

    stage.decide(stage.case("REFUND_REFUSED"), "try_again", by=stage.fiona)
    stage.decide(stage.case("REFUND_REFUSED"), "try_again", by=stage.fiona)
    stage.passes(minutes=5, step=1)

    assert len(stage.refunds_there(order)) == 1
    assert stage.open_cases() == []
    assert [one.status for one in Refund.objects.order_by("number")] == [
        "REFUSED",
        "REFUSED",
        "RECORDED",
    ]


def test_a_refused_refund_frees_its_amount_and_the_books_return_to_zero(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))

    assert stage.order(order).refunded_minor == 0
    assert stage.sold_unit(order).refunded_minor == 0
    balance = 0
    for one in LedgerEntry.objects.all():
        balance += one.amount_minor * (one.to_account == "REFUNDS_OWED")
        balance -= one.amount_minor * (one.from_account == "REFUNDS_OWED")
    assert balance == 0


@pytest.mark.requirement("R028")
def test_a_payment_the_provider_could_not_make_keeps_the_return_open(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "refund_failed", times=1)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)

    assert stage.open_cases() == ["REFUND_FAILED"]
    assert Refund.objects.get().status == "IN_DOUBT"
    assert stage.rma_there(rma)["status"] == "Validated"
    assert [amount_of(order) in one.subject for one in mail.outbox] == [True]

    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.passes(minutes=6, step=3)

    assert stage.open_cases() == []
    assert Refund.objects.get().status == "RECORDED"
    assert stage.rma_there(rma)["status"] == "Done"
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R028")
def test_a_late_word_on_one_refund_does_not_prove_the_next(stage: Stage) -> None:
    """The notice of the first payment comes when the second one has failed."""
    stage.breaks("scayle", "payment-refund", "callback_delay", seconds=900, times=1)
    order = stage.sold(SKU, "TEE-BLK-L")
    first, second = stage.comes_back(order, 0), stage.comes_back(order, 1)
    stage.warehouse_checks(first)
    assert Refund.objects.get().status == "RECORDED"  # its order is partly refunded now
    stage.breaks("scayle", RETURN_ITEMS, "refund_failed", times=1)
    stage.warehouse_checks(second)
    stage.passes(minutes=30, step=5)

    assert stage.open_cases() == ["REFUND_FAILED"]
    assert stage.case("REFUND_FAILED").record_id == Refund.objects.latest("id").pk
    assert [one.status for one in Refund.objects.order_by("id")] == ["RECORDED", "IN_DOUBT"]
    assert stage.rma_there(second)["status"] == "Validated"


@pytest.mark.requirement("R028")
def test_of_a_split_payment_every_part_must_have_gone_well(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "refund_failed", times=1)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    failed = stage.sandbox.world.scayle.refunds[0].payments[0]["transaction_key"]
    for transaction in ("the gift card", failed):
        stage.clock.shift(60)
        stage.hears("scayle", paid_back(stage, order, transaction))
        stage.settle()
        is_made_good = transaction == failed
        assert (Refund.objects.get().status == "RECORDED") is is_made_good


def paid_back(stage: Stage, order: Row, transaction: str) -> Row:
    return {
        "key": f"notice-{transaction}",
        "type": "payment-refund",
        "version": 1,
        "occurredAt": stage.now().isoformat(),
        "payload": {
            "order": {"id": order["id"]},
            "transaction": {"transactionId": transaction, "operationStatus": "successful"},
        },
    }


@pytest.mark.requirement("R058")
def test_what_was_paid_elsewhere_while_the_shop_was_busy_is_not_sent_to_it(stage: Stage) -> None:
    """ReturnGO pays a round sum while our call waits. The shop is never told, and that is right."""
    busy = {"status": 429, "retry_after": 120}
    stage.breaks("scayle", RETURN_ITEMS, "error", times=1, **busy)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.deliver()
    stage.tick_and_work()
    assert Refund.objects.get().status == "AUTHORISED"
    own = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"], amount=8900)
    stage.act("returngo", "mark_transaction", transaction_id=own["id"])
    stage.passes(minutes=8, step=2)
    case = stage.case("REFUND_REFUSED")
    told = {"reference": f"RG-{own['id']}", "amount": "89.00"}
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=told)
    stage.passes(minutes=6, step=3)

    assert stage.refunds_there(order) == []
    refund = Refund.objects.get()
    assert (refund.status, refund.executed_minor) == ("RECORDED", 8900)
    assert paid_out() == 8900
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def paid_out() -> int:
    rows = LedgerEntry.objects.filter(to_account="PAYER").values_list("amount_minor", flat=True)
    return sum(rows)


@pytest.mark.requirement("R058")
def test_what_the_shop_pays_after_somebody_paid_by_hand_is_shown_to_finance(stage: Stage) -> None:
    """It took our call and did nothing for hours. Meanwhile the customer got the money."""
    order = stage.sold(SKU)
    stage.checks_only(stage.comes_back(order))
    stage.deliver()
    for _ in range(18):
        stage.clock.shift(900)
        stage.tick_and_work()
    case = stage.case("REFUND_NOT_RECORDED")
    stage.presses(case, "paid_by_hand", by=stage.fiona, reference="BANK-5")
    stage.agrees(case, by=stage.conrad)
    for _ in range(2):
        stage.tick_and_work()
        stage.clock.shift(60)
    stage.tick_and_work()
    assert (stage.open_cases(), stage.refunds_there(order)) == ([], [])
    stage.settle()  # only now it carries out what it took
    stage.passes(minutes=6, step=3)

    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.open_cases() == ["CORRECTION_AFTER_REFUND"]
    case = stage.case("CORRECTION_AFTER_REFUND")
    assert "BANK-5" in case.facts["why"]
    assert case.money_minor == order["items"][0]["paid"]
    stage.decide(case, "leave_as_paid", by=stage.fiona, second=stage.conrad)
    stage.passes(hours=1, step=20)
    assert stage.open_cases() == []
    assert paid_out() == 2 * order["items"][0]["paid"]


@pytest.mark.requirement("R058")
def test_what_the_returns_platform_paid_is_not_paid_again(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    asked = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.warehouse_checks(rma)

    assert RETURN_ITEMS not in stage.calls()
    refund = Refund.objects.get()
    assert (refund.executor, refund.reference) == ("returns_platform", f"RG-{asked['id']}")
    assert stage.rma_there(rma)["status"] == "Done"
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R058")
def test_a_payment_asked_for_and_also_made_there_counts_once(
    stage: Stage,
) -> None:
    """They ask us to pay, and pay by themselves. Our answer to the first is no second payment."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    own = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"])
    stage.act("returngo", "mark_transaction", transaction_id=own["id"])
    stage.passes(minutes=40, step=8)

    assert RETURN_ITEMS not in stage.calls()
    told = {row["reference"] for row in stage.transactions_there(rma)}
    assert (len(stage.transactions_there(rma)), told) == (2, {f"RG-{own['id']}"})
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


@pytest.mark.requirement("R028")
def test_a_refund_without_proof_after_four_hours_is_shown_to_finance(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.deliver()
    for _ in range(18):  # the shop took it, and nothing of it is seen
        stage.clock.shift(900)
        stage.tick_and_work()
    assert stage.open_cases() == ["REFUND_NOT_RECORDED"]
    assert stage.rma_there(rma)["status"] == "Validated"

    stage.settle()
    stage.passes(minutes=6, step=3)
    assert stage.open_cases() == []
    assert stage.rma_there(rma)["status"] == "Done"
    assert len(stage.refunds_there(order)) == 1


@pytest.mark.requirement("R015")
def test_money_is_decided_by_finance_and_a_second_person(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    case = stage.case("REFUND_REFUSED")
    paid = {"reference": "BANK-1"}

    for person in (stage.carla, stage.omar, stage.ada, stage.conrad, stage.nobody):
        with pytest.raises(PermissionDenied):
            stage.decide(case, "paid_by_hand", by=person, second=stage.fred, data=paid)
    stage.decide(case, "paid_by_hand", by=stage.fiona, data=paid)
    assert not Refund.objects.filter(status="RECORDED").exists()
    for person in (stage.fiona, stage.carla, stage.omar, stage.nobody):
        with pytest.raises(PermissionDenied):
            stage.decide(case, "paid_by_hand", by=stage.fiona, second=person, data=paid)
    assert not Refund.objects.filter(status="RECORDED").exists()
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=paid)

    assert Refund.objects.get(status="RECORDED").reference == "BANK-1"
    assert Case.objects.get(kind="REFUND_REFUSED").state == "SOLVED"
    assert stage.rma_there(rma)["status"] == "Done"
    assert "0 differences" in stage.compare()
