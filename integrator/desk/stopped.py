"""What stands above every page while a connection is stopped, and before it is planned to be.

Each team reads in its own words what waits; nothing here is red that nobody can mend.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from integrator import policy
from integrator.desk import directory, words
from integrator.desk.directory import Hold, Known
from integrator.engine import clock
from integrator.engine.maintenance import PLANNED
from integrator.flows.tell_teams import WAITS, team_words
from integrator.models import ConnectionState

ANNOUNCED_BEFORE = timedelta(hours=24)
_STOPPED = (
    ConnectionState.PAUSED,
    ConnectionState.NEEDS_CREDENTIALS,
    ConnectionState.DEGRADED,
)


@dataclass(frozen=True, slots=True)
class Banner:
    """One connection. ``waits`` is how many steps were behind ``href`` at ``counted``."""

    id: int
    symbol: str
    title: str
    text: str
    team: str
    waits: int = 0
    counted: str = ""
    href: str = ""


def banners(request: HttpRequest) -> list[Banner]:
    """What this person should know before reading on. No statement of its own."""
    roles = getattr(request, "roles", None)
    if not roles or not roles & policy.VERBS["connection.see"]:
        return []
    at = getattr(request, "at", None) or clock.now()
    here = directory.current(at=at)
    known = list(here.connections.values())
    counted = words.clock_time(here.read_at or at)
    stopped = [one for one in known if one.state in _STOPPED]
    return [_stopped(one, roles, counted, at) for one in stopped] + [
        _announced(one, one.hold, at)
        for one in known
        if one.hold is not None
        and not one.hold.is_on
        and one.hold.starts_at <= at + ANNOUNCED_BEFORE
    ]


def _stopped(one: Known, roles: frozenset[str], counted: str, at: datetime) -> Banner:
    symbol, title = title_of(one, at=at)
    team = [team_words(role, one.platform) for role in WAITS if role in roles]
    return Banner(
        id=one.id,
        symbol=symbol,
        title=title,
        text=one.reason.removeprefix(f"{PLANNED}: "),
        team=" ".join(dict.fromkeys(said for said in team if said)),
        waits=one.waits,
        counted=counted,
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
