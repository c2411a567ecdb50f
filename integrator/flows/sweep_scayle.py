"""Find what SCAYLE's callbacks missed: orders that changed, refunds without proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from finance.models import Refund
from finance.services import refund_overdue
from finance.states import Executor, RefundStatus
from fulfilment.models import Order
from fulfilment.shapes import OrderSeen, Progress
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

STREAM = "order"
# What changed this recently may still have its callback on the way: it was not missed yet.
ON_ITS_WAY = timedelta(seconds=60)
READ_AGAIN_AFTER = timedelta(minutes=5)
OVERDUE_AFTER = timedelta(hours=4)
CHASED_MOST = 200  # refunds of one sweep


@dataclass(frozen=True, slots=True)
class Swept:
    """The orders that changed, read to the end of their list."""

    orders: Walked
    began_at: datetime


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"sweep:{fact.connection_id}:{STREAM}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def call(work: Work) -> Swept | Nothing:
    connection = Connection.objects.get(pk=work.job.record_id)
    cursor = cursor_of(connection, STREAM)
    if due_before(work, cursor.swept_at):
        return Nothing("a later look has seen everything")
    start = began(work, changed_since(cursor, at=work.at))
    client = platforms.scayle(work, connection)
    orders = walk(
        work,
        "orders",
        lambda after: client.orders_updated_since(start.since, after=after),
        lambda rows, found: _take(work, connection, rows, found),
    )
    return Swept(orders, start.at)


def _take(
    work: Work, connection: Connection, rows: Sequence[OrderSeen], found: Mapping[str, Any]
) -> dict[str, Any]:
    known = dict(
        Order.objects.filter(
            connection=connection, external_id__in=[one.external_id for one in rows]
        ).values_list("external_id", "source_updated_at")
    )
    settled = work.at - ON_ITS_WAY
    missed = [
        one
        for one in rows
        if one.progress not in (Progress.OPEN, Progress.UNKNOWN)
        and one.updated_at <= settled
        and (one.external_id not in known or known[one.external_id] < one.updated_at)
    ]
    for one in missed:
        _nudge(connection, one.external_id, "missed", work.at)
    changes = [one.updated_at.astimezone(UTC).isoformat() for one in rows]
    return {
        "seen": found.get("seen", 0) + len(rows),
        "missed": found.get("missed", 0) + len(missed),
        "newest": max([*changes, found.get("newest", "")]),
    }


def record(work: Work, swept: Swept) -> Evidence:
    connection = Connection.objects.get(pk=work.job.record_id)
    chased = _chase_refunds(connection, work)
    found, unreadable = swept.orders.found, swept.orders.unreadable
    cursor = cursor_of(connection, STREAM)
    cursor.found = found.get("missed", 0)
    cursor.missed_total += cursor.found
    # Without a complete reading the cursor stays: the next sweep begins at the same place.
    if report_unreadable(work, connection, STREAM, unreadable):
        cursor.swept_at = work.at
        if newest := found.get("newest"):
            # An order dated in the future must not hide those that change until then.
            cursor.position = min(datetime.fromisoformat(newest), swept.began_at).isoformat()
        end_stopped(work, reason=SEEN_LATER)
    cursor.save()
    return {
        "seen": found.get("seen", 0),
        "missed": cursor.found,
        "refunds_chased": chased,
        "unreadable": len(unreadable),
    }


def _nudge(connection: Connection, order_id: str, kind: str, at: datetime) -> None:
    nudge(
        connection_id=connection.pk,
        topic="order",
        kind=kind,
        resource=("order", order_id),
        origin=Message.Origin.SWEEP,
        at=at,
    )


def _chase_refunds(connection: Connection, work: Work) -> int:
    """Refunds that were sent and show no proof yet: read their orders again; tell finance when
    late. Whose order was not read for longest comes first: however many wait, each has its turn.
    """
    waiting = Refund.objects.filter(
        order__connection=connection,
        executor=Executor.SCAYLE,
        status__in=[RefundStatus.SENT, RefundStatus.IN_DOUBT],
        sent_at__lte=work.at - READ_AGAIN_AFTER,
    ).select_related("order__connection", "return_record__connection")
    count = 0
    rows = list(waiting.order_by("order__read_at", "id")[:CHASED_MOST])
    held = not_counted(connection, [one.sent_at for one in rows], work.at)
    for refund in rows:
        _nudge(connection, refund.order.external_id, "refund-without-proof", work.at)
        sent_at = refund.sent_at
        is_late = sent_at is not None and sent_at <= work.at - OVERDUE_AFTER - held(sent_at)
        if is_late and refund.failed_at is None:  # what failed is before finance already
            refund_overdue(refund, trace=work.trace)
        count += 1
    return count


FLOW = Flow(
    name="sweep_scayle",
    says="Look for orders whose callback was missed",
    aim=each(_aim),
    call=call,
    record=record,
    probe=only_reads,
    queue="scayle",
    priority=60,
    joins=True,
    due_minutes=15,
)
