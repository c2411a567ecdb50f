"""What a refund counts as, when the payer's figure is another than ours, and when it takes the
payment back. The books keep every step; the counters on the order follow.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F

from finance.models import Refund, RefundItem
from finance.services.books import FAILED, post, step_of
from finance.services.reserving import origin_of
from finance.states import Account, Subject
from fulfilment.models import Order, OrderItem
from fulfilment.shares import spread
from integrator.engine.states import Trace


def their_figure_taken(refund: Refund, executed_minor: int, trace: Trace) -> None:
    """Count what was really paid. What is beyond the price of goods stays in the books alone."""
    reason = "The payer's figure is another than ours"
    difference = executed_minor - refund.calculated_minor
    _post_difference(refund, difference, trace, reason=reason, steps=("more", "less"))
    parts = _parts(refund)
    shares = spread(executed_minor, [part.amount_minor for part in parts])
    counted = sum(part.amount_minor for part in parts) if parts else refund.calculated_minor
    _count(refund, parts, shares or [executed_minor], counted)


def payment_taken_back(refund: Refund, *, trace: Trace, reason: str) -> None:
    """A payment that was recorded did not happen after all: it is owed again, in our own figure."""
    executed = refund.executed_minor
    assert executed is not None, "recorded without a figure"
    difference = refund.calculated_minor - executed
    _post_difference(refund, difference, trace, reason=reason, steps=("less-back", "more-back"))
    if difference:
        parts = _parts(refund)
        counted = sum(part.amount_minor for part in parts) if parts else executed
        _count(refund, parts, our_shares(refund, parts), counted)
    # Last: this entry is what numbers the steps that may follow.
    post(
        refund,
        step_of(refund, FAILED),
        Account.PAYER,
        Account.REFUNDS_OWED,
        executed,
        trace,
        reason=reason,
    )


def _post_difference(
    refund: Refund, difference: int, trace: Trace, *, reason: str, steps: tuple[str, str]
) -> None:
    """What is owed grows by ``difference``, or shrinks: the account that bears it follows."""
    up, down = steps
    origin = origin_of(refund)
    if difference > 0:
        step = step_of(refund, up)
        post(refund, step, origin, Account.REFUNDS_OWED, difference, trace, reason=reason)
    elif difference < 0:
        step = step_of(refund, down)
        post(refund, step, Account.REFUNDS_OWED, origin, -difference, trace, reason=reason)


def _parts(refund: Refund) -> list[RefundItem]:
    return list(refund.items.select_related("order_item").select_for_update(of=("self",)))


def our_shares(refund: Refund, parts: Sequence[RefundItem]) -> list[int]:
    """What each part was set aside for, as it was worked out then."""
    if not parts:
        return [refund.calculated_minor]
    rows = {row.get("return_item"): row for row in refund.arithmetic}
    known = [
        int(row.get("counted_minor", row["result_minor"]))
        for part in parts
        if part.return_item_id is not None and (row := rows.get(part.return_item_id)) is not None
    ]
    if len(known) == len(parts) and sum(known) == refund.calculated_minor:
        return known
    return spread(refund.calculated_minor, [part.order_item.paid_minor for part in parts])


def _count(
    refund: Refund, parts: Sequence[RefundItem], shares: Sequence[int], counted_before: int
) -> None:
    """Count ``shares`` as refunded in place of what counted before, never above what was paid."""
    if refund.subject == Subject.GOODWILL:
        return
    order = Order.objects.select_for_update(no_key=True).get(pk=refund.order_id)
    left = order.paid_minor - order.refunded_minor + counted_before
    counted_all = 0 if parts else min(shares[0], left)
    for part, share in zip(parts, shares if parts else (), strict=True):
        unit = OrderItem.objects.get(pk=part.order_item_id)
        room = unit.paid_minor - unit.refunded_minor + part.amount_minor
        counted = max(min(share, room, left - counted_all), 0)
        OrderItem.objects.filter(pk=unit.pk).update(
            refunded_minor=F("refunded_minor") - part.amount_minor + counted
        )
        RefundItem.objects.filter(pk=part.pk).update(amount_minor=counted)
        counted_all += counted
    Order.objects.filter(pk=order.pk).update(
        refunded_minor=F("refunded_minor") - counted_before + counted_all
    )
