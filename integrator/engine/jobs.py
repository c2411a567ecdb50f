"""Every change of a Job but its claiming: begin, end, wait, doubt, park, release, cancel.

The router creates Jobs; ``engine.claims`` gives them to workers and takes them back. Each function
is one statement or one short transaction, and is safe with any number of workers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from integrator.models import Job, JobState

LEASE = timedelta(seconds=60)
CRASHES_MAX = 3
WAIT_FIRST_SECONDS = 5
WAIT_MAX_SECONDS = 1800
RENEWED = timedelta(minutes=15)  # what a person set going again is late only after so long


class LostLease(Exception):
    """Another worker owns the job now: whatever this one found out must not be written."""


def begin(job: Job, *, at: datetime) -> None:
    """Count the attempt, right before its handler runs, so that a death is charged to this job."""
    _hit(
        """UPDATE integrator_job SET attempts = attempts + 1, started_at = %s, lease_until = %s
            WHERE id = %s AND fence = %s AND state = 'RUNNING' AND lease_until > %s""",
        [at, at + LEASE, job.pk, job.fence, at],
        job,
    )
    job.attempts += 1
    job.started_at = at


def mark_sent(job: Job, *, at: datetime) -> None:
    """Note that a request which changes something leaves now. From here a death means doubt."""
    _hit(
        """UPDATE integrator_job SET sent_at = %s, lease_until = %s
            WHERE id = %s AND fence = %s AND lease_until > %s""",
        [at, at + LEASE, job.pk, job.fence, at],
        job,
    )
    job.sent_at = at


def hold(job: Job, *, at: datetime) -> None:
    """Lock the job's row inside the caller's transaction; LostLease when it is no longer ours."""
    _hit(
        """SELECT id FROM integrator_job WHERE id = %s AND fence = %s
              AND state IN ('RUNNING', 'IN_DOUBT') AND lease_until > %s FOR UPDATE""",
        [job.pk, job.fence, at],
        job,
    )


def _hit(statement: str, values: Sequence[Any], job: Job) -> None:
    """Run a statement that touches the job's row if the job is still ours; else LostLease."""
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        if cursor.rowcount != 1:
            raise LostLease(job.pk)


def keep(job: Job, **values: Any) -> None:
    """Remember something across attempts. Call it inside a held step."""
    job.kept = {**job.kept, **values}
    Job.objects.filter(pk=job.pk, fence=job.fence).update(kept=job.kept)


def done(job: Job, *, at: datetime, evidence: dict[str, Any], calls: Sequence[Any] = ()) -> bool:
    """The promise is kept, and ``evidence`` says why we think so.

    Returns whether a case about the job is still open.
    """
    ended = {"state": JobState.DONE, "evidence": json.dumps(evidence), "finished_at": at}
    has_case = _end(job, at, "DONE", calls, None, **ended)
    job.evidence = evidence
    return has_case


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
                   finished_at = %s, lease_owner = '', lease_until = NULL, error_class = '',
                   error = ''
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
    **values: Any,
) -> None:
    """Try again later, in the same place of the lane: exponential with full jitter, or as asked."""
    seconds = backoff_seconds(job.attempts) if retry_after is None else max(retry_after, 0.0)
    later = at + timedelta(seconds=seconds)
    _end(job, at, "WAITING", calls, error, state=JobState.WAITING, not_before=later, **values)


def doubt(
    job: Job, *, at: datetime, error: Exception, look_after: timedelta, calls: Sequence[Any] = ()
) -> None:
    """It may have happened. The lane stays blocked until a look-up or a person decides."""
    _end(job, at, "IN_DOUBT", calls, error, state=JobState.IN_DOUBT, not_before=at + look_after)


def looked_up(
    job: Job,
    *,
    at: datetime,
    look_after: timedelta,
    error: Exception | None = None,
    calls: Sequence[Any] = (),
) -> None:
    """A look-up did not find it, or failed with ``error``; look again later. It stays in doubt.

    Only an answer counts as a look-up: two that failed do not prove that nothing happened.
    """
    outcome, lookups = ("NOT_FOUND", 1) if error is None else ("LOOK_UP_FAILED", 0)
    _end(
        job,
        at,
        outcome,
        calls,
        error,
        lookups=job.lookups + lookups,
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


def park(
    job: Job, *, at: datetime, error: Exception, calls: Sequence[Any] = (), **values: Any
) -> None:
    """A person decides. It blocks nothing but itself."""
    _end(job, at, "PARKED", calls, error, state=JobState.PARKED, **values)


def _end(
    job: Job,
    at: datetime,
    outcome: str,
    calls: Sequence[Any],
    error: Exception | None,
    **values: Any,
) -> bool:
    """Write what became of an attempt, only while the lease is still ours.

    ``values`` are columns of the job. Returns whether a case about the job is open.
    """
    said = "" if error is None else str(error)[:500]
    worker = job.lease_owner
    values |= {
        "lease_owner": "",
        "lease_until": None,
        "error": said,
        "error_class": "" if error is None else type(error).__name__[:20],
    }
    columns = ", ".join(f"{name} = %s" for name in values)
    with database.cursor() as cursor:
        cursor.execute(
            f"""WITH ended AS (
                    UPDATE integrator_job SET {columns} WHERE id = %s AND fence = %s RETURNING id),
                tried AS (
                    INSERT INTO integrator_attempt (job_id, number, fence, worker, started_at,
                        ended_at, outcome, error, calls)
                    SELECT id, %s::int, %s::bigint, %s::text, %s::timestamptz, %s::timestamptz,
                           %s::text, %s::text, %s::jsonb FROM ended)
                SELECT EXISTS (SELECT 1 FROM integrator_case c
                                WHERE c.job_id = ended.id AND c.state <> 'SOLVED') FROM ended""",  # noqa: S608
            [
                *values.values(),
                job.pk,
                job.fence,
                job.attempts,
                job.fence,
                worker,
                job.started_at or at,
                at,
                outcome,
                said,
                json.dumps(list(calls)),
            ],
        )
        row = cursor.fetchone()
    if row is None:
        raise LostLease(job.pk)
    for name, value in values.items():
        setattr(job, name, value)
    return bool(row[0])


def backoff_seconds(attempts: int) -> float:
    """5 s doubling to 30 min, each with full jitter upwards of half: nobody retries in step."""
    ceiling = min(WAIT_MAX_SECONDS, WAIT_FIRST_SECONDS * 2 ** max(attempts - 1, 0))
    return random.uniform(ceiling / 2, ceiling)


def release(jobs: Iterable[Job], *, at: datetime, delay: timedelta = timedelta()) -> int:
    """Set parked jobs going again, in their order. What was promised starts anew."""
    ids = [job.pk for job in jobs]
    return Job.objects.filter(pk__in=ids, state=JobState.PARKED).update(
        state=JobState.DUE,
        not_before=at + delay,
        due_at=Greatest(F("due_at"), at + delay + RENEWED),
        give_up_at=at + timedelta(days=7),
        crashes=0,
        lookups=0,
    )


def adopt_policy(job: Job, *, version: int | None) -> None:
    """A person mended the settings and starts a parked job again: it goes on under the new ones."""
    if version is not None and version != job.policy_version:
        Job.objects.filter(pk=job.pk, state=JobState.PARKED).update(policy_version=version)


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


def cancel_stopped(steps: QuerySet[Job], *, at: datetime, reason: str) -> int:
    """No longer owed, of those of these that wait for a person. Returns how many."""
    return steps.filter(state=JobState.PARKED).update(
        state=JobState.CANCELLED, finished_at=at, evidence={"cancelled": reason}
    )


def take_back(*, facts: Sequence[int], at: datetime, reason: str) -> int:
    """Cancel what follows from these decisions and is still held back. Returns how many."""
    held = Job.objects.filter(record_kind="case", fact__in=facts, state=JobState.DUE)
    return held.filter(not_before__gt=at).update(
        state=JobState.CANCELLED, finished_at=at, evidence={"cancelled": reason}
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
            due_at=Greatest(F("due_at"), at + RENEWED),
            fence=F("fence") + 1,
            sent_at=None,
            lookups=0,
            lease_owner="",
            lease_until=None,
        )
    )


def oldest_due(*, at: datetime, queue: str = "") -> timedelta:
    """For how long the oldest job that could run has been waiting to be picked up."""
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT min(greatest(j.not_before, j.created_at)) FROM integrator_job j
                 LEFT JOIN integrator_connection c
                   ON c.id = j.connection_id AND c.platform = j.queue
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
            """SELECT DISTINCT j.queue FROM integrator_job j
                 LEFT JOIN integrator_connection c
                   ON c.id = j.connection_id AND c.platform = j.queue
                WHERE (j.state = 'RUNNING' AND j.lease_until < %s)
                   OR ((c.id IS NULL OR c.state IN ('ACTIVE', 'DEGRADED')) AND j.not_before <= %s
                       AND (j.state IN ('DUE', 'WAITING')
                            OR (j.state = 'IN_DOUBT'
                                AND (j.lease_until IS NULL OR j.lease_until < %s))))""",
            [at, at, at],
        )
        return [row[0] for row in cursor.fetchall()]
