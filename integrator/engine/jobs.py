"""Every change of a Job: claim, begin, end, wait, doubt, park, release, cancel, and the lost ones.

The router creates Jobs; nothing else does. Each function is one statement or one short
transaction, and is safe with any number of workers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db import connection as database
from django.db.models import F

from integrator.models import Attempt, Connection, Job, JobState

LEASE = timedelta(seconds=60)
CRASHES_MAX = 3
WAIT_FIRST_SECONDS = 5
WAIT_MAX_SECONDS = 1800


class LostLease(Exception):
    """Another worker owns the job now: whatever this one found out must not be written."""


_CLAIM = """
    UPDATE integrator_job SET state = 'RUNNING', fence = fence + 1, lease_owner = %(owner)s,
           lease_until = %(until)s, started_at = NULL, sent_at = NULL
     WHERE id IN (
        SELECT j.id FROM integrator_job j
          LEFT JOIN integrator_connection c ON c.id = j.connection_id
         WHERE j.queue = %(queue)s AND j.state IN ('DUE', 'WAITING') AND j.not_before <= %(at)s
           AND (c.id IS NULL OR c.state = 'ACTIVE' OR (c.state = 'DEGRADED' AND c.open_until <= %(at)s))
           AND (%(alone)s OR NOT j.alone)
           AND NOT EXISTS (
               SELECT 1 FROM integrator_job b
                WHERE b.lane = j.lane AND b.id <> j.id
                  AND (b.state IN ('RUNNING', 'IN_DOUBT')
                       OR (b.state IN ('DUE', 'WAITING') AND b.id < j.id)))
         ORDER BY j.priority, j.id LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED)
    RETURNING *
"""


def claim(*, queue: str, owner: str, at: datetime, limit: int, alone: bool = True) -> list[Job]:
    """Take up to ``limit`` jobs of a queue: the head of each free lane, most urgent first.

    ``alone=False`` leaves out jobs that must not share a transaction with others. Nothing when
    another worker took the same lane at the same moment: the next round sees it.
    """
    try:
        with transaction.atomic():
            jobs = list(
                Job.objects.raw(
                    _CLAIM,
                    {
                        "owner": owner,
                        "until": at + LEASE,
                        "queue": queue,
                        "at": at,
                        "limit": limit,
                        "alone": alone,
                    },
                )
            )
    except IntegrityError:
        return []
    return sorted(jobs, key=lambda job: (job.priority, job.pk))


def claim_doubtful(*, queue: str, owner: str, at: datetime, limit: int) -> list[Job]:
    """Take jobs in doubt whose next look-up is due.

    They stay in doubt and keep their lane blocked.
    """
    return list(
        Job.objects.raw(
            """UPDATE integrator_job SET fence = fence + 1, lease_owner = %s, lease_until = %s
                WHERE id IN (
                   SELECT j.id FROM integrator_job j
                     LEFT JOIN integrator_connection c ON c.id = j.connection_id
                    WHERE j.queue = %s AND j.state = 'IN_DOUBT' AND j.not_before <= %s
                      AND (j.lease_until IS NULL OR j.lease_until < %s)
                      AND (c.id IS NULL OR c.state = 'ACTIVE'
                           OR (c.state = 'DEGRADED' AND c.open_until <= %s))
                    ORDER BY j.id LIMIT %s FOR UPDATE OF j SKIP LOCKED) RETURNING *""",
            [owner, at + LEASE, queue, at, at, at, limit],
        )
    )


def begin(job: Job, *, at: datetime) -> None:
    """Count the attempt, right before its handler runs, so that a death is charged to this job."""
    updated = Job.objects.filter(
        pk=job.pk, fence=job.fence, state=JobState.RUNNING, lease_until__gt=at
    ).update(attempts=F("attempts") + 1, started_at=at, lease_until=at + LEASE)
    if not updated:
        raise LostLease(job.pk)
    job.attempts += 1
    job.started_at = at


def mark_sent(job: Job, *, at: datetime) -> None:
    """Note that a request which changes something leaves now. From here a death means doubt."""
    updated = Job.objects.filter(pk=job.pk, fence=job.fence, lease_until__gt=at).update(
        sent_at=at, lease_until=at + LEASE
    )
    if not updated:
        raise LostLease(job.pk)
    job.sent_at = at


def hold(job: Job, *, at: datetime) -> None:
    """Lock the job's row inside the caller's transaction; LostLease when it is no longer ours."""
    mine = Job.objects.select_for_update().filter(
        pk=job.pk, fence=job.fence, state__in=[JobState.RUNNING, JobState.IN_DOUBT]
    )
    if not mine.filter(lease_until__gt=at).exists():
        raise LostLease(job.pk)


def keep(job: Job, **values: Any) -> None:
    """Remember something across attempts. Call it inside a held step."""
    job.kept = {**job.kept, **values}
    Job.objects.filter(pk=job.pk, fence=job.fence).update(kept=job.kept)


def done(job: Job, *, at: datetime, evidence: dict[str, Any], calls: Sequence[Any] = ()) -> None:
    """The promise is kept, and ``evidence`` says why we think so."""
    _end(job, at, "DONE", calls, None, state=JobState.DONE, evidence=evidence, finished_at=at)


def done_together(jobs: Sequence[tuple[Job, dict[str, Any]]], *, at: datetime) -> None:
    """End many local jobs of one transaction at once. The caller holds their rows."""
    rows = [
        (
            job.pk,
            job.fence,
            job.attempts + (job.started_at is None),
            job.started_at or at,
            job.lease_owner,
            json.dumps(evidence),
        )
        for job, evidence in jobs
    ]
    ids, fences, numbers, starts, owners, evidences = (
        list(column) for column in zip(*rows, strict=True)
    )
    with database.cursor() as cursor:
        cursor.execute(
            """
            WITH ended AS (
                SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::timestamptz[],
                    %s::text[], %s::jsonb[]) AS e (id, fence, number, started_at, owner, evidence)),
            tried AS (
                INSERT INTO integrator_attempt
                    (job_id, number, fence, worker, started_at, ended_at, outcome, error, calls)
                SELECT id, number, fence, owner, started_at, %s, 'DONE', '', '[]' FROM ended)
            UPDATE integrator_job j SET state = 'DONE', attempts = e.number, evidence = e.evidence,
                   finished_at = %s, lease_owner = '', lease_until = NULL, error_class = '', error = ''
              FROM ended e WHERE j.id = e.id AND j.fence = e.fence AND j.state = 'RUNNING'
            """,
            [ids, fences, numbers, starts, owners, evidences, at, at],
        )
        if cursor.rowcount != len(jobs):
            raise LostLease("a lease ran out inside its own transaction")


def wait(
    job: Job,
    *,
    at: datetime,
    error: Exception,
    retry_after: float | None = None,
    calls: Sequence[Any] = (),
) -> None:
    """Try again later, in the same place of the lane: exponential with full jitter, or as asked."""
    seconds = backoff_seconds(job.attempts) if retry_after is None else max(retry_after, 0.0)
    later = at + timedelta(seconds=seconds)
    _end(job, at, "WAITING", calls, error, state=JobState.WAITING, not_before=later)


def doubt(
    job: Job, *, at: datetime, error: Exception, look_after: timedelta, calls: Sequence[Any] = ()
) -> None:
    """It may have happened. The lane stays blocked until a look-up or a person decides."""
    _end(job, at, "IN_DOUBT", calls, error, state=JobState.IN_DOUBT, not_before=at + look_after)


def looked_up(job: Job, *, at: datetime, look_after: timedelta, calls: Sequence[Any] = ()) -> None:
    """A look-up did not find it; look again later. The job stays in doubt."""
    _end(
        job,
        at,
        "NOT_FOUND",
        calls,
        None,
        lookups=job.lookups + 1,
        not_before=at + look_after,
    )


def repeat(job: Job, *, at: datetime, calls: Sequence[Any] = ()) -> None:
    """Looked up often enough, and the contract says that a repeat is harmless: run it again."""
    _end(
        job,
        at,
        "REPEAT",
        calls,
        None,
        state=JobState.WAITING,
        not_before=at,
        lookups=0,
        sent_at=None,
    )


def park(job: Job, *, at: datetime, error: Exception, calls: Sequence[Any] = ()) -> None:
    """A person decides. It blocks nothing but itself."""
    _end(job, at, "PARKED", calls, error, state=JobState.PARKED)


def _end(
    job: Job,
    at: datetime,
    outcome: str,
    calls: Sequence[Any],
    error: Exception | None,
    **values: Any,
) -> None:
    """Write what became of an attempt, only while the lease is still ours."""
    said = "" if error is None else str(error)[:500]
    worker = job.lease_owner
    values |= {
        "lease_owner": "",
        "lease_until": None,
        "error": said,
        "error_class": "" if error is None else type(error).__name__[:20],
    }
    if not Job.objects.filter(pk=job.pk, fence=job.fence).update(**values):
        raise LostLease(job.pk)
    for name, value in values.items():
        setattr(job, name, value)
    Attempt.objects.create(
        job=job,
        number=job.attempts,
        fence=job.fence,
        worker=worker,
        started_at=job.started_at or at,
        ended_at=at,
        outcome=outcome,
        error=said,
        calls=list(calls),
    )


def backoff_seconds(attempts: int) -> float:
    """5 s doubling to 30 min, each with full jitter upwards of half: nobody retries in step."""
    ceiling = min(WAIT_MAX_SECONDS, WAIT_FIRST_SECONDS * 2 ** max(attempts - 1, 0))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311  (spreading load, not a secret)


def renew(*, owner: str, at: datetime) -> int:
    """A living worker's heartbeat: all its leases last again. Returns how many."""
    return Job.objects.filter(lease_owner=owner, lease_until__gt=at).update(lease_until=at + LEASE)


def take_back_lost(*, at: datetime, limit: int = 200) -> list[Job]:
    """Decide for jobs whose worker died. Returns those set aside after too many crashes.

    - Never started (claimed in a batch): due again, from now on alone. Nobody is charged.
    - A request that changes something had left: in doubt, to be looked up at once.
    - Otherwise: tried again, and after three crashes parked.
    """
    parked = []
    with transaction.atomic():
        lost = (
            Job.objects.select_for_update(skip_locked=True)
            .filter(state=JobState.RUNNING, lease_until__lt=at)
            .order_by("id")[:limit]
        )
        for job in lost:
            if job.started_at is None:
                Job.objects.filter(pk=job.pk).update(
                    state=JobState.DUE, alone=True, lease_owner="", lease_until=None
                )
                continue
            error = WorkerDied("the worker died while it ran")
            job.crashes += 1
            Job.objects.filter(pk=job.pk).update(crashes=job.crashes)
            if job.sent_at is not None:
                doubt(job, at=at, error=error, look_after=timedelta())
            elif job.crashes >= CRASHES_MAX:
                park(job, at=at, error=error)
                parked.append(job)
            else:
                wait(job, at=at, error=error)
    return parked


class WorkerDied(Exception):
    """The process that ran the job ended without saying what became of it."""


def release(jobs: Iterable[Job], *, at: datetime, delay: timedelta = timedelta()) -> int:
    """Set parked jobs going again, in their order. Their give-up time starts anew."""
    ids = [job.pk for job in jobs]
    return Job.objects.filter(pk__in=ids, state=JobState.PARKED).update(
        state=JobState.DUE,
        not_before=at + delay,
        give_up_at=at + timedelta(days=7),
        crashes=0,
        lookups=0,
    )


def hurry(*, lane: str, at: datetime) -> int:
    """Something a waiting job waited for has happened: let it run now."""
    return Job.objects.filter(lane=lane, state=JobState.WAITING, not_before__gt=at).update(
        not_before=at
    )


def cancel(job: Job, *, at: datetime, reason: str) -> bool:
    """No longer owed. Only a job that is not running and has sent nothing can be cancelled."""
    open_states = [JobState.DUE, JobState.WAITING, JobState.PARKED]
    return bool(
        Job.objects.filter(pk=job.pk, state__in=open_states).update(
            state=JobState.CANCELLED, finished_at=at, evidence={"cancelled": reason}
        )
    )


def settle_doubt(job: Job, *, happened: bool, at: datetime, evidence: dict[str, Any]) -> bool:
    """A person decided what a look-up could not. Happened → done with that proof; else run again.

    Returns False when it is no longer in doubt.
    """
    mine = Job.objects.filter(pk=job.pk, state=JobState.IN_DOUBT)
    if happened:
        return bool(
            mine.update(
                state=JobState.DONE,
                evidence=evidence,
                finished_at=at,
                fence=F("fence") + 1,
                lease_owner="",
                lease_until=None,
            )
        )
    return bool(
        mine.update(
            state=JobState.WAITING,
            not_before=at,
            fence=F("fence") + 1,
            sent_at=None,
            lookups=0,
            lease_owner="",
            lease_until=None,
        )
    )


def stop_clock(*, connection: Connection, held_for: timedelta) -> int:
    """A pause does not count against the promises: move their times by its length."""
    return Job.objects.filter(
        connection=connection,
        state__in=[JobState.DUE, JobState.WAITING, JobState.IN_DOUBT, JobState.PARKED],
    ).update(due_at=F("due_at") + held_for, give_up_at=F("give_up_at") + held_for)


def oldest_due(*, at: datetime, queue: str = "") -> timedelta:
    """For how long the oldest job that could run has been waiting to be picked up."""
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT min(greatest(j.not_before, j.created_at)) FROM integrator_job j
                 LEFT JOIN integrator_connection c ON c.id = j.connection_id
                WHERE j.state IN ('DUE', 'WAITING') AND j.not_before <= %s
                  AND (c.id IS NULL OR c.state = 'ACTIVE') AND (%s = '' OR j.queue = %s)
                  AND NOT EXISTS (SELECT 1 FROM integrator_job b
                       WHERE b.lane = j.lane AND b.id <> j.id
                         AND (b.state IN ('RUNNING', 'IN_DOUBT')
                              OR (b.state IN ('DUE', 'WAITING') AND b.id < j.id)))""",
            [at, queue, queue],
        )
        oldest = cursor.fetchone()[0]
    return max(at - oldest, timedelta()) if oldest else timedelta()


def due_queues(*, at: datetime) -> list[str]:
    """The queues that have something to run, look up or take back now."""
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT queue FROM integrator_job
                WHERE (state IN ('DUE', 'WAITING') AND not_before <= %s)
                   OR (state = 'IN_DOUBT' AND not_before <= %s
                       AND (lease_until IS NULL OR lease_until < %s))
                   OR (state = 'RUNNING' AND lease_until < %s)""",
            [at, at, at, at],
        )
        return [row[0] for row in cursor.fetchall()]
