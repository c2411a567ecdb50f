"""The clock as a source of facts, and how far behind we are: green jobs do not mean fresh data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from integrator.engine import clock as now_clock
from integrator.engine import lag, router, timer
from integrator.engine.clock import is_right
from integrator.engine.flow import LOCAL
from integrator.engine.timer import Every
from integrator.engine.watch import newest_beat
from integrator.flows import tasks
from integrator.models import Connection, Cursor, Heartbeat, Message
from tests.engine import toys
from tests.engine.conftest import Clock, Shop
from tests.engine.test_router import in_threads

SCHEDULE = (Every("sweep-due", "toy", minutes=5), Every("compare-due", "other", minutes=5))


def test_a_step_of_the_schedule_is_a_fact_like_any(connection: Connection, clock: Clock) -> None:
    assert timer.fire(SCHEDULE, at=clock.at) == 1

    message = Message.objects.get()
    assert (message.topic, message.origin) == ("sweep-due", "CLOCK")
    assert message.connection == connection


def test_it_is_time_once_per_interval(connection: Connection, clock: Clock) -> None:
    fired = []
    for _ in range(31):
        fired.append(timer.fire(SCHEDULE, at=clock.at))
        router.route({}, at=clock.at)
        clock.forward(minutes=1)

    assert fired == [1, *[0, 0, 0, 0, 1] * 6]


def test_each_connection_has_its_own_hand(connection: Connection, clock: Clock) -> None:
    timer.fire(SCHEDULE, at=clock.at)
    toys.connect(slug="toy-2")

    assert timer.fire(SCHEDULE, at=clock.at) == 1


def test_missed_turns_are_not_made_up_for(connection: Connection, clock: Clock) -> None:
    timer.fire(SCHEDULE, at=clock.at)
    router.route({}, at=clock.at)
    clock.forward(days=1)

    assert timer.fire(SCHEDULE, at=clock.at) == 1
    assert timer.fire(SCHEDULE, at=clock.at) == 0


def test_a_fact_that_could_not_be_written_is_written_the_next_time(
    connection: Connection, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(**values: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(timer, "nudge", breaks)
        timer.fire(SCHEDULE, at=clock.at)

    assert timer.fire(SCHEDULE, at=clock.forward(minutes=1)) == 1


def test_of_processes_that_ask_at_once_one_fires(committed: None) -> None:
    toy = toys.connect()
    at = now_clock.now()
    name = f"clock:{toy.pk}:sweep-due"
    Heartbeat.objects.create(name=name, at=at - timedelta(hours=1), worker="x")
    fired: list[int] = []

    in_threads(*[lambda: fired.append(timer.fire(SCHEDULE, at=at))] * 5)

    assert sorted(fired) == [0, 0, 0, 0, 1]


def test_the_hand_of_a_clock_is_no_sign_of_life(connection: Connection, clock: Clock) -> None:
    timer.fire(SCHEDULE, at=clock.at)

    assert newest_beat() is None
    assert list(Heartbeat.workers.all()) == []


def test_a_clock_that_is_wrong_is_noticed(db: None, logged: list[Any]) -> None:
    assert is_right()
    with time_machine.travel(timedelta(minutes=-1)):
        assert not is_right()

    assert [one["event"] for one in logged] == ["clock_is_wrong"]
    assert -70 < logged[0]["ahead_seconds"] < -50


def test_nothing_is_done_by_a_clock_that_is_wrong(
    shop: Callable[..., Shop], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(now_clock, "is_right", lambda: False)
    here = shop(toys.NOTE)
    here.hear("note", "a/1")

    assert here.worker.drain([LOCAL], linger=0) == 0
    tasks.minute(at=clock.at)

    assert Message.objects.get().routed_at is None
    assert not Heartbeat.objects.exists()


# --- lag -----------------------------------------------------------------------------------------


@pytest.fixture
def stream(connection: Connection, clock: Clock) -> Cursor:
    return Cursor.objects.create(
        connection=connection, stream="pay", swept_at=clock.at, lag_budget_seconds=600
    )


def one_lag(clock: Clock) -> lag.Lag:
    [found] = lag.all_lags(at=clock.at)
    return found


def test_what_was_never_read_completely_is_behind(stream: Cursor, clock: Clock) -> None:
    Cursor.objects.update(swept_at=None)

    assert one_lag(clock).age is None
    assert one_lag(clock).is_behind


def test_an_old_sweep_is_behind_although_every_job_is_green(stream: Cursor, clock: Clock) -> None:
    assert (one_lag(clock).age, one_lag(clock).is_behind) == (timedelta(), False)
    clock.forward(seconds=601)

    assert one_lag(clock).is_behind


def test_a_fact_counts_until_its_work_is_done(
    stream: Cursor, clock: Clock, shop: Callable[..., Shop], answers: toys.Answers
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    clock.forward(seconds=400)
    heard = one_lag(clock)
    router.route(here.routes, at=clock.at)
    routed = one_lag(clock)
    answers.will((200, {"receipt": 1}))
    here.work()
    done = one_lag(clock)

    oldest: list[Any] = [one.oldest_unprocessed.total_seconds() for one in (heard, routed, done)]
    assert oldest == [400, 400, 0]
    assert [one.is_behind for one in (heard, routed, done)] == [True, True, False]
