"""The books: one transfer per step of a refund, in the open month of its retailer."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from finance.models import LedgerEntry, Period, Refund
from finance.states import Account, PeriodStatus
from integrator.engine.states import Trace

FAILED = "failed"


def post(
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


def step_of(refund: Refund, step: str) -> str:
    """The name of a step that can happen again, once after each time the payment failed."""
    failed = LedgerEntry.objects.filter(refund_id=refund.pk, key__contains=f":{FAILED}").count()
    return f"{step}:{failed + 1}" if failed else step


def period_for(retailer_id: int, timezone: str, at: datetime) -> Period:
    """The open month something is booked in: its own, or the next open one when that is closed."""
    local = at.astimezone(ZoneInfo(timezone)).date()
    first = local.replace(day=1)
    while True:
        period, _ = Period.objects.get_or_create(retailer_id=retailer_id, first_date=first)
        if period.status == PeriodStatus.OPEN:
            return period
        first = date(first.year + first.month // 12, first.month % 12 + 1, 1)
