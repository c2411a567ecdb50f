"""Workers that hang are noticed and replaced, with everything they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError
from django.db import connection as database

from integrator.engine import clock as now_clock
from integrator.engine import watch
from integrator.models import Heartbeat, Job, JobState, Note
from tests.engine import toys
from tests.engine.book import Book
from tests.engine.conftest import Clock
from tests.engine.program import Program, starter

LONG_AGO = timedelta(hours=3)


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    yield from starter()


def beat(clock: Clock, name: str = "local") -> None:
    Heartbeat.objects.update_or_create(name=name, defaults={"at": clock.at, "worker": "w"})


# --- noticing ------------------------------------------------------------------------------------


def test_workers_that_beat_are_alive(db: None, clock: Clock) -> None:
    began = clock.at
    for _ in range(10):
        clock.forward(seconds=60)
        beat(clock)
        clock.forward(seconds=60)
        assert not watch.is_hanging(at=clock.at, started_at=began)
        beat(clock)


def test_silence_means_that_they_hang(db: None, clock: Clock) -> None:
    began = clock.at - LONG_AGO
    beat(clock)
    clock.forward(seconds=75)
    assert not watch.is_hanging(at=clock.at, started_at=began)
    clock.forward(seconds=1)

    assert watch.is_hanging(at=clock.at, started_at=began)


def test_silence_is_noticed_sooner_while_work_is_due(
    connection: toys.Connection, clock: Clock
) -> None:
    began = clock.at - LONG_AGO
    beat(clock)
    toys.hear(connection, "note", "a/1", at=clock.at)
    clock.forward(seconds=61)

    assert watch.work_is_due(at=clock.at)
    assert watch.is_hanging(at=clock.at, started_at=began)


def test_a_fresh_group_gets_time_for_its_first_beat(db: None, clock: Clock) -> None:
    beat(clock)
    clock.forward(hours=1)  # everything was off
    began = clock.at
    clock.forward(seconds=74)
    assert not watch.is_hanging(at=clock.at, started_at=began)
    clock.forward(seconds=2)

    assert watch.is_hanging(at=clock.at, started_at=began)


def test_workers_that_never_beat_hang_too(db: None, clock: Clock) -> None:
    assert watch.is_hanging(at=clock.at, started_at=clock.at - LONG_AGO)


# --- replacing -----------------------------------------------------------------------------------

# A parent that ignores polite requests, and a child of it that outlives it.
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
time.sleep(600)
"""


def family(tmp_path: Path) -> list[str]:
    return [sys.executable, "-c", FAMILY, str(tmp_path / "pids")]


def pids(tmp_path: Path, count: int) -> list[int]:
    file = tmp_path / "pids"
    until = time.monotonic() + 30
    while time.monotonic() < until:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= count:
            return [int(line) for line in lines]
        time.sleep(0.02)
    raise AssertionError("they never started")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(those: list[int]) -> None:
    """They were killed: the kernel may take a moment."""
    until = time.monotonic() + 30
    while any(lives(pid) for pid in those):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_group_ends_with_its_orphans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "KILL_AFTER_SECONDS", 0.3)
    process = subprocess.Popen(family(tmp_path), start_new_session=True)
    both = pids(tmp_path, 2)

    watch.end_group(process)

    assert process.returncode is not None
    gone(both)


def test_orphans_end_even_when_their_parent_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster's first process died, its workers did not: they must not work beside new ones."""
    monkeypatch.setattr(watch, "KILL_AFTER_SECONDS", 0.3)
    process = subprocess.Popen(family(tmp_path), start_new_session=True)
    both = pids(tmp_path, 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    watch.end_group(process)

    gone(both)


def test_a_polite_group_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "KILL_AFTER_SECONDS", 60)  # it goes sooner; a busy machine is slow
    program = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7));"
        "print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()

    watch.end_group(process)
    process.stdout.close()

    assert process.returncode == 7


def supervise(command: list[str], *, turns: int, poll_seconds: float = 0.05) -> int:
    """Watch a command for so many looks. Returns how often it was replaced."""
    stop = threading.Event()
    looks: list[int] = []

    def turn() -> None:
        looks.append(1)
        if len(looks) == turns:
            stop.set()

    return watch.supervise(command, stop=stop, turn=turn, poll_seconds=poll_seconds)


def test_a_hanging_group_is_replaced(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "KILL_AFTER_SECONDS", 0.3)
    verdicts = iter([False, True, False, False])
    started = iter([2, 2, 4, 4])  # each look comes when the family is complete

    def is_hanging(**_: object) -> bool:
        pids(tmp_path, next(started))
        return next(verdicts)

    monkeypatch.setattr(watch, "is_hanging", is_hanging)

    assert supervise(family(tmp_path), turns=4) == 1

    everybody = pids(tmp_path, 4)
    assert len(set(everybody)) == 4
    gone(everybody)  # stopping takes the last group along


def test_a_group_that_ended_is_started_again(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "is_hanging", lambda **_: False)

    assert supervise([sys.executable, "-c", ""], turns=8, poll_seconds=0.15) >= 2


def test_a_database_that_does_not_answer_is_no_reason_to_give_up(
    db: None, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a database nobody can tell who hangs: keep the group, and ask again."""

    def gone(**_: object) -> timedelta:
        raise OperationalError("the database is gone")

    monkeypatch.setattr(watch.router, "unrouted_since", gone)

    assert not watch.is_hanging(at=clock.at, started_at=clock.at - LONG_AGO)


# --- for real ------------------------------------------------------------------------------------


@pytest.fixture
def book(committed: None) -> Iterator[Book]:
    outside = Book()
    yield outside
    outside.close()


def wait_for(what: Callable[[], object], *, seconds: float, program: Program) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert program.process.poll() is None, program.said()
        assert time.monotonic() < until, program.said()[-3000:]
        time.sleep(0.2)


def children(pid: int) -> list[int]:
    """A process's children, oldest first."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return sorted(int(child) for child in listed.read_text().split()) if listed.exists() else []


def pool_of(watcher: int) -> tuple[int, list[int]]:
    """The cluster's first process and its idle workers: watch → qcluster → sentinel → workers."""
    for cluster in children(watcher):
        for sentinel in children(cluster):
            family_ = children(sentinel)
            if len(family_) >= settings.WORKERS + 2:  # the pool, then a monitor and a pusher
                return cluster, family_[: settings.WORKERS]
    return 0, []


def all_workers_are_idle() -> bool:
    """A worker that drains beats every second."""
    beat_ = watch.newest_beat()
    return beat_ is not None and now_clock.now() - beat_ > timedelta(seconds=3)


def say(connection: toys.Connection, name: str) -> None:
    toys.hear(connection, "pay", f"{name}/1", at=now_clock.now())


@pytest.mark.requirement("R020")
@pytest.mark.requirement("R053")
def test_killed_idle_workers_are_replaced_and_a_lost_queue_loses_nothing(
    book: Book, start: Callable[..., Program]
) -> None:
    """A killed idle worker takes the lock of the task queue with it: the cluster hangs for ever."""
    connection = toys.connect(base_url=book.address)
    program = start("watch")
    program.begin()
    for number in range(5):
        say(connection, f"before-{number}")
    wait_for(lambda: len(book.paid) == 5, seconds=45, program=program)
    wait_for(lambda: pool_of(program.process.pid)[1], seconds=10, program=program)

    # The whole queue is deleted again and again while work comes in.
    deleted = 0
    for burst in range(2):
        for number in range(5):
            say(connection, f"queue-{burst}-{number}")
        until = time.monotonic() + 3
        while time.monotonic() < until:
            with database.cursor() as cursor:
                cursor.execute("DELETE FROM django_q_ormq")
                deleted += cursor.rowcount
            time.sleep(0.02)
    assert deleted
    wait_for(lambda: len(book.paid) == 15, seconds=40, program=program)

    wait_for(all_workers_are_idle, seconds=40, program=program)
    first, idle = pool_of(program.process.pid)
    for pid in idle:
        os.kill(pid, signal.SIGKILL)
    killed_at = time.monotonic()
    say(connection, "after")
    wait_for(lambda: len(book.paid) == 16, seconds=110, program=program)

    assert time.monotonic() - killed_at < 110
    assert pool_of(program.process.pid)[0] not in (0, first)  # another group does it now
    assert not lives(first)
    wait_for(
        lambda: Job.objects.filter(state=JobState.DONE).count() == 16, seconds=10, program=program
    )
    assert set(book.counts().values()) == {1}
    assert Counter(Note.objects.values_list("text", flat=True)) == book.counts()
    program.terminate(seconds=30)
    assert program.process.returncode == 0, program.said()
