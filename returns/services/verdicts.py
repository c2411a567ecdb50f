"""Verdicts on units. Every one is a fact; the stock and the money follow it, not the code here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fulfilment.models import Location, Sku
from integrator.engine.states import Trace, born
from returns.models import Inspection, ReturnItem
from returns.shapes import InspectionSeen
from returns.states import Disposition


def last_verdict(item: ReturnItem) -> Inspection | None:
    """The newest on the whole unit; of one read together with its verdicts, among those."""
    return _newest(one for one in item.inspections.all() if one.piece_id is None)


def _newest(verdicts: Iterable[Inspection]) -> Inspection | None:
    return max(verdicts, key=lambda one: one.version, default=None)


def last_disposition(item: ReturnItem) -> str | None:
    last = last_verdict(item)
    return last.disposition if last is not None else None


def disposition_of(seen: InspectionSeen) -> Disposition:
    if not seen.is_returned:
        return Disposition.NOT_RETURNED
    return Disposition.RESTOCK if seen.is_restockable else Disposition.QUARANTINE


def verdict_is_news(item: ReturnItem, seen: InspectionSeen) -> bool:
    """Whether what the platform shows differs from the last verdict and is not older than it.

    What a person has overruled is no news, whatever date the platform's clock gave it.
    """
    last = _newest(item.inspections.all())
    if last is None:
        return True
    said = (disposition_of(seen), seen.location)
    if last.piece_id is None and (last.disposition, last.location_word) == said:
        return False
    if last.is_by_person:
        theirs = next(
            (one for one in item.inspections.order_by("-version") if not one.is_by_person), None
        )
        if theirs is not None and (
            theirs.disposition,
            theirs.location_word,
            theirs.inspected_at,
        ) == (*said, seen.inspected_at):
            return False
    return seen.inspected_at >= last.inspected_at


def unit_inspect(item: ReturnItem, seen: InspectionSeen, trace: Trace) -> Inspection:
    """Write the warehouse's verdict as the unit's next version."""
    return _verdict(
        item,
        trace,
        disposition=disposition_of(seen),
        location_word=seen.location,
        reason=seen.reason[:200],
        inspected_at=seen.inspected_at,
    )


def unit_overrule(
    item: ReturnItem,
    *,
    disposition: Disposition,
    reason: str,
    trace: Trace,
    location: Location | None = None,
    sku: Sku | None = None,
    piece: Sku | None = None,
    approval_id: int | None = None,
) -> Inspection:
    """A person decides what becomes of a unit. It stands until the warehouse looks at it again.

    Where no ``location`` is named, the unit stays where it lies. ``sku``: it is counted as this
    article from now on. ``piece``: only this article of a set is meant, and the rest of it stays
    as it was judged before.
    """
    known = item.inspections.all()
    last = _newest(one for one in known if piece is None or one.piece_id in (None, piece.pk))
    return _verdict(
        item,
        trace,
        disposition=disposition,
        location_word=last.location_word if last is not None else "",
        reason=reason[:200],
        inspected_at=trace.at,
        location=location or (last.location if last is not None else None),
        sku=sku,
        piece=piece,
        approval_id=approval_id,
    )


def _verdict(
    item: ReturnItem,
    trace: Trace,
    *,
    disposition: Disposition,
    location_word: str,
    reason: str,
    inspected_at: datetime,
    location: Location | None = None,
    sku: Sku | None = None,
    piece: Sku | None = None,
    approval_id: int | None = None,
) -> Inspection:
    last = _newest(item.inspections.all())
    inspection = Inspection.objects.create(
        return_item=item,
        version=1 if last is None else last.version + 1,
        disposition=disposition,
        location_word=location_word,
        location=location,
        sku=sku,
        piece=piece,
        reason=reason,
        inspected_at=inspected_at,
        approval_id=approval_id,
        message_id=trace.message_id,
        job_id=trace.job_id,
        learned_at=trace.at,
    )
    only = "" if piece is None else f", only {piece.code}"
    before = "" if last is None else f", after {last.get_disposition_display().lower()}"
    said = f"Verdict {inspection.version}: {disposition.label.lower()}{only}{before}"
    born(inspection, "disposition", reason=said, trace=trace)
    return inspection
