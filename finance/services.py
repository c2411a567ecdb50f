"""What happens to refunds and the books.

Every function is one step inside the caller's transaction.

Money is never sent on a guess: the amount is reserved on the order before the call, counted as paid
while it may have been, and freed only on proof that it was not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, Max

from finance import cases as kinds
from finance.models import LedgerEntry, Period, Refund, RefundItem
from finance.states import REFUND_OPEN, Account, Executor, PeriodStatus, RefundStatus, Subject
from fulfilment.models import Order, OrderItem
from integrator.engine import cases
from integrator.engine.errors import Refused
from integrator.engine.states import Trace, move
from returns.models import Return, ReturnItem
from returns.states import Money


class UnableToRefund(Refused):
    """The refund would break a rule of the books. The message says which."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one returned unit is worth in a refund, in minor units."""

    item: ReturnItem
    amount_minor: int

    @property
    def order_item_id(self) -> int:
        """The unit of the order; a returned unit without one is blocked and never refunded."""
        assert self.item.order_item_id is not None
        return self.item.order_item_id


def open_refund(order_id: int) -> Refund | None:
    """The one refund of an order that stands between its reservation and its proof."""
    return Refund.objects.filter(order_id=order_id, status__in=REFUND_OPEN).first()


def refund_reserve(
    *,
    return_record: Return,
    shares: Sequence[Share],
    executor: Executor,
    evidence_before: Sequence[str],
    billing_before: str,
    policy_version: int,
    trace: Trace,
) -> Refund:
    """Create a refund and reserve its amount on the order and its units, under row lock.

    ``evidence_before`` are the corrective invoices the order already has, ``billing_before`` what
    its billing says before sending: they prove nothing about this one. UnableToRefund when more
    would go back than was paid.
    """
    assert shares, "a refund without units"
    assert return_record.order_id is not None, "a refund without an order"
    order = Order.objects.select_for_update(no_key=True).get(pk=return_record.order_id)
    total = sum(share.amount_minor for share in shares)
    _hold_amount(order, return_record, shares, total)
    number = (
        Refund.objects.filter(order=order, subject=Subject.ITEM).aggregate(last=Max("number"))[
            "last"
        ]
        or 0
    ) + 1
    refund = Refund.objects.create(
        order=order,
        return_record=return_record,
        subject=Subject.ITEM,
        number=number,
        executor=executor,
        currency=order.currency,
        claimed_minor=sum(_claimed(share.item) for share in shares),
        calculated_minor=total,
        evidence_before=list(evidence_before),
        billing_before=billing_before,
        policy_version=policy_version,
        authorised_at=trace.at,
    )
    RefundItem.objects.bulk_create(
        RefundItem(
            refund=refund,
            order_item_id=share.order_item_id,
            return_item=share.item,
            amount_minor=share.amount_minor,
        )
        for share in shares
    )
    for share in shares:
        move(share.item, "money", Money.AUTHORISED, reason="All evidence is there", trace=trace)
    _post(
        refund,
        "owed",
        Account.SALES_RETURNS,
        Account.REFUNDS_OWED,
        total,
        trace,
        reason="Refund authorised",
    )
    return refund


def _hold_amount(order: Order, return_record: Return, shares: Sequence[Share], total: int) -> None:
    """Raise what counts as refunded on the locked order and its units, up to what was paid."""
    if order.refunded_minor + total > order.paid_minor:
        raise _too_much(order, return_record, total)
    for share in shares:
        held = OrderItem.objects.select_for_update(no_key=True).get(pk=share.order_item_id)
        if held.refunded_minor + share.amount_minor > held.paid_minor:
            raise _too_much(order, return_record, total)
        held.refunded_minor += share.amount_minor
        held.save(update_fields=["refunded_minor"])
    order.refunded_minor += total
    order.save(update_fields=["refunded_minor"])


def _claimed(item: ReturnItem) -> int:
    return item.claimed_minor - sum(int(one["amount_minor"]) for one in item.deductions)


def _too_much(order: Order, return_record: Return, total: int) -> UnableToRefund:
    left = order.paid_minor - order.refunded_minor
    return UnableToRefund(
        "more would go back than was paid",
        case=kinds.REFUND_MORE_THAN_PAID,
        facts={
            "order": order.number,
            "rma": return_record.external_id,
            "amount": f"{total / 100:.2f} {order.currency}",
            "left": f"{left / 100:.2f} {order.currency}",
        },
    )


def refund_sent(refund: Refund, *, trace: Trace, reason: str) -> None:
    """The payer took it: from now on only proof is missing. Repeating changes nothing."""
    if refund.status not in (RefundStatus.AUTHORISED, RefundStatus.IN_DOUBT):
        return
    move(refund, "status", RefundStatus.SENT, reason=reason, trace=trace, sent_at=trace.at)
    for item in _units(refund):
        move(item, "money", Money.SENT, reason=reason, trace=trace)


def refund_doubtful(refund: Refund, *, trace: Trace, reason: str) -> None:
    """It may have been paid. It counts as paid, and is not sent again, until somebody knows."""
    if refund.status not in (RefundStatus.AUTHORISED, RefundStatus.SENT):
        return
    move(refund, "status", RefundStatus.IN_DOUBT, reason=reason, trace=trace)
    for item in _units(refund):
        move(item, "money", Money.IN_DOUBT, reason=reason, trace=trace)


def refund_refused(refund: Refund, *, trace: Trace, reason: str) -> None:
    """Proved not paid: the reserved amount is free again. Only a proven failure comes here."""
    if refund.status not in REFUND_OPEN:
        return
    order = Order.objects.select_for_update(no_key=True).get(pk=refund.order_id)
    move(refund, "status", RefundStatus.REFUSED, reason=reason, trace=trace)
    for part in refund.items.select_related("return_item__return_record"):
        OrderItem.objects.filter(pk=part.order_item_id).update(
            refunded_minor=F("refunded_minor") - part.amount_minor
        )
        if part.return_item is not None:
            move(part.return_item, "money", Money.REFUSED, reason=reason, trace=trace)
    refund.items.update(is_live=False)
    Order.objects.filter(pk=order.pk).update(
        refunded_minor=F("refunded_minor") - refund.calculated_minor
    )
    _post(
        refund,
        "freed",
        Account.REFUNDS_OWED,
        Account.SALES_RETURNS,
        refund.calculated_minor,
        trace,
        reason=reason,
    )


def refund_recorded(
    refund: Refund,
    *,
    evidence: Mapping[str, Any],
    executed_minor: int,
    is_derived: bool,
    reference: str,
    trace: Trace,
    reason: str,
) -> None:
    """The payer's own record was seen.

    ``is_derived``: the figure follows from ours, not from theirs.
    """
    if refund.status in (RefundStatus.RECORDED, RefundStatus.SETTLED):
        return
    move(
        refund,
        "status",
        RefundStatus.RECORDED,
        reason=reason,
        trace=trace,
        executed_minor=executed_minor,
        executed_is_derived=is_derived,
        evidence=dict(evidence),
        reference=reference[:120],
        recorded_at=trace.at,
    )
    for item in _units(refund):
        move(item, "money", Money.RECORDED, reason=reason, trace=trace)
    _post(
        refund,
        "paid",
        Account.REFUNDS_OWED,
        Account.PAYER,
        executed_minor,
        trace,
        reason=reason,
    )
    cases.close_by_fact(
        trace=trace,
        reason="The refund is recorded",
        kinds=kinds.KINDS[:5],
        record_kind="refund",
        record_id=refund.pk,
    )


def refund_payment_failed(refund: Refund, *, transaction: str, trace: Trace) -> None:
    """The payer took the return back but could not pay. The refund stays open; a person decides."""
    refund_doubtful(refund, trace=trace, reason="The payment provider reported a failure")
    cases.open_case(
        kinds.REFUND_FAILED,
        _about(refund),
        trace=trace,
        facts={**facts_of(refund), "transaction": transaction or "(none given)"},
    )


def _about(refund: Refund) -> cases.About:
    return cases.About(
        "refund",
        refund.pk,
        refund.order_id,
        refund.order.connection_id,
        money_minor=refund.calculated_minor,
        currency=refund.currency,
        customers_waiting=1,
    )


def refund_overdue(refund: Refund, *, trace: Trace) -> None:
    """Sent long ago and still no proof: finance looks."""
    cases.open_case(
        kinds.REFUND_NOT_RECORDED,
        _about(refund),
        trace=trace,
        facts={**facts_of(refund), "sent": f"{refund.sent_at:%d %b %H:%M} UTC"},
    )


def facts_of(refund: Refund) -> dict[str, str]:
    """What a case says about a refund."""
    return {
        "order": refund.order.number,
        "rma": refund.return_record.external_id if refund.return_record else "(none)",
        "amount": f"{refund.calculated_minor / 100:.2f} {refund.currency}",
        "platform": refund.order.connection.name,
    }


def _units(refund: Refund) -> list[ReturnItem]:
    parts = refund.items.filter(return_item__isnull=False).select_related(
        "return_item__return_record"
    )
    return [part.return_item for part in parts if part.return_item is not None]


def _post(
    refund: Refund,
    step: str,
    source: Account,
    target: Account,
    amount_minor: int,
    trace: Trace,
    *,
    reason: str,
) -> None:
    """One transfer in the books, once per step of a refund, dated now in the retailer's zone."""
    retailer = refund.order.connection.retailer
    LedgerEntry.objects.get_or_create(
        key=f"refund:{refund.pk}:{step}",
        defaults={
            "period": period_for(retailer.pk, retailer.timezone, trace.at),
            "from_account": source,
            "to_account": target,
            "amount_minor": amount_minor,
            "currency": refund.currency,
            "order_id": refund.order_id,
            "refund_id": refund.pk,
            "job_id": trace.job_id,
            "message_id": trace.message_id,
            "policy_version": trace.policy_version,
            "actor": trace.actor,
            "reason": reason[:300],
            "happened_at": trace.at,
            "at": trace.at,
        },
    )


def period_for(retailer_id: int, timezone: str, at: datetime) -> Period:
    """The open month something is booked in: its own, or the next open one when that is closed."""
    local = at.astimezone(ZoneInfo(timezone)).date()
    first = local.replace(day=1)
    while True:
        period, _ = Period.objects.get_or_create(retailer_id=retailer_id, first_date=first)
        if period.status == PeriodStatus.OPEN:
            return period
        first = date(first.year + first.month // 12, first.month % 12 + 1, 1)
