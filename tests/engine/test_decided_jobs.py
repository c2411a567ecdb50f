"""What people do to jobs: release, cancel, hurry, settle a doubt; and how long work has waited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrator.engine import claims, jobs, router
from integrator.engine.errors import Refused, Transient
from integrator.engine.flow import LOCAL, Flow
from integrator.models import Connection, Job, JobState
from tests.engine import toys
from tests.engine.conftest import Clock, Shop

Open = Callable[..., Shop]


def quiet(name: str = "quiet", **parts: Any) -> Flow:
    return toys.flow(name, record=lambda work, result: {}, **parts)


@pytest.fixture
def owed(shop: Open, clock: Clock) -> Callable[..., list[Job]]:
    """Jobs of a flow, one per name, in this order, created by the router."""

    def owe(flow: Flow, *names: str) -> list[Job]:
        here = shop(flow)
        for name in names:
            here.hear(flow.name, name)
        router.route(here.routes, at=clock.at)
        return list(Job.objects.filter(flow=flow.name).order_by("id"))

    return owe


def claim(clock: Clock, *, owner: str = "w1", queue: str = LOCAL, limit: int = 10) -> list[Job]:
    return claims.claim(queue=queue, owner=owner, at=clock.at, limit=limit)


# --- what people do ------------------------------------------------------------------------------


def test_a_released_job_runs_again_and_its_time_to_give_up_starts_anew(
    owed: Any, clock: Clock
) -> None:
    owed(quiet(), "a/1")
    [job] = claim(clock)
    jobs.park(job, at=clock.at, error=Refused("no"))
    clock.forward(days=20)

    assert jobs.release(Job.objects.all(), at=clock.at, delay=timedelta(seconds=30)) == 1

    assert claim(clock) == []
    clock.forward(seconds=30)
    [again] = claim(clock)
    assert again.give_up_at > clock.at
    assert jobs.release(Job.objects.all(), at=clock.at) == 0  # it is not parked any more


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.IN_DOUBT, JobState.DONE])
def test_what_may_have_left_cannot_be_cancelled(owed: Any, clock: Clock, state: str) -> None:
    owed(quiet(), "a/1")
    [job] = claim(clock)
    if state == JobState.IN_DOUBT:
        jobs.doubt(job, at=clock.at, error=Refused("?"), look_after=timedelta())
    elif state == JobState.DONE:
        jobs.done(job, at=clock.at, evidence={})

    assert not jobs.cancel(job, at=clock.at, reason="changed my mind")
    assert Job.objects.get().state == state


def test_a_due_job_can_be_cancelled_and_frees_its_lane(owed: Any, clock: Clock) -> None:
    first, second = owed(quiet(), "a/1", "a/2")

    assert jobs.cancel(first, at=clock.at, reason="given up by omar")

    assert claim(clock) == [second]
    assert Job.objects.get(pk=first.pk).evidence == {"cancelled": "given up by omar"}


def test_hurrying_brings_a_waiting_job_forward(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1")
    [job] = claim(clock)
    jobs.wait(job, at=clock.at, error=Transient("x"), retry_after=3600)

    assert jobs.hurry(lane="toy:a", at=clock.at) == 1

    assert len(claim(clock)) == 1


def test_a_person_says_it_did_not_happen_and_it_runs_again(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1")
    [job] = claim(clock)
    jobs.begin(job, at=clock.at)
    jobs.mark_sent(job, at=clock.at)
    jobs.doubt(job, at=clock.at, error=Refused("?"), look_after=timedelta())

    assert jobs.settle_doubt(job, happened=False, at=clock.at, evidence={})

    [again] = claim(clock)
    assert again.sent_at is None
    assert not jobs.settle_doubt(job, happened=True, at=clock.at, evidence={})  # decided already


def test_how_long_work_has_been_waiting(owed: Any, clock: Clock, connection: Connection) -> None:
    start = clock.at
    assert jobs.oldest_due(at=clock.at) == timedelta()
    owed(quiet(), "a/1", "a/2")
    Job.objects.update(created_at=start)
    clock.forward(seconds=90)

    assert jobs.oldest_due(at=clock.at) == timedelta(seconds=90)
    assert jobs.oldest_due(at=clock.at, queue="elsewhere") == timedelta()
    assert jobs.due_queues(at=clock.at) == [LOCAL]
    claim(clock)
    assert jobs.oldest_due(at=clock.at) == timedelta()  # the second waits for the first
