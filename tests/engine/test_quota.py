"""A day's calls: said in time, once; and readings that wait let the writes of their lane pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrator.engine import limits, quota, router
from integrator.engine.errors import OutOfCalls
from integrator.engine.http import Http
from integrator.models import Case, Connection, Job, RateWindow
from tests.engine import toys
from tests.engine.conftest import Clock, Shop
from tests.engine.test_limits import DAILY

SETTINGS = {toys.PLATFORM: "calls_per_day"}


@pytest.fixture
def hundred(connection: Connection) -> Connection:
    connection.settings = {"calls_per_day": 100}
    connection.save()
    return connection


def use(connection: Connection, calls: int) -> None:
    for _ in range(calls):
        limits.spend(connection, "", "calls_per_day", for_write=True)


def test_at_seventy_of_a_hundred_it_is_said_how_many_a_day_needs(
    hundred: Connection, clock: Clock
) -> None:
    use(hundred, 69)
    assert quota.watch(SETTINGS, at=clock.at) == 0
    use(hundred, 1)
    for _ in range(3):  # every minute, and still one case
        assert quota.watch(SETTINGS, at=clock.at) == 1

    case = Case.objects.get()
    # It is nine: 70 calls in nine hours are 187 in twenty-four.
    assert (case.facts["used"], case.facts["needed"], case.facts["reserve"]) == (70, 187, 25)
    assert (case.seen, case.state) == (1, "OPEN")

    clock.forward(hours=15)
    assert quota.watch(SETTINGS, at=clock.at) == 0
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("SOLVED", "BY_ITSELF")


def test_what_is_left_follows_the_setting_at_once(hundred: Connection, clock: Clock) -> None:
    use(hundred, 80)
    today = limits.left_of_day(hundred, 100, at=clock.at)
    assert (today.used, today.remaining, today.for_reads) == (80, 20, 0)
    more = limits.left_of_day(hundred, 200, at=clock.at)
    assert (more.used, more.remaining, more.for_reads) == (80, 120, 70)
    clock.forward(hours=15)
    assert limits.left_of_day(hundred, 100, at=clock.at).remaining == 100


def test_the_readings_of_a_write_may_use_what_is_kept_for_writes(
    hundred: Connection, answers: toys.Answers
) -> None:
    use(hundred, 75)
    with pytest.raises(OutOfCalls):
        Http(hundred, DAILY).get("/x")
    answers.will((200, {}))
    Http(hundred, DAILY, for_write=True).get("/x")
    assert RateWindow.objects.get().remaining == 24


def both_in_one_lane(facts: Any) -> Any:
    return {fact.id: toys.Aim("message", fact.record_id, "one-lane") for fact in facts}


@pytest.mark.parametrize("gives_way", [True, False])
def test_a_reading_that_waits_lets_a_write_of_its_lane_pass(
    shop: Callable[..., Shop], clock: Clock, gives_way: bool
) -> None:
    done: list[str] = []

    def read(work: Any) -> None:
        if len(done) < 1:
            raise OutOfCalls("used up", retry_after=3600)
        done.append("read")

    reading = toys.flow("read", aim=both_in_one_lane, call=read, gives_way=gives_way)
    writing = toys.flow("write", aim=both_in_one_lane, call=lambda work: done.append("write"))
    here = shop(reading, writing)
    here.hear("read", "a/1")
    here.work()
    here.hear("write", "a/2")
    here.work()
    assert done == (["write"] if gives_way else [])

    if gives_way:
        clock.forward(hours=1)
        here.work()
        assert done == ["write", "read"]


def test_a_fact_that_cannot_wait_pulls_the_job_it_joins_forward(
    shop: Callable[..., Shop], clock: Clock
) -> None:
    waits = {"a/1": 300, "a/2": 600, "a/3": 0}

    def aim(facts: Any) -> Any:
        return {
            fact.id: toys.Aim(
                "message",
                fact.record_id,
                "x",
                join="x",
                delay_seconds=waits[fact.data["resource_id"]],
            )
            for fact in facts
        }

    here = shop(toys.flow("read", aim=aim, joins=True))
    starts = []
    for name in ("a/1", "a/2", "a/3"):
        here.hear("read", name)
        router.route(here.routes, at=clock.at)
        starts.append((Job.objects.get().not_before - clock.at).total_seconds())

    assert starts == [300, 300, 0], "never later, only sooner"
