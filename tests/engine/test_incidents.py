"""Incidents: read from the facts of a connection's state, with no book of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from integrator.engine import connections, incidents, maintenance
from integrator.engine.states import Trace
from integrator.models import Connection, IncidentNote, Transition
from tests.engine.conftest import Clock

Traced = Callable[[], Trace]


def told(connection: Connection, start: datetime) -> list[list[str]]:
    found = incidents.since(connection, start=start)
    return [[phase.state for phase in one.phases] for one in found]


@pytest.fixture
def three(connection: Connection, clock: Clock, trace: Traced) -> datetime:
    """No answer, then a refused key, mended; a pause; and a key that is refused now."""
    for _ in range(5):
        connections.failed(connection, trace=trace(), error="no answer")
    clock.forward(hours=1)
    connections.refused_credentials(Connection.objects.get(), trace=trace(), error="401")
    clock.forward(hours=2)
    connections.resume(Connection.objects.get(), trace=trace(), reason="New key")
    clock.forward(days=1)
    connections.pause(Connection.objects.get(), trace=trace(), reason="Stock-taking")
    clock.forward(hours=4)
    connections.resume(Connection.objects.get(), trace=trace(), reason="Counted")
    clock.forward(days=1)
    connections.refused_credentials(Connection.objects.get(), trace=trace(), error="403")
    return clock.forward(minutes=30)


def test_each_goes_from_the_first_fact_away_to_the_fact_back(
    connection: Connection, three: datetime, clock: Clock
) -> None:
    last, pause, first = incidents.since(connection, start=three - timedelta(days=90))

    assert [phase.state for phase in first.phases] == ["DEGRADED", "NEEDS_CREDENTIALS"]
    assert first.until is not None
    assert first.until - first.since == timedelta(hours=3)
    assert [phase.reason for phase in first.phases] == ["no answer", "401"]
    assert pause.phases[0].actor == "omar"
    assert pause.ended_by == ("Counted", "omar")
    assert last.until is None


def test_what_began_before_and_lasted_into_these_days_counts_from_its_beginning(
    connection: Connection, three: datetime
) -> None:
    [last] = incidents.since(connection, start=three - timedelta(minutes=10))
    assert last.since == three - timedelta(minutes=30)

    within = three - timedelta(days=1, hours=2, minutes=30)  # in the middle of the pause
    assert told(connection, within) == [["NEEDS_CREDENTIALS"], ["PAUSED"]]


def test_one_that_never_failed_has_none(connection: Connection, clock: Clock) -> None:
    assert incidents.since(connection, start=clock.at - timedelta(days=90)) == []


def test_held_time_is_what_was_held_and_not_what_did_not_answer(
    connection: Connection, three: datetime
) -> None:
    found = incidents.since(connection, start=three - timedelta(days=90))

    held = incidents.held_for(found, start=three - timedelta(days=90), at=three)
    assert held == timedelta(hours=2 + 4, minutes=30)
    late = three - timedelta(minutes=10)
    assert incidents.held_for(found, start=late, at=three) == timedelta(minutes=10)


def test_a_window_is_told_apart_from_a_person(
    connection: Connection, clock: Clock, trace: Traced
) -> None:
    starts = clock.at + timedelta(hours=1)
    maintenance.announce(
        connection,
        starts_at=starts,
        ends_at=starts + timedelta(hours=1),
        reason="Release",
        trace=trace(),
    )
    maintenance.turn(at=clock.forward(hours=1))
    connections.pause(Connection.objects.get(), trace=trace(), reason="Planned maintenance, mine")

    [one] = incidents.since(connection, start=clock.at)
    assert [phase.is_planned for phase in one.phases] == [True, False]


def test_a_note_is_about_an_incident_and_stays(connection: Connection, three: datetime) -> None:
    first = incidents.since(connection, start=three - timedelta(days=90))[-1]
    note = IncidentNote.objects.create(
        fact_id=first.id, text="Their key had run out", actor="user:ada", at=three
    )
    back = Transition.objects.filter(new="ACTIVE").first()

    for change in (
        lambda: IncidentNote.objects.update(text="Nothing happened"),
        lambda: note.delete(),
        lambda: IncidentNote.objects.create(fact=back, text="x", actor="user:ada", at=three),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert IncidentNote.objects.get().text == "Their key had run out"
