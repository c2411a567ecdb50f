"""How a drain ends: in time, whatever the calls under way do, and with nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.db import connections

from integrator.engine import worker as worker_module
from integrator.engine.worker import Worker
from integrator.models import Job, JobState
from tests.engine import toys
from tests.engine.conftest import Clock


def wait_for(happened: Callable[[], bool], until: float) -> None:
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_call_that_hangs_delays_only_itself_where_drains_follow_each_other(
    committed: None, clock: Clock
) -> None:
    """``drain --loop``: one worker for all queues."""
    hangs, stop = threading.Event(), threading.Event()
    connection = toys.connect()
    slow = toys.flow("slow", call=lambda work: hangs.wait(20), queue="mail")
    fast = toys.flow("fast", call=lambda work: "x")
    worker = Worker(toys.routes(slow, fast), threads=2)

    def loop() -> None:
        while not stop.is_set():
            worker.drain(["mail", "toy"], seconds=0.3, linger=0.1, stop=stop, goes_on=True)
        connections.close_all()

    toys.hear(connection, "slow", "a/1", at=clock.at)
    one = threading.Thread(target=loop)
    one.start()
    until = time.monotonic() + 15
    fast_jobs = Job.objects.filter(flow="fast", state=JobState.DONE)
    try:
        wait_for(lambda: Job.objects.filter(state=JobState.RUNNING).exists(), until)
        toys.hear(connection, "fast", "b/1", at=clock.at)
        wait_for(fast_jobs.exists, until)
    finally:
        hangs.set()
        stop.set()
        one.join()
        worker.close()

    assert Job.objects.get(flow="slow").state == JobState.DONE


@pytest.fixture
def short(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything a hundredth: 0.1 s for a call, and as long for calls after a drain of 0.2 s."""
    settings.HTTP_TIMEOUT_SECONDS = 0.1
    monkeypatch.setattr(worker_module, "OVERTIME_SECONDS", 0.1)


def drained(worker: Worker) -> float:
    """How long a drain took."""
    started = time.monotonic()
    worker.drain(["toy"], seconds=0.2, linger=0.05)
    return time.monotonic() - started


def test_what_was_claimed_and_not_begun_is_given_back_when_the_drain_ends(
    committed: None, clock: Clock, short: None
) -> None:
    connection = toys.connect()
    slow = toys.flow("slow", call=lambda work: time.sleep(0.4))
    worker = Worker(toys.routes(slow), threads=2)
    for n in range(8):
        toys.hear(connection, "slow", f"{n}/x", at=clock.at)
    try:
        drained(worker)
        done = Job.objects.filter(state=JobState.DONE)
        assert done.count() == 2
        others = Job.objects.exclude(pk__in=done)
        assert set(others.values_list("lease_owner", "attempts", "alone")) == {("", 0, False)}

        for _ in range(3):
            drained(worker)
        assert done.count() == 8
    finally:
        worker.close()


def test_a_long_list_ends_before_its_task_is_killed_and_is_read_again_later(
    committed: None, clock: Clock, short: None, answers: toys.Answers
) -> None:
    def call(work: Any) -> None:
        for _ in range(200):  # pages
            toys.client(work).get("/list")

    answers.before = lambda: time.sleep(0.02)
    answers.will(*[(200, {})] * 200)
    toys.hear(toys.connect(), "list", "a/1", at=clock.at)

    took = drained(Worker(toys.routes(toys.flow("list", call=call))))
    answers.script.clear()
    assert took < 4  # as all of it would take at least
    job = Job.objects.get()
    assert (job.state, job.error_class) == (JobState.WAITING, "OutOfTime")
    assert job.error == "the worker was about to stop; it goes on from what is written down"
    assert job.not_before > clock.at  # a list that is always too long takes no day's calls


def test_what_has_sent_something_goes_on_to_its_end(
    committed: None, clock: Clock, short: None, answers: toys.Answers
) -> None:
    def call(work: Any) -> Any:
        receipt = toys.pay(work)
        time.sleep(0.4)
        toys.client(work).get("/paid")
        return receipt

    answers.will((200, {"receipt": "r-1"}), (200, {}))
    toys.hear(toys.connect(), "pay", "a/1", at=clock.at)
    drained(Worker(toys.routes(toys.flow("pay", call=call))))

    assert Job.objects.get().evidence == {"receipt": "r-1"}


def test_a_process_holds_one_connection_for_each_call_whatever_queues_it_drained(
    committed: None, clock: Clock
) -> None:
    together = threading.Barrier(4)
    flows = [
        toys.flow(name, call=lambda work: together.wait(30), queue=name) for name in ("a", "b", "c")
    ]
    connection = toys.connect()
    worker = Worker(toys.routes(*flows), threads=4)
    before = held()
    for flow in flows:
        for n in range(4):
            toys.hear(connection, flow.name, f"{flow.name}{n}/x", at=clock.at)
    for flow in flows:
        worker.drain([flow.queue], linger=0.05)
    idle = held() - before
    worker.close()

    assert Job.objects.filter(state=JobState.DONE).count() == 12
    assert idle == 4


def held() -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
