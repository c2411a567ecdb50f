"""Taking one unit along the way its platform shows it: steps, verdicts, and steps back."""

from __future__ import annotations

from fulfilment.services import pieces_of, unit_move, unit_place
from fulfilment.states import Bucket
from integrator.engine.states import Trace, move
from integrator.models import Case
from returns import cases as kinds
from returns.models import ReturnItem
from returns.services.meanings import resolution_of
from returns.services.reporting import close, open_for_unit
from returns.services.verdicts import last_verdict, unit_inspect, verdict_is_news
from returns.shapes import (
    InspectionSeen,
    Method,
    ParcelStatus,
    PlatformStatus,
    Resolution,
    ReturnSeen,
    ReturnUnitSeen,
)
from returns.states import CUSTODY_MOVES, NOT_KEPT, Custody, Money

_PATH = (
    Custody.REQUESTED,
    Custody.AUTHORISED,
    Custody.IN_TRANSIT,
    Custody.RECEIVED,
    Custody.INSPECTED,
)
_ARRIVED = (PlatformStatus.RECEIVED, PlatformStatus.VALIDATED, PlatformStatus.DONE)
_ENDED = (PlatformStatus.REJECTED, PlatformStatus.CANCELLED)
_UNPAID = (Money.NONE, Money.PROPOSED, Money.REFUSED)
_UNSENT = (*_UNPAID, Money.AUTHORISED)
_NOT_ON_ITS_WAY = (*_UNPAID, Money.WAIVED)
# What is asked about a unit that is coming back; when it is not, nobody need answer.
_WHILE_OPEN = (
    kinds.NOT_IN_PARCEL,
    kinds.VALIDATED_WITHOUT_DISPOSITION,
    kinds.RESOLUTION_BY_HAND,
)


def unit_advance(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> int:
    """Take a unit to where its platform shows it, step by step, so that no step is skipped.

    A verdict that differs from the last one is its next version, whatever the unit's status: the
    difference is applied to stock and money like the first one was.
    """
    if seen.status in _ENDED:
        steps = _arrive(item, unit, seen, trace)
        return steps + _end(item, seen, trace, says=seen.raw_status)
    if item.custody == Custody.CLOSED:
        if not unit_opens_again(item, unit, seen):
            return _after_the_end(item, unit, seen, trace)
        move(item, "custody", Custody.REQUESTED, reason="The return was reopened", trace=trace)
        close(
            kinds.CANCELLED_WITH_GOODS,
            "return_item",
            item.pk,
            trace,
            "The return was opened again",
        )
    there = _PATH.index(_target(item, unit, seen))
    if there < _PATH.index(Custody(item.custody)) and unit.inspection is None:
        if item.custody == Custody.INSPECTED or item.money not in _UNPAID:
            _behind(item, seen, trace)
            return 0
        _start_over(item, seen, trace)
    close(kinds.RETURN_WENT_BACK, "return_item", item.pk, trace, "It caught up again")
    steps = _walk(item, unit, seen, trace)
    _check_verdict(item, unit, seen, trace)
    return steps


def _walk(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> int:
    """Every step from where the unit is to where it is shown, and its verdict. Never back."""
    target = _target(item, unit, seen)
    here, there = _PATH.index(Custody(item.custody)), _PATH.index(target)
    steps = 0
    for step in _PATH[here + 1 : there + 1]:
        if step == Custody.INSPECTED or (step == Custody.IN_TRANSIT and target != step):
            continue
        _step(item, step, _says(item, target, seen), trace)
        steps += 1
    if unit.inspection is not None:
        steps += _judge(item, unit.inspection, seen, trace)
    return steps


def _arrive(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> int:
    """The return has ended, and the unit is here all the same: it is taken as far as that shows.

    One that came after its return had ended goes its way once, to end again as one that is here.
    """
    is_missing = unit.inspection is not None and not unit.inspection.is_returned
    is_here = _target(item, unit, seen) in (Custody.RECEIVED, Custody.INSPECTED)
    if is_missing or not is_here or item.blocked_by or item.order_item is None:
        return 0
    if item.custody == Custody.CLOSED:
        told = Case.objects.filter(
            kind=kinds.CANCELLED_WITH_GOODS.code, record_kind="return_item", record_id=item.pk
        )
        if item.return_record.completed_at is not None or told.exists():
            return 0
        reason = "It arrived after its return had ended"
        move(item, "custody", Custody.REQUESTED, reason=reason, trace=trace)
    return _walk(item, unit, seen, trace)


def unit_vanished(item: ReturnItem, seen: ReturnSeen, trace: Trace) -> int:
    """The return does not list the unit any more: it ends like one that was cancelled.

    Should it be listed again, it goes on as after a reopening.
    """
    if item.custody == Custody.CLOSED:
        return 0
    return _end(item, seen, trace, says="not listed any more")


def unit_opens_again(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen) -> bool:
    """Whether a closed unit goes on.

    One that was cancelled does when its return was reopened. One of a return that is done does only
    when it turned up after all: it was missing, so nobody has paid for it. Everything else that
    is done stays so, whatever status is shown: its money has moved, or it was settled otherwise.
    """
    if item.money not in _UNPAID or seen.status in _ENDED:
        return False
    if item.return_record.completed_at is None:
        return True
    last = last_verdict(item)
    return (
        unit.inspection is not None
        and unit.inspection.is_returned
        and last is not None
        and last.disposition in NOT_KEPT
        and verdict_is_news(item, unit.inspection)
    )


def _after_the_end(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> int:
    """The unit is done here. A corrected verdict still counts; an earlier status needs a person."""
    steps = 0
    if unit.inspection is not None and verdict_is_news(item, unit.inspection):
        unit_inspect(item, unit.inspection, trace)
        steps = 1
    if seen.status == PlatformStatus.DONE:
        close(kinds.RETURN_WENT_BACK, "return_item", item.pk, trace, "It caught up again")
    else:
        _went_back(item, seen, trace)
    return steps


def _behind(item: ReturnItem, seen: ReturnSeen, trace: Trace) -> None:
    """The platform no longer shows a verdict or a payment: that needs a person.

    What a person settled in another way does not: the platform catches up.
    """
    if item.custody == Custody.INSPECTED or item.money not in _NOT_ON_ITS_WAY:
        _went_back(item, seen, trace)


def _start_over(item: ReturnItem, seen: ReturnSeen, trace: Trace) -> None:
    """An earlier step is shown, and no money moved: the return was ended and opened again unseen.

    A return goes back in no other way, so it ends as if both had been seen.
    """
    reason = f"The return went back to {seen.raw_status}: it was ended and opened again"
    if item.order_item is not None:
        _book(item, Bucket.OUTSIDE, (Bucket.IN_TRANSIT,), reason, trace)
    move(item, "custody", Custody.CLOSED, reason=reason, trace=trace)
    move(item, "custody", Custody.REQUESTED, reason=reason, trace=trace)
    for kind in _WHILE_OPEN:
        close(kind, "return_item", item.pk, trace, reason)


def _target(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen) -> Custody:
    """Where the platform says the unit is. A verdict counts, a status without one does not."""
    if unit.inspection is not None:
        # What was not in the parcel was not inspected: it may be found, or turn up later.
        return Custody.INSPECTED if unit.inspection.is_returned else Custody.RECEIVED
    if seen.status == PlatformStatus.REQUESTED:
        return Custody.REQUESTED
    if seen.status == PlatformStatus.UNKNOWN:
        return Custody(item.custody)
    if unit.method == Method.KEPT:
        return Custody.AUTHORISED
    parcel = next((one for one in seen.parcels if one.external_id == unit.parcel_id), None)
    if seen.status in _ARRIVED or (
        parcel and parcel.status in (ParcelStatus.RECEIVED, ParcelStatus.VALIDATED)
    ):
        return Custody.RECEIVED
    if parcel and parcel.status == ParcelStatus.SHIPPED:
        return Custody.IN_TRANSIT
    return Custody.AUTHORISED


def _says(item: ReturnItem, target: Custody, seen: ReturnSeen) -> str:
    """Why the unit is there: the word of the return, or, while that has none for it, its parcel."""
    name = item.return_record.connection.name
    if target == Custody.IN_TRANSIT:
        return f"{name} says its parcel is on its way"
    if target == Custody.RECEIVED and seen.status not in _ARRIVED:
        return f"{name} says its parcel has arrived"
    return f"{name} says {seen.raw_status}"


def _step(item: ReturnItem, step: Custody, reason: str, trace: Trace) -> None:
    move(item, "custody", step, reason=reason, trace=trace)
    if step == Custody.IN_TRANSIT:
        _book(item, Bucket.IN_TRANSIT, (Bucket.OUTSIDE,), reason, trace)
    elif step == Custody.RECEIVED:
        _book(item, Bucket.RECEIVED, (Bucket.OUTSIDE, Bucket.IN_TRANSIT), reason, trace)


def _book(
    item: ReturnItem, target: Bucket, sources: tuple[Bucket, ...], reason: str, trace: Trace
) -> None:
    """Book every piece of the unit that is still on its way. What is further stays there."""
    assert item.order_item is not None
    for piece in pieces_of(item.order_item):
        if unit_place(item.pk, piece.sku.pk).bucket in sources:
            unit_move(
                sku=piece.sku,
                quantity=piece.quantity,
                return_item_id=item.pk,
                order_id=item.order_id,
                to_bucket=target,
                reason=reason,
                trace=trace,
            )


def _judge(item: ReturnItem, verdict: InspectionSeen, seen: ReturnSeen, trace: Trace) -> int:
    """Take the verdict over if it is news, and the unit's custody to what the verdict says.

    A unit that was not in the parcel waits as received for CX.
    """
    last = last_verdict(item)
    steps = 0
    if verdict_is_news(item, verdict):
        last = unit_inspect(item, verdict, trace)
        steps = 1
    assert last is not None
    word = last.get_disposition_display().lower()
    if last.disposition in NOT_KEPT and item.custody == Custody.INSPECTED:
        reason = f"The verdict was corrected: {word}"
        move(item, "custody", Custody.RECEIVED, reason=reason, trace=trace)
    elif last.disposition not in NOT_KEPT and item.custody == Custody.RECEIVED:
        move(item, "custody", Custody.INSPECTED, reason=f"Checked: {word}", trace=trace)
        steps += 1
    if verdict.is_returned:
        close(kinds.NOT_IN_PARCEL, "return_item", item.pk, trace, "The verdict was corrected")
    elif steps and item.money in _UNSENT:
        _open_not_in_parcel(item, verdict, seen, trace)
    return steps


def _open_not_in_parcel(
    item: ReturnItem, verdict: InspectionSeen, seen: ReturnSeen, trace: Trace
) -> None:
    reason = verdict.reason or "no reason given"
    open_for_unit(kinds.NOT_IN_PARCEL, item, seen, trace, reason=reason)


def _check_verdict(item: ReturnItem, unit: ReturnUnitSeen, seen: ReturnSeen, trace: Trace) -> None:
    checked = seen.status in (PlatformStatus.VALIDATED, PlatformStatus.DONE)
    if checked and unit.inspection is None and unit.method != Method.KEPT:
        open_for_unit(kinds.VALIDATED_WITHOUT_DISPOSITION, item, seen, trace)
    elif unit.inspection is not None:
        close(
            kinds.VALIDATED_WITHOUT_DISPOSITION, "return_item", item.pk, trace, "The verdict came"
        )


def _end(item: ReturnItem, seen: ReturnSeen, trace: Trace, *, says: str) -> int:
    """Rejected, cancelled or dropped. Moved money needs a person, and so do goods that are here."""
    if item.money not in _NOT_ON_ITS_WAY:
        _went_back(item, seen, trace, says=says)
        return 0
    close(kinds.RETURN_WENT_BACK, "return_item", item.pk, trace, "The return has ended")
    if Custody.CLOSED not in CUSTODY_MOVES[item.custody]:
        return 0
    last = last_verdict(item)
    is_here = item.custody == Custody.INSPECTED or (item.custody == Custody.RECEIVED and not last)
    reason = f"The return is {says}" if says == seen.raw_status else f"The unit is {says}"
    if item.order_item is not None:
        _book(item, Bucket.OUTSIDE, (Bucket.IN_TRANSIT,), reason, trace)  # it is not expected
    move(item, "custody", Custody.CLOSED, reason=reason, trace=trace)
    for kind in (*_WHILE_OPEN, kinds.AMBIGUOUS_UNIT_PRICE):
        close(kind, "return_item", item.pk, trace, "The return has ended")
    if is_here:
        where = last.get_disposition_display() if last is not None else "Received, not checked"
        open_for_unit(
            kinds.CANCELLED_WITH_GOODS,
            item,
            seen,
            trace,
            where=where.lower(),
            theirs=says,
        )
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
    if by_hand is not None and resolution_of(item) == Resolution.EXCHANGE:
        promise = str(by_hand.facts["resolution"])
        open_for_unit(kinds.RESOLUTION_BY_HAND, item, seen, trace, resolution=promise)


def _went_back(item: ReturnItem, seen: ReturnSeen, trace: Trace, *, says: str = "") -> None:
    open_for_unit(
        kinds.RETURN_WENT_BACK,
        item,
        seen,
        trace,
        ours=item.get_custody_display(),
        theirs=says or seen.raw_status,
    )
