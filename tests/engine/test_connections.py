"""Connections: held work keeps its order, one call tries what is down, faults find their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from integrator.engine import claims, connections, jobs, router
from integrator.engine.flow import LOCAL, Flow, NotFound
from integrator.engine.states import Trace
from integrator.models import Case, Connection, ConnectionState, Job, JobState
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


# --- connections ---------------------------------------------------------------------------------


@pytest.fixture
def three_calls(owed: Any) -> list[Job]:
    return owed(quiet("ask", call=lambda work: None), "a/1", "a/2", "b/1")


def ask(clock: Clock, limit: int = 10, owner: str = "w1") -> list[Job]:
    return claim(clock, queue=toys.PLATFORM, limit=limit, owner=owner)


def test_a_paused_connection_holds_its_work_in_order_and_its_clock_stops(
    three_calls: list[Job], connection: Connection, clock: Clock, trace: Callable[[], Trace]
) -> None:
    promised = {job.pk: (job.due_at, job.give_up_at) for job in three_calls}
    clock.forward(minutes=5)
    connections.pause(connection, trace=trace(), reason="Their maintenance")
    clock.forward(days=30)
    assert ask(clock) == []

    connections.resume(connection, trace=trace(), reason="They are back")

    assert ask(clock) == [three_calls[0], three_calls[2]]
    for job in Job.objects.all():
        due_at, give_up_at = promised[job.pk]
        assert job.due_at == due_at + timedelta(days=30)
        assert job.give_up_at == give_up_at + timedelta(days=30)


def test_the_clock_of_work_that_came_in_meanwhile_stops_only_from_then_on(
    owed: Any, connection: Connection, clock: Clock, trace: Callable[[], Trace]
) -> None:
    connections.pause(connection, trace=trace(), reason="Their maintenance")
    clock.forward(days=3)
    [job] = owed(quiet("ask", call=lambda work: None, due_minutes=15), "a/1")
    Job.objects.update(created_at=clock.at)
    clock.forward(hours=1)

    connections.resume(connection, trace=trace(), reason="They are back")

    assert Job.objects.get(pk=job.pk).due_at == clock.at + timedelta(minutes=15)


def test_no_hold_counts_whether_for_credentials_or_by_a_person(
    three_calls: list[Job], connection: Connection, clock: Clock, trace: Callable[[], Trace]
) -> None:
    due_at = three_calls[0].due_at
    connections.refused_credentials(connection, trace=trace(), error="401")
    clock.forward(hours=2)
    connections.pause(connection, trace=trace(), reason="While we look")
    clock.forward(hours=3)

    connections.resume(connection, trace=trace(), reason="New key")

    assert Job.objects.get(pk=three_calls[0].pk).due_at == due_at + timedelta(hours=5)


def test_two_people_resume_at_once_and_the_clock_moves_once(
    three_calls: list[Job], connection: Connection, clock: Clock, trace: Callable[[], Trace]
) -> None:
    connections.pause(connection, trace=trace(), reason="x")
    clock.forward(hours=1)
    second = Connection.objects.get()

    connections.resume(connection, trace=trace(), reason="Carla")
    connections.resume(second, trace=trace(), reason="Omar")

    assert Job.objects.first().due_at == three_calls[0].due_at + timedelta(hours=1)  # type: ignore[union-attr]


@pytest.fixture
def degraded(connection: Connection, trace: Callable[[], Trace]) -> Connection:
    for _ in range(5):
        connections.failed(connection, trace=trace(), error="no answer")
    connection.refresh_from_db()
    assert connection.state == ConnectionState.DEGRADED
    return connection


def test_a_degraded_connection_lets_one_call_through_at_a_time(
    three_calls: list[Job], degraded: Connection, clock: Clock, trace: Callable[[], Trace]
) -> None:
    assert ask(clock) == []  # half a minute's rest
    clock.forward(seconds=30)

    assert ask(clock) == [three_calls[0]]
    assert ask(clock, owner="w2") == []  # b/1 is free, but one is on its way
    clock.forward(seconds=30)
    assert ask(clock, owner="w3") == [three_calls[2]]

    degraded.refresh_from_db()
    connections.answered(degraded, trace=trace())
    assert Connection.objects.get().state == ConnectionState.ACTIVE


def test_a_look_up_is_a_call_too(
    three_calls: list[Job], degraded: Connection, clock: Clock
) -> None:
    first, _, third = three_calls
    for job in (first, third):
        Job.objects.filter(pk=job.pk).update(
            state=JobState.RUNNING, lease_until=clock.at, not_before=clock.at
        )
        Job.objects.filter(pk=job.pk).update(state=JobState.IN_DOUBT, lease_until=None)
    clock.forward(seconds=30)

    found = claims.claim_doubtful(queue=toys.PLATFORM, owner="w1", at=clock.at, limit=8)

    assert found == [first]
    assert ask(clock) == []


def test_other_connections_do_not_suffer(shop: Open, degraded: Connection, clock: Clock) -> None:
    well = toys.connect(slug="toy-2")
    here = shop(quiet("ask", call=lambda work: None))
    for name in ("a/1", "b/1"):
        here.hear("ask", name)
        here.hear("ask", f"well-{name}", connection=well)
    router.route(here.routes, at=clock.at)

    assert [job.connection for job in ask(clock)] == [well, well]


def test_refused_credentials_hold_all_work_and_tell_the_owner(
    shop: Open, answers: toys.Answers, clock: Clock, trace: Callable[[], Trace]
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    here.hear("pay", "b/1")
    answers.will((401, {"error": "who are you?"}))
    assert here.work()

    here.connection.refresh_from_db()
    assert here.connection.state == ConnectionState.NEEDS_CREDENTIALS
    assert here.case().kind == "CREDENTIALS_REFUSED"
    assert len(answers.seen) == 1  # nothing else is tried with a key that is not accepted
    clock.forward(days=8)
    assert here.work() == 0

    connections.resume(here.connection, trace=trace(), reason="New key")
    answers.will((200, {"receipt": 1}), (200, {"receipt": 2}))
    clock.forward(minutes=1)
    here.work()

    assert set(Job.objects.values_list("state", flat=True)) == {JobState.DONE}
    assert Case.objects.get().state == "SOLVED"


def test_a_flow_that_calls_two_platforms_blames_the_one_that_failed(
    shop: Open, answers: toys.Answers
) -> None:
    other = toys.connect(slug="toy-2")

    def call(work: Any) -> Any:
        toys.client(work).get("/mine")
        return work.http(other, toys.DIALECT).get("/theirs").data

    here = shop(toys.flow("both", call=call))
    here.hear("both", "a/1")
    answers.will((200, {}), (401, {}))

    here.work()

    here.connection.refresh_from_db()
    other.refresh_from_db()
    assert here.connection.state == ConnectionState.ACTIVE
    assert other.state == ConnectionState.NEEDS_CREDENTIALS


def test_a_platform_that_refuses_is_not_down(
    shop: Open, degraded: Connection, answers: toys.Answers, clock: Clock
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    clock.forward(seconds=30)
    answers.will((422, {"error": "no such name"}))

    here.work()

    degraded.refresh_from_db()
    assert (degraded.state, degraded.failures) == (ConnectionState.ACTIVE, 0)


def test_writes_that_get_no_answer_count_as_failures(shop: Open, answers: toys.Answers) -> None:
    here = shop(toys.flow("send", call=toys.pay, probe=lambda work: NotFound()))
    for number in range(5):
        here.hear("send", f"lane-{number}/1")
    answers.will(*[requests.ReadTimeout()] * 5)

    here.work()

    here.connection.refresh_from_db()
    assert here.connection.state == ConnectionState.DEGRADED


def test_what_a_person_decides_about_a_paused_connection_is_not_held(
    shop: Open, connection: Connection, clock: Clock, trace: Callable[[], Trace]
) -> None:
    """Otherwise nobody could ever switch it on again."""
    connections.pause(connection, trace=trace(), reason="x")
    here = shop(toys.NOTE)
    here.hear("note", "a/1")
    router.route(here.routes, at=clock.at)

    assert jobs.due_queues(at=clock.at) == [LOCAL]
    here.work()

    assert here.job().state == JobState.DONE


def test_held_work_wakes_nobody(
    three_calls: list[Job], connection: Connection, clock: Clock, trace: Callable[[], Trace]
) -> None:
    assert jobs.due_queues(at=clock.at) == [toys.PLATFORM]
    connections.pause(connection, trace=trace(), reason="x")

    assert jobs.due_queues(at=clock.at) == []
