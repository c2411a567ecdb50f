"""People, connections, orders with return and refund, and a case of any kind. Valid rows only."""

from __future__ import annotations

import string
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from integrator.engine import bulks, cases, clock, decisions
from integrator.engine.case_kinds import CaseKind
from integrator.flows import CASE_KINDS
from integrator.models import (
    Attempt,
    Bulk,
    Case,
    Connection,
    Heartbeat,
    Job,
    JobState,
    Message,
    RateWindow,
)
from tests.desk.basics import (
    PASSWORD,
    connection,
    location,
    person,
    retailer,
    review,
    stream,
    trace,
)
from tests.desk.sales import order, refund_of, return_of


def job(
    flow: str,
    at: datetime,
    *,
    record: tuple[str, int],
    order_id: int | None = None,
    to: Connection | None = None,
    state: JobState = JobState.DUE,
    actor: str = "worker",
    **values: Any,
) -> Job:
    """A job, born due and then taken where it should be by updates that the database checks."""
    made = Job.objects.create(
        flow=flow,
        fact=uuid.uuid4().int % 10**15,
        record_kind=record[0],
        record_id=record[1],
        order_id=order_id,
        connection=to,
        queue=to.platform if to else "local",
        lane=f"{flow}:{uuid.uuid4()}",
        not_before=values.pop("not_before", at),
        due_at=at + timedelta(minutes=15),
        give_up_at=at + timedelta(days=7),
        operation=uuid.uuid4(),
        actor=actor,
    )
    if state in (JobState.WAITING, JobState.IN_DOUBT):
        Job.objects.filter(pk=made.pk).update(
            state=JobState.RUNNING, lease_until=at + timedelta(seconds=60)
        )
    if state == JobState.DONE:
        values |= {"finished_at": at}
    if state == JobState.RUNNING:
        values |= {"lease_until": clock.now() + timedelta(seconds=60)}
    if state != JobState.DUE or values:
        Job.objects.filter(pk=made.pk).update(state=state, **values)
    made.refresh_from_db()
    return made


def attempt(of: Job, at: datetime, *, outcome: str = "PARKED", error: str = "") -> Attempt:
    return Attempt.objects.create(
        job=of,
        number=of.attempts or 1,
        fence=of.fence,
        worker="w1",
        started_at=at - timedelta(seconds=1),
        ended_at=at,
        outcome=outcome,
        error=error,
        calls=[{"method": "POST", "path": "/orders/1/return-items", "status": 422, "ms": 180}],
    )


def message(
    of: Connection,
    kind: str,
    at: datetime,
    *,
    order_id: int | None = None,
    origin: str = "CALLBACK",
    learnt_after: timedelta = timedelta(),
    event_id: str = "",
) -> Message:
    return Message.objects.create(
        connection=of,
        origin=origin,
        verdict=Message.Verdict.ACCEPTED,
        topic="order",
        kind=kind,
        resource_kind="order",
        resource_id="100482913",
        event_id=event_id or uuid.uuid4().hex,
        digest=b"\0" * 32,
        order_id=order_id,
        occurred_at=at,
        received_at=at + learnt_after,
        routed_at=at + learnt_after,
    )


# What the sentences of the case kinds may name.
FACTS: dict[str, str] = {
    "amount": "EUR 129.95",
    "at": "10:40",
    "authority": "Sitoo",
    "crashes": "3",
    "due": "10:15",
    "error": "the shop does not accept this status",
    "event": "order.reindexed",
    "event_id": "evt-771",
    "fields": "price",
    "kind": "location",
    "kind_code": "LOCATION",
    "location": "Hamburg shop",
    "order": "100482913",
    "ours": "EUR 129.95",
    "platform": "ReturnGO",
    "rma": "RMA3271840",
    "sku": "4068-PET-M",
    "step": "Put the unit back on sale",
    "theirs": "HH-2",
    "what": "Refund of RMA3271840",
    "write": "complete the return",
}


def facts_for(kind: CaseKind) -> dict[str, str]:
    """A value for everything the kind's sentences name."""
    names = {
        name
        for text in (kind.title, kind.happened, kind.means, kind.todo, kind.otherwise)
        for _, name, _, _ in string.Formatter().parse(text)
        if name
    }
    wanted = names | set(kind.evidence) | ({"kind_code"} if kind.shared_cause else set())
    return {name: FACTS.get(name, f"some {name}") for name in sorted(wanted)}


def case(
    code: str,
    at: datetime,
    *,
    record: tuple[str, int] = ("order", 1),
    cause: str = "",
    opened_at: datetime | None = None,
    facts: dict[str, str] | None = None,
    **about: Any,
) -> Case:
    """A case of a kind, opened the way flows open it."""
    kind = CASE_KINDS[code]
    return cases.open_case(
        kind,
        cases.About(record[0], record[1], **about),
        trace=trace(opened_at or at),
        cause=cause,
        facts={**facts_for(kind), **(facts or {})},
    )


def heartbeat(at: datetime, name: str = "local") -> Heartbeat:
    beat, _ = Heartbeat.objects.update_or_create(name=name, defaults={"at": at, "worker": "w1"})
    return beat


def rate(of: Connection, at: datetime) -> RateWindow:
    return RateWindow.objects.create(
        connection=of, scope="day", limit=2000, remaining=1588, resets_at=at + timedelta(hours=9)
    )


def nudge(of: Connection, kind: str, at: datetime, *, order_id: int) -> Message:
    """A message without an event id, routed already: the same may come again."""
    return Message.objects.create(
        connection=of,
        origin=Message.Origin.CALLBACK,
        verdict=Message.Verdict.ACCEPTED,
        topic="order",
        kind=kind,
        resource_kind="order",
        resource_id="100482913",
        digest=b"\0" * 32,
        order_id=order_id,
        occurred_at=at,
        received_at=at,
        routed_at=at,
    )


def bulk(
    by: User, at: datetime, chosen: list[Case], *, do: str = "take", label: str = "Take them"
) -> Bulk:
    """What somebody is about to do about these cases; nobody has started it."""
    return bulks.prepare(
        [bulks.Chosen(one, decisions.newest([one.pk]).get(one.pk, 0)) for one in chosen],
        do=do,
        label=label,
        role=chosen[0].owner,
        query="tab=needs",
        data={},
        note="",
        by=by,
        trace=trace(at, f"user:{by.get_username()}"),
    )


__all__ = [
    "CASE_KINDS",
    "PASSWORD",
    "attempt",
    "bulk",
    "case",
    "connection",
    "heartbeat",
    "job",
    "location",
    "message",
    "nudge",
    "order",
    "person",
    "rate",
    "refund_of",
    "retailer",
    "return_of",
    "review",
    "stream",
    "trace",
]
