"""A payment that was recorded fails after all, any number of times: the books stay balanced."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given
from hypothesis import settings as search
from hypothesis import strategies as st

from finance.models import LedgerEntry, Refund
from finance.services import (
    Share,
    open_refund,
    refund_payment_failed,
    refund_recorded,
    refund_refused,
    refund_reserve,
    refund_sent,
)
from finance.states import Account, Executor
from fulfilment.models import Order, OrderItem
from returns.models import ReturnItem
from tests.factories import TRACE, order, returned


def balance(account: Account) -> int:
    def total(side: str) -> int:
        rows = LedgerEntry.objects.filter(**{side: account})
        return rows.aggregate(sum=Sum("amount_minor"))["sum"] or 0

    return total("to_account") - total("from_account")


def reserve(*items: ReturnItem, amounts: tuple[int, ...] = (), by: str = "scayle") -> Refund:
    parts = amounts or tuple(item.order_item.paid_minor for item in items if item.order_item)
    refund = refund_reserve(
        return_record=items[0].return_record,
        shares=[Share(item, part) for item, part in zip(items, parts, strict=True)],
        executor=Executor(by),
        evidence_before=[],
        billing_before="PAID",
        policy_version=1,
        trace=TRACE,
    )
    refund_sent(refund, trace=TRACE, reason="sent")
    return refund


def record(refund: Refund, executed: int | None = None) -> None:
    refund_recorded(
        refund,
        evidence={"transactions": ["1"]},
        executed_minor=refund.calculated_minor if executed is None else executed,
        is_derived=False,
        reference="1",
        trace=TRACE,
        reason="seen",
    )


def fail(refund: Refund) -> None:
    refund_payment_failed(refund, transaction="tx", trace=TRACE)


def test_a_recorded_payment_that_failed_is_owed_again(db: None) -> None:
    refund = reserve(returned(order(1000).items.get()))
    record(refund)
    fail(refund)
    fail(refund)  # told twice

    refund.refresh_from_db()
    assert (refund.status, refund.executed_minor, refund.failed_at) == ("IN_DOUBT", None, TRACE.at)
    assert ReturnItem.objects.get().money == "IN_DOUBT"
    assert (balance(Account.REFUNDS_OWED), balance(Account.PAYER)) == (1000, 0)
    assert Order.objects.get().refunded_minor == 1000


def test_only_one_that_failed_may_stand_beside_the_next(db: None) -> None:
    sold = order(500, 400, 300)
    first, second, third = (returned(unit) for unit in sold.items.order_by("pk"))
    refund = reserve(first)
    record(refund)
    later = reserve(second)
    fail(refund)
    assert open_refund(sold.pk) == later  # the proof that comes next is for this one
    with pytest.raises(DatabaseError, match="refund_one_open_per_order"), transaction.atomic():
        reserve(third)


def test_the_database_lets_no_settled_refund_go_back(db: None) -> None:
    refund = reserve(returned(order(500).items.get()))
    record(refund)
    Refund.objects.filter(pk=refund.pk).update(status="SETTLED")
    with pytest.raises(DatabaseError, match="Invalid transition"), transaction.atomic():
        Refund.objects.filter(pk=refund.pk).update(status="IN_DOUBT")


@search(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prices=st.lists(st.integers(2, 900), min_size=1, max_size=3),
    less=st.integers(0, 1),
    rounds=st.lists(st.integers(1, 3000), max_size=4),
    last=st.one_of(st.none(), st.integers(1, 3000)),
)
def test_however_often_it_fails_clearing_ends_at_zero(
    db: None, prices: list[int], less: int, rounds: list[int], last: int | None
) -> None:
    """Paid in the payer's own figure each time, and at the end either paid or proved unpaid."""
    with transaction.atomic():
        sold = order(*prices)
        units = [returned(unit) for unit in sold.items.order_by("pk")]
        refund = reserve(
            *units, amounts=tuple(price - less for price in prices), by="returns_platform"
        )
        owed = refund.calculated_minor
        for executed in rounds:
            record(refund, executed)
            assert (balance(Account.REFUNDS_OWED), balance(Account.PAYER)) == (0, executed)
            fail(refund)
            assert (balance(Account.REFUNDS_OWED), balance(Account.PAYER)) == (owed, 0)
            assert Order.objects.get(pk=sold.pk).refunded_minor == owed
            counted = OrderItem.objects.filter(order=sold).order_by("pk")
            assert sum(counted.values_list("refunded_minor", flat=True)) == owed
        if last is None:
            refund_refused(refund, trace=TRACE, reason="proved unpaid")
        else:
            record(refund, last)
        assert balance(Account.REFUNDS_OWED) == 0
        assert balance(Account.PAYER) == (last or 0)
        sold.refresh_from_db()
        goes_back = 0 if last is None else min(last, sold.paid_minor)
        assert sold.refunded_minor <= goes_back
        transaction.set_rollback(True)


def test_the_next_failure_has_a_time_of_its_own(db: None) -> None:
    refund = reserve(returned(order(500).items.get()))
    fail(refund)
    record(refund)
    later = TRACE.at + timedelta(hours=1)
    trace = type(TRACE)(at=later, actor=TRACE.actor)
    refund_payment_failed(refund, transaction="tx", trace=trace)
    assert Refund.objects.get().failed_at == later
