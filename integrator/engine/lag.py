"""How far behind we are: green jobs do not mean fresh data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection as database

from integrator.models import Cursor


@dataclass(frozen=True, slots=True)
class Lag:
    """One stream of a connection.

    ``age`` is what the business waits for, ``budget`` what it allows.
    """

    connection_id: int
    stream: str
    oldest_unprocessed: timedelta
    since_sweep: timedelta | None
    budget: timedelta

    @property
    def age(self) -> timedelta | None:
        """None when the stream was never read completely: unknown is not zero."""
        if self.since_sweep is None:
            return None
        return self.oldest_unprocessed + self.since_sweep

    @property
    def is_behind(self) -> bool:
        return self.age is None or self.age > self.budget


def all_lags(*, at: datetime, cursors: Iterable[Cursor] | None = None) -> list[Lag]:
    """Every stream's lag: age of the oldest fact not processed yet, plus age of the last sweep.

    ``cursors`` are all there are, where somebody has read them already.
    """
    if cursors is None:
        cursors = Cursor.objects.order_by("connection_id", "stream")
    waiting = _oldest_unprocessed(at)
    return [
        Lag(
            connection_id=cursor.connection_id,
            stream=cursor.stream,
            oldest_unprocessed=waiting.get((cursor.connection_id, cursor.stream), timedelta()),
            since_sweep=None if cursor.swept_at is None else at - cursor.swept_at,
            budget=timedelta(seconds=cursor.lag_budget_seconds),
        )
        for cursor in cursors
    ]


def _oldest_unprocessed(at: datetime) -> Mapping[tuple[int, str], timedelta]:
    """A fact is processed when it is routed and the jobs it made are no longer open."""
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT connection_id, topic, min(since) FROM (
                SELECT connection_id, topic, received_at AS since
                  FROM integrator_message WHERE routed_at IS NULL AND verdict = 'ACCEPTED'
                UNION ALL
                SELECT m.connection_id, m.topic, m.received_at
                  FROM integrator_job j JOIN integrator_message m ON m.id = j.fact
                 WHERE j.state IN ('DUE', 'RUNNING', 'WAITING', 'IN_DOUBT')) waiting
             GROUP BY connection_id, topic"""
        )
        return {
            (connection_id, topic): max(at - since, timedelta())
            for connection_id, topic, since in cursor.fetchall()
        }
