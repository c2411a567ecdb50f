"""Questions about returned units that more than one page asks. They write nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from fulfilment.models import Sku, StockMovement
from fulfilment.queries import units_now
from fulfilment.services import SHELVES
from fulfilment.states import Bucket
from integrator.models import Job, JobState, Transition
from returns.models import Inspection, ReturnItem
from returns.shapes import Method
from returns.states import Disposition


def units_off_sale() -> QuerySet[StockMovement]:
    """Units that were checked and are fine, and that nobody can buy: still counted as received.

    Each row is the unit's last movement as one article. They are not in any figure of a shop, so
    their number must come back to nought.
    """
    last_of_unit = StockMovement.objects.values("return_item_id", "sku_id").annotate(last=Max("id"))
    return off_sale_among(StockMovement.objects.filter(pk__in=last_of_unit.values("last")))


def off_sale_among(last_movements: QuerySet[StockMovement]) -> QuerySet[StockMovement]:
    """Those of them that are off sale though they are fine, the oldest first."""
    found: QuerySet[StockMovement] = (
        _judged(last_movements.filter(to_bucket=Bucket.RECEIVED))
        .filter(verdict=Disposition.RESTOCK)
        .select_related("sku")
        .order_by("at", "pk")
    )
    return found


@dataclass(frozen=True, slots=True)
class Counted:
    """How many units of an article are in one bucket, at one place, with one last verdict."""

    bucket: str
    place: tuple[int, str, str] | None  # id, name, authority; only of units on a shelf
    is_off_sale: bool
    units: int


def unit_counts(sku: Sku) -> list[Counted]:
    """Where the returned units of an article are now, by our movements."""
    rows = (
        _judged(units_now(sku))
        .order_by()
        .values("to_bucket", "location", "location__name", "location__authority", "verdict")
        .annotate(units=Sum("quantity"))
    )
    return [
        Counted(
            bucket=row["to_bucket"],
            place=(row["location"], row["location__name"], row["location__authority"])
            if row["to_bucket"] in SHELVES
            else None,
            is_off_sale=row["to_bucket"] == Bucket.RECEIVED
            and row["verdict"] == Disposition.RESTOCK,
            units=row["units"],
        )
        for row in rows
    ]


def _judged(movements: QuerySet[StockMovement]) -> Any:
    """Each with the last verdict on its unit, or on that article of it."""
    article = OuterRef("sku_id")
    verdict = (
        Inspection.objects.filter(
            Q(piece=None) | Q(piece=article) | Q(sku=article),
            return_item=OuterRef("return_item_id"),
        )
        .order_by("-version")
        .values("disposition")[:1]
    )
    return movements.annotate(verdict=Subquery(verdict))


def units_judged(units: QuerySet[ReturnItem]) -> QuerySet[Any]:
    """Each with the last verdict on all of it as ``disposition``, when that was given as
    ``checked_at``, and what its page shows of other records.
    """
    last = Inspection.objects.filter(return_item=OuterRef("pk"), piece=None).order_by("-version")
    return units.select_related("return_record", "sku", "order_item").annotate(
        disposition=Subquery(last.values("disposition")[:1]),
        checked_at=Subquery(last.values("inspected_at")[:1]),
    )


def units_inbound(stages: Sequence[str]) -> QuerySet[ReturnItem]:
    """Units that come back and are in one of these stages of custody.

    ``since`` is when the unit came to its stage; ``worth`` what was paid for it, or what the
    returns platform says where the unit that was sold is not known.
    """
    moved = Transition.objects.filter(
        record_kind="return_item", record_id=OuterRef("pk"), field="custody"
    ).order_by("-id")
    return (
        ReturnItem.objects.filter(custody__in=stages)
        .exclude(method=Method.KEPT)
        .annotate(
            since=Coalesce(Subquery(moved.values("at")[:1]), "return_record__requested_at"),
            worth=Coalesce("order_item__paid_minor", "claimed_minor"),
        )
        .select_related("return_record__order", "return_record__connection", "sku")
    )


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A unit that is not counted where its last verdict says, in words for people."""

    unit: str
    verdict: str
    counted: str

    @property
    def difference(self) -> tuple[str, str, str, str]:
        """Its name, what is counted, what should be, and both in a sentence."""
        says = f"returned unit {self.unit}: “{self.verdict}”, but counted {self.counted}"
        return (f"stock {self.unit}", self.counted, self.verdict, says)


def misplaced_units(return_ids: Sequence[int]) -> Mapping[int, list[Misplaced]]:
    """By return: good units that are not on sale, and units on sale that are not good.

    Without those where a person stopped the step and did it in another way.
    """
    verdict = (
        Inspection.objects.filter(return_item=OuterRef("pk"), piece=None)
        .order_by("-version")
        .values("disposition")[:1]
    )
    items = list(
        ReturnItem.objects.filter(return_record__in=return_ids)
        .annotate(verdict=Subquery(verdict))
        .filter(verdict__isnull=False)
        .order_by("pk")
        .values_list("pk", "return_record_id", "external_id", "verdict")
    )
    moved = StockMovement.objects.filter(return_item_id__in=[row[0] for row in items])
    places: dict[int, dict[int, tuple[str, str]]] = defaultdict(dict)
    for item_id, sku_id, *place in (
        _judged(moved)
        .order_by("id")
        .values_list("return_item_id", "sku_id", "to_bucket", "verdict")
    ):
        places[item_id][sku_id] = (place[0], place[1])
    given_up = set(
        Job.objects.filter(
            flow="restock",
            record_kind="return_item",
            record_id__in=[row[0] for row in items],
            state=JobState.CANCELLED,
            evidence__cancelled__startswith="given up",
        ).values_list("record_id", flat=True)
    )
    found: dict[int, list[Misplaced]] = defaultdict(list)
    for item_id, return_id, unit, said in items:
        counted = [one for one in places[item_id].values() if one[0] != Bucket.OUTSIDE]
        wrong = [verdict for bucket, verdict in counted if _is_wrong(bucket, verdict)]
        if not counted and said == Disposition.RESTOCK:
            wrong = [said]
        if not wrong or item_id in given_up:
            continue
        where = ", ".join(sorted({str(Bucket(bucket).label).lower() for bucket, _ in counted}))
        label = str(Disposition(wrong[0]).label).lower()
        found[return_id].append(Misplaced(unit, label, where or "not here"))
    return found


def _is_wrong(bucket: str, verdict: str) -> bool:
    """Whether what is here is on sale and not good, or good and not on sale."""
    return (bucket == Bucket.SELLABLE) != (verdict == Disposition.RESTOCK)
