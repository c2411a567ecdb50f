"""What do we still owe? Every return with a promise that is not kept, since when, and who must act.

One query over the records themselves, so a lost callback or a lost step cannot hide a return.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from fulfilment.models import StockMovement
from fulfilment.states import Bucket
from integrator.models import BatchItem, Transition
from integrator.models.states import BATCH_ITEM_OPEN
from returns.models import Exchange, Inspection, Return, ReturnItem
from returns.shapes import Resolution
from returns.stages import ENDED
from returns.states import Custody, Disposition, ExchangeStatus, Money

PROMISES: Mapping[str, str] = {
    "owes_refund": "refund recorded",
    "owes_stock": "stock posted",
    "owes_exchange": "replacement shipped",
    "owes_completion": "return completed",
    "owes_telling": "shop told",
}


def with_promises(returns: QuerySet[Return]) -> QuerySet[Any]:
    """Returns with each promise that is missing as a flag; ``since`` is when it stopped.

    A unit that is held, was not in the parcel or was settled in another way is owed no money.
    """
    units = ReturnItem.objects.filter(return_record=OuterRef("pk"), blocked_by="")
    unpaid = units.filter(resolution=Resolution.REFUND).exclude(
        Q(custody=Custody.CLOSED) | Q(money__in=[Money.RECORDED, Money.SETTLED, Money.WAIVED])
    )
    last = Inspection.objects.filter(return_item=OuterRef("pk"), piece=None).order_by("-version")
    shelved = StockMovement.objects.filter(
        return_item_id=OuterRef("pk"),
        to_bucket__in=[Bucket.SELLABLE, Bucket.QUARANTINE, Bucket.WRITTEN_OFF],
    )
    unshelved = units.annotate(verdict=Subquery(last.values("disposition")[:1])).filter(
        ~Exists(shelved), verdict__in=[Disposition.RESTOCK, Disposition.QUARANTINE]
    )
    unsent = Exchange.objects.filter(return_record=OuterRef("pk")).exclude(
        status__in=[ExchangeStatus.SHIPPED, ExchangeStatus.REFUSED, ExchangeStatus.CANCELLED]
    )
    untold = BatchItem.objects.filter(
        record_kind="order", record_id=OuterRef("order_id"), state__in=BATCH_ITEM_OPEN
    )
    moved = Transition.objects.filter(
        record_kind="return", record_id=OuterRef("pk"), field="status"
    ).order_by("-id")
    return returns.annotate(
        owes_refund=Exists(unpaid),
        owes_stock=Exists(unshelved),
        owes_exchange=Exists(unsent),
        owes_telling=Exists(untold),
        since=Coalesce(Subquery(moved.values("at")[:1]), "requested_at"),
    )


def returns_owed() -> QuerySet[Return]:
    """Returns with any promise that is missing, the longest waiting first."""
    found: QuerySet[Return] = (
        with_promises(Return.objects.all())
        .filter(
            ~Q(status__in=ENDED)
            | Q(owes_refund=True)
            | Q(owes_stock=True)
            | Q(owes_exchange=True)
            | Q(owes_telling=True)
        )
        .select_related("connection", "order")
        .order_by("since", "pk")
    )
    return found


def missing(row: Return) -> list[str]:
    """The promises of one row of ``with_promises`` that are not kept, in words."""
    flags = {name: bool(getattr(row, name, False)) for name in PROMISES}
    flags["owes_completion"] = row.status not in ENDED
    return [words for name, words in PROMISES.items() if flags[name]]


def returns_stalled(
    stage_hours: Mapping[int, Mapping[str, int]], *, at: datetime
) -> QuerySet[Return]:
    """Returns that have not moved for longer than their stage allows, by retailer's id."""
    late = Q(pk__in=[])
    for retailer_id, stages in stage_hours.items():
        for stage, hours in stages.items():
            stood_since = at - timedelta(hours=hours)
            late |= Q(connection__retailer=retailer_id, status=stage, since__lte=stood_since)
    return returns_owed().filter(late)
