"""The clock as a source of facts: "it is time for X" is a Message like any other, so it is routed.

Each entry of ``SCHEDULE`` fires once per interval and connection, however many processes ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrator.engine.inbox import nudge
from integrator.models import Connection, Heartbeat, Message
from integrator.models.jobs import CLOCK


@dataclass(frozen=True, slots=True)
class Every:
    """``topic`` is routed as ``heard:<platform>:<topic>`` every ``minutes``."""

    topic: str
    platform: str
    minutes: int


def fire(schedule: Sequence[Every], *, at: datetime) -> int:
    """Write the facts of everything whose time has come. Returns how many."""
    fired = 0
    connections = list(Connection.objects.order_by("id"))
    for every in schedule:
        for connection in connections:
            if connection.platform == every.platform and _is_due(every, connection, at):
                fired += 1
                nudge(
                    connection_id=connection.pk,
                    topic=every.topic,
                    kind="clock",
                    resource=("connection", connection.slug),
                    origin=Message.Origin.CLOCK,
                    at=at,
                )
    return fired


def _is_due(every: Every, connection: Connection, at: datetime) -> bool:
    """Move the hand of this clock, if its interval has passed; only one caller can."""
    name = f"{CLOCK}{connection.pk}:{every.topic}"
    _, created = Heartbeat.objects.get_or_create(name=name, defaults={"at": at, "worker": "clock"})
    if created:
        return True
    before = at - timedelta(minutes=every.minutes) + timedelta(seconds=5)
    return bool(Heartbeat.objects.filter(name=name, at__lte=before).update(at=at))
