"""The state of a connection: who moves it, and what happens to the work that waits for it."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from integrator.engine import cases, holds
from integrator.engine.claims import PROBE_EVERY
from integrator.engine.states import Raced, Trace, UnableToMove, move
from integrator.models import Connection, ConnectionState, MaintenanceState, MaintenanceWindow

DEGRADED_AFTER_FAILURES = 5


def failed(connection: Connection, *, trace: Trace, error: str) -> None:
    """The platform did not answer. After five in a row only one call at a time goes there.

    While degraded, ``open_until`` is when the next one may try; every failure moves it on.
    """
    Connection.objects.filter(pk=connection.pk).update(
        failures=F("failures") + 1, open_until=trace.at + PROBE_EVERY
    )
    connection.refresh_from_db(fields=["failures", "state"])
    if (
        connection.state == ConnectionState.ACTIVE
        and connection.failures >= DEGRADED_AFTER_FAILURES
    ):
        _move(connection, ConnectionState.DEGRADED, reason=error, trace=trace)


def answered(connection: Connection, *, trace: Trace) -> None:
    """The platform answered: failures count from zero again, a degraded one is active again."""
    if connection.failures == 0 and connection.state == ConnectionState.ACTIVE:
        return
    Connection.objects.filter(pk=connection.pk).update(failures=0, open_until=None)
    if connection.state == ConnectionState.DEGRADED:
        _move(connection, ConnectionState.ACTIVE, reason="it answers again", trace=trace)


def refused_credentials(connection: Connection, *, trace: Trace, error: str) -> None:
    """The platform does not accept our key: everything for it is held until the owner mends it."""
    connection.refresh_from_db(fields=["state"])
    if connection.state in (ConnectionState.ACTIVE, ConnectionState.DEGRADED):
        _move(connection, ConnectionState.NEEDS_CREDENTIALS, reason=error, trace=trace)
    cases.open_case(
        cases.CREDENTIALS_REFUSED,
        cases.About("connection", connection.pk, connection_id=connection.pk),
        trace=trace,
        facts={"platform": connection.name, "error": error},
    )


def pause(connection: Connection, *, trace: Trace, reason: str) -> None:
    """Stop all calls to a platform. Its work is held, in order; nothing is dropped.

    What was to start again by itself waits for a person from now on. UnableToMove when it does so
    already.
    """
    with transaction.atomic():
        if connection.state == ConnectionState.PAUSED and not _holding(connection):
            raise UnableToMove(f"{connection.slug} is paused already")
        held_since = connection.state_since if connection.holds_work else None
        if not _move(connection, ConnectionState.PAUSED, reason=reason, trace=trace):
            return
        _let_go(connection, reason="Paused by a person, who will switch it on", trace=trace)
        if held_since is not None:
            holds.stop_clock(connection=connection, since=held_since, at=trace.at)


def resume(connection: Connection, *, trace: Trace, reason: str) -> None:
    """Start again. The time it was held does not count against the promises."""
    held_since = connection.state_since
    with transaction.atomic():
        if not _move(connection, ConnectionState.ACTIVE, reason=reason, trace=trace):
            return
        _let_go(connection, reason="Ended early: it was switched on", trace=trace)
        Connection.objects.filter(pk=connection.pk).update(failures=0, open_until=None)
        holds.stop_clock(connection=connection, since=held_since, at=trace.at)
        cases.close_by_fact(
            trace=trace,
            reason="The connection is active again",
            kinds=[cases.CREDENTIALS_REFUSED],
            record_kind="connection",
            record_id=connection.pk,
        )


def _holding(connection: Connection) -> list[MaintenanceWindow]:
    """The window that holds it, under the connection's lock; none when a person does."""
    Connection.objects.select_for_update(no_key=True).values_list("pk").get(pk=connection.pk)
    begun = connection.windows.filter(state=MaintenanceState.BEGUN)
    return list(begun)


def _let_go(connection: Connection, *, reason: str, trace: Trace) -> None:
    """A person decided: the window that held it must not start it, nor end a second time."""
    for window in _holding(connection):
        move(window, "state", MaintenanceState.OVER, reason=reason, trace=trace)


def _move(connection: Connection, state: str, *, reason: str, trace: Trace) -> bool:
    try:
        move(
            connection,
            "state",
            state,
            reason=reason,
            trace=trace,
            state_reason=reason[:300],
            state_since=trace.at,
            version=connection.version + 1,
        )
    except Raced:
        connection.refresh_from_db()  # another worker said the same, or a person said otherwise
        return False
    return True
