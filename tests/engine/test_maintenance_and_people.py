"""What people do during maintenance comes first; and a pause by hand that has an end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrator.engine import connections, holds, maintenance, router
from integrator.engine.connections import UnableToMove
from integrator.engine.maintenance import UnableToAnnounce, UnableToCancel
from integrator.models import (
    Connection,
    ConnectionState,
    Job,
    MaintenanceState,
    MaintenanceWindow,
    Transition,
)
from tests.engine import toys
from tests.engine.conftest import Clock
from tests.engine.windows import Open, Traced, announce, cancel, stands, state, told


@pytest.fixture
def window(connection: Connection, clock: Clock, trace: Traced) -> MaintenanceWindow:
    """Announced for one o'clock from now, two hours long."""
    return announce(connection, clock, trace, hours=1)


# --- people come first --------------------------------------------------------------------------


def test_what_a_person_paused_meanwhile_is_not_started_by_its_end(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    maintenance.turn(at=clock.forward(hours=1))
    connections.pause(Connection.objects.get(), trace=trace(), reason="It looks wrong to me")
    maintenance.turn(at=clock.forward(hours=5))

    assert (state(connection), stands(window)) == ("PAUSED", "OVER")
    assert told() == [("PAUSED", "clock"), ("PAUSED", "omar")]
    with pytest.raises(UnableToMove):  # a second press
        connections.pause(Connection.objects.get(), trace=trace(), reason="It looks wrong to me")


def test_paused_anew_its_time_counts_once(
    shop: Open, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    router.route(here.routes, at=clock.at)
    Job.objects.update(created_at=clock.at)
    promised = here.job().due_at
    maintenance.turn(at=clock.forward(hours=1))
    clock.forward(hours=1)
    connections.pause(Connection.objects.get(), trace=trace(), reason="Longer")
    clock.forward(hours=3)
    connections.resume(Connection.objects.get(), trace=trace(), reason="Done")

    assert here.job().due_at == promised + timedelta(hours=4)


def test_switching_on_ends_it_early_and_for_good(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    maintenance.turn(at=clock.forward(hours=1))
    connections.resume(Connection.objects.get(), trace=trace(), reason="They are back")
    assert (state(connection), stands(window)) == ("ACTIVE", "OVER")

    maintenance.turn(at=clock.forward(minutes=1))
    assert state(connection) == ConnectionState.ACTIVE
    maintenance.turn(at=clock.forward(hours=2))
    assert len(told()) == 2


def test_what_was_held_before_it_stays_as_it_is(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    connections.refused_credentials(connection, trace=trace(), error="401")
    maintenance.turn(at=clock.forward(hours=1))
    assert stands(window) == MaintenanceState.OVER
    maintenance.turn(at=clock.forward(hours=2))

    assert state(connection) == ConnectionState.NEEDS_CREDENTIALS


def test_one_that_nobody_was_there_for_is_over_and_stops_nothing(
    connection: Connection, window: MaintenanceWindow, clock: Clock
) -> None:
    maintenance.turn(at=clock.forward(hours=3))

    assert (state(connection), stands(window)) == ("ACTIVE", "OVER")
    assert told() == []


def test_cancelled_it_never_begins_and_begun_it_cannot_be_cancelled(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    cancel(window, trace)
    with pytest.raises(UnableToCancel):
        cancel(window, trace)
    kept = Transition.objects.get(record_kind="maintenance", new="CANCELLED")
    assert (kept.actor, kept.reason) == ("omar", "They stay where they are")
    maintenance.turn(at=clock.forward(hours=1))
    assert state(connection) == ConnectionState.ACTIVE

    begun = announce(connection, clock, trace, hours=1)
    maintenance.turn(at=clock.forward(hours=1))
    with pytest.raises(UnableToCancel):
        cancel(begun, trace)


# --- paused by a person, with an end ------------------------------------------------------------


def test_a_pause_with_an_end_starts_again_by_itself(
    connection: Connection, clock: Clock, trace: Traced
) -> None:
    ends = clock.at + timedelta(hours=3)
    made = maintenance.pause_until(connection, ends_at=ends, reason="Lunch", trace=trace())
    assert (state(connection), stands(made), made.is_by_hand) == ("PAUSED", "BEGUN", True)
    with pytest.raises(UnableToMove):
        maintenance.pause_until(connection, ends_at=ends, reason="Lunch", trace=trace())

    maintenance.turn(at=clock.forward(hours=3))

    assert (state(connection), stands(made)) == ("ACTIVE", "OVER")
    assert told() == [("PAUSED", "omar"), ("ACTIVE", "clock")]


def test_a_pause_may_not_reach_into_what_is_planned(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    for hours, field in ((2, "ends"), (0, "ends")):
        with pytest.raises(UnableToAnnounce) as refused:
            maintenance.pause_until(
                connection,
                ends_at=clock.at + timedelta(hours=hours),
                reason="Lunch",
                trace=trace(),
            )
        assert refused.value.field == field
    assert state(connection) == ConnectionState.ACTIVE
    assert told() == []


def test_a_key_that_is_refused_is_not_switched_on_by_a_clock(
    connection: Connection, clock: Clock, trace: Traced
) -> None:
    connections.refused_credentials(connection, trace=trace(), error="401")
    with pytest.raises(UnableToMove):
        maintenance.pause_until(
            Connection.objects.get(),
            ends_at=clock.at + timedelta(hours=1),
            reason="Later",
            trace=trace(),
        )


def test_a_planned_one_during_an_outage_ends_the_outage_too(
    shop: Open, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    for _ in range(5):
        connections.failed(Connection.objects.get(), trace=trace(), error="no answer")
    assert state(window.connection) == ConnectionState.DEGRADED
    maintenance.turn(at=clock.forward(hours=1))
    maintenance.turn(at=clock.forward(hours=2))

    now = Connection.objects.get()
    assert (now.state, now.failures) == (ConnectionState.ACTIVE, 0)


def test_held_ahead_is_only_what_has_not_run(shop: Open, clock: Clock, trace: Traced) -> None:
    """What is done holds nobody behind it: its clock goes on."""
    here = shop(toys.NOTE, toys.PAY)
    here.hear("note", "a/1")
    here.work()
    here.hear("pay", "b/1")
    router.route(here.routes, at=clock.at)
    other = toys.connect(slug="toy-2")
    Job.objects.filter(flow="pay").update(lane="toy:a", connection=other, created_at=clock.at)
    promised = here.job(flow="pay").due_at
    connections.pause(here.connection, trace=trace(), reason="x")

    holds.stop_clock(connection=here.connection, since=clock.at, at=clock.forward(hours=1))

    assert here.job(flow="pay").due_at == promised


def test_a_call_that_fails_after_it_began_changes_nothing_about_the_connection(
    connection: Connection, window: MaintenanceWindow, clock: Clock, trace: Traced
) -> None:
    """It was under way at that moment; five of them are no outage of their own."""
    before = Connection.objects.get()
    maintenance.turn(at=clock.forward(hours=1))
    for _ in range(5):
        connections.failed(before, trace=trace(), error="no answer")

    assert (state(connection), stands(window)) == ("PAUSED", "BEGUN")
    assert len(told()) == 1
