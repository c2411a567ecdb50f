"""Times in which a connection is held, and starts again by itself: announced, begun, ended.

The hold itself is the connection's pause (``engine.connections``). A window that has BEGUN is what
holds it; whatever a person does to the connection meanwhile ends the window, never the other way.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from integrator.engine import connections
from integrator.engine.states import Trace, UnableToMove, born, move
from integrator.models import Connection, ConnectionState, MaintenanceState, MaintenanceWindow
from integrator.models.states import MAINTENANCE_OPEN

LONGEST = timedelta(days=14)
LATEST = timedelta(days=366)
PLANNED = "Planned maintenance"  # how the reason begins of a pause that a window brought about


class UnableToAnnounce(Exception):
    """A window that cannot be. ``field`` names what to change: starts, ends or reason."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.text = text


class UnableToCancel(Exception):
    """It has begun, or is over already."""


def announce(
    connection: Connection, *, starts_at: datetime, ends_at: datetime, reason: str, trace: Trace
) -> MaintenanceWindow:
    """Say that a platform will be down. A second press is no second window."""
    if starts_at <= trace.at:
        raise UnableToAnnounce("starts", "Starts: choose a moment that is still to come")
    if starts_at > trace.at + LATEST:
        raise UnableToAnnounce("starts", "Starts: choose a moment within a year")
    _check(starts_at, ends_at, reason)
    with transaction.atomic():
        _locked(connection)
        for same in _overlapping(connection, starts_at, ends_at):
            if (same.starts_at, same.ends_at, same.reason) == (starts_at, ends_at, reason):
                return same
        return _make(connection, MaintenanceState.PLANNED, starts_at, ends_at, reason, trace)


def pause_until(
    connection: Connection, *, ends_at: datetime, reason: str, trace: Trace
) -> MaintenanceWindow:
    """Pause it now, until it starts again by itself.

    UnableToMove when a person paused it already, or its key would not be accepted afterwards.
    """
    if ends_at <= trace.at:
        raise UnableToAnnounce("ends", "Start again at: choose a moment that is still to come")
    _check(trace.at, ends_at, reason)
    with transaction.atomic():
        now = _locked(connection)
        if now.state != connection.state or now.state == ConnectionState.NEEDS_CREDENTIALS:
            raise UnableToMove("somebody has switched it already, or its key is not accepted")
        connections.pause(now, trace=trace, reason=reason)  # what held it until now is over
        return _make(now, MaintenanceState.BEGUN, trace.at, ends_at, reason, trace)


def _check(starts_at: datetime, ends_at: datetime, reason: str) -> None:
    if ends_at <= starts_at:
        raise UnableToAnnounce("ends", "Ends: choose a moment after the start")
    if ends_at > starts_at + LONGEST:
        raise UnableToAnnounce("ends", f"Ends: choose at most {LONGEST.days} days")
    if not reason:
        raise UnableToAnnounce("reason", "Reason: say it in one sentence")


def _make(
    connection: Connection,
    state: MaintenanceState,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    trace: Trace,
) -> MaintenanceWindow:
    """The constraint of the database is what refuses an overlap; two people may be at it."""
    try:
        with transaction.atomic():
            made = MaintenanceWindow.objects.create(
                connection=connection,
                starts_at=starts_at,
                ends_at=ends_at,
                reason=reason,
                state=state,
                made_by=trace.actor,
                made_at=trace.at,
            )
    except IntegrityError as error:
        if "maintenance_one_at_a_time" not in str(error):
            raise
        by_hand = state == MaintenanceState.BEGUN
        raise UnableToAnnounce(
            "ends" if by_hand else "starts",
            "Start again at: a planned maintenance begins before. Choose an earlier moment, or none"
            if by_hand
            else "Starts: another maintenance is planned or going on in this time. Cancel it first",
        ) from error
    born(made, "state", reason=reason, trace=trace)
    return made


def cancel(window: MaintenanceWindow, *, reason: str, trace: Trace) -> None:
    """Take it back before it begins. UnableToCancel when it has begun or is over."""
    with transaction.atomic():
        now = MaintenanceWindow.objects.select_for_update(no_key=True).get(pk=window.pk)
        if now.state != MaintenanceState.PLANNED:
            raise UnableToCancel("It has begun, or is over already")
        move(now, "state", MaintenanceState.CANCELLED, reason=reason, trace=trace)


def turn(*, at: datetime) -> int:
    """Begin and end what is due. Returns how many. Any number of clocks may ask at once."""
    due = MaintenanceWindow.objects.filter(
        Q(state=MaintenanceState.BEGUN, ends_at__lte=at)
        | Q(state=MaintenanceState.PLANNED, starts_at__lte=at)
    )
    windows = list(due.order_by("starts_at", "id"))
    # Those that end first: the next one of the same connection may begin as they do.
    return sum(
        _once(window, state, act, at)
        for state, act in ((MaintenanceState.BEGUN, _end), (MaintenanceState.PLANNED, _begin))
        for window in windows
        if window.state == state
    )


Act = Callable[[MaintenanceWindow, Connection, Trace], None]


def _once(window: MaintenanceWindow, state: str, act: Act, at: datetime) -> bool:
    """All of it or nothing, under the connection's lock; nothing when another clock was faster."""
    with transaction.atomic():
        connection = _locked(window.connection)
        now = MaintenanceWindow.objects.get(pk=window.pk)
        if now.state != state:
            return False
        act(now, connection, Trace(at=at, actor="clock"))
    return True


def _begin(window: MaintenanceWindow, connection: Connection, trace: Trace) -> None:
    if window.ends_at <= trace.at:
        reason = "Its time passed while no worker was there"
        move(window, "state", MaintenanceState.OVER, reason=reason, trace=trace)
    elif connection.holds_work:
        reason = "It was held already, by a person or for its key: that stays as it is"
        move(window, "state", MaintenanceState.OVER, reason=reason, trace=trace)
    else:
        reason = f"{PLANNED}: {window.reason}"
        connections.pause(connection, trace=trace, reason=reason)
        move(window, "state", MaintenanceState.BEGUN, reason="Its time has come", trace=trace)


def _end(window: MaintenanceWindow, connection: Connection, trace: Trace) -> None:
    move(window, "state", MaintenanceState.OVER, reason="Its time is over", trace=trace)
    connections.resume(connection, trace=trace, reason=f"Ended as planned: {window.reason}")


def _overlapping(
    connection: Connection, starts_at: datetime, ends_at: datetime
) -> list[MaintenanceWindow]:
    return list(open_windows().filter(connection=connection, starts_at__lt=ends_at))


def open_windows() -> QuerySet[MaintenanceWindow]:
    """What is planned or going on, the next first."""
    return MaintenanceWindow.objects.filter(state__in=MAINTENANCE_OPEN).order_by("starts_at", "id")


def _locked(connection: Connection) -> Connection:
    """The connection's row first, always: so no two of these wait for each other."""
    rows = Connection.objects.select_for_update(no_key=True).defer("secrets")
    return rows.get(pk=connection.pk)
