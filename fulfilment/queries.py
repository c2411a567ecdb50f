"""Questions about an article's units and figures that pages ask. They write nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from fulfilment.models import OrderItem, Sku, StockLevel, StockMovement
from fulfilment.services.oversell import PROMISED
from fulfilment.states import Bucket
from integrator.models import Job, JobState


def units_now(sku: Sku) -> QuerySet[StockMovement]:
    """Where each returned unit is counted as this article: the last movement of each."""
    last = StockMovement.objects.filter(sku=sku).values("return_item_id").annotate(last=Max("id"))
    return StockMovement.objects.filter(pk__in=last.values("last"))


@dataclass(frozen=True, slots=True)
class Change:
    """One change of what may be sold, made because a returned unit came onto a shelf or left it.

    ``before`` is what the shop showed, ``confirmed`` what it answered; both are None where the step
    sent no figure or kept none of this movement.
    """

    movement: StockMovement
    job: Job | None
    before: int | None = None
    confirmed: int | None = None

    @property
    def by(self) -> int:
        """What it changed the figure by."""
        up = self.movement.to_bucket == Bucket.SELLABLE
        return self.movement.quantity if up else -self.movement.quantity


def changes_of(
    sku: Sku, levels: list[StockLevel], *, newest: int
) -> tuple[list[Change], Job | None]:
    """The newest changes, and for each figure the one that made it, newest first; and the step
    that last told the shop how many units are on their way back, if it is told.
    """
    touched = StockMovement.objects.filter(
        Q(to_bucket=Bucket.SELLABLE) | Q(from_bucket=Bucket.SELLABLE), sku=sku
    )
    made_figures = Q(at__in=[one.confirmed_at for one in levels if one.confirmed_at])
    latest = Q(pk__in=touched.order_by("-id").values("pk")[:newest])
    movements = list(
        touched.filter(latest | made_figures).select_related("location").order_by("-id")
    )
    told = Job.objects.filter(
        record_kind="sku",
        record_id=sku.pk,
        flow="show_in_transit",
        state=JobState.DONE,
        evidence__has_key="in_transit",
    ).order_by("-id")
    wanted = {row.job_id for row in movements if row.job_id}
    jobs = {
        job.pk: job
        for job in Job.objects.filter(Q(pk__in=wanted) | Q(pk__in=told.values("pk")[:1]))
    }
    last_of_job: dict[int, int] = {}
    for row in movements:
        if row.job_id:
            last_of_job.setdefault(row.job_id, row.pk)
    changes = [
        _change(row, jobs.get(row.job_id or 0), is_last=last_of_job.get(row.job_id or 0) == row.pk)
        for row in movements
    ]
    return changes, next((job for pk, job in jobs.items() if pk not in wanted), None)


def _change(movement: StockMovement, job: Job | None, *, is_last: bool) -> Change:
    """A step that moved several times kept the figures of its last change only."""
    said = {**job.kept, **job.evidence} if job is not None and is_last else {}
    before, confirmed = said.get("before"), said.get("sellable")
    if not isinstance(before, int) or not isinstance(confirmed, int):
        return Change(movement, job)
    return Change(movement, job, before, confirmed)


def made_by(level: StockLevel, changes: list[Change]) -> Change | None:
    """The change after which the shop confirmed this figure; None when we only looked."""
    return next(
        (
            one
            for one in changes
            if one.movement.at == level.confirmed_at
            and one.movement.location_id == level.location_id
            and one.job is not None
            and one.job.connection_id == level.connection_id
            and one.confirmed == level.confirmed
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class Sold:
    """Units of one shop: promised in open orders, and sold since its figure was counted."""

    connection_id: int
    promised: int
    since: int | None


def promised(sku: Sku) -> QuerySet[OrderItem]:
    """Units of open orders that have not left."""
    return OrderItem.objects.filter(PROMISED, sku=sku)


def sold_since(sku: Sku, counted: Mapping[int, datetime]) -> QuerySet[OrderItem]:
    """Units sold after the figure of their shop was counted: it does not have them in it.

    ``counted`` is the instant of the oldest figure of each connection.
    """
    return OrderItem.objects.filter(_later(counted), sku=sku, is_bundle=False)


def _later(counted: Mapping[int, datetime]) -> Q:
    later = Q(pk__in=[])
    for connection_id, at in counted.items():
        later |= Q(order__connection=connection_id, order__placed_at__gt=at)
    return later


def sold_of(sku: Sku, counted: Mapping[int, datetime]) -> list[Sold]:
    """Both counts per connection. The lists behind them are ``promised``, ``sold_since``."""
    rows = (
        OrderItem.objects.filter(PROMISED | _later(counted), sku=sku, is_bundle=False)
        .values("order__connection")
        .annotate(
            promised=Count("id", filter=PROMISED),
            since=Count("id", filter=_later(counted)),
        )
        .order_by("order__connection")
    )
    return [
        Sold(
            row["order__connection"],
            row["promised"],
            row["since"] if row["order__connection"] in counted else None,
        )
        for row in rows
    ]
