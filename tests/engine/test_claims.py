"""What workers ask of the claims round after round, and what they take back."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from integrator.engine import claims, jobs, router
from integrator.engine.flow import LOCAL
from integrator.models import Job, JobState
from tests.engine import toys
from tests.engine.conftest import Clock, Shop

Open = Callable[..., Shop]


def nobody(job: Job) -> None:
    raise AssertionError(f"{job} was set aside")


def test_where_nobody_died_one_question_says_so(shop: Open, clock: Clock) -> None:
    """Every worker asks every second: it opens no transaction and locks nothing for it."""
    here = shop(toys.NOTE)
    for name in ("a/1", "b/1"):
        here.hear("note", name)
    router.route(here.routes, at=clock.at)
    claims.claim(queue=LOCAL, owner="w1", at=clock.at, limit=1)  # at work, and alive

    with CaptureQueriesContext(database) as asked:
        assert claims.take_back_lost(at=clock.at, set_aside=nobody) == []

    assert len(asked) == 1
    assert "FOR UPDATE" not in asked[0]["sql"]
    clock.forward(minutes=2)
    claims.take_back_lost(at=clock.at, set_aside=nobody)
    assert here.job(lane="toy:a").state == JobState.WAITING


def test_a_lost_step_whose_case_cannot_be_written_costs_the_others_nothing(
    shop: Open, clock: Clock
) -> None:
    here = shop(toys.BOMB)
    for name in ("a/1", "b/1"):
        here.hear("bomb", name)
    router.route(here.routes, at=clock.at)
    claimed = claims.claim(queue=LOCAL, owner="w1", at=clock.at, limit=2)
    for job in claimed:
        jobs.begin(job, at=clock.at)
    Job.objects.filter(lane="toy:a").update(crashes=jobs.CRASHES_MAX - 1)
    clock.forward(minutes=2)

    def breaks(job: Job) -> None:
        raise ValueError("a fault of ours")

    assert claims.take_back_lost(at=clock.at, set_aside=breaks) == []
    assert here.job(lane="toy:a").state == JobState.RUNNING
    assert here.job(lane="toy:b").state == JobState.WAITING
    here.work()
    assert here.job(lane="toy:a").state == JobState.PARKED
