"""A person asks for a record to be read afresh from its platform, or whether that works at all.

The reading itself is the flow that reads such records anyway, in its lane and with its calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.models import Job, Message
from integrator.models.states import JOB_OPEN

ASKED = "asked-again"  # the kind of such a message: nobody says that anything was mended there
# By the platform's kind of record: the topic its messages have, and the flow that reads it.
READ_BY: Mapping[str, tuple[str, str]] = {
    "order": ("order", "capture_order"),
    "rma": ("rma", "take_return"),
    "connection": ("try-asked", "try_connection"),
}
Key = tuple[int, str, str]  # connection, kind of record, its number there


@dataclass(frozen=True, slots=True)
class Asked:
    """The last time somebody asked, and the reading that answers it (none before it is routed)."""

    message: Message
    job: Job | None

    @property
    def is_under_way(self) -> bool:
        return self.job is None or self.job.state in JOB_OPEN


def ask(key: Key, *, shown_at: datetime, at: datetime) -> Asked | None:
    """Ask once for a record to be read. The caller holds its row.

    ``shown_at`` is when the person's page was made. When somebody has asked since, or a reading is
    still under way, nothing is asked anew: that one is returned.
    """
    last = last_asked([key]).get(key)
    if last is not None and (last.message.received_at >= shown_at or last.is_under_way):
        return last
    connection_id, kind, number = key
    nudge(
        connection_id=connection_id,
        topic=READ_BY[kind][0],
        kind=ASKED,
        resource=(kind, number),
        origin=Message.Origin.PERSON,
        at=at,
    )
    return None


def last_asked(keys: Sequence[Key]) -> dict[Key, Asked]:
    """For each record that was ever asked for: two statements, however many there are."""
    about = Q(pk__in=())
    for connection_id, kind, number in keys:
        about |= Q(connection=connection_id, resource_kind=kind, resource_id=number)
    asked = Message.objects.filter(about, origin=Message.Origin.PERSON, kind=ASKED)
    found = list(
        asked.order_by("connection_id", "resource_kind", "resource_id", "-id").distinct(
            "connection_id", "resource_kind", "resource_id"
        )
    )
    if not found:
        return {}
    # A job's own fact is a message of the same record, be it this one or one that it joined.
    ids = [message.pk for message in found]
    jobs = Job.objects.filter(
        Q(fact__in=ids) | Q(joined__overlap=ids),
        flow__in=[flow for _, flow in READ_BY.values()],
        fact__in=Message.objects.filter(about).values("pk"),
    )
    return among(found, jobs)


def among(messages: Iterable[Message], jobs: Iterable[Job]) -> dict[Key, Asked]:
    """The same from rows that are already read."""
    last: dict[Key, Message] = {}
    for message in messages:
        if message.origin == Message.Origin.PERSON and message.kind == ASKED:
            key = (message.connection_id, message.resource_kind, message.resource_id)
            if key not in last or last[key].pk < message.pk:
                last[key] = message
    answers = {
        fact: job
        for job in jobs
        if job.flow in {flow for _, flow in READ_BY.values()}
        for fact in (job.fact, *job.joined)
    }
    return {key: Asked(message, answers.get(message.pk)) for key, message in last.items()}


def is_asked(work: Work) -> bool:
    """Whether this reading answers a person, who wants to know what it changed."""
    return any(one.origin == Message.Origin.PERSON and one.kind == ASKED for one in work.heard)
