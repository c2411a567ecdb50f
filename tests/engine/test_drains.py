"""How a drain ends: in time, whatever the calls under way do, and with nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import connections

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
