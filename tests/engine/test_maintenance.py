"""Maintenance windows: they hold and start again by themselves, once, or are refused."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db import connection as database

from integrator.engine import connections, maintenance, router
from integrator.engine.maintenance import UnableToAnnounce
from integrator.engine.outcomes import report_late
from integrator.engine.states import Trace
from integrator.models import Case, Connection, ConnectionState, Job, JobState, MaintenanceWindow
from tests.engine import toys
from tests.engine.conftest import Clock
from tests.engine.windows import Open, Traced, announce, cancel, stands, state, told


@pytest.fixture
def window(connection: Connection, clock: Clock, trace: Traced) -> MaintenanceWindow:
    """Announced for one o'clock from now, two hours long."""
    return announce(connection, clock, trace, hours=1)


# --- it holds, and lets go ----------------------------------------------------------------------


def test_it_holds_at_its_start_and_starts_again_at_its_end(
    connection: Connection, window: MaintenanceWindow, clock: Clock
) -> None:
    assert maintenance.turn(at=clock.at) == 0
    assert state(connection) == ConnectionState.ACTIVE

    maintenance.turn(at=clock.forward(hours=1))
    assert (state(connection), stands(window)) == ("PAUSED", "BEGUN")
    assert Connection.objects.get().state_reason == "Planned maintenance: They move house"

    maintenance.turn(at=clock.forward(hours=1, minutes=59))
    assert state(connection) == ConnectionState.PAUSED
    maintenance.turn(at=clock.forward(minutes=1))
    assert (state(connection), stands(window)) == ("ACTIVE", "OVER")
    assert told() == [("PAUSED", "clock"), ("ACTIVE", "clock")]


def test_what_came_before_and_inside_waits_and_is_done_once_in_order_after_it(
    shop: Open, window: MaintenanceWindow, answers: toys.Answers, clock: Clock
) -> None:
    here = shop(toys.PAY)
    maintenance.turn(at=clock.forward(hours=1))
    for name in ("a/1", "a/2", "b/1"):
        here.hear("pay", name)
    here.work()
    clock.forward(hours=1)
    here.hear("pay", "a/3")
    here.work()
    assert answers.seen == []

    maintenance.turn(at=clock.forward(hours=1))
    answers.will(*[(200, {"receipt": number}) for number in range(4)])
    here.work()

    assert len(answers.seen) == 4
    assert set(Job.objects.values_list("state", flat=True)) == {JobState.DONE}
    assert not Case.objects.exists()


def test_promises_do_not_run_meanwhile_and_nothing_is_late_because_of_it(
    shop: Open, window: MaintenanceWindow, clock: Clock
) -> None:
    here = shop(toys.PAY)
    clock.forward(minutes=50)
    here.hear("pay", "a/1")
    router.route(here.routes, at=clock.at)
    Job.objects.update(created_at=clock.at)
    promised = here.job().due_at
    maintenance.turn(at=clock.forward(minutes=10))
    for _ in range(4):
        clock.forward(minutes=30)
        maintenance.turn(at=clock.at)
        assert report_late(here.routes, at=clock.at) == 0

    assert state(here.connection) == ConnectionState.ACTIVE
    assert here.job().due_at == promised + timedelta(hours=2)


def test_its_clock_stops_once_however_many_ask(
    shop: Open, window: MaintenanceWindow, clock: Clock
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    router.route(here.routes, at=clock.at)
    Job.objects.update(created_at=clock.at)
    promised = here.job().due_at
    for hours in (1, 2):
        clock.forward(hours=hours)
        assert [maintenance.turn(at=clock.at) for _ in range(3)] == [1, 0, 0]

    assert here.job().due_at == promised + timedelta(hours=2)
    assert len(told()) == 2


def test_two_workers_at_the_same_moment_end_it_once(committed: None, clock: Clock) -> None:
    connection = toys.connect()
    window = announce(connection, clock, lambda: Trace(clock.at, "omar"), hours=1)
    maintenance.turn(at=clock.forward(hours=1))
    at, together, ended = clock.forward(hours=2), threading.Barrier(2), []

    def other() -> None:
        together.wait()
        ended.append(maintenance.turn(at=at))
        database.close()

    workers = [threading.Thread(target=other) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()

    assert (sorted(ended), stands(window)) == ([0, 1], "OVER")
    assert told() == [("PAUSED", "clock"), ("ACTIVE", "clock")]


@pytest.mark.parametrize("dies_in", ["begin", "end"])
def test_dying_half_way_changes_nothing_and_the_next_minute_does_all_of_it(
    shop: Open,
    window: MaintenanceWindow,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    dies_in: str,
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    router.route(here.routes, at=clock.at)
    Job.objects.update(created_at=clock.at)
    promised, before = here.job().due_at, len(told())
    clock.forward(hours=1)
    if dies_in == "end":
        maintenance.turn(at=clock.at)
        clock.forward(hours=2)
        before = len(told())
    # Its last statement in each of the two ways.
    where = (maintenance, "move") if dies_in == "begin" else (connections.cases, "close_by_fact")
    with monkeypatch.context() as broken:

        def dies(*args: Any, **kwargs: Any) -> None:
            raise SystemExit("killed")

        broken.setattr(*where, dies)
        with pytest.raises(SystemExit):
            maintenance.turn(at=clock.at)
    assert len(told()) == before
    assert here.job().due_at == promised

    assert maintenance.turn(at=clock.forward(minutes=1)) == 1
    assert len(told()) == before + 1


def test_what_waits_behind_held_work_of_another_connection_is_not_late_either(
    shop: Open, window: MaintenanceWindow, clock: Clock
) -> None:
    """The steps of a record share a lane, whichever platform each of them calls."""
    mine = toys.flow("mine", call=toys.pay, due_minutes=15)
    theirs = toys.flow("theirs", call=toys.pay, due_minutes=15, queue="mines")
    well = toys.connect(slug="toy-2", platform="mines")
    here = shop(mine, theirs)
    maintenance.turn(at=clock.forward(hours=1))
    here.hear("mine", "a/1")
    router.route(here.routes, at=clock.at)
    here.hear("mine", "b/1")
    router.route(here.routes, at=clock.at)
    behind = Job.objects.latest("id")
    Job.objects.filter(pk=behind.pk).update(lane="toy:a", connection=well, queue="mines")
    Job.objects.update(created_at=clock.at)
    promised = Job.objects.get(pk=behind.pk).due_at

    clock.forward(hours=1)
    assert report_late(here.routes, at=clock.at) == 0
    maintenance.turn(at=clock.forward(hours=1))

    assert Job.objects.get(pk=behind.pk).due_at == promised + timedelta(hours=2)
    assert report_late(here.routes, at=clock.at) == 0


def test_a_step_that_calls_what_is_held_in_passing_waits_and_is_not_late(
    shop: Open, connection: Connection, answers: toys.Answers, clock: Clock, trace: Traced
) -> None:
    other = toys.connect(slug="toy-2")

    def call(work: Any) -> Any:
        return work.http(other, toys.DIALECT).get("/theirs").data

    here = shop(toys.flow("both", call=call, due_minutes=15))
    here.hear("both", "a/1")
    connections.pause(other, trace=trace(), reason="x")
    for _ in range(60):
        here.work()
        clock.forward(minutes=1)
        assert report_late(here.routes, at=clock.at) == 0
    assert answers.seen == []

    connections.resume(other, trace=trace(), reason="y")
    answers.will((200, {}))
    here.work()
    assert here.job().state == JobState.DONE
    assert not Case.objects.exists()


# --- what cannot be announced -------------------------------------------------------------------


@pytest.mark.parametrize(
    "starts, ends, reason, field",
    [
        (-1, 2, "x", "starts"),
        (0, 2, "x", "starts"),
        (24 * 400, 24 * 401, "x", "starts"),
        (3, 2, "x", "ends"),
        (2, 2, "x", "ends"),
        (1, 24 * 15 + 2, "x", "ends"),
        (1, 2, "", "reason"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(
    connection: Connection,
    clock: Clock,
    trace: Traced,
    starts: int,
    ends: int,
    reason: str,
    field: str,
) -> None:
    with pytest.raises(UnableToAnnounce) as refused:
        maintenance.announce(
            connection,
            starts_at=clock.at + timedelta(hours=starts),
            ends_at=clock.at + timedelta(hours=ends),
            reason=reason,
            trace=trace(),
        )

    assert refused.value.field == field
    assert not MaintenanceWindow.objects.exists()


def test_two_of_one_connection_never_overlap(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    for hours, length in ((0.5, 1), (1.5, 0.5), (0.5, 5), (2.9, 3)):
        with pytest.raises(UnableToAnnounce) as refused:
            announce(connection, clock, trace, hours=hours, length=length)
        assert refused.value.field == "starts"

    announce(connection, clock, trace, hours=3)  # right after it
    announce(toys.connect(slug="toy-2"), clock, trace, hours=1)  # another's
    cancel(window, trace)
    announce(connection, clock, trace, hours=1)  # its time is free again
    assert MaintenanceWindow.objects.count() == 4


def test_the_database_refuses_what_the_code_would_let_through(
    connection: Connection, window: MaintenanceWindow, clock: Clock
) -> None:
    made = {"connection": connection, "reason": "x", "made_by": "a", "made_at": clock.at}
    for change in (
        {"starts_at": window.starts_at, "ends_at": window.ends_at},
        {"starts_at": clock.at + timedelta(days=1), "ends_at": clock.at},
        {"starts_at": clock.at - timedelta(days=1), "ends_at": clock.at},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            MaintenanceWindow.objects.create(state="PLANNED", **made, **change)


def test_a_second_press_announces_nothing_new(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    assert announce(connection, clock, trace, hours=1) == window
