"""The clock as a source of facts: "it is time for X" is a Message like any other, so it is routed.

Each entry of ``SCHEDULE`` fires once per interval and connection, however many processes ask. What
the clock does itself, it does part by part (``run``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import connection as database
from django.db import transaction

from integrator.engine.inbox import nudge
from integrator.models import Connection, Heartbeat, Message
from integrator.models.jobs import CLOCK

log = structlog.get_logger(__name__)

Part = Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class Every:
    """``topic`` is routed as ``heard:<platform>:<topic>`` every ``minutes``."""

    topic: str
    platform: str
    minutes: int


Hands = Mapping[str, datetime]


def hands() -> Hands:
    """Where the hands of all clocks stand. Most need not move this minute: looked at together, only
    the others have to be asked.
    """
    found = Heartbeat.objects.filter(name__startswith=CLOCK).values_list("name", "at")
    return {name.removeprefix(CLOCK): at for name, at in found}


def fire(schedule: Sequence[Every], *, at: datetime) -> int:
    """Write the facts of everything whose time has come. Returns how many."""
    fired = 0
    connections = list(Connection.objects.order_by("id"))
    seen = hands()
    for every in schedule:
        for connection in connections:
            name = f"{connection.pk}:{every.topic}"
            if connection.platform != every.platform:
                continue
            if _may_strike(name, every.minutes, at=at, seen=seen):
                fired += _strike(name, every, connection, at)
    return fired


def _strike(name: str, every: Every, connection: Connection, at: datetime) -> bool:
    """The hand moves together with the fact: one that could not be written is written next time."""
    with transaction.atomic():
        if not strikes(name, every.minutes, at=at):
            return False
        nudge(
            connection_id=connection.pk,
            topic=every.topic,
            kind="clock",
            resource=("connection", connection.slug),
            origin=Message.Origin.CLOCK,
            at=at,
        )
    return True


def _may_strike(name: str, minutes: int, *, at: datetime, seen: Hands) -> bool:
    moved_at = seen.get(name)
    return moved_at is None or moved_at <= _before(minutes, at)


def strikes(name: str, minutes: int, *, at: datetime, seen: Hands | None = None) -> bool:
    """Whether this clock's interval has passed, which moves its hand: only one caller hears it.

    ``seen``: where the hands stood a moment ago. One that cannot have to move is not asked.
    """
    if seen is not None and not _may_strike(name, minutes, at=at, seen=seen):
        return False
    with database.cursor() as cursor:
        cursor.execute(
            """INSERT INTO integrator_heartbeat AS h (name, at, worker) VALUES (%s, %s, 'clock')
               ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at WHERE h.at <= %s""",
            [f"{CLOCK}{name}", at, _before(minutes, at)],
        )
        return bool(cursor.rowcount)


def run(parts: Mapping[str, Part], *, at: datetime) -> list[Exception]:
    """Do each of these in turn, whatever becomes of the others. Returns what went wrong, logged."""
    failed: list[Exception] = []
    for name, part in parts.items():
        try:
            part(at)
        except Exception as error:
            log.exception("clock_part_broke", part=name)
            failed.append(error)
    return failed


def _before(minutes: int, at: datetime) -> datetime:
    """A hand that was moved no later than this moves again; the minute's clock is never exact."""
    return at - timedelta(minutes=minutes) + timedelta(seconds=5)
