"""What django-q2 may run: these functions and nothing else. They carry no data worth keeping."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from zlib import crc32

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django_q.tasks import async_task

from integrator import access_reviews, staff
from integrator.engine import (
    batches,
    bulks,
    by_hand,
    case_counts,
    clock,
    inbox,
    jobs,
    maintenance,
    mapping_files,
    mapping_plans,
    quota,
    router,
    seal_checks,
    timer,
    worker,
)
from integrator.engine.cases import escalate
from integrator.engine.flow import LOCAL
from integrator.engine.states import Trace
from integrator.flows import CASE_KINDS, QUEUES, ROUTES, SCHEDULE, alert, send_digest, view_alerts
from integrator.platforms import PLATFORMS

DAILY_SETTINGS = {
    slug: platform.dialect.daily_limit_setting
    for slug, platform in PLATFORMS.items()
    if platform.dialect.daily_limit_setting
}
QUARTER_MINUTES = 15
NUDGE_EVERY_SECONDS = 1.0
WAIT_FOR_SLOT_SECONDS = 1.0

_nudged: dict[str, float] = {}
_workers: dict[int, worker.Worker] = {}
_lock = threading.Lock()


def drain(queue: str, **_: object) -> int:
    """Work on one queue for at most ``DRAIN_SECONDS``. Returns how many jobs ran; never raises."""
    with _slot(queue) as free:
        if not free:
            return 0
        return _worker(queue).drain([queue], seconds=settings.DRAIN_SECONDS)


def tick(**_: object) -> None:
    """The minute, and then every queue with work is woken, whatever failed in it."""
    try:
        minute(at=clock.now())
    finally:
        wake()


def minute(*, at: datetime) -> None:
    """What time alone brings about, each part on its own: one that breaks stops no other.

    Raises the first failure when everything has had its turn, so that the task counts as failed.
    By a clock that is wrong it does nothing.
    """
    if not clock.is_right():
        return
    failed = timer.run(MINUTE, at=at)
    seen = timer.hands()
    if timer.strikes("views", view_alerts.EVERY_MINUTES, at=at, seen=seen):
        failed += timer.run(VIEWS, at=at)
    if timer.strikes("quarter", QUARTER_MINUTES, at=at, seen=seen):
        failed += timer.run(QUARTER, at=at)
    if failed:
        raise failed[0]


# Maintenance comes first: what it held is not late.
MINUTE: dict[str, timer.Part] = {
    "maintenance": lambda at: maintenance.turn(at=at),
    "schedule": lambda at: timer.fire(SCHEDULE, at=at),
    "batches": lambda at: batches.close_due(at=at),
    "meanings that start": lambda at: mapping_plans.mark_due(at=at),
    "calls that run low": lambda at: quota.watch(DAILY_SETTINGS, at=at),
    "counts of cases": lambda at: case_counts.fold(),
    "cases that rise": lambda at: escalate(CASE_KINDS, trace=Trace(at=at, actor="clock")),
    "cases of ended steps": lambda at: worker.close_ended(at=at),
    "late steps": lambda at: worker.report_late(ROUTES, at=at),
    "summary of the day": lambda at: send_digest.due(at=at),
}
VIEWS: dict[str, timer.Part] = {"views that tell": lambda at: view_alerts.watch(at=at)}
# What need not be seen to the minute.
QUARTER: dict[str, timer.Part] = {
    "forgotten bulks": lambda at: bulks.forget(at=at),
    "forgotten files": lambda at: mapping_files.forget(at=at),
    "forgotten strangers": lambda at: inbox.forget_strangers(at=at),
    "work by hand": lambda at: by_hand.watch(CASE_KINDS, at=at),
    "recount of cases": lambda at: case_counts.recount_daily(CASE_KINDS, at=at),
    "seal of the day": lambda at: seal_checks.daily(at=at),
    "roles that end": lambda at: staff.end_due(today=_today(at), at=at),
    "review of roles": lambda at: access_reviews.begin_due(today=_today(at), at=at),
    "late reviews": lambda at: access_reviews.watch(today=_today(at), at=at),
}


def _today(at: datetime) -> date:
    return at.astimezone(alert.clock_of_the_house()).date()


def wake() -> list[str]:
    """Nudge every queue that has something to do now; the router's work counts as local."""
    at = clock.now()
    due = set(jobs.due_queues(at=at))
    if router.unrouted_since(at=at).total_seconds() > 0:
        due.add(LOCAL)
    for queue in due:
        nudge(queue)
    return sorted(due)


def nudge(queue: str = LOCAL) -> None:
    """Wake a queue's worker: after commit, at most once a second per process and queue.

    A lost nudge loses nothing: the drain lingers, and every minute all due rows are found again.
    """
    moment = time.monotonic()
    with _lock:
        if moment - _nudged.get(queue, -NUDGE_EVERY_SECONDS) < NUDGE_EVERY_SECONDS:
            return
        _nudged[queue] = moment
    transaction.on_commit(lambda: async_task("integrator.flows.tasks.drain", queue))


def _worker(queue: str) -> worker.Worker:
    """One worker per process for all queues that call out, for it drains one at a time: its threads
    keep their database connections.
    """
    threads = 0 if queue == LOCAL else settings.DRAIN_THREADS
    if threads not in _workers:
        _workers[threads] = worker.Worker(ROUTES, threads=threads, nudge=nudge)
    return _workers[threads]


@contextmanager
def _slot(queue: str) -> Iterator[bool]:
    """The queue's one slot, as a lock that dies with the process: a slow platform delays only
    itself.
    """
    key = crc32(f"{queue}/0".encode())
    until = time.monotonic() + WAIT_FOR_SLOT_SECONDS
    while not (taken := _locked("pg_try_advisory_lock", key)) and time.monotonic() < until:
        time.sleep(0.1)
    try:
        yield taken
    finally:
        if taken:
            _locked("pg_advisory_unlock", key)


def _locked(function: str, key: int) -> bool:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT {function}(7310, %s::bigint::bit(32)::int)", [key])
        return bool(cursor.fetchone()[0])


__all__ = ["QUEUES", "drain", "nudge", "tick", "wake"]
