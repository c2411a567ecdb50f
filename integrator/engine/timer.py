"""The clock as a source of facts: "it is time for X" is a Message like any other, so it is routed.

Each entry of ``SCHEDULE`` fires once per interval and connection, however many processes ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection as database

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
    # Most hands need not move this minute: they are looked at together, and only the others asked.
    hands = dict(Heartbeat.objects.filter(name__startswith=CLOCK).values_list("name", "at"))
    for every in schedule:
        for connection in connections:
            name = f"{connection.pk}:{every.topic}"
            if connection.platform != every.platform:
                continue
            moved_at = hands.get(f"{CLOCK}{name}")
            is_due = moved_at is None or moved_at <= _before(every.minutes, at)
            if is_due and strikes(name, every.minutes, at=at):
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


def strikes(name: str, minutes: int, *, at: datetime) -> bool:
    """Whether this clock's interval has passed, which moves its hand: only one caller hears it."""
    with database.cursor() as cursor:
        cursor.execute(
            """INSERT INTO integrator_heartbeat AS h (name, at, worker) VALUES (%s, %s, 'clock')
               ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at WHERE h.at <= %s""",
            [f"{CLOCK}{name}", at, _before(minutes, at)],
        )
        return bool(cursor.rowcount)


def _before(minutes: int, at: datetime) -> datetime:
    """A hand that was moved no later than this moves again; the minute's clock is never exact."""
    return at - timedelta(minutes=minutes) + timedelta(seconds=5)
