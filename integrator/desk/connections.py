"""How far each connection is behind the business, what is held, and its switch. Not for set-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib import messages
from django.db.models import Count, Max
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrator.desk import connection_tries, directory, effects, words
from integrator.desk.auth import DeskRequest, may, needs, trace_of
from integrator.desk.catalogue import Tile
from integrator.engine import connections as switch
from integrator.engine.flow import LOCAL
from integrator.engine.lag import Lag, all_lags
from integrator.engine.states import UnableToMove
from integrator.flows import alert, tell_receiver
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

BEAT_STALE_AFTER = timedelta(minutes=2)
CALLBACK_DAYS = 30
STREAM_WORDS = {"order": "Orders", "rma": "Returns", "stock": "Stock"}


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
    rates: list[RateWindow]
    last_callback: str
    cases: int
    holds: bool
    is_open: bool
    effects: list[effects.Effect]
    flowing: str
    calls: tuple[str, str]
    trial: connection_tries.Trial


class _About(NamedTuple):
    """What is known of the connections' business, by connection."""

    waiting: Mapping[int, Counter[str]]
    owed: Mapping[int, list[tuple[int, str]]]
    trials: Mapping[int, connection_tries.Trial]


@require_safe
@needs("connection.see")
def connections(request: DeskRequest) -> HttpResponse:
    """Every connection and stream, the one furthest behind first."""
    at = request.at
    known = directory.current(at=at)
    found = list(
        Connection.objects.order_by("id").defer("secrets").prefetch_related("cursors", "rates")
    )
    cursors = {(c.pk, cursor.stream): cursor for c in found for cursor in c.cursors.all()}
    lags = all_lags(at=at, cursors=cursors.values())
    by_id = {one.pk: one for one in found}
    streams = sorted(
        (_stream(lag, by_id[lag.connection_id], cursors, known, at=at) for lag in lags),
        key=lambda one: one.sort,
        reverse=True,
    )
    opened = request.GET.get("switch", "")
    by_flow, calls, cases = effects.open_steps(), _callbacks(at), _cases()
    work, waiting = effects.totals(by_flow), effects.waiting(by_flow)
    about = _About(waiting, effects.owed(), connection_tries.trials(found, at=at))
    context = {
        "streams": streams,
        "panels": [
            _panel(one, lags, known, work, calls, cases, about, opened=opened, at=at)
            for one in found
        ],
        "beats": _beats(at=at),
        "worst": streams[0] if streams and streams[0].symbol != "ok" else None,
        "totals": {
            "waiting": sum(row.waiting for row in work.values()),
            "in_doubt": sum(row.in_doubt for row in work.values()),
            "stopped": sum(row.stopped for row in work.values()),
            "missed": sum(one.missed for one in streams),
        },
        "may_change": may(request, "connection.change"),
        "may_try": may(request, "connection.try"),
    }
    return render(request, "desk/connections.html", context)


@require_POST
@needs("connection.change")
def change(request: DeskRequest, connection_id: int) -> HttpResponse:
    """Pause a connection, or start it again. The reason is kept with the change."""
    connection = get_object_or_404(Connection.objects.defer("secrets"), pk=connection_id)
    reason = words.typed(request.POST.get("reason", ""))
    back = reverse("connections")
    verb = request.POST.get("to", "")
    if not reason:
        messages.error(request, "Reason: say it in one sentence")
        return HttpResponseRedirect(f"{back}?switch={connection.pk}#c-{connection.pk}")
    try:
        if verb == "pause":
            switch.pause(connection, trace=trace_of(request), reason=reason)
            said = f"{connection.name} is paused. Its work is held, in order."
        else:
            switch.resume(connection, trace=trace_of(request), reason=reason)
            said = f"{connection.name} is on again. Held work starts, oldest first."
    except UnableToMove:
        messages.warning(request, "Somebody has switched it already")
        return HttpResponseRedirect(back)
    directory.forget()
    messages.success(request, said)
    return HttpResponseRedirect(back)


def _stream(
    lag: Lag,
    connection: Connection,
    cursors: dict[tuple[int, str], Cursor],
    known: directory.Directory,
    *,
    at: datetime,
) -> Stream:
    cursor = cursors[lag.connection_id, lag.stream]
    symbol, state = "ok", "in time"
    if connection.holds_work:
        symbol, state = "pause", "held"
    elif lag.age is None:
        symbol, state = "doubt", "not read yet"
    elif lag.is_behind and connection.state == ConnectionState.ACTIVE:
        symbol, state = "wait", "answers, but behind"
    elif lag.is_behind:
        symbol, state = "wait", "behind"
    # Sorted by how much of its own budget a stream has used; never read counts as worst.
    used = timedelta.max if lag.age is None else lag.age / max(lag.budget.total_seconds(), 1)
    return Stream(
        tile=known.tile(lag.connection_id),
        connection=connection.name,
        name=STREAM_WORDS.get(lag.stream, lag.stream.replace("-", " ").capitalize()),
        age="" if lag.age is None else words.span(lag.age),
        budget=words.span(lag.budget),
        symbol=symbol,
        state=state,
        missed=cursor.missed_total,
        swept=words.ago_text(cursor.swept_at, at=at),
        sort=used,
    )


def _panel(
    connection: Connection,
    lags: list[Lag],
    known: directory.Directory,
    work: Mapping[int, effects.Total],
    calls: dict[int, datetime],
    cases: dict[int, int],
    about: _About,
    *,
    opened: str,
    at: datetime,
) -> Panel:
    counts = about.waiting.get(connection.pk, Counter())
    mine = [lag for lag in lags if lag.connection_id == connection.pk]
    symbol, state = _state(connection, mine)
    row = work.get(connection.pk, effects.Total())
    called = calls.get(connection.pk)
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
        rates=sorted(
            (one for one in connection.rates.all() if one.resets_at > at),
            key=lambda one: (one.remaining / max(one.limit, 1), one.scope),
        ),
        last_callback=words.ago_text(called, at=at) if called else "none in 30 days",
        cases=cases.get(connection.pk, 0),
        holds=connection.holds_work,
        is_open=opened == str(connection.pk),
        effects=effects.effects_of(connection, counts, about.owed.get(connection.pk, [])),
        flowing=effects.flowing(connection, counts),
        calls=_calls(connection, at=at),
        trial=about.trials[connection.pk],
    )


def _calls(connection: Connection, *, at: datetime) -> tuple[str, str]:
    """Whether calls go there, and what holds them back."""
    if connection.holds_work:
        return "none", "until it is switched on"
    if connection.state != ConnectionState.DEGRADED:
        return "as they come", ""
    failed = words.plural(connection.failures, "call") + " in a row got no answer"
    if connection.open_until is None or connection.open_until <= at:
        return "one at a time", f"{failed}; the next goes now"
    return "one at a time", f"{failed}; the next goes at {_to_the_second(connection.open_until)}"


def _to_the_second(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%H:%M:%S")


def _state(connection: Connection, lags: list[Lag]) -> tuple[str, str]:
    match connection.state:
        case ConnectionState.PAUSED:
            return "pause", "Paused by a person"
        case ConnectionState.NEEDS_CREDENTIALS:
            return "bad", "Does not accept our key"
        case ConnectionState.DEGRADED:
            return "wait", "Does not answer reliably"
    if any(lag.is_behind for lag in lags):
        return "wait", "Answers, but is behind"
    return "ok", "In time"


def _callbacks(at: datetime) -> dict[int, datetime]:
    """When each connection last called us, looking back a month at most."""
    rows = (
        Message.objects.filter(
            origin=Message.Origin.CALLBACK, received_at__gte=at - timedelta(days=CALLBACK_DAYS)
        )
        .values("connection_id")
        .annotate(last=Max("received_at"))
    )
    return {row["connection_id"]: row["last"] for row in rows}


def _cases() -> dict[int, int]:
    rows = (
        Case.objects.filter(connection__isnull=False)
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
}


def _beats(*, at: datetime) -> list[tuple[str, str, bool]]:
    """What is worked on, in words, and when each worker last said so."""
    names = _OWN_QUEUES | {key: platform.name for key, platform in PLATFORMS.items()}
    return [
        (
            names.get(beat.name, beat.name),
            words.ago_text(beat.at, at=at),
            at - beat.at > BEAT_STALE_AFTER,
        )
        for beat in Heartbeat.workers.order_by("name")
    ]
