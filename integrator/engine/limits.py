"""Platforms' rate limits, shared by all processes as rows, asked before every call.

Headers (SCAYLE) are written down when they get low or old; a daily allowance (ReturnGO) is counted
by us. A quarter of a day is kept for writes: reads stop first.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database

from integrator.engine.clock import now
from integrator.engine.errors import OutOfCalls, Transient
from integrator.engine.shapes import Limit
from integrator.models import Connection, RateWindow

RESERVED_FOR_WRITES = 0.25
DAY = "day"
OF_US = "of us"  # what a partner may ask us
ONE_DAY = timedelta(days=1)
_MEMORY_SECONDS = 1.0
_lock = threading.Lock()
_blocked: dict[tuple[int, str], tuple[float, datetime | None]] = {}
_written: dict[tuple[int, str], float] = {}


def spend(connection: Connection, scope: str, daily_setting: str, *, for_write: bool) -> None:
    """Ask whether one more call is allowed now; ``Transient`` with the wait when it is not."""
    at = now()
    until = _blocked_until(connection, scope, at)
    if until is not None and until > at:
        wait = (until - at).total_seconds()
        raise Transient(f"the rate limit of {connection.name} is used up", retry_after=wait)
    if daily_setting:
        _spend_day(connection, int(connection.settings[daily_setting]), at, for_write=for_write)


def _blocked_until(connection: Connection, scope: str, at: datetime) -> datetime | None:
    key = (connection.pk, scope)
    moment = time.monotonic()
    with _lock:
        known = _blocked.get(key)
    if known is not None and moment - known[0] < _MEMORY_SECONDS:
        return known[1]
    used_up = RateWindow.objects.filter(
        connection=connection, scope=scope, resets_at__gt=at, remaining__lte=0
    )
    until = used_up.values_list("resets_at", flat=True).first()
    with _lock:
        _blocked[key] = (moment, until)
    return until


def told(connection: Connection, limit: Limit) -> None:
    """Note what a response's headers said, at most once a second unless it is getting low."""
    key = (connection.pk, limit.scope)
    moment = time.monotonic()
    low = limit.remaining <= limit.limit * 0.1
    with _lock:
        if not low and moment - _written.get(key, -10.0) < _MEMORY_SECONDS:
            return
        _written[key] = moment
        if limit.remaining <= 0:
            _blocked.pop(key, None)
    RateWindow.objects.bulk_create(
        [
            RateWindow(
                connection=connection,
                scope=limit.scope,
                limit=limit.limit,
                remaining=limit.remaining,
                resets_at=now() + timedelta(seconds=limit.reset_seconds),
            )
        ],
        update_conflicts=True,
        unique_fields=["connection", "scope"],
        update_fields=["limit", "remaining", "resets_at"],
    )


def let_in(connection: Connection, allowed: int, *, at: datetime) -> float:
    """Count one question that a partner asks us, so many a minute. Returns 0 when it is answered,
    else the seconds until it may be asked again.
    """
    ends = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    is_counted = _count(connection, OF_US, allowed, at=at, ends=ends)
    return 0.0 if is_counted else (ends - at).total_seconds()


def _spend_day(connection: Connection, allowed: int, at: datetime, *, for_write: bool) -> None:
    """Count one call of today's allowance; a new day starts full."""
    floor = 0 if for_write else int(allowed * RESERVED_FOR_WRITES)
    midnight = _midnight(at)
    if not _count(connection, DAY, allowed, at=at, ends=midnight, floor=floor):
        wait = (midnight - at).total_seconds()
        raise OutOfCalls(
            f"today's calls to {connection.name} are used up"
            + ("" if for_write else " except those kept for writes"),
            retry_after=wait,
        )


def _count(
    connection: Connection,
    scope: str,
    allowed: int,
    *,
    at: datetime,
    ends: datetime,
    floor: int = 0,
) -> bool:
    """Count one of so many until ``ends``, in one statement, unless only ``floor`` are left.

    What ended before starts full. Returns whether it was counted.
    """
    with database.cursor() as cursor:
        cursor.execute(
            """INSERT INTO integrator_ratewindow AS r
                   (connection_id, scope, "limit", remaining, resets_at)
               VALUES (%(connection)s, %(scope)s, %(allowed)s, %(allowed)s - 1, %(ends)s)
               ON CONFLICT (connection_id, scope) DO UPDATE
                  SET remaining = CASE WHEN r.resets_at <= %(at)s THEN %(allowed)s
                                       ELSE r.remaining + %(allowed)s - r."limit" END - 1,
                      "limit" = %(allowed)s,
                      resets_at = CASE WHEN r.resets_at <= %(at)s THEN %(ends)s
                                       ELSE r.resets_at END
                WHERE r.resets_at <= %(at)s
                   OR r.remaining + %(allowed)s - r."limit" > %(floor)s
               RETURNING remaining""",
            {
                "connection": connection.pk,
                "scope": scope,
                "allowed": allowed,
                "ends": ends,
                "at": at,
                "floor": floor,
            },
        )
        return cursor.fetchone() is not None


def _midnight(at: datetime) -> datetime:
    """A platform's day is counted in UTC: assumed, no platform says otherwise."""
    return (at + ONE_DAY).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Today:
    """What is left of a day's calls. ``for_reads`` is without what is kept for writes."""

    allowed: int
    remaining: int
    resets_at: datetime

    @property
    def used(self) -> int:
        return self.allowed - self.remaining

    @property
    def for_reads(self) -> int:
        return max(self.remaining - int(self.allowed * RESERVED_FOR_WRITES), 0)

    def needed(self, *, at: datetime) -> int:
        """How many calls a whole day would take at today's rate."""
        passed = ONE_DAY - (self.resets_at - at)
        return math.ceil(self.used * ONE_DAY / max(passed, timedelta(minutes=1)))


def left_of_day(connection: Connection, allowed: int, *, at: datetime) -> Today:
    """The day's calls of a connection as they stand. A new day is full."""
    window = RateWindow.objects.filter(connection=connection, scope=DAY, resets_at__gt=at)
    row = window.values_list("limit", "remaining", "resets_at").first()
    if row is None:
        return Today(allowed, allowed, _midnight(at))
    limit, remaining, resets_at = row
    return Today(allowed, remaining + allowed - limit, resets_at)


def forget(_: Any = None) -> None:
    """Drop what this process remembers (a new connection, a test)."""
    with _lock:
        _blocked.clear()
        _written.clear()
