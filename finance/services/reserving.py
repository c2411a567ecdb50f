"""Reserving money before anything is sent: what a refund is worth, and that no more goes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Max

from finance import cases as kinds
from finance.models import Refund, RefundItem
from finance.services.books import post
from finance.services.bundles import bundles_of, bundles_paid, left_of
from finance.states import REFUND_OPEN, Account, Executor, Subject
from fulfilment.models import Order, OrderItem
from integrator.engine.errors import Refused
from integrator.engine.money import money_text
from integrator.engine.states import Trace, move
from returns.models import Return, ReturnItem
from returns.shapes import Resolution
from returns.states import MONEY_MOVES, Money


class UnableToRefund(Refused):
    """The refund would break a rule of the books. The message says which."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one unit is worth in a refund, in minor units, and how that was worked out.

    ``item`` is the returned unit; without one ``unit`` is the ordered unit that was paid back
    although it is not part of a return.
    """

    item: ReturnItem | None
    amount_minor: int
    unit: OrderItem | None = None
    arithmetic: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order_item_id(self) -> int:
        """The unit of the order; a returned unit without one is blocked and never refunded."""
        if self.unit is not None:
            return int(self.unit.pk)
        assert self.item is not None and self.item.order_item_id is not None
        return self.item.order_item_id


def open_refund(order_id: int) -> Refund | None:
    """The refund of an order that stands between SCAYLE's call and SCAYLE's proof of it.

    One whose payment failed after it had been proved may stand beside it: that one comes last.
    """
    waiting = Refund.objects.filter(
        order_id=order_id, executor=Executor.SCAYLE, status__in=REFUND_OPEN
    )
    return waiting.order_by(F("failed_at").asc(nulls_first=True), "id").first()


def refund_reserve(
    *,
    return_record: Return | None,
    shares: Sequence[Share],
    executor: Executor,
    evidence_before: Sequence[str],
    billing_before: str,
    policy_version: int,
    trace: Trace,
    order_id: int | None = None,
    way: Resolution = Resolution.REFUND,
) -> Refund:
    """Create a refund of units and reserve its amount on the order and them, under row lock.

    ``evidence_before`` are the corrective invoices the order already has, ``billing_before`` what
    its billing says before sending: they prove nothing about this one. ``order_id`` only where the
    money was paid for another order than the one the return is of. UnableToRefund when more would
    go back than was paid.
    """
    assert shares, "a refund without units"
    if order_id is None and return_record is not None:
        order_id = return_record.order_id
    assert order_id is not None, "a refund without an order"
    total = sum(share.amount_minor for share in shares)
    refund = _create(
        order_id,
        subject=Subject.ITEM,
        total=total,
        claimed=sum(_claimed(share) for share in shares),
        shares=shares,
        return_record=return_record,
        executor=executor,
        evidence_before=list(evidence_before),
        billing_before=billing_before,
        policy_version=policy_version,
        way=way,
        trace=trace,
    )
    if bundles_paid([share.order_item_id for share in shares], executor=executor, trace=trace):
        raise _too_much(refund.order, return_record, total)
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
        # What a person settled in another way and proves to be paid is recorded at once.
        if share.item is not None and Money.AUTHORISED in MONEY_MOVES[share.item.money]:
            move(share.item, "money", Money.AUTHORISED, reason="All evidence is there", trace=trace)
    return refund


def refund_reserve_whole(
    *,
    order_id: int,
    subject: Subject,
    amount_minor: int,
    executor: Executor,
    policy_version: int,
    trace: Trace,
) -> Refund:
    """Create a refund of the order as a whole: of its shipping, or as goodwill.

    Shipping counts towards what may go back; goodwill is a gift of ours and does not, so that it
    never stands in the way of money the customer is owed.
    """
    assert subject != Subject.ITEM, "units have a refund of their own"
    return _create(
        order_id,
        subject=subject,
        total=amount_minor,
        claimed=amount_minor,
        shares=(),
        return_record=None,
        executor=executor,
        evidence_before=[],
        billing_before="",
        policy_version=policy_version,
        way=Resolution.REFUND,
        trace=trace,
    )


def _create(
    order_id: int,
    *,
    subject: Subject,
    total: int,
    claimed: int,
    shares: Sequence[Share],
    return_record: Return | None,
    trace: Trace,
    **values: Any,
) -> Refund:
    order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
    if subject != Subject.GOODWILL:
        _hold_amount(order, return_record, shares, total)
    numbers = Refund.objects.filter(order=order, subject=subject)
    refund = Refund.objects.create(
        order=order,
        return_record=return_record,
        subject=subject,
        number=(numbers.aggregate(last=Max("number"))["last"] or 0) + 1,
        currency=order.currency,
        claimed_minor=claimed,
        calculated_minor=total,
        arithmetic=[dict(share.arithmetic) for share in shares if share.arithmetic],
        authorised_at=trace.at,
        **values,
    )
    post(
        refund,
        "owed",
        origin_of(refund),
        Account.REFUNDS_OWED,
        total,
        trace,
        reason="Refund authorised",
    )
    return refund


def origin_of(refund: Refund) -> Account:
    """The account that bears it: goods and shipping come off the sales, goodwill is a cost."""
    return Account.GOODWILL if refund.subject == Subject.GOODWILL else Account.SALES_RETURNS


def _hold_amount(
    order: Order, return_record: Return | None, shares: Sequence[Share], total: int
) -> None:
    """Raise what counts as refunded on the locked order and its units, up to what was paid."""
    if order.refunded_minor + total > order.paid_minor:
        raise _too_much(order, return_record, total)
    for share in shares:
        held = OrderItem.objects.select_for_update(no_key=True).get(pk=share.order_item_id)
        if held.refunded_minor + share.amount_minor > held.paid_minor:
            raise _too_much(order, return_record, total)
        held.refunded_minor += share.amount_minor
        held.save(update_fields=["refunded_minor"])
    if any(left_of(one) < 0 for one in bundles_of(share.order_item_id for share in shares)):
        raise _too_much(order, return_record, total)
    order.refunded_minor += total
    order.save(update_fields=["refunded_minor"])


def amount_free(refund: Refund) -> None:
    """Give a refund's reserved amount back to its order and units. The order's row is locked."""
    if refund.subject == Subject.GOODWILL:
        return
    Order.objects.select_for_update(no_key=True).get(pk=refund.order_id)
    parts = list(refund.items.all())
    for part in parts:
        OrderItem.objects.filter(pk=part.order_item_id).update(
            refunded_minor=F("refunded_minor") - part.amount_minor
        )
    counted = sum(part.amount_minor for part in parts) if parts else refund.calculated_minor
    Order.objects.filter(pk=refund.order_id).update(refunded_minor=F("refunded_minor") - counted)


def _claimed(share: Share) -> int:
    if share.item is None:
        return share.amount_minor
    return share.item.claimed_minor - sum(int(one["amount_minor"]) for one in share.item.deductions)


def _too_much(order: Order, return_record: Return | None, total: int) -> UnableToRefund:
    left = order.paid_minor - order.refunded_minor
    return UnableToRefund(
        "more would go back than was paid",
        case=kinds.REFUND_MORE_THAN_PAID,
        facts={
            "order": order.number,
            "rma": return_record.external_id if return_record else "(none)",
            "amount": money_text(total, order.currency),
            "left": money_text(left, order.currency),
        },
    )
