"""Noticing workers that hang.

A beat that is stale while work is due means: replace the process group.

django-q2 can wait for ever on a killed idle worker; nothing inside it would notice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from integrator.engine import clock, jobs, router
from integrator.models import Heartbeat

log = structlog.get_logger(__name__)

STALE_AFTER = timedelta(seconds=75)  # the minute schedule makes every living cluster beat sooner
GRACE = timedelta(seconds=75)  # a fresh cluster needs time for its first beat
KILL_AFTER_SECONDS = 5.0


def newest_beat() -> datetime | None:
    """The last sign of life of any worker."""
    return Heartbeat.objects.order_by("-at").values_list("at", flat=True).first()


def work_is_due(*, at: datetime) -> bool:
    """Whether anything has been waiting for a worker for longer than a beat may take."""
    waiting = max(router.unrouted_since(at=at), jobs.oldest_due(at=at))
    return waiting > timedelta(seconds=10)


def is_hanging(*, at: datetime, started_at: datetime) -> bool:
    """Nobody beat for too long. The minute schedule is work too, so silence alone is enough."""
    if at - started_at < GRACE:
        return False
    beat = newest_beat()
    silent_since = max(beat, started_at) if beat else started_at
    limit = STALE_AFTER if not work_is_due(at=at) else STALE_AFTER - timedelta(seconds=15)
    return at - silent_since > limit


def supervise(
    command: Sequence[str],
    *,
    stop: Callable[[], bool],
    poll_seconds: float = 5.0,
    now: Callable[[], datetime] = clock.now,
) -> int:
    """Keep ``command`` running in a process group of its own; replace the group when it hangs.

    Returns how often it was replaced. Ends when ``stop()`` is true, taking the group with it.
    """
    replaced = 0
    process = subprocess.Popen(command, start_new_session=True)
    started_at = now()
    try:
        while not stop():
            time.sleep(poll_seconds)
            if process.poll() is not None:
                why = f"it ended with {process.returncode}"
            elif is_hanging(at=now(), started_at=started_at):
                why = "no sign of life"
            else:
                continue
            if stop():
                break
            log.error("workers_replaced", why=why)
            end_group(process)
            process = subprocess.Popen(command, start_new_session=True)
            started_at = now()
            replaced += 1
    finally:
        end_group(process)
    return replaced


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything it started: first politely, then for certain."""
    for name, seconds in (
        (signal.SIGTERM, KILL_AFTER_SECONDS),
        (signal.SIGKILL, KILL_AFTER_SECONDS),
    ):
        try:
            os.killpg(process.pid, name)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        process.wait()
