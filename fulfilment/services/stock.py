"""Where returned units are, and what platforms confirm about the stock. It calls nobody."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from fulfilment.models import Location, OrderItem, Sku, StockLevel, StockMovement
from fulfilment.shapes import StockSeen
from fulfilment.states import Bucket
from integrator.engine.states import Trace
from integrator.models import Connection

SHELVES = (Bucket.SELLABLE, Bucket.QUARANTINE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a unit is counted. ``location_id`` only on a shelf: a parcel on its way has none."""

    bucket: Bucket
    location_id: int | None = None


OUTSIDE = Place(Bucket.OUTSIDE)


def unit_place(return_item_id: int, sku_id: int) -> Place:
    """Where the unit is counted as this article: the end of its last movement."""
    return unit_places(return_item_id).get(sku_id, OUTSIDE)


def unit_places(return_item_id: int) -> dict[int, Place]:
    """The same for every article the unit was ever counted as."""
    rows = StockMovement.objects.filter(return_item_id=return_item_id).order_by("id")
    return {
        sku_id: Place(Bucket(bucket), location_id if bucket in SHELVES else None)
        for sku_id, bucket, location_id in rows.values_list("sku_id", "to_bucket", "location_id")
    }


def units_on_shelf(return_item_ids: Collection[int]) -> set[int]:
    """Those of these returned units of which something lies on a shelf, for sale or not."""
    if not return_item_ids:
        return set()
    rows = StockMovement.objects.filter(return_item_id__in=return_item_ids).order_by("id")
    last = {
        (unit_id, sku_id): bucket
        for unit_id, sku_id, bucket in rows.values_list("return_item_id", "sku_id", "to_bucket")
    }
    return {unit_id for (unit_id, _), bucket in last.items() if bucket in SHELVES}


def unit_move(
    *,
    sku: Sku,
    return_item_id: int,
    order_id: int | None,
    to_bucket: Bucket,
    reason: str,
    trace: Trace,
    quantity: int = 1,
    location: Location | None = None,
    inspection_id: int | None = None,
    approval_id: int | None = None,
) -> StockMovement | None:
    """Book a returned unit from where it is into another bucket; None when it is there already.

    ``location`` is the place it comes to, or leaves. The caller holds the row of its return, so
    that movements of one unit follow each other; the database refuses one that starts where the
    unit is not, and one into SELLABLE without the inspection or approval that allows it.
    """
    here = unit_place(return_item_id, sku.pk)
    arrives_at = location.pk if location is not None and to_bucket in SHELVES else None
    if here == Place(to_bucket, arrives_at):
        return None
    number = StockMovement.objects.filter(return_item_id=return_item_id, sku=sku).count() + 1
    return StockMovement.objects.create(
        key=f"unit:{return_item_id}:{sku.pk}:{number}",
        sku=sku,
        location=location,
        quantity=quantity,
        from_bucket=here.bucket,
        to_bucket=to_bucket,
        order_id=order_id,
        return_item_id=return_item_id,
        inspection_id=inspection_id,
        approval_id=approval_id,
        job_id=trace.job_id,
        message_id=trace.message_id,
        policy_version=trace.policy_version,
        actor=trace.actor,
        reason=reason[:300],
        at=trace.at,
    )


def stock_confirmed(
    *,
    connection: Connection,
    sku: Sku,
    location: Location,
    seen: StockSeen,
    trace: Trace,
    sent: int | None,
    short: int,
    counted_at: datetime,
) -> None:
    """Note the sellable figure a platform has just confirmed.

    ``counted_at`` is the instant the figure is true for: sales up to then are in it. ``short`` are
    units that were sold and are not there: the figure itself cannot go below zero.
    """
    level, _ = StockLevel.objects.select_for_update().get_or_create(
        connection=connection, sku=sku, location=location
    )
    level.confirmed = seen.quantity
    level.confirmed_at = trace.at
    level.counted_at = counted_at
    level.wanted = level.sent = sent
    level.short = short
    level.version += 1
    level.error = ""
    level.save()


@dataclass(frozen=True, slots=True)
class Piece:
    """Physical units of one article that come back as one returned unit."""

    sku: Sku
    quantity: int
    variant_id: str
    product_id: str


def pieces_of(sold: OrderItem) -> list[Piece]:
    """What lies in the parcel when this unit comes back: itself, or a bundle's components."""
    if not sold.is_bundle:
        return [Piece(sold.sku, 1, sold.variant_id, sold.product_id)]
    found: dict[int, Piece] = {}
    for unit in sold.components.select_related("sku").order_by("id"):
        before = found.get(unit.sku_id)
        count = 1 if before is None else before.quantity + 1
        found[unit.sku_id] = Piece(unit.sku, count, unit.variant_id, unit.product_id)
    return list(found.values())
