"""Workers that die: at any moment, by a job of their own, or all together. Judged by the outside.

Nothing may be lost and nothing doubled: every name is paid once in the platform's own book and
written down once here.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models import Sum

from integrator.engine import clock, jobs
from integrator.models import Attempt, Case, Connection, Job, JobState, Note
from tests.engine import toys
from tests.engine.book import Book
from tests.engine.program import Program, starter

DRAIN = ("drain", "--loop", "--threads", "4")


@pytest.fixture
def book(committed: None) -> Iterator[Book]:
    outside = Book()
    yield outside
    outside.close()


@pytest.fixture
def connection(book: Book) -> Connection:
    return toys.connect(base_url=book.address)


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    yield from starter()


def promise(connection: Connection, topic: str, lanes: int, each: int) -> set[str]:
    names = {f"{topic}-{lane}/{number}" for lane in range(lanes) for number in range(each)}
    for name in sorted(names):
        toys.hear(connection, topic, name, at=clock.now())
    return names


def decide_like_a_person(book: Book) -> None:
    """Where no look-up can tell, a person looks into the platform and says what they saw."""
    for job in Job.objects.filter(flow="tell", state=JobState.IN_DOUBT, cases__isnull=False):
        name = str(toys.Message.objects.get(pk=job.record_id).resource_id)
        receipts = book.paid.get(name)
        settled = jobs.settle_doubt(
            job, happened=bool(receipts), at=clock.now(), evidence={"receipt": receipts}
        )
        if settled and receipts:
            Note.objects.create(text=name)


def wait_until(done: Callable[[], bool], *, seconds: float, doing: Callable[[], Any]) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, list(
            Job.objects.exclude(state=JobState.DONE).values_list("flow", "state", "error")
        )
        doing()
        time.sleep(0.1)


def all_done(total: int) -> bool:
    return Job.objects.filter(state=JobState.DONE).count() == total


def claims_made() -> int:
    """Every claim moves a fence on, and nothing moves one back."""
    return int(Job.objects.aggregate(all=Sum("fence"))["all"] or 0)  # none before the first


def kill_often(
    times: int, seed: int, connection: Connection, book: Book, start: Callable[..., Program]
) -> None:
    """Promise work, kill its worker again and again, then let one work in peace; then count."""
    chance = random.Random(seed)
    notes = promise(connection, "note", lanes=times * 6, each=5)
    paid = promise(connection, "pay", lanes=times, each=4)
    told = promise(connection, "tell", lanes=times, each=2)
    killed_at_work = 0
    ready = start(*DRAIN)
    for _ in range(times):
        program, ready = ready, start(*DRAIN)
        before = claims_made()
        program.begin()
        # A busy machine takes its time to begin. One kill in four comes before that.
        patience = 0.0 if chance.random() < 0.25 else 5.0
        began = time.monotonic()
        while claims_made() == before and time.monotonic() - began < patience:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 0.4))
        at_work = Job.objects.filter(state=JobState.RUNNING).exists()
        killed_at_work += at_work and claims_made() > before
        program.kill()
    ready.begin()
    total = len(notes) + len(paid) + len(told)
    wait_until(
        lambda: all_done(total), seconds=60 + times, doing=lambda: decide_like_a_person(book)
    )
    ready.terminate()

    once = Counter(dict.fromkeys(paid | told, 1))
    assert book.counts() == once  # the judge
    assert Counter(Note.objects.values_list("text", flat=True)) == once + Counter(notes)
    assert killed_at_work >= times / 2, "the kills came when nothing was going on"
    assert not Job.objects.filter(crashes__gte=jobs.CRASHES_MAX).exists()
    for name in paid | told:
        assert in_order(name.partition("/")[0], book)


def in_order(lane: str, book: Book) -> bool:
    """Within a lane the platform got everything in the order in which it was promised."""
    receipts = [
        numbers[0] for name, numbers in sorted(book.paid.items()) if name.startswith(f"{lane}/")
    ]
    return receipts == sorted(receipts)


@pytest.mark.requirement("R020")
def test_ten_kills_lose_nothing_and_double_nothing(
    connection: Connection, book: Book, start: Callable[..., Program]
) -> None:
    kill_often(10, 20261120, connection, book, start)


@pytest.mark.prove
@pytest.mark.requirement("R020")
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_kills_lose_nothing_and_double_nothing(
    seed: int, connection: Connection, book: Book, start: Callable[..., Program]
) -> None:
    kill_often(10, seed, connection, book, start)


@pytest.mark.requirement("R020")
def test_a_job_that_kills_its_worker_is_set_aside_and_its_neighbours_finish(
    connection: Connection, book: Book, start: Callable[..., Program]
) -> None:
    promise(connection, "bomb", lanes=1, each=1)
    notes = promise(connection, "note", lanes=20, each=1)
    payments = promise(connection, "pay", lanes=5, each=1)
    programs = [start(*DRAIN)]

    def keep_a_worker_running() -> None:
        """What a service manager does: when it is gone, start another."""
        if programs[-1].process.poll() is not None:
            programs.append(start(*DRAIN))
            programs[-1].begin()

    programs[0].begin()
    wait_until(
        lambda: Job.objects.filter(state=JobState.PARKED).exists() and all_done(25),
        seconds=60,
        doing=keep_a_worker_running,
    )

    bomb = Job.objects.get(flow="bomb")
    assert bomb.crashes == jobs.CRASHES_MAX
    assert Case.objects.get().kind == "JOB_CRASHES"
    assert Attempt.objects.filter(job=bomb, outcome="PARKED").count() == 1
    neighbours = Job.objects.exclude(pk=bomb.pk).filter(queue="local")
    assert set(neighbours.values_list("crashes", flat=True)) == {0}  # nobody else is charged
    assert book.counts() == Counter(payments)
    assert set(Note.objects.values_list("text", flat=True)) == notes | payments


@pytest.mark.requirement("R020")
def test_the_loop_alone_does_the_whole_job_and_ends_when_asked(
    connection: Connection, book: Book, start: Callable[..., Program]
) -> None:
    """No django-q2, no clock but its own. Ended in the middle of a call, it finishes that call."""
    payments = promise(connection, "pay", lanes=6, each=2)
    notes = promise(connection, "note", lanes=10, each=1)
    program = start(*DRAIN)
    program.begin()
    wait_until(lambda: all_done(22), seconds=30, doing=lambda: None)
    assert book.counts() == Counter(payments)
    assert set(Note.objects.values_list("text", flat=True)) == payments | notes

    book.pause_seconds = 1
    slow = promise(connection, "pay", lanes=1, each=3)  # the same names in the same lane
    wait_until(
        lambda: Job.objects.filter(state=JobState.RUNNING, sent_at__isnull=False).exists(),
        seconds=10,
        doing=lambda: None,
    )
    program.terminate()

    assert program.process.returncode == 0, program.said()
    assert not Job.objects.filter(state__in=[JobState.RUNNING, JobState.IN_DOUBT]).exists()
    finished = Job.objects.filter(state=JobState.DONE).count() - 22
    assert 1 <= finished < len(slow)  # what had begun was finished; nothing new was begun
