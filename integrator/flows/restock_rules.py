"""What is to be done with one article of one judged unit, and what forbids it. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from fulfilment.cases import SKU_DISCONTINUED, STOCK_AUTHORITY_MISSING
from fulfilment.models import Location, OrderItem, Sku
from fulfilment.services import SHELVES, Piece, Place, pieces_of, unit_places
from fulfilment.shapes import Sellability
from fulfilment.states import Bucket
from integrator.engine import mappings
from integrator.engine.errors import Misconfigured, Refused
from integrator.engine.shapes import Change
from integrator.engine.work import Work
from integrator.flows.shop_stock import under_way
from integrator.flows.tenants import article_of
from integrator.models import MappingKind
from integrator.platforms.scayle.client import Scayle
from returns.models import Inspection, ReturnItem
from returns.states import Disposition

_BUCKET_OF = {
    Disposition.RESTOCK: Bucket.SELLABLE,
    Disposition.QUARANTINE: Bucket.QUARANTINE,
    Disposition.WRITTEN_OFF: Bucket.WRITTEN_OFF,
    Disposition.NOT_RETURNED: Bucket.OUTSIDE,
    Disposition.SENT_BACK: Bucket.OUTSIDE,
}


@dataclass(frozen=True, slots=True)
class Task:
    """One article of one unit, and what was last decided about it."""

    item: ReturnItem
    sold: OrderItem
    verdict: Inspection
    piece: Piece
    bucket: Bucket


def counted(item: ReturnItem, disposition: Disposition) -> tuple[Change, ...]:
    """Where the unit's articles would be counted by this verdict, for previews."""
    then = _BUCKET_OF[disposition]
    here = unit_places(item.pk)
    codes = Sku.objects.in_bulk(list(here))
    return tuple(
        Change(f"{codes[sku].code} is counted as", place.bucket.label, then.label)
        for sku, place in here.items()
        if place.bucket != then
    )


def pieces_counted(sold: OrderItem, verdict: Inspection) -> list[Piece]:
    """What the unit is counted as: what was sold, or the article a person named instead."""
    if verdict.sku is None:
        return pieces_of(sold)
    return [_as_another(sold, verdict.sku)]


def _as_another(sold: OrderItem, sku: Sku) -> Piece:
    """As the shop that sold the unit knows the article: another shop has other numbers for it."""
    known = OrderItem.objects.filter(order__connection=sold.order.connection_id, sku=sku)
    last = known.order_by("-id").first()
    assert last is not None, "counted as an article this shop never sold"
    return Piece(sku, 1, last.variant_id, last.product_id)


def task_of(work: Work) -> Task:
    """What this job is about now: its lane names the article, the last verdict the place."""
    item = ReturnItem.objects.select_related(
        "return_record__connection", "order_item__order__connection__retailer", "order_item__sku"
    ).get(pk=work.job.record_id)
    verdicts = item.inspections.select_related("sku", "location").order_by("-version")
    if (started := under_way(work)) is not None:
        verdicts = verdicts.filter(pk=started["verdict"])
    verdict, sold = verdicts.first(), item.order_item
    assert verdict is not None and sold is not None, "restocked without a verdict"
    code = article_of(work.job.lane)
    mine = [piece for piece in pieces_counted(sold, verdict) if piece.sku.code == code]
    if mine:
        return Task(item, sold, verdict, mine[0], _BUCKET_OF[Disposition(verdict.disposition)])
    sku = Sku.objects.get(pk__in=unit_places(item.pk), code=code)
    known = next((one for one in pieces_of(sold) if one.sku == sku), None)
    # It is counted as another article now.
    return Task(item, sold, verdict, known or _as_another(sold, sku), Bucket.OUTSIDE)


def is_there(task: Task, here: Place) -> bool:
    """A place nobody mapped stops here, but only once the unit is off the shelf it was on."""
    if here.bucket != task.bucket:
        return False
    return here.bucket not in SHELVES or here.location_id == location_of(task).pk


def location_of(task: Task) -> Location:
    """The place a person or the platform named. Unmapped words stop and wait; no default."""
    if task.verdict.location is not None:
        return task.verdict.location
    connection = task.item.return_record.connection
    code = mappings.find(
        connection=connection, kind=MappingKind.LOCATION, theirs=task.verdict.location_word
    )
    return Location.objects.get(retailer_id=connection.retailer_id, code=code)


def refuse_other_authority(shelf: Location) -> None:
    if shelf.authority != Location.Authority.SCAYLE:
        raise Misconfigured(
            f"{shelf} is counted by {shelf.get_authority_display()}",
            case=STOCK_AUTHORITY_MISSING,
            cause=f"authority:{shelf.pk}",
            facts={"location": shelf.name, "authority": shelf.get_authority_display()},
        )


def refuse_unsellable(work: Work, client: Scayle, task: Task) -> None:
    """A unit of an article nobody can buy must not be added anywhere."""
    piece, variant = task.piece, None
    if piece.variant_id:
        variant = client.variant(piece.product_id, piece.variant_id)
    if (
        variant is None
        or variant.sellability == Sellability.BLOCKED
        or (variant.sellable_until is not None and variant.sellable_until <= work.at)
    ):
        raise Refused(
            f"{piece.sku.code} is no longer sold",
            case=SKU_DISCONTINUED,
            cause=f"discontinued:{task.item.pk}:{piece.sku.pk}",
            facts={
                "sku": piece.sku.code,
                "quantity": piece.quantity,
                "platform": task.sold.order.connection.name,
            },
        )
