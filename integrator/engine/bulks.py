"""One decision about many cases, kept: prepared, started, carried on case by case, cancelled.

Each case is decided once, whoever presses twice and whichever worker dies: an item moves once from
"to be done". One whose step failed too often stays there until somebody has it tried again. What is
decided, and whether it may be, is the flow's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from integrator.engine import decisions, jobs
from integrator.engine.states import Raced, Trace, UnableToMove, move
from integrator.models import (
    Bulk,
    BulkItem,
    BulkItemState,
    BulkState,
    Case,
    CaseEvent,
    Job,
    JobState,
    Note,
)

MOST = 5_000  # cases of one bulk
FORGOTTEN_AFTER = timedelta(days=1)  # what was prepared and never started


class UnableToStart(Exception):
    """Nothing of it is to be done, or somebody was faster. Says which, for the person."""


class UnableToCancel(Exception):
    """It does not run any more. Says so, for the person."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A case that was chosen. ``why_not``: why nothing will be done about it; empty when it will.

    ``seen`` is the newest decision about it.
    """

    case: Case
    seen: int
    why_not: str = ""


def prepare(
    chosen: Sequence[Chosen],
    *,
    do: str,
    label: str,
    role: str,
    query: str,
    data: Mapping[str, Any],
    note: str,
    by: Any,
    trace: Trace,
) -> Bulk:
    """Keep what a person is about to do, so that exactly this can be started. Decides nothing."""
    assert 0 < len(chosen) <= MOST, "the screen says when there are none or too many"
    with transaction.atomic():
        bulk = Bulk.objects.create(
            person=by,
            role=role,
            do=do,
            label=label,
            query=query,
            data=dict(data),
            note=_written(note, by, trace),
            prepared_at=trace.at,
        )
        BulkItem.objects.bulk_create(
            [
                BulkItem(
                    bulk=bulk,
                    case=one.case,
                    seen=one.seen,
                    money_minor=one.case.money_minor,
                    currency=one.case.currency,
                    state=BulkItemState.EXCLUDED if one.why_not else BulkItemState.READY,
                    why=one.why_not[:300],
                )
                for one in chosen
            ],
            batch_size=500,
        )
    return bulk


def start(bulk: Bulk, *, data: Mapping[str, Any], note: str, trace: Trace) -> int:
    """Let it run, once. Returns how many will be tried. UnableToStart for the second press."""
    count = bulk.items.filter(state=BulkItemState.READY).count()
    if bulk.state != BulkState.PREPARED:
        raise UnableToStart("It was started already.")
    if not count:
        raise UnableToStart("Nothing is left that could be done.")
    with transaction.atomic():
        old, written = bulk.note, _written(note, bulk.person, trace)
        try:
            move(
                bulk,
                "state",
                BulkState.RUNNING,
                reason=f"{bulk.label}: {count}",
                trace=trace,
                count=count,
                started_at=trace.at,
                data=dict(data),
                note_id=written.pk if written is not None else None,
            )
        except Raced:
            raise UnableToStart("It was started already.") from None
        if old is not None:
            old.delete()
    return count


def has_stopped() -> Exists:
    """Of an item: its step waits for a person, and nobody tries it by itself any more."""
    steps = Job.objects.filter(record_kind=BulkItem.RECORD_KIND, state=JobState.PARKED)
    return Exists(steps.filter(record_id=OuterRef("pk")))


def _stopped(bulk: Bulk) -> QuerySet[Job]:
    ready = bulk.items.filter(state=BulkItemState.READY).values("pk")
    steps = Job.objects.filter(record_kind=BulkItem.RECORD_KIND, record_id__in=ready)
    return steps.filter(state=JobState.PARKED)


def go_on(bulk: Bulk, *, trace: Trace) -> int:
    """Try again what has stopped, from where it stood. Returns how many cases that are.

    UnableToStart when nothing has stopped, a second press among them. A step about which somebody
    is deciding at this moment stays with that person.
    """
    with transaction.atomic():
        bulk = lock(bulk.pk)
        if bulk.state != BulkState.RUNNING:
            raise UnableToStart("It has ended already.")
        count = decisions.let_look_again(list(_stopped(bulk)), at=trace.at)
        if not count:
            raise UnableToStart("Nothing of it waits to be tried again.")
        reason = f"{bulk.label}: {count} tried again"
        move(bulk, "state", BulkState.RUNNING, reason=reason, trace=trace)
    return count


def cancel(bulk: Bulk, *, trace: Trace) -> int:
    """Begin no further case. Returns how many had been done, skipped or had failed by then.

    Waits for the cases that are being decided at this moment: the number is exact.
    """
    with transaction.atomic():
        bulk = lock(bulk.pk)
        try:
            move(
                bulk,
                "state",
                BulkState.CANCELLED,
                reason="Cancelled by a person",
                trace=trace,
                ended_at=trace.at,
            )
        except UnableToMove:
            raise UnableToCancel("It has ended already.") from None
        jobs.cancel_stopped(_stopped(bulk), at=trace.at, reason="the rest was cancelled")
        return bulk.items.filter(ended_at__isnull=False).count()


def take_back(bulk: Bulk, *, at: datetime, reason: str) -> int:
    """Cancel everything of it that has not left the house. Returns how many."""
    decided = bulk.items.filter(event__isnull=False).values_list("event_id", flat=True)
    return jobs.take_back(facts=[one for one in decided if one], at=at, reason=reason)


def lock(bulk_id: int) -> Bulk:
    """The bulk, held until the end of the transaction: nobody cancels it in between."""
    return (
        Bulk.objects.select_for_update(of=("self",), no_key=True)
        .select_related("person", "note")
        .get(pk=bulk_id)
    )


def end_item(
    item: BulkItem,
    state: BulkItemState,
    *,
    trace: Trace,
    why: str = "",
    event: CaseEvent | None = None,
) -> None:
    """Write what became of a case. The caller holds the bulk; its last case ends it."""
    move(
        item,
        "state",
        state,
        reason=why or "Its turn came",
        trace=trace,
        why=why[:300],
        event_id=event.pk if event is not None else None,
        ended_at=trace.at,
    )
    if not BulkItem.objects.filter(bulk=item.bulk_id, state=BulkItemState.READY).exists():
        move(
            Bulk.objects.get(pk=item.bulk_id),
            "state",
            BulkState.DONE,
            reason="Every case has its result",
            trace=trace,
            ended_at=trace.at,
        )


def give_up_item(item_id: int, *, trace: Trace) -> None:
    """The step of this case was given up: the bulk does not wait for it any more."""
    with transaction.atomic():
        bulk = lock(BulkItem.objects.values_list("bulk_id", flat=True).get(pk=item_id))
        item = BulkItem.objects.get(pk=item_id)
        if bulk.state == BulkState.RUNNING and item.state == BulkItemState.READY:
            why = "Its step had stopped and was given up. Decide it by itself."
            end_item(item, BulkItemState.SKIPPED, trace=trace, why=why)


def forget(*, at: datetime) -> int:
    """Delete what was prepared and never started. Returns how many."""
    with transaction.atomic():
        old = Bulk.objects.select_for_update(skip_locked=True).filter(
            state=BulkState.PREPARED, prepared_at__lt=at - FORGOTTEN_AFTER
        )
        rows = list(old)
        BulkItem.objects.filter(bulk__in=rows).delete()
        Bulk.objects.filter(pk__in=[one.pk for one in rows]).delete()
        Note.objects.filter(pk__in=[one.note_id for one in rows if one.note_id]).delete()
    return len(rows)


def _written(note: str, by: Any, trace: Trace) -> Note | None:
    return Note.objects.create(text=note, author=by, at=trace.at) if note else None
