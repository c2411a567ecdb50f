"""Bundles in refunds: the shop takes a bundle back whole, once; parts are paid past it for ever."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Sum

from finance.models import Refund, RefundItem
from finance.states import Executor
from fulfilment.models import OrderItem
from fulfilment.states import BundleRefund
from integrator.engine.states import Trace, move


def bundles_of(unit_ids: Iterable[int]) -> list[OrderItem]:
    """The bundles that these units are, or are part of, under lock and always in one order."""
    units = OrderItem.objects.filter(pk__in=list(unit_ids)).values_list("pk", "parent_id")
    ids = {parent_id or pk for pk, parent_id in units}
    found = OrderItem.objects.filter(pk__in=ids, is_bundle=True).select_related("order")
    return list(found.select_for_update(of=("self",), no_key=True).order_by("pk"))


def left_of(bundle: OrderItem) -> int:
    """What of a bundle's price may still go back, whether as a whole or in parts."""
    parts = bundle.components.aggregate(sum=Sum("refunded_minor"))["sum"] or 0
    return bundle.paid_minor - bundle.refunded_minor - parts


def bundles_paid(unit_ids: Iterable[int], *, executor: Executor, trace: Trace) -> list[OrderItem]:
    """Mark the bundles of a refund's units as refunded whole or in parts, their amounts being held.

    Returns those that cannot be refunded this way, or not any more.
    """
    way = BundleRefund.WHOLE if executor == Executor.SCAYLE else BundleRefund.PARTS
    barred = []
    for bundle in bundles_of(unit_ids):
        if way == BundleRefund.WHOLE and left_of(bundle):
            barred.append(bundle)  # not all of it is in this refund
        elif bundle.bundle_refund == BundleRefund.NONE:
            reason = "The shop takes it back" if way == BundleRefund.WHOLE else "Paid past the shop"
            move(bundle, "bundle_refund", way, reason=reason, trace=trace)
        elif bundle.bundle_refund != way or way == BundleRefund.WHOLE:
            barred.append(bundle)
    return barred


def bundles_freed(refund: Refund, *, trace: Trace, reason: str) -> None:
    """The shop refused a bundle: it is as if nothing had been asked. Parts stay barred for ever."""
    if refund.executor != Executor.SCAYLE:
        return
    parts = RefundItem.objects.filter(refund=refund).values_list("order_item_id", flat=True)
    for bundle in bundles_of(parts):
        if bundle.bundle_refund == BundleRefund.WHOLE:
            move(bundle, "bundle_refund", BundleRefund.NONE, reason=reason, trace=trace)
