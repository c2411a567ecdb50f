"""What is held does not count against its promises: the clocks of steps that cannot go on.

A connection holds the steps of its own queue; with them what waits behind them in their lanes, and
what would call it in passing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest

from integrator.engine import jobs
from integrator.engine.errors import Held
from integrator.models import Connection, ConnectionState, Job, JobState

HOLDS = (ConnectionState.PAUSED, ConnectionState.NEEDS_CREDENTIALS)
_NOT_STARTED = (JobState.DUE, JobState.WAITING)


def wait(job: Job, *, at: datetime, error: Held, calls: Sequence[Any] = ()) -> None:
    """It would call what is held, which is not its own connection: until the next try its clock
    stops, and that of what waits behind it.
    """
    length = timedelta(seconds=error.retry_after or 0)
    jobs.wait(
        job,
        at=at,
        error=error,
        retry_after=error.retry_after,
        calls=calls,
        due_at=job.due_at + length,
        give_up_at=job.give_up_at + length,
    )
    behind = Job.objects.filter(lane=job.lane, pk__gt=job.pk, state__in=_NOT_STARTED)
    behind.update(due_at=F("due_at") + length, give_up_at=F("give_up_at") + length)


def stop_clock(*, connection: Connection, since: datetime, at: datetime) -> int:
    """A hold since ``since`` does not count against the promises: move their times by its length.

    Work that came in meanwhile was held for less: from when it was created.
    """
    held_for = at - Greatest(since, F("created_at"))
    ahead = _ahead().filter(connection=connection, queue=connection.platform)
    mine = Job.objects.filter(Q(connection=connection) | Exists(ahead))
    return mine.filter(
        state__in=[*_NOT_STARTED, JobState.IN_DOUBT, JobState.PARKED],
    ).update(due_at=F("due_at") + held_for, give_up_at=F("give_up_at") + held_for)


def not_held(rows: QuerySet[Job]) -> QuerySet[Job]:
    """Without what is held: by its own connection, by another one, or behind a step that is."""
    in_passing = Q(state=JobState.WAITING, error_class=Held.__name__)
    own = Q(queue=F("connection__platform"), connection__state__in=HOLDS)
    return (
        rows.exclude(connection__state__in=HOLDS)
        .exclude(in_passing)
        .exclude(Exists(_ahead().filter(in_passing | own)))
    )


def _ahead() -> QuerySet[Job]:
    """What comes before a step in its lane and has not run yet."""
    return Job.objects.filter(lane=OuterRef("lane"), pk__lt=OuterRef("pk"), state__in=_NOT_STARTED)
