"""Ninety days of a connection, day by day: how it was, what sweeps found, how long unseen.

Everything is counted from facts that are kept anyway. Reads only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection as database
from django.db.models import Count, Min
from django.db.models.functions import TruncDate

from integrator.desk import periods, words
from integrator.desk.periods import Period
from integrator.engine.incidents import Incident, Phase
from integrator.models import Connection, ConnectionState, Message, Transition

DAYS = 90
# How a day is called by its worst, the worst first: the name of its filling, height, symbol, words.
KINDS: Mapping[str, tuple[float, str, str]] = {
    "bad": (1.0, "bad", "Key refused"),
    "wait": (0.8, "wait", "No reliable answer"),
    "pause": (0.6, "pause", "Paused by a person"),
    "plan": (0.4, "idle", "Planned maintenance"),
    "fine": (0.15, "ok", "Nothing happened"),
    "unknown": (0.15, "doubt", "Not known"),
}
_OF_STATE = {
    ConnectionState.NEEDS_CREDENTIALS: "bad",
    ConnectionState.DEGRADED: "wait",
    ConnectionState.PAUSED: "pause",
}


@dataclass(frozen=True, slots=True)
class Day:
    """One day: its worst, for how long it was not as it should be, and what sweeps found."""

    day: date
    kind: str
    symbol: str
    says: str
    lasted: str
    incidents: int
    missed: int
    unseen: int | None  # minutes since a look had seen everything, at most

    @property
    def is_known(self) -> bool:
        return self.kind != "unknown"

    @property
    def unseen_words(self) -> str:
        return "" if self.unseen is None else words.lasted(timedelta(minutes=self.unseen))


def period(at: datetime) -> Period:
    last = periods.today(at)
    return Period(last - timedelta(days=DAYS - 1), last, periods.zone())


def kind_of(phase: Phase) -> str:
    return "plan" if phase.is_planned else _OF_STATE[ConnectionState(phase.state)]


def worst(phases: Sequence[Phase]) -> str:
    kinds = {kind_of(one) for one in phases}
    return next(kind for kind in KINDS if kind in kinds or kind == "fine")


def days_of(
    found: Sequence[Incident],
    missed: Mapping[date, int],
    unseen: Mapping[date, int],
    shown: Period,
    *,
    known_from: date | None,
    at: datetime,
) -> list[Day]:
    """Every day of the period, the oldest first. Nothing is known before ``known_from``."""
    rows = []
    for day in shown.days:
        one = shown.of_day(day)
        until = min(one.end, at)
        touching = [incident for incident in found if incident.touches(one.start, one.end)]
        phases = [
            phase
            for incident in touching
            for phase in incident.phases
            if phase.within(one.start, until) or one.start <= phase.since < one.end
        ]
        is_known = known_from is not None and day >= known_from
        kind = worst(phases) if phases or is_known else "unknown"
        _, symbol, says = KINDS[kind]
        lasted = sum((phase.within(one.start, until) for phase in phases), timedelta())
        rows.append(
            Day(
                day=day,
                kind=kind,
                symbol=symbol,
                says=says,
                lasted=words.lasted(lasted) if phases else "",
                incidents=len(touching),
                missed=missed.get(day, 0),
                unseen=unseen.get(day),
            )
        )
    return rows


def known_from(connection: Connection, unseen: Mapping[date, int], shown: Period) -> date | None:
    """The first day of which something was kept: a look that saw everything, or a change of its
    state.
    """
    facts = Transition.objects.filter(
        record_kind=Connection.RECORD_KIND, record_id=connection.pk, field="state"
    )
    first = facts.aggregate(at=Min("at"))["at"]
    days = [*unseen, *([first.astimezone(shown.zone).date()] if first is not None else [])]
    return min(days, default=None)


def missed_per_day(connection: Connection, shown: Period) -> dict[date, int]:
    """How many records a sweep found of which no callback had told."""
    rows = Message.objects.filter(
        shown.holds("received_at"),
        connection=connection,
        origin=Message.Origin.SWEEP,
        kind="missed",
    )
    by_day = rows.annotate(day=TruncDate("received_at", tzinfo=shown.zone)).order_by()
    return dict(by_day.values_list("day").annotate(Count("id")))


def unseen_per_day(connection: Connection, shown: Period, *, at: datetime) -> dict[date, int]:
    """The longest time of each day, in minutes, since a look had seen everything.

    It is what the business may have been behind, whatever the single steps said. A day without a
    look has what the last one before left; days before the first look are not known.
    """
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT (finished_at AT TIME ZONE %(zone)s)::date,
                   max(finished_at - before), max(finished_at)
              FROM (SELECT finished_at, lag(finished_at) OVER (ORDER BY finished_at) AS before
                      FROM integrator_job
                     WHERE record_kind = 'connection' AND record_id = %(connection)s
                       AND flow LIKE 'sweep%%' AND state = 'DONE' AND finished_at >= %(start)s
                       AND evidence ->> 'unreadable' = '0') looks
             GROUP BY 1""",
            {
                "zone": shown.zone.key,
                "connection": connection.pk,
                "start": shown.start - timedelta(days=1),
            },
        )
        looks = {day: (gap, last) for day, gap, last in cursor.fetchall()}
    found: dict[date, int] = {}
    last: datetime | None = looks.get(shown.first - timedelta(days=1), (None, None))[1]
    for day in shown.days:
        gap, newest = looks.get(day, (None, None))
        last = newest or last
        if last is not None:
            since = max(gap or timedelta(), min(shown.of_day(day).end, at) - last)
            found[day] = math.ceil(since / timedelta(minutes=1))
    return found


def seen(connection: Connection, found: Sequence[Incident], *, after: timedelta) -> set[int]:
    """Which incidents a look was finished in, or so soon after them. One statement."""
    over = [(one.id, one.since, one.until + after) for one in found if one.until is not None]
    if not over:
        return set()
    ids, starts, ends = (list(column) for column in zip(*over, strict=True))
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT i.id
              FROM integrator_job j
              JOIN unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
                   AS i (id, began, ended)
                ON j.finished_at >= i.began AND j.finished_at < i.ended
             WHERE j.record_kind = 'connection' AND j.record_id = %s
               AND j.flow LIKE 'sweep%%' AND j.state = 'DONE'
               AND j.evidence ->> 'unreadable' IS NOT NULL -- it looked, and did not stand aside
               AND j.finished_at >= %s AND j.finished_at < %s""",
            [ids, starts, ends, connection.pk, min(starts), max(ends)],
        )
        return {row[0] for row in cursor.fetchall()}


_LONGEST_WAIT_DAYS = 7  # then a step is set aside for a person (engine.router)


def waited(connection: Connection, found: Sequence[Incident]) -> dict[int, int]:
    """How many steps were waiting when an incident ended, by its number. One statement."""
    over = [(one.id, one.since, one.until) for one in found if one.until is not None]
    if not over:
        return {}
    ids, starts, ends = (list(column) for column in zip(*over, strict=True))
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT i.id, (SELECT count(*) FROM integrator_job j
                           WHERE j.connection_id = %s AND j.queue = %s
                             AND j.created_at <= i.ended
                             AND j.created_at >= i.began - make_interval(days => %s)
                             AND j.state <> 'PARKED'
                             AND (j.finished_at IS NULL OR j.finished_at > i.ended))
              FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
                   AS i (id, began, ended)""",
            [connection.pk, connection.platform, _LONGEST_WAIT_DAYS, ids, starts, ends],
        )
        return dict(cursor.fetchall())
