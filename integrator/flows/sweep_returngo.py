"""Find what ReturnGO's callbacks missed.

It has none for an inspection, so returns that wait for ReturnGO are read again: oldest reading
first, spread over what is left of the day and of its calls. What waits for us is read once a day,
because a verdict may be corrected, and so is what was done lately, with a small part of the calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from finance.models import Refund
from finance.services import refund_overdue
from finance.states import Executor, RefundStatus
from integrator.engine import limits
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, each, only_reads
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.stopped_readings import SEEN_LATER, end_stopped
from integrator.flows.sweeping import (
    Walked,
    began,
    changed_since,
    cursor_of,
    due_before,
    not_counted,
    report_unreadable,
    walk,
)
from integrator.models import Connection, Message
from returns.models import Return, ReturnItem
from returns.shapes import Method, PlatformStatus, Resolution, ReturnSummary
from returns.states import Custody, Money

STREAM = "rma"
OPEN = (PlatformStatus.AUTHORISED, PlatformStatus.RECEIVED, PlatformStatus.VALIDATED)
REREAD_MINUTES = 30
REREAD_OURS_MINUTES = 24 * 60
REREAD_DONE_MINUTES = 24 * 60
REREAD_DONE_DAYS = 14  # a verdict is corrected within days of the end, if at all
REREAD_MOST = 100
# Of the readings left today, what may go into reading again; the rest is for what is new.
REREAD_SHARE = 0.5
REREAD_DONE_SHARE = 0.1
LOOK_AFTER = timedelta(hours=1)  # a return that waits for their payment is read this often
PAY_WITHIN = timedelta(hours=24)  # then finance hears that a payment of theirs is not to be seen
ON_ITS_WAY = timedelta(seconds=60)
EVERY_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Swept:
    """Both lists, read to their end."""

    changed: Walked
    open_ones: Walked
    began_at: datetime

    @property
    def missed(self) -> int:
        return int(self.changed.found.get("missed", 0) + self.open_ones.found.get("missed", 0))


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"sweep:{fact.connection_id}:{STREAM}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def call(work: Work) -> Swept | Nothing:
    """What changed, and what is open: the day of a change may not move on arrival or inspection."""
    connection = Connection.objects.get(pk=work.job.record_id)
    cursor = cursor_of(connection, STREAM)
    if due_before(work, cursor.swept_at):
        return Nothing("a later look has seen everything")
    start = began(work, changed_since(cursor, at=work.at))
    client = platforms.returngo(work, connection)

    def take(rows: Sequence[ReturnSummary], found: Mapping[str, Any]) -> dict[str, Any]:
        return _take(work, connection, start.at, rows, found)

    changed = walk(
        work, "changed", lambda after: client.rmas(updated_since=start.since, after=after), take
    )
    open_ones = walk(work, "open", lambda after: client.rmas(statuses=OPEN, after=after), take)
    return Swept(changed, open_ones, start.at)


def _take(
    work: Work,
    connection: Connection,
    began_at: datetime,
    rows: Sequence[ReturnSummary],
    found: Mapping[str, Any],
) -> dict[str, Any]:
    """Who was heard of since this look began was not missed."""
    listed = {one.external_id: one.raw_status for one in rows}
    known = dict(
        Return.objects.filter(connection=connection, external_id__in=listed).values_list(
            "external_id", "platform_word"
        )
    )
    heard = set(
        Message.objects.filter(
            connection=connection,
            resource_kind="rma",
            resource_id__in=listed,
            received_at__gte=began_at - ON_ITS_WAY,
        ).values_list("resource_id", flat=True)
    )
    missed = [rma for rma, word in listed.items() if rma not in heard and known.get(rma) != word]
    for rma in missed:
        _nudge(connection, rma, "missed", work.at)
    return {
        "seen": found.get("seen", 0) + len(rows),
        "missed": found.get("missed", 0) + len(missed),
    }


def record(work: Work, swept: Swept) -> Evidence:
    connection = Connection.objects.get(pk=work.job.record_id)
    again = _read_again(connection, work, swept.began_at)
    unreadable = {**swept.changed.unreadable, **swept.open_ones.unreadable}
    cursor = cursor_of(connection, STREAM)
    cursor.found = swept.missed
    cursor.missed_total += swept.missed
    if report_unreadable(work, connection, STREAM, unreadable):
        cursor.swept_at = work.at
        cursor.position = swept.began_at.isoformat()
        end_stopped(work, reason=SEEN_LATER)
    cursor.save()
    return {
        "seen": swept.changed.found.get("seen", 0) + swept.open_ones.found.get("seen", 0),
        "missed": swept.missed,
        "read_again": again,
        "unreadable": len(unreadable),
    }


def _read_again(connection: Connection, work: Work, began_at: datetime) -> int:
    """Spend what of the day's calls this sweep may on returns whose reading is too old.

    Who was heard of since it began is read anyway.
    """
    today = limits.left_of_day(connection, int(connection.settings["daily_call_limit"]), at=work.at)
    most = _readings_of_this_sweep(today, work.at, REREAD_SHARE)
    most -= _chase_refunds(connection, work, most)
    heard = Message.objects.filter(
        connection=connection,
        resource_kind="rma",
        resource_id=OuterRef("external_id"),
        received_at__gte=began_at - ON_ITS_WAY,
    )
    not_heard = Return.objects.filter(~Exists(heard), connection=connection)
    again = _old(connection, not_heard, work.at, most)
    most_done = _readings_of_this_sweep(today, work.at, REREAD_DONE_SHARE)
    done = not_heard.filter(_is_done_lately(connection, work.at)).order_by("read_at", "id")
    left = min(most - len(again), most_done)
    again += done.values_list("external_id", flat=True)[: max(left, 0)]
    for rma in again:
        _nudge(connection, rma, "read-again", work.at)
    return len(again)


def _chase_refunds(connection: Connection, work: Work, most: int) -> int:
    """Refunds that the returns platform is to pay, whatever its return says: read on, tell late.

    Whose return was not read for longest comes first: however many wait, each has its turn.
    Returns how many of the ``most`` readings this takes.
    """
    count = 0
    waiting = Refund.objects.filter(
        return_record__connection=connection,
        executor=Executor.RETURNS_PLATFORM,
        status__in=[RefundStatus.SENT, RefundStatus.IN_DOUBT],
        sent_at__lte=work.at - LOOK_AFTER,
    ).select_related("order__connection", "return_record__connection")
    rows = list(waiting.order_by("return_record__read_at", "id")[:REREAD_MOST])
    if not rows:
        return 0
    held = not_counted(connection, [one.sent_at for one in rows], work.at)
    for refund in rows:
        assert refund.return_record is not None and refund.sent_at is not None
        if count < most and refund.return_record.read_at <= work.at - LOOK_AFTER:
            count += 1
            _nudge(connection, refund.return_record.external_id, "refund-without-proof", work.at)
        pay_by = refund.sent_at + PAY_WITHIN + held(refund.sent_at)
        if refund.status == RefundStatus.SENT and pay_by <= work.at:
            refund_overdue(refund, trace=work.trace)
    return count


def _old(connection: Connection, returns: QuerySet[Return], at: datetime, most: int) -> list[str]:
    """The open ones among these whose reading is too old, oldest first."""
    settings = connection.settings
    pause = timedelta(minutes=int(settings.get("reread_minutes", REREAD_MINUTES)))
    ours = timedelta(minutes=int(settings.get("reread_ours_minutes", REREAD_OURS_MINUTES)))
    waits_there = Exists(_units_waiting_for_returngo().filter(return_record=OuterRef("pk")))
    # By "or" the database would look at every unit there ever was.
    rows: list[tuple[datetime, str]] = []
    for waits, since in ((waits_there, at - pause), (~waits_there, at - ours)):
        found = returns.filter(waits, platform_status__in=OPEN, read_at__lte=since)
        rows += found.order_by("read_at", "id").values_list("read_at", "external_id")[:most]
    return [rma for _, rma in sorted(rows)[:most]]


def _is_done_lately(connection: Connection, at: datetime) -> Q:
    """Returns that are done there, lately or not yet here, whose reading is too old.

    Neither a callback nor the list tells of a verdict that is corrected after the end.
    """
    settings = connection.settings
    pause = timedelta(minutes=int(settings.get("reread_done_minutes", REREAD_DONE_MINUTES)))
    back = timedelta(days=int(settings.get("reread_done_days", REREAD_DONE_DAYS)))
    lately = Q(completed_at__isnull=True) | Q(completed_at__gte=at - back)
    return lately & Q(platform_status=PlatformStatus.DONE, read_at__lte=at - pause)


def _readings_of_this_sweep(today: limits.Today, at: datetime, share: float) -> int:
    """How many returns may be read again now: the day's rest, spread evenly over its sweeps.

    ``share`` of the readings left today goes into it.

    Less than one each means one in every few sweeps.
    """
    every = timedelta(minutes=EVERY_MINUTES)
    left = today.resets_at - at
    each = today.for_reads * share / max(left / every, 1)
    number = (limits.ONE_DAY - left) // every
    return min(int(each * (number + 1)) - int(each * number), REREAD_MOST)


def _units_waiting_for_returngo() -> QuerySet[ReturnItem]:
    """Units whose next step is ReturnGO's: arrival, a verdict, a correction, credit or goods."""
    coming = Q(custody__in=[Custody.AUTHORISED, Custody.IN_TRANSIT, Custody.RECEIVED])
    settled_there = (
        ~Q(resolution=Resolution.REFUND)
        & ~Q(money__in=[Money.RECORDED, Money.SETTLED, Money.WAIVED])
        & ~Q(custody=Custody.CLOSED)
    )
    return ReturnItem.objects.filter(
        (coming & ~Q(method=Method.KEPT)) | settled_there | ~Q(blocked_by="")
    )


def _nudge(connection: Connection, rma: str, kind: str, at: datetime) -> None:
    nudge(
        connection_id=connection.pk,
        topic="rma",
        kind=kind,
        resource=("rma", rma),
        origin=Message.Origin.SWEEP,
        at=at,
    )


FLOW = Flow(
    name="sweep_returngo",
    says="Look for returns whose callback was missed",
    aim=each(_aim),
    call=call,
    record=record,
    probe=only_reads,
    queue="returngo",
    priority=60,
    joins=True,
    gives_way=True,
    due_minutes=15,
)
