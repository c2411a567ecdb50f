"""What stands above every page while a connection is stopped, and before it is planned to be.

Each team reads in its own words what waits; nothing here is red that nobody can mend.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from integrator import policy
from integrator.desk import directory, words
from integrator.desk.directory import Hold, Known
from integrator.engine import clock
from integrator.flows.tell_teams import WAITS, team_words
from integrator.models import ConnectionState, Job
from integrator.models.states import JOB_OPEN

ANNOUNCED_BEFORE = timedelta(hours=24)
_STOPPED = (
    ConnectionState.PAUSED,
    ConnectionState.NEEDS_CREDENTIALS,
    ConnectionState.DEGRADED,
)


@dataclass(frozen=True, slots=True)
class Banner:
    """One connection. ``waits`` counts the steps behind ``href``."""

    id: int
    symbol: str
    title: str
    text: str
    team: str
    waits: int = 0
    href: str = ""


def banners(request: HttpRequest) -> list[Banner]:
    """What this person should know before reading on. One statement, and only if one is stopped."""
    roles = getattr(request, "roles", None)
    if not roles or not roles & policy.VERBS["connection.see"]:
        return []
    at = getattr(request, "at", None) or clock.now()
    known = list(directory.current(at=at).connections.values())
    stopped = [one for one in known if one.state in _STOPPED]
    counts = _waiting([one.id for one in stopped]) if stopped else {}
    return [_stopped(one, roles, counts.get(one.id, 0), at) for one in stopped] + [
        _announced(one, one.hold, at)
        for one in known
        if one.hold is not None
        and not one.hold.is_on
        and one.hold.starts_at <= at + ANNOUNCED_BEFORE
    ]


def _waiting(ids: list[int]) -> dict[int, int]:
    rows = Job.objects.filter(connection_id__in=ids, state__in=JOB_OPEN).order_by()
    return dict(rows.values_list("connection_id").annotate(Count("id")))


def _stopped(one: Known, roles: frozenset[str], waits: int, at: datetime) -> Banner:
    symbol, title = title_of(one, at=at)
    team = [team_words(role, one.platform) for role in WAITS if role in roles]
    return Banner(
        id=one.id,
        symbol=symbol,
        title=title,
        text=one.reason,
        team=" ".join(dict.fromkeys(said for said in team if said)),
        waits=waits,
        href=f"{reverse('steps')}?show=waiting&connection={one.id}",
    )


def title_of(one: Known, *, at: datetime) -> tuple[str, str]:
    """How a stopped connection is, since when, and when it goes on."""
    since = words.moment_text(one.since, at=at) if one.since else ""
    if one.state == ConnectionState.NEEDS_CREDENTIALS:
        return "bad", f"{one.name} does not accept our key since {since}"
    if one.state == ConnectionState.DEGRADED:
        return "wait", f"{one.name} does not answer reliably since {since}: one call at a time"
    if one.hold is None or not one.hold.is_on:
        return "pause", f"{one.name} is paused since {since}, until somebody switches it on"
    ends = words.start_text(one.hold.ends_at, at=at)
    how = "paused" if one.hold.is_by_hand else "down as planned"
    return "pause", f"{one.name} is {how} until {ends}, and starts again by itself"


def _announced(one: Known, hold: Hold, at: datetime) -> Banner:
    return Banner(
        one.id, "idle", f"{one.name} will be down {span_text(hold, at=at)}", hold.reason, ""
    )


def span_text(hold: Any, *, at: datetime) -> str:
    """From when to when, the day once where both are of one day."""
    starts = words.start_text(hold.starts_at, at=at)
    same = words.day_of(hold.starts_at) == words.day_of(hold.ends_at)
    ends = words.clock_time(hold.ends_at) if same else words.start_text(hold.ends_at, at=at)
    return f"from {starts} to {ends}"
