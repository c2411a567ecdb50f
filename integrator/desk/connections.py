"""How far each connection is behind the business, and what is held. Switching is its own page's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Max
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrator.desk import connection_tries, directory, effects, words
from integrator.desk.auth import DeskRequest, may, needs
from integrator.desk.catalogue import Tile
from integrator.engine.flow import LOCAL
from integrator.engine.lag import Lag, all_lags
from integrator.engine.watch import SILENT_AFTER
from integrator.flows import alert, tell_receiver, try_connection
from integrator.models import (
    Case,
    CaseState,
    Connection,
    ConnectionState,
    Cursor,
    Heartbeat,
    Message,
    RateWindow,
)
from integrator.platforms import PLATFORMS

CALLBACK_DAYS = 30
NOT_READ = "not read now"
STREAM_WORDS = {"order": "Orders", "rma": "Returns"}


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream against its budget. Green jobs do not make it in time."""

    tile: Tile
    connection: str
    name: str
    age: str
    budget: str
    symbol: str
    state: str
    missed: int
    swept: str
    sort: timedelta


@dataclass(frozen=True, slots=True)
class Panel:
    """One connection with everything a person may want to know before switching it."""

    connection: Connection
    tile: Tile
    symbol: str
    state: str
    reason: str
    waiting: int
    in_doubt: int
    stopped: int
    oldest: str
    rates: list[tuple[RateWindow, datetime]]
    last_callback: str
    cases: int
    holds: bool
    hold: directory.Hold | None
    until: str
    effects: list[effects.Effect]
    flowing: str
    calls: tuple[str, str]
    trial: connection_tries.Trial
    is_read: bool


class _About(NamedTuple):
    """What is known of the connections' business, by connection."""

    waiting: Mapping[int, Counter[str]]
    owed: Mapping[int, list[tuple[int, str]]]
    trials: Mapping[int, connection_tries.Trial]
    totals: Mapping[int, effects.Total]
    calls: Mapping[int, datetime]
    cases: Mapping[int, int]
    is_read: bool


@require_safe
@needs("connection.see")
def connections(request: DeskRequest) -> HttpResponse:
    """Every connection and stream, the one furthest behind first."""
    at = request.at
    found = read()
    beats = list(Heartbeat.workers.order_by("name"))
    silent = silence(max((one.at for one in beats), default=None), at=at)
    streams = streams_of(found, is_read=not silent, at=at)
    panels = panels_of(found, is_read=not silent, at=at)
    context = {
        "streams": streams,
        "panels": panels,
        "beats": _told(beats, at=at),
        "silence": silent,
        "worst": streams[0] if streams and streams[0].symbol not in ("ok", "idle") else None,
        "totals": {
            "waiting": sum(one.waiting for one in panels),
            "in_doubt": sum(one.in_doubt for one in panels),
            "stopped": sum(one.stopped for one in panels),
            "missed": sum(one.missed for one in streams),
        },
        "may_change": may(request, "connection.change"),
        "may_try": may(request, "connection.try"),
    }
    return render(request, "desk/connections.html", context)


def read(**which: Any) -> list[Connection]:
    """Connections with their streams and the calls they have left; all, or some of them."""
    rows = Connection.objects.filter(**which).order_by("id").defer("secrets")
    return list(rows.prefetch_related("cursors", "rates"))


def _lags(found: Sequence[Connection], *, at: datetime) -> list[Lag]:
    return all_lags(at=at, cursors=[cursor for one in found for cursor in one.cursors.all()])


def streams_of(
    found: Sequence[Connection], *, is_read: bool, at: datetime, lags: list[Lag] | None = None
) -> list[Stream]:
    """The streams of these connections, the one furthest behind first.

    ``is_read``: whether a worker is alive that reads them.
    """
    known = directory.current(at=at)
    by_id = {one.pk: one for one in found}
    cursors = {(one.pk, cursor.stream): cursor for one in found for cursor in one.cursors.all()}
    return sorted(
        (
            _stream(lag, by_id[lag.connection_id], cursors, known, is_read=is_read, at=at)
            for lag in (_lags(found, at=at) if lags is None else lags)
        ),
        key=lambda one: one.sort,
        reverse=True,
    )


def panels_of(
    found: Sequence[Connection], *, is_read: bool, at: datetime, lags: list[Lag] | None = None
) -> list[Panel]:
    """What is said of each of these connections today."""
    ids = [one.pk for one in found]
    by_flow = effects.open_steps(ids)
    waiting = effects.waiting(by_flow)
    owed = effects.owed() if any(counts["refunds"] for counts in waiting.values()) else {}
    about = _About(
        waiting=waiting,
        owed=owed,
        trials=connection_tries.trials(list(found), at=at),
        totals=effects.totals(by_flow),
        calls=_callbacks(ids, at),
        cases=_cases(ids),
        is_read=is_read,
    )
    known = directory.current(at=at)
    behind = _lags(found, at=at) if lags is None else lags
    return [_panel(one, behind, known, about, at=at) for one in found]


def _stream(
    lag: Lag,
    connection: Connection,
    cursors: dict[tuple[int, str], Cursor],
    known: directory.Directory,
    *,
    is_read: bool,
    at: datetime,
) -> Stream:
    cursor = cursors[lag.connection_id, lag.stream]
    symbol, state = "ok", "in time"
    if connection.holds_work:
        symbol, state = "pause", "held"
    elif lag.age is None:
        symbol, state = "doubt", "not read yet"
    elif lag.is_behind and not is_read:
        symbol, state = "wait", f"behind, {NOT_READ}"
    elif lag.is_behind and connection.state == ConnectionState.ACTIVE:
        symbol, state = "wait", "answers, but behind"
    elif lag.is_behind:
        symbol, state = "wait", "behind"
    elif not is_read:
        symbol, state = "idle", NOT_READ
    # Sorted by how much of its own budget a stream has used; never read counts as worst.
    used = timedelta.max if lag.age is None else lag.age / max(lag.budget.total_seconds(), 1)
    return Stream(
        tile=known.tile(lag.connection_id),
        connection=connection.name,
        name=STREAM_WORDS.get(lag.stream, lag.stream.replace("-", " ").capitalize()),
        age=_age(lag),
        budget=words.span(lag.budget),
        symbol=symbol,
        state=state,
        missed=cursor.missed_total,
        swept=words.ago_text(cursor.swept_at, at=at),
        sort=used,
    )


def _rates(connection: Connection, *, at: datetime) -> list[tuple[RateWindow, datetime]]:
    """The calls that are left, the scarcest first, and when they renew: to the minute, rounded up,
    as a platform tells how many whole seconds are left.
    """
    now = (one for one in connection.rates.all() if one.resets_at > at)
    found = sorted(now, key=lambda one: (one.remaining / max(one.limit, 1), one.scope))
    return [(one, words.up_to_minute(one.resets_at)) for one in found]


def _age(lag: Lag) -> str:
    if lag.age is None:
        return ""
    told = words.lasted(lag.age)
    # Late by seconds it would read "15 min of 15 min allowed".
    return f"over {told}" if lag.is_behind and told == words.span(lag.budget) else told


def _panel(
    connection: Connection,
    lags: list[Lag],
    known: directory.Directory,
    about: _About,
    *,
    at: datetime,
) -> Panel:
    counts = about.waiting.get(connection.pk, Counter())
    mine = [lag for lag in lags if lag.connection_id == connection.pk]
    here = known.connections.get(connection.pk)
    hold = here.hold if here is not None else None
    symbol, state = state_of(connection, mine, hold, is_read=about.is_read)
    row = about.totals.get(connection.pk, effects.Total())
    called = about.calls.get(connection.pk)
    return Panel(
        connection=connection,
        tile=known.tile(connection.pk),
        symbol=symbol,
        state=state,
        reason=connection.state_reason,
        waiting=row.waiting,
        in_doubt=row.in_doubt,
        stopped=row.stopped,
        oldest=words.ago_text(row.oldest, at=at) if row.oldest else "",
        rates=_rates(connection, at=at),
        last_callback=words.ago_text(called, at=at) if called else "none in 30 days",
        cases=about.cases.get(connection.pk, 0),
        holds=connection.holds_work,
        effects=effects.effects_of(connection, counts, about.owed.get(connection.pk, [])),
        flowing=effects.flowing(connection, counts) if about.is_read else "",
        calls=_calls(connection, hold, is_read=about.is_read, at=at),
        trial=about.trials[connection.pk],
        hold=hold,
        until=_until(hold, at=at),
        is_read=about.is_read,
    )


def _until(hold: directory.Hold | None, *, at: datetime) -> str:
    """When a hold that goes on ends by itself; empty when a person must end it."""
    return words.start_text(hold.ends_at, at=at) if hold is not None and hold.is_on else ""


def _calls(
    connection: Connection, hold: directory.Hold | None, *, is_read: bool, at: datetime
) -> tuple[str, str]:
    """Whether calls go there, and what holds them back."""
    if connection.holds_work:
        ends = _until(hold, at=at)
        return "none", f"until {ends}" if ends else "until it is switched on"
    if not is_read:
        return "none", "until a worker runs"
    if connection.state != ConnectionState.DEGRADED:
        return "at once", ""
    failed = words.plural(connection.failures, "call") + " in a row got no answer"
    if connection.open_until is None or connection.open_until <= at:
        return "one at a time", f"{failed}; the next goes now"
    return "one at a time", f"{failed}; the next goes at {_to_the_second(connection.open_until)}"


def _to_the_second(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%H:%M:%S")


def state_of(
    connection: Connection, lags: Sequence[Lag], hold: directory.Hold | None, *, is_read: bool
) -> tuple[str, str]:
    match connection.state:
        case ConnectionState.PAUSED:
            if hold is not None and hold.is_on and not hold.is_by_hand:
                return "pause", "Down as planned"
            return "pause", "Paused by a person"
        case ConnectionState.NEEDS_CREDENTIALS:
            return "bad", "Does not accept our key"
        case ConnectionState.DEGRADED:
            return "wait", "Does not answer reliably"
    if any(lag.is_behind for lag in lags):
        return "wait", "Answers, but is behind" if is_read else f"Behind, {NOT_READ}"
    return ("ok", "In time") if is_read else ("idle", NOT_READ.capitalize())


def _callbacks(ids: Sequence[int], at: datetime) -> dict[int, datetime]:
    """When each connection last called us, looking back a month at most."""
    rows = (
        Message.objects.filter(
            connection_id__in=ids,
            origin=Message.Origin.CALLBACK,
            received_at__gte=at - timedelta(days=CALLBACK_DAYS),
        )
        .values("connection_id")
        .annotate(last=Max("received_at"))
    )
    return {row["connection_id"]: row["last"] for row in rows}


def _cases(ids: Sequence[int]) -> dict[int, int]:
    rows = (
        Case.objects.filter(connection_id__in=ids)
        .exclude(state=CaseState.SOLVED)
        .values("connection_id")
        .annotate(open=Count("id"))
    )
    return {row["connection_id"]: row["open"] for row in rows}


# Queues that are no connection's.
_OWN_QUEUES = {
    LOCAL: "Our own records",
    alert.QUEUE: "E-mail",
    tell_receiver.QUEUE: "Alerts to other systems",
    try_connection.QUEUE: "Tests of connections",
}


def silence(newest: datetime | None, *, at: datetime) -> str:
    """That no worker is alive, by its newest sign of life, in words; empty while one is."""
    if newest is None:
        return "No worker is known to have run"
    if at - newest <= SILENT_AFTER:
        return ""
    return f"No worker has given a sign of life for {words.span(at - newest)}"


def _told(beats: Sequence[Heartbeat], *, at: datetime) -> list[tuple[str, str, bool]]:
    """What is worked on, in words, and when each worker last said so."""
    names = _OWN_QUEUES | {key: platform.name for key, platform in PLATFORMS.items()}
    return [
        (
            names.get(beat.name, beat.name),
            words.ago_text(beat.at, at=at),
            at - beat.at > SILENT_AFTER,
        )
        for beat in beats
    ]
