"""What is to be done with one article of one judged unit, and what forbids it. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile

from fulfilment.cases import SKU_DISCONTINUED, STOCK_AUTHORITY_MISSING
from fulfilment.models import Location, OrderItem, Sku, StockMovement
from fulfilment.services import SHELVES, Piece, Place, pieces_of, unit_places
from fulfilment.shapes import Sellability
from fulfilment.states import Bucket
from integrator.engine import mappings
from integrator.engine.errors import Misconfigured, Refused
from integrator.engine.shapes import Change
from integrator.engine.work import Work
from integrator.flows.shop_stock import under_way
from integrator.flows.tenants import article_of
from integrator.models import Case, MappingKind
from integrator.platforms.scayle.client import Scayle
from returns.models import Inspection, ReturnItem
from returns.states import Disposition

_DISCONTINUED = "discontinued"  # a cause: with the unit and the article
_BUCKET_OF = {
    Disposition.RESTOCK: Bucket.SELLABLE,
    Disposition.QUARANTINE: Bucket.QUARANTINE,
    Disposition.WRITTEN_OFF: Bucket.WRITTEN_OFF,
    Disposition.NOT_RETURNED: Bucket.OUTSIDE,
    Disposition.SENT_BACK: Bucket.OUTSIDE,
}


def bucket_of(disposition: str) -> Bucket:
    """Where a unit with this verdict is counted."""
    return _BUCKET_OF[Disposition(disposition)]


@dataclass(frozen=True, slots=True)
class Part:
    """One article that a unit consists of, as it was sold, and the verdicts on it, newest first.

    They are those on the whole unit and those on this article alone.
    """

    piece: Piece
    verdicts: Sequence[Inspection]

    @property
    def verdict(self) -> Inspection | None:
        """The last word on it."""
        return self.verdicts[0] if self.verdicts else None

    @property
    def counted_as(self) -> Sku:
        """What was sold, or the article a person named instead."""
        named = self.verdict.sku if self.verdict is not None else None
        return named or self.piece.sku

    @property
    def ever_counted_as(self) -> list[Sku]:
        named = (one.sku for one in self.verdicts)
        return list(dict.fromkeys(one for one in (self.piece.sku, *named) if one is not None))

    @property
    def belongs(self) -> dict[Sku, Bucket]:
        """Where it is to be counted as each of these; nothing before it is judged."""
        if self.verdict is None:
            return {}
        outside = dict.fromkeys(self.ever_counted_as, Bucket.OUTSIDE)
        return outside | {self.counted_as: bucket_of(self.verdict.disposition)}


def parts_of(sold: OrderItem, verdicts: Iterable[Inspection]) -> list[Part]:
    """What a unit consists of: itself, or a set's pieces."""
    newest_first = sorted(verdicts, key=lambda one: one.version, reverse=True)
    return [
        Part(piece, [one for one in newest_first if one.piece_id in (None, piece.sku.pk)])
        for piece in pieces_of(sold)
    ]


def parts_now(item_id: int) -> list[Part]:
    """The same with every verdict there is; nothing where nobody knows what was sold."""
    sold = OrderItem.objects.select_related("sku").filter(return_items=item_id).first()
    verdicts = Inspection.objects.select_related("sku").filter(return_item=item_id)
    return parts_of(sold, verdicts) if sold is not None else []


@dataclass(frozen=True, slots=True)
class Task:
    """One article of one unit, and what was last decided about it.

    ``articles`` is everything the unit is counted as.
    """

    item: ReturnItem
    sold: OrderItem
    verdict: Inspection
    piece: Piece
    bucket: Bucket
    articles: Collection[int]


def counted(
    item_id: int, then: Mapping[Sku, Bucket], *, outside: str = Bucket.OUTSIDE.label
) -> tuple[Change, ...]:
    """Which of the unit's articles would be counted elsewhere, for previews.

    ``outside``: what it means that one is not here any more.
    """
    here = unit_places(item_id)
    labels = {bucket: str(bucket.label) for bucket in Bucket} | {Bucket.OUTSIDE: outside}
    return tuple(
        Change(f"{sku.code} is counted as", here[sku.pk].bucket.label, labels[bucket])
        for sku, bucket in then.items()
        if sku.pk in here and here[sku.pk].bucket != bucket
    )


def task_of(work: Work) -> Task:
    """What this job is about now: its lane names the article, the last verdict the place.

    What is under way is ended as the verdict said under which it began.
    """
    item = ReturnItem.objects.select_related(
        "return_record__connection", "order_item__order__connection__retailer", "order_item__sku"
    ).get(pk=work.job.record_id)
    verdicts: Iterable[Inspection] = item.inspections.select_related("sku", "location").order_by(
        "-version"
    )
    if (started := under_way(work)) is not None:
        verdicts = dropwhile(lambda one: one.pk != started["verdict"], verdicts)
    sold, code = item.order_item, article_of(work.job.lane)
    assert sold is not None, "restocked without a sale"
    parts = parts_of(sold, verdicts)
    once = {sku.code: (part, sku) for part in parts for sku in part.ever_counted_as}
    now = {part.counted_as.code: (part, part.counted_as) for part in parts}
    part, sku = (once | now)[code]
    assert part.verdict is not None, "restocked without a verdict"
    return Task(
        item,
        sold,
        part.verdict,
        _as_counted(item, sold, part, sku),
        part.belongs[sku],
        [one.counted_as.pk for one in parts],
    )


def _as_counted(item: ReturnItem, sold: OrderItem, part: Part, sku: Sku) -> Piece:
    """The part as one of its articles, as the shop that sold the unit knows that article.

    Another shop has other numbers for it.
    """
    if sku == part.piece.sku:
        return part.piece
    known = OrderItem.objects.filter(order__connection=sold.order.connection_id, sku=sku)
    last = known.order_by("-id").first()
    assert last is not None, "counted as an article this shop never sold"
    moved = StockMovement.objects.filter(return_item_id=item.pk, sku=sku).first()
    quantity = moved.quantity if moved is not None else part.piece.quantity
    return Piece(sku, quantity, last.variant_id, last.product_id)


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
            cause=f"{_DISCONTINUED}:{task.item.pk}:{piece.sku.pk}",
            facts={
                "sku": piece.sku.code,
                "quantity": piece.quantity,
                "platform": task.sold.order.connection.name,
            },
        )


def article_decided(case: Case) -> int | None:
    """The article a case of a discontinued one is about; None for one about the whole unit."""
    kind, _, about = case.cause.partition(":")
    return int(about.partition(":")[2]) if kind == _DISCONTINUED else None
