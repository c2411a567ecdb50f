"""Platforms' rate limits, shared by all processes as rows, asked before every call.

Headers (SCAYLE) are written down when they get low or old; a daily allowance (ReturnGO) is counted
by us. A quarter of a day is kept for writes: reads stop first.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database

from integrator.engine.clock import now
from integrator.engine.errors import Transient
from integrator.engine.shapes import Limit
from integrator.models import Connection, RateWindow

RESERVED_FOR_WRITES = 0.25
DAY = "day"
_MEMORY_SECONDS = 1.0
_lock = threading.Lock()
_blocked: dict[tuple[int, str], tuple[float, datetime | None]] = {}
_written: dict[tuple[int, str], float] = {}


def spend(connection: Connection, scope: str, daily_setting: str, *, is_write: bool) -> None:
    """Ask whether one more call is allowed now; ``Transient`` with the wait when it is not."""
    at = now()
    until = _blocked_until(connection, scope, at)
    if until is not None and until > at:
        wait = (until - at).total_seconds()
        raise Transient(f"the rate limit of {connection.name} is used up", retry_after=wait)
    if daily_setting:
        _spend_day(connection, int(connection.settings[daily_setting]), at, is_write=is_write)


def _blocked_until(connection: Connection, scope: str, at: datetime) -> datetime | None:
    key = (connection.pk, scope)
    moment = time.monotonic()
    with _lock:
        known = _blocked.get(key)
    if known is not None and moment - known[0] < _MEMORY_SECONDS:
        return known[1]
    row = RateWindow.objects.filter(connection=connection, scope=scope, resets_at__gt=at).first()
    until = row.resets_at if row is not None and row.remaining <= 0 else None
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
    RateWindow.objects.update_or_create(
        connection=connection,
        scope=limit.scope,
        defaults={
            "limit": limit.limit,
            "remaining": limit.remaining,
            "resets_at": now() + timedelta(seconds=limit.reset_seconds),
        },
    )


def _spend_day(connection: Connection, allowed: int, at: datetime, *, is_write: bool) -> None:
    """Count one call of today's allowance, in one statement; a new day starts full."""
    floor = 0 if is_write else int(allowed * RESERVED_FOR_WRITES)
    midnight = (at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    with database.cursor() as cursor:
        cursor.execute(
            """INSERT INTO integrator_ratewindow AS r
                   (connection_id, scope, "limit", remaining, resets_at)
               VALUES (%(connection)s, 'day', %(allowed)s, %(allowed)s - 1, %(midnight)s)
               ON CONFLICT (connection_id, scope) DO UPDATE
                  SET remaining = CASE WHEN r.resets_at <= %(at)s THEN %(allowed)s
                                       ELSE r.remaining + %(allowed)s - r."limit" END - 1,
                      "limit" = %(allowed)s,
                      resets_at = CASE WHEN r.resets_at <= %(at)s THEN %(midnight)s
                                       ELSE r.resets_at END
                WHERE r.resets_at <= %(at)s
                   OR r.remaining + %(allowed)s - r."limit" > %(floor)s
               RETURNING remaining""",
            {
                "connection": connection.pk,
                "allowed": allowed,
                "midnight": midnight,
                "at": at,
                "floor": floor,
            },
        )
        if cursor.fetchone() is None:
            wait = (midnight - at).total_seconds()
            raise Transient(
                f"today's calls to {connection.name} are used up"
                + ("" if is_write else " except those kept for writes"),
                retry_after=wait,
            )


def forget(_: Any = None) -> None:
    """Drop what this process remembers (a new connection, a test)."""
    with _lock:
        _blocked.clear()
        _written.clear()
