"""Who works on which job: claiming the heads of lanes, keeping leases, taking back lost ones.

What becomes of a claimed job is ``engine.jobs``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from integrator.engine import jobs
from integrator.engine.errors import Yields
from integrator.models import Job, JobState

log = structlog.get_logger(__name__)

# A degraded connection gets one call at a time: whoever moves its ``open_until`` on has the ticket.
PROBE_EVERY = timedelta(seconds=30)

# OFFSET 0 makes PostgreSQL ask per candidate, by index, until it has enough: as a join it would
# read and sort the whole backlog for every claim.
# A connection holds the work of its own queue only: what a person decides about it, and the mail
# that says it stands still, are work of ours.
_PICK = """
    WITH picked AS (
        SELECT j.id, j.priority, j.connection_id, c.state = 'DEGRADED' AS probing
          FROM integrator_job j
          LEFT JOIN integrator_connection c ON c.id = j.connection_id AND c.platform = j.queue
         WHERE j.queue = %(queue)s AND j.not_before <= %(at)s
           AND (c.id IS NULL OR c.state = 'ACTIVE'
                OR (c.state = 'DEGRADED' AND coalesce(c.open_until, %(at)s) <= %(at)s))
           AND {which}
         ORDER BY j.priority, j.id LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED),
    ticket AS (
        UPDATE integrator_connection SET open_until = %(next_probe)s
         WHERE id IN (SELECT connection_id FROM picked WHERE probing)
           AND coalesce(open_until, %(at)s) <= %(at)s
        RETURNING id),
    chosen AS (
        SELECT id FROM picked WHERE probing IS NOT TRUE
        UNION ALL
        (SELECT DISTINCT ON (connection_id) p.id FROM picked p
           JOIN ticket ON ticket.id = p.connection_id
          WHERE p.probing ORDER BY p.connection_id, p.priority, p.id))
    UPDATE integrator_job SET {taken}, fence = fence + 1, lease_owner = %(owner)s,
           lease_until = %(until)s
     WHERE id IN (SELECT id FROM chosen) RETURNING *
"""
_CLAIM = _PICK.format(
    which="""j.state IN ('DUE', 'WAITING') AND NOT EXISTS (
               SELECT 1 FROM integrator_job b
                WHERE b.lane = j.lane AND b.id <> j.id
                  AND b.state IN ('DUE', 'RUNNING', 'WAITING', 'IN_DOUBT')
                  AND (b.state IN ('RUNNING', 'IN_DOUBT')
                       OR (b.id < j.id AND NOT (
                              (b.flow = ANY(%(give_way)s) OR b.error_class = %(yields)s)
                              AND b.not_before > %(at)s)))
               OFFSET 0)""",
    taken="state = 'RUNNING', started_at = NULL, sent_at = NULL",
)
_CLAIM_DOUBTFUL = _PICK.format(
    which="""j.state = 'IN_DOUBT'
             AND (j.lease_until IS NULL OR j.lease_until < %(at)s)""",
    taken="started_at = %(at)s",
)


def claim(
    *, queue: str, owner: str, at: datetime, limit: int, give_way: Sequence[str] = ()
) -> list[Job]:
    """Take up to ``limit`` jobs of a queue: the head of each free lane, most urgent first.

    ``give_way`` names flows whose jobs let others of their lane pass while they wait; so does every
    job whose last attempt ended in ``Yields``.
    Nothing when another worker took the same lane at the same moment: the next round sees it.
    """
    try:
        with transaction.atomic():
            return _take(_CLAIM, queue=queue, owner=owner, at=at, limit=limit, give_way=give_way)
    except IntegrityError:
        return []


def claim_doubtful(*, queue: str, owner: str, at: datetime, limit: int) -> list[Job]:
    """Take jobs in doubt whose next look-up is due. They stay in doubt and block their lane."""
    return _take(_CLAIM_DOUBTFUL, queue=queue, owner=owner, at=at, limit=limit)


def _take(
    statement: str,
    *,
    queue: str,
    owner: str,
    at: datetime,
    limit: int,
    give_way: Sequence[str] = (),
) -> list[Job]:
    asked: dict[str, Any] = {
        "queue": queue,
        "owner": owner,
        "at": at,
        "limit": limit,
        "give_way": list(give_way),
        "yields": Yields.__name__,
        "until": at + jobs.LEASE,
        "next_probe": at + PROBE_EVERY,
    }
    return sorted(Job.objects.raw(statement, asked), key=lambda job: (job.priority, job.pk))


def renew(*, owner: str, at: datetime) -> int:
    """A living worker's heartbeat: all its leases last again. Returns how many."""
    return Job.objects.filter(lease_owner=owner, lease_until__gt=at).update(
        lease_until=at + jobs.LEASE
    )


def give_back(claimed: Sequence[Job], *, owner: str) -> None:
    """Leave what was claimed and not begun to whoever comes next."""
    mine = Job.objects.filter(pk__in=[job.pk for job in claimed], lease_owner=owner)
    free: dict[str, Any] = {"lease_owner": "", "lease_until": None, "fence": F("fence") + 1}
    # Not DUE: a newer fact may have made another job that may still be joined.
    waiting = mine.filter(state=JobState.RUNNING, started_at=None)
    waiting.update(state=JobState.WAITING, **free)
    mine.filter(state=JobState.IN_DOUBT).update(**free)


def take_back_lost(
    *, at: datetime, set_aside: Callable[[Job], None], limit: int = 200
) -> list[Job]:
    """Decide for jobs whose worker died. Returns those set aside after too many crashes.

    ``set_aside`` shows such a job to a person, in the same transaction: a parked job without a
    case would be seen by nobody.

    - Never started (claimed in a batch): waits for its turn, from now on alone. Nobody is charged.
    - A request that changes something had left: in doubt, to be looked up at once.
    - Otherwise: tried again, and after three crashes parked.

    The fence goes on: a worker that only slept cannot write any more. One that cannot be taken back
    stays as it is, and costs the others nothing.
    """
    parked: list[Job] = []
    lost = Job.objects.filter(state=JobState.RUNNING, lease_until__lt=at).order_by("id")
    if not lost.exists():
        return parked
    with transaction.atomic():
        for job in lost.select_for_update(skip_locked=True)[:limit]:
            try:
                with transaction.atomic():
                    parked += _take_back(job, at, set_aside)
            except OperationalError:
                raise  # the database itself: nothing is wrong with a job
            except Exception:
                log.exception("lost_job_not_taken_back", job=job.pk)
    return parked


def _take_back(job: Job, at: datetime, set_aside: Callable[[Job], None]) -> list[Job]:
    if job.started_at is None:
        # Not DUE: a newer fact may have made another job that may still be joined.
        Job.objects.filter(pk=job.pk).update(
            state=JobState.WAITING,
            alone=True,
            lease_owner="",
            lease_until=None,
            fence=F("fence") + 1,
        )
        return []
    error = WorkerDied("the worker died while it ran")
    job.crashes += 1
    job.fence += 1
    Job.objects.filter(pk=job.pk).update(crashes=job.crashes, fence=job.fence)
    if job.sent_at is not None:
        jobs.doubt(job, at=at, error=error, look_after=timedelta())
    elif job.crashes >= jobs.CRASHES_MAX:
        jobs.park(job, at=at, error=error)
        set_aside(job)
        return [job]
    else:
        jobs.wait(job, at=at, error=error)
    return []


class WorkerDied(Exception):
    """The process that ran the job ended without saying what became of it."""
