"""The one place that asks what time it is. Everything below the edges takes the time as ``at``."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import connection as database
from django.utils import timezone

log = structlog.get_logger(__name__)

APART_MAX = timedelta(seconds=10)


def now() -> datetime:
    """The current time, aware, in UTC."""
    return timezone.now()


def is_right() -> bool:
    """Whether our clock agrees with the database's; logged when it does not.

    A clock that is ahead only once leaves leases, hands and cursors behind that hold everything up
    until the right time has caught up with them: so nothing is done by it.
    """
    with database.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        apart: timedelta = now() - cursor.fetchone()[0]
    if abs(apart) <= APART_MAX:
        return True
    log.error("clock_is_wrong", ahead_seconds=round(apart.total_seconds()))
    return False
