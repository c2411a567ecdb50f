"""What became of an order's returned units and of the money, in one small document for the shop.

Built from our account alone, so the same state always gives the same document. No personal data:
no names, no free text, no references of payments.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Max, OuterRef, Subquery

from finance.models import Refund
from finance.states import RefundStatus
from integrator.models import Transition
from returns.models import Inspection, Return, ReturnItem

Summary = dict[str, Any]


def returns_summary(order_id: int) -> Summary:
    """Every return of the order with its units, and every proved refund.

    Units are named as the shop names them. ``at`` is when the newest of it changed.
    """
    returns: Summary = {
        one.external_id: {"status": one.status, "units": {}}
        for one in Return.objects.filter(order_id=order_id).order_by("id")
    }
    for item in _units(order_id):
        unit = {"custody": item.custody, "money": item.money}
        if item.verdict:
            unit["disposition"] = item.verdict
        if item.blocked_by:
            unit["held"] = item.blocked_by
        returns[item.return_record.external_id]["units"][item.order_item.external_id] = unit
    changed = Transition.objects.filter(
        order_id=order_id, record_kind__in=["return", "return_item", "refund"]
    ).aggregate(at=Max("at"))["at"]
    return {
        "returns": returns,
        "refunds": [_refund(one) for one in _proved(order_id)],
        "at": changed.isoformat() if changed else "",
    }


def same(one: object, other: Summary) -> bool:
    """Whether both say the same of the units and the money, whenever it was written."""
    if not isinstance(one, dict):
        return False
    return all(one.get(part) == other[part] for part in ("returns", "refunds"))


def _units(order_id: int) -> list[Any]:
    """Held ones first: where two claim one unit of the order, the one that counts is told."""
    last = Inspection.objects.filter(return_item=OuterRef("pk"), piece=None).order_by("-version")
    return list(
        ReturnItem.objects.filter(return_record__order_id=order_id, order_item__isnull=False)
        .select_related("return_record", "order_item")
        .annotate(verdict=Subquery(last.values("disposition")[:1]))
        .order_by("-blocked_by", "id")
    )


def _proved(order_id: int) -> list[Refund]:
    return list(
        Refund.objects.filter(
            order_id=order_id, status__in=[RefundStatus.RECORDED, RefundStatus.SETTLED]
        )
        .prefetch_related("items__order_item")
        .order_by("id")
    )


def _refund(one: Refund) -> Summary:
    assert one.recorded_at is not None, "recorded without a time"
    return {
        "subject": one.subject,
        "number": one.number,
        "amount": one.executed_minor,
        "currency": one.currency,
        "paid_by": one.executor,
        "recorded_at": one.recorded_at.isoformat(),
        "units": [part.order_item.external_id for part in one.items.all()],
    }
