"""Noticing workers that hang.

A beat that is stale while work is due means: replace the process group.

django-q2 can wait for ever on a killed idle worker; nothing inside it would notice.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError

from integrator.engine import clock, jobs, router
from integrator.models import Heartbeat

log = structlog.get_logger(__name__)

_PR_SET_PDEATHSIG = 1  # from Linux's sys/prctl.h

STALE_AFTER = timedelta(seconds=75)  # the minute schedule makes every living cluster beat sooner
SOONER_WHEN_DUE = timedelta(seconds=15)
SILENT_AFTER = timedelta(minutes=2)  # people and probes are told that no worker is alive
GRACE = timedelta(seconds=75)  # a fresh cluster needs time for its first beat
KILL_AFTER_SECONDS = 2.5  # a killed worker loses nothing, so nobody waits long for a polite end


def newest_beat() -> datetime | None:
    """The last sign of life of any worker."""
    return Heartbeat.workers.order_by("-at").values_list("at", flat=True).first()


def work_is_due(*, at: datetime) -> bool:
    """Whether anything has been waiting for a worker for longer than a beat may take."""
    waiting = max(router.unrouted_since(at=at), jobs.oldest_due(at=at))
    return waiting > timedelta(seconds=10)


def is_hanging(*, at: datetime, started_at: datetime) -> bool:
    """Nobody beat for too long. The minute schedule is work too, so silence alone is enough."""
    if at - started_at < GRACE:
        return False
    try:
        beat = newest_beat()
        is_due = work_is_due(at=at)
    except DatabaseError as error:
        log.warning("watch_is_blind", error=type(error).__name__)
        return False  # without a database nobody can beat: replacing the workers would not help
    silent_since = max(beat, started_at) if beat else started_at
    return at - silent_since > (STALE_AFTER - SOONER_WHEN_DUE if is_due else STALE_AFTER)


def supervise(
    command: Sequence[str],
    *,
    stop: threading.Event,
    turn: Callable[[], None],
    poll_seconds: float = 5.0,
    now: Callable[[], datetime] = clock.now,
) -> int:
    """Keep ``command`` running in a process group of its own; replace the group when it hangs.

    ``turn`` is called between two looks. Returns how often the group was replaced. Ends as soon as
    ``stop`` is set, taking the group with it.
    """
    replaced = 0
    process = start_group(command)
    started_at = now()
    try:
        while not stop.wait(poll_seconds):
            turn()
            if process.poll() is not None:
                why = f"it ended with {process.returncode}"
            elif is_hanging(at=now(), started_at=started_at):
                why = "no sign of life"
            else:
                continue
            log.error("workers_replaced", why=why)
            end_group(process)
            process = start_group(command)
            started_at = now()
            replaced += 1
    finally:
        end_group(process)
    return replaced


def start_group(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process as the head of its own group. Where Linux lets us, it dies with us."""
    return subprocess.Popen(command, start_new_session=True, preexec_fn=_die_with_parent)


def _die_with_parent() -> None:
    """A watcher that is killed cannot end its group; on Linux the kernel then ends its head."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


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
