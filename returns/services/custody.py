"""Taking one unit along the way its platform shows it: steps, verdicts, and steps back."""

from __future__ import annotations

from fulfilment.models import Sku
from fulfilment.services import unit_move
from fulfilment.states import Bucket
from integrator.engine.states import Trace, move
from integrator.models import Case
from returns import cases as kinds
from returns.models import Inspection, ReturnItem
from returns.services.reporting import close, open_for_unit
from returns.shapes import (
    InspectionSeen,
    Method,
    ParcelStatus,
    PlatformStatus,
    ReturnSeen,
    ReturnUnitSeen,
)
from returns.states import CUSTODY_MOVES, Custody, Disposition

_PATH = (
    Custody.REQUESTED,
    Custody.AUTHORISED,
    Custody.IN_TRANSIT,
    Custody.RECEIVED,
    Custody.INSPECTED,
)


def unit_advance(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> int:
    """Take a unit to where its platform shows it, step by step, so that no step is skipped."""
    target = _target(item, unit, seen)
    if item.custody == Custody.CLOSED:
        is_over = seen.status == PlatformStatus.DONE and item.return_record.completed_at is not None
        if target == Custody.CLOSED or is_over:
            close(kinds.RETURN_WENT_BACK, "return_item", item.pk, trace, "It caught up again")
            return 0
        if item.money != "NONE" or item.inspections.exists():
            _went_back(item, seen, trace)
            return 0
        move(item, "custody", Custody.REQUESTED, reason="The return was reopened", trace=trace)
    if target == Custody.CLOSED:
        return _close_unit(item, seen, trace)
    here, there = _PATH.index(Custody(item.custody)), _PATH.index(target)
    if there < here:
        _went_back(item, seen, trace)
        return 0
    close(kinds.RETURN_WENT_BACK, "return_item", item.pk, trace, "It caught up again")
    steps = 0
    for step in _PATH[here + 1 : there + 1]:
        if step == Custody.IN_TRANSIT and target != Custody.IN_TRANSIT:
            continue
        _step(item, step, unit, seen, trace)
        steps += 1
    if unit.inspection is not None and target == Custody.RECEIVED:
        steps += _not_in_parcel(item, unit.inspection, seen, trace)
    elif unit.inspection is not None and there == here:
        steps += _corrected(item, unit.inspection, seen, trace)
    _check_verdict(item, unit, seen, trace)
    return steps


def _target(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen) -> Custody:
    """Where the platform says the unit is. A verdict counts, a status without one does not."""
    if seen.status in (PlatformStatus.REJECTED, PlatformStatus.CANCELLED):
        return Custody.CLOSED
    if unit.inspection is not None:
        # What was not in the parcel was not inspected: it may be found, or turn up later.
        found = unit.inspection.is_returned or item.custody == Custody.INSPECTED
        return Custody.INSPECTED if found else Custody.RECEIVED
    if seen.status == PlatformStatus.REQUESTED:
        return Custody.REQUESTED
    if seen.status == PlatformStatus.UNKNOWN:
        return Custody(item.custody)
    if unit.method == Method.KEPT:
        return Custody.AUTHORISED
    parcel = next((one for one in seen.parcels if one.external_id == unit.parcel_id), None)
    arrived = (PlatformStatus.RECEIVED, PlatformStatus.VALIDATED, PlatformStatus.DONE)
    if seen.status in arrived or (
        parcel and parcel.status in (ParcelStatus.RECEIVED, ParcelStatus.VALIDATED)
    ):
        return Custody.RECEIVED
    if parcel and parcel.status == ParcelStatus.SHIPPED:
        return Custody.IN_TRANSIT
    return Custody.AUTHORISED


def _step(
    item: ReturnItem, step: Custody, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace
) -> None:
    before = item.custody
    if step == Custody.INSPECTED:
        assert unit.inspection is not None
        _found(item, trace)
        inspection = _inspect(item, unit.inspection, trace)
        reason = f"Checked: {inspection.get_disposition_display().lower()}"
    else:
        reason = f"{item.return_record.connection.name} says {seen.raw_status}"
    move(item, "custody", step, reason=reason, trace=trace)
    sku = item.sku
    assert sku is not None
    if step == Custody.IN_TRANSIT:
        _book(item, sku, "in_transit", Bucket.OUTSIDE, Bucket.IN_TRANSIT, reason, trace)
    elif step == Custody.RECEIVED:
        came_from = Bucket.IN_TRANSIT if before == Custody.IN_TRANSIT else Bucket.OUTSIDE
        _book(item, sku, "received", came_from, Bucket.RECEIVED, reason, trace)


def _not_in_parcel(
    item: ReturnItem, verdict: InspectionSeen, seen: ReturnSeen, trace: Trace
) -> int:
    """The parcel was opened and the unit was not there. As received it waits for CX."""
    last = _last_verdict(item)
    if last is not None and _says_the_same(last, verdict):
        return 0
    now = _inspect(item, verdict, trace)
    if last is None or last.disposition != Disposition.NOT_RETURNED:
        _book_first(item, f"not_in_parcel:{now.version}", Bucket.RECEIVED, Bucket.OUTSIDE, trace)
    _open_not_in_parcel(item, verdict, seen, trace)
    return 1


def _open_not_in_parcel(
    item: ReturnItem, verdict: InspectionSeen, seen: ReturnSeen, trace: Trace
) -> None:
    reason = verdict.reason or "no reason given"
    open_for_unit(kinds.NOT_IN_PARCEL, item, seen, trace, reason=reason)


def _found(item: ReturnItem, trace: Trace) -> None:
    """A unit that was missing from its parcel lies on the table after all."""
    last = _last_verdict(item)
    if last is None:
        return
    _book_first(item, f"found:{last.version + 1}", Bucket.OUTSIDE, Bucket.RECEIVED, trace)
    close(kinds.NOT_IN_PARCEL, "return_item", item.pk, trace, "The verdict was corrected")


def _book_first(item: ReturnItem, step: str, source: Bucket, target: Bucket, trace: Trace) -> None:
    assert item.sku is not None
    words = "Not in the parcel" if target == Bucket.OUTSIDE else "Found after all"
    _book(item, item.sku, step, source, target, words, trace)


def _book(
    item: ReturnItem, sku: Sku, step: str, source: Bucket, target: Bucket, reason: str, trace: Trace
) -> None:
    unit_move(
        step=step,
        sku=sku,
        return_item_id=item.pk,
        order_id=item.order_id,
        from_bucket=source,
        to_bucket=target,
        reason=reason,
        trace=trace,
    )


def _last_verdict(item: ReturnItem) -> Inspection | None:
    return item.inspections.order_by("-version").first()


def _inspect(item: ReturnItem, seen: InspectionSeen, trace: Trace) -> Inspection:
    last = _last_verdict(item)
    return Inspection.objects.create(
        return_item=item,
        version=1 if last is None else last.version + 1,
        disposition=_disposition(seen),
        location_word=seen.location,
        reason=seen.reason[:200],
        inspected_at=seen.inspected_at,
        message_id=trace.message_id,
        job_id=trace.job_id,
        learned_at=trace.at,
    )


def _disposition(seen: InspectionSeen) -> Disposition:
    if not seen.is_returned:
        return Disposition.NOT_RETURNED
    return Disposition.RESTOCK if seen.is_restockable else Disposition.QUARANTINE


def _says_the_same(last: Inspection, seen: InspectionSeen) -> bool:
    same = (last.disposition, last.location_word) == (_disposition(seen), seen.location)
    return same or seen.inspected_at <= last.inspected_at


def _corrected(item: ReturnItem, seen: InspectionSeen, found: ReturnSeen, trace: Trace) -> int:
    """A verdict that differs from the last one is its next version; somebody must settle it."""
    last = _last_verdict(item)
    assert last is not None
    if _says_the_same(last, seen):
        return 0
    now = _inspect(item, seen, trace)
    open_for_unit(
        kinds.INSPECTION_CORRECTED,
        item,
        found,
        trace,
        before=last.get_disposition_display().lower(),
        after=now.get_disposition_display().lower(),
    )
    return 1


def _check_verdict(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> None:
    checked = seen.status in (PlatformStatus.VALIDATED, PlatformStatus.DONE)
    if checked and unit.inspection is None and unit.method != Method.KEPT:
        open_for_unit(kinds.VALIDATED_WITHOUT_DISPOSITION, item, seen, trace)
    elif unit.inspection is not None:
        close(
            kinds.VALIDATED_WITHOUT_DISPOSITION, "return_item", item.pk, trace, "The verdict came"
        )


def _close_unit(item: ReturnItem, seen: ReturnSeen, trace: Trace) -> int:
    """Rejected or cancelled. What has moved already needs a person; the rest just ends."""
    if item.money not in ("NONE", "PROPOSED", "REFUSED") or item.custody == Custody.INSPECTED:
        _went_back(item, seen, trace)
        return 0
    if Custody.CLOSED not in CUSTODY_MOVES[item.custody]:
        return 0
    move(item, "custody", Custody.CLOSED, reason=f"The return is {seen.raw_status}", trace=trace)
    for kind in (kinds.NOT_IN_PARCEL, kinds.AMBIGUOUS_UNIT_PRICE):
        close(kind, "return_item", item.pk, trace, "The return has ended")
    return 1


def unit_look_again(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> None:
    """Somebody said that it was mended there. What is still as it was comes back to its queue."""
    if item.custody == Custody.CLOSED or seen.status == PlatformStatus.DONE:
        return
    if unit.inspection is not None and not unit.inspection.is_returned:
        _open_not_in_parcel(item, unit.inspection, seen, trace)
    by_hand = Case.objects.filter(
        kind=kinds.RESOLUTION_BY_HAND.code, record_kind="return_item", record_id=item.pk
    ).first()
    if by_hand is not None:
        promise = str(by_hand.facts["resolution"])
        open_for_unit(kinds.RESOLUTION_BY_HAND, item, seen, trace, resolution=promise)


def _went_back(item: ReturnItem, seen: ReturnSeen, trace: Trace) -> None:
    open_for_unit(
        kinds.RETURN_WENT_BACK,
        item,
        seen,
        trace,
        ours=item.get_custody_display().lower(),
        theirs=seen.raw_status,
    )
