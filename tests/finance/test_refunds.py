"""No more goes back than was paid, whoever asks at the same moment, and the books stay balanced."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as search
from hypothesis import strategies as st

from finance.models import LedgerEntry, Period, Refund
from finance.services import (
    Share,
    UnableToRefund,
    refund_recorded,
    refund_refused,
    refund_reserve,
    refund_sent,
)
from finance.states import Executor, PeriodStatus
from fulfilment.models import Order, OrderItem
from integrator.engine.states import move
from returns.models import ReturnItem
from tests.factories import AT, TRACE, order, returned


def reserve(item: ReturnItem, amount: int) -> Refund:
    with transaction.atomic():
        return refund_reserve(
            return_record=item.return_record,
            shares=[Share(item, amount)],
            executor=Executor.SCAYLE,
            evidence_before=[],
            billing_before="PAID",
            policy_version=1,
            trace=TRACE,
        )


def record(refund: Refund) -> None:
    refund_sent(refund, trace=TRACE, reason="sent")
    refund_recorded(
        refund,
        evidence={"corrective_invoice": "1"},
        executed_minor=refund.calculated_minor,
        is_derived=True,
        reference="1",
        trace=TRACE,
        reason="seen",
    )


def test_what_is_reserved_counts_as_paid_until_it_is_proved_unpaid(db: None) -> None:
    sold = order(1000)
    item = returned(sold.items.get())
    refund = reserve(item, 1000)
    assert Order.objects.get().refunded_minor == 1000

    refund_refused(refund, trace=TRACE, reason="The shop refused it")

    assert Order.objects.get().refunded_minor == 0
    assert OrderItem.objects.get().refunded_minor == 0
    assert reserve(ReturnItem.objects.get(), 1000).number == 2


def test_more_than_the_order_was_paid_is_refused_and_nothing_is_left_behind(db: None) -> None:
    sold = order(600, 600, paid=1000)
    first, second = (returned(unit) for unit in sold.items.order_by("pk"))
    record(reserve(first, 600))

    with pytest.raises(UnableToRefund) as refused:
        reserve(second, 600)

    assert refused.value.facts["left"] == "EUR 4.00"
    assert Refund.objects.count() == 1
    assert Order.objects.get().refunded_minor == 600


def test_more_than_a_unit_was_paid_is_refused(db: None) -> None:
    sold = order(600, 400)
    with pytest.raises(UnableToRefund):
        reserve(returned(sold.items.order_by("pk")[1]), 401)


def test_the_database_holds_the_caps_too(db: None) -> None:
    sold = order(600)
    for row in (Order.objects.filter(pk=sold.pk), sold.items.all()):
        with pytest.raises(DatabaseError, match="at_most_paid"), transaction.atomic():
            row.update(refunded_minor=601)


def test_one_refund_of_an_order_stands_between_sending_and_proof(db: None) -> None:
    sold = order(500, 500)
    first, second = (returned(unit) for unit in sold.items.order_by("pk"))
    reserve(first, 500)
    with pytest.raises(DatabaseError, match="refund_one_open_per_order"), transaction.atomic():
        reserve(second, 500)


@search(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prices=st.lists(st.integers(1, 900), min_size=1, max_size=4),
    asked=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 1000), st.booleans()), max_size=6),
)
def test_whatever_is_asked_no_more_goes_back_than_was_paid(
    db: None, prices: list[int], asked: list[tuple[int, int, bool]]
) -> None:
    with transaction.atomic():
        sold = order(*prices)
        units = [returned(unit) for unit in sold.items.order_by("pk")]
        for place, amount, is_paid in asked:
            item = ReturnItem.objects.get(pk=units[place % len(units)].pk)
            if item.money not in ("NONE", "REFUSED"):
                continue
            try:
                refund = reserve(item, amount)
            except UnableToRefund:
                continue
            refund = Refund.objects.get(pk=refund.pk)
            record(refund) if is_paid else refund_refused(refund, trace=TRACE, reason="refused")
        sold.refresh_from_db()
        paid = sum(one.executed_minor or 0 for one in sold.refunds.all())
        assert sold.refunded_minor == paid <= sold.paid_minor
        assert sum(sold.items.values_list("refunded_minor", flat=True)) == paid
        held = 0
        for one in LedgerEntry.objects.filter(order_id=sold.pk):
            held += one.amount_minor * (one.to_account == "REFUNDS_OWED")
            held -= one.amount_minor * (one.from_account == "REFUNDS_OWED")
        assert held == 0
        transaction.set_rollback(True)


@pytest.mark.requirement("R058")
def test_of_two_refunds_at_the_same_moment_exactly_one_is_made(committed: None) -> None:
    sold = order(600, 600, paid=1000)
    items = [returned(unit) for unit in sold.items.order_by("pk")]
    together = threading.Barrier(2, timeout=10)
    ended: list[Any] = []

    def ask(item: ReturnItem) -> None:
        try:
            together.wait()
            ended.append(reserve(item, 600))
        except Exception as error:
            ended.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[item]) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert sorted(type(one).__name__ for one in ended) == ["Refund", "UnableToRefund"]
    assert Refund.objects.count() == 1
    assert Order.objects.get().refunded_minor == 600


def test_nothing_is_posted_into_a_closed_month(db: None) -> None:
    sold = order(1000, 500)
    first, second = (returned(unit) for unit in sold.items.order_by("pk"))
    record(reserve(first, 1000))
    march = Period.objects.get()
    assert march.first_date == date(2026, 3, 1)
    move(march, "status", PeriodStatus.CLOSED, reason="closed", trace=TRACE)

    record(reserve(second, 500))

    late = LedgerEntry.objects.filter(amount_minor=500)
    assert {one.period.first_date for one in late} == {date(2026, 4, 1)}
    assert {one.happened_at for one in late} == {AT}
    entry = LedgerEntry.objects.filter(period=march).first()
    assert entry is not None
    entry.pk, entry.key = None, "forged"
    with pytest.raises(DatabaseError, match="is closed"), transaction.atomic():
        entry.save(force_insert=True)
