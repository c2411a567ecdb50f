"""Find what ReturnGO's callbacks missed.

It has none for an inspection, so open returns are re-read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from finance.models import Refund
from finance.services import refund_overdue
from finance.states import Executor, RefundStatus
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each, only_reads
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.sweep_scayle import FIRST_LOOK_BACK, OVERLAP
from integrator.flows.sweeping import cursor_of, read_list, report_unreadable
from integrator.models import Connection, Message
from returns.models import Return
from returns.shapes import PlatformStatus, ReturnSummary

STREAM = "rma"
OPEN = (PlatformStatus.AUTHORISED, PlatformStatus.RECEIVED, PlatformStatus.VALIDATED)
REREAD_MINUTES = 30
REREAD_MOST = 100  # oldest reading first; the daily allowance of calls is the scarce thing
LOOK_AFTER = timedelta(hours=1)  # a return that waits for their payment is read this often
PAY_WITHIN = timedelta(hours=24)  # then finance hears that a payment of theirs is not to be seen
ON_ITS_WAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Swept:
    changed: tuple[ReturnSummary, ...]
    open_ones: tuple[ReturnSummary, ...]
    started_at: datetime
    unreadable: dict[str, str]


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"sweep:{fact.connection_id}:{STREAM}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def call(work: Work) -> Swept:
    connection = Connection.objects.get(pk=work.job.record_id)
    position = cursor_of(connection, STREAM).position
    since = datetime.fromisoformat(position) - OVERLAP if position else work.at - FIRST_LOOK_BACK
    client = platforms.returngo(work, connection)
    changed, not_changed = read_list(client.rmas(updated_since=since))
    open_ones, not_open = read_list(client.rmas(statuses=OPEN))
    return Swept(changed, open_ones, work.at, not_changed | not_open)


def record(work: Work, swept: Swept) -> Evidence:
    connection = Connection.objects.get(pk=work.job.record_id)
    listed = {one.external_id: one for one in (*swept.changed, *swept.open_ones)}
    known = {
        external_id: (word, read_at)
        for external_id, word, read_at in Return.objects.filter(
            connection=connection, external_id__in=listed
        ).values_list("external_id", "platform_word", "read_at")
    }
    heard_lately = set(
        Message.objects.filter(
            connection=connection,
            resource_kind="rma",
            resource_id__in=listed,
            received_at__gte=work.at - ON_ITS_WAY,
        ).values_list("resource_id", flat=True)
    )
    missed = [
        rma
        for rma, one in listed.items()
        if rma not in heard_lately and (rma not in known or known[rma][0] != one.raw_status)
    ]
    stale = work.at - timedelta(
        minutes=int(connection.settings.get("reread_minutes", REREAD_MINUTES))
    )
    open_ids = {one.external_id for one in swept.open_ones}
    old = sorted(
        (read_at, rma)
        for rma, (_, read_at) in known.items()
        if rma in open_ids and read_at <= stale and rma not in missed and rma not in heard_lately
    )
    for rma in missed:
        _nudge(connection, rma, "missed", work.at)
    for _, rma in old[:REREAD_MOST]:
        _nudge(connection, rma, "read-again", work.at)
    _chase_refunds(connection, work)
    cursor = cursor_of(connection, STREAM)
    cursor.found = len(missed)
    cursor.missed_total += len(missed)
    if report_unreadable(work, connection, STREAM, swept.unreadable):
        cursor.swept_at = work.at
        cursor.position = swept.started_at.isoformat()
    cursor.save()
    return {
        "seen": len(listed),
        "missed": len(missed),
        "read_again": len(old[:REREAD_MOST]),
        "unreadable": len(swept.unreadable),
    }


def _chase_refunds(connection: Connection, work: Work) -> None:
    """Refunds that the returns platform is to pay, whatever its return says: read on, tell late."""
    waiting = Refund.objects.filter(
        return_record__connection=connection,
        executor=Executor.RETURNS_PLATFORM,
        status__in=[RefundStatus.SENT, RefundStatus.IN_DOUBT],
        sent_at__lte=work.at - LOOK_AFTER,
    ).select_related("order__connection", "return_record__connection")
    for refund in waiting.order_by("sent_at")[:REREAD_MOST]:
        assert refund.return_record is not None and refund.sent_at is not None
        if refund.return_record.read_at <= work.at - LOOK_AFTER:
            _nudge(connection, refund.return_record.external_id, "refund-without-proof", work.at)
        if refund.status == RefundStatus.SENT and refund.sent_at <= work.at - PAY_WITHIN:
            refund_overdue(refund, trace=work.trace)


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
    due_minutes=15,
)
