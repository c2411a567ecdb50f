"""The frame around every page: navigation with counts, freshness, theme and key hints."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from integrator import policy
from integrator.desk import directory, saved_views, screens, words
from integrator.engine import clock
from integrator.flows import queue_figures, queue_members
from integrator.flows.queue_wanted import Wanted
from integrator.models import ConnectionState
from integrator.roles import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation. ``status`` is a symbol with words when it needs attention."""

    href: str
    label: str
    icon: str
    is_current: bool
    count: int | None = None
    status: tuple[str, str] | None = None
    go: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the navigation: who may open it, and the letter that leads there after "go"."""

    verb: str
    name: str
    label: str
    icon: str
    go: str

    @property
    def href(self) -> str:
        return reverse(self.name)


PLACES = (
    Place("queue.see", "home", "Today", "today", "t"),
    Place("queue.see", "own_queue", "Queue", "queue", "q"),
    Place("order.see", "orders", "Orders", "order", "o"),
    Place("order.see", "returns", "Returns", "return", "r"),
    Place("order.see", "monitors", "Still owed", "file", "w"),
    Place("disposition.record", "off_sale", "Off sale", "stock", "s"),
    Place("figures.see", "figures", "Figures", "chart", "f"),
    Place("mapping.see", "mappings", "Mappings", "map", "m"),
    Place("connection.see", "connections", "Connections", "pulse", "c"),
    Place("people.see", "people", "People", "people", "p"),
    Place("audit.see", "audit", "Audit", "lock", "a"),
    Place("configuration.change", "admin:index", "Set-up", "tune", "u"),
)
# Pages whose way back leads to an entry though their address does not begin with its own.
_BELOW = {"orders": r"/customers/", "off_sale": r"/skus/", "connections": r"/(cases|steps)/$"}


@dataclass(frozen=True, slots=True)
class Fresh:
    letters: str
    name: str
    text: str
    is_late: bool


def side_of(request: HttpRequest) -> dict[str, Any]:
    """Everything the side bar shows to this person. Nothing it lists leads to a refusal."""
    at = getattr(request, "at", None) or clock.now()
    roles = getattr(request, "roles", None)
    if roles is None:
        roles = policy.roles_of(request.user)
    known = directory.current(at=at)
    stopped = [one for one in known.connections.values() if not one.is_fine]
    late = [one for one in stopped if one.state != ConnectionState.PAUSED]
    name = name_of(request)
    return {
        "retailer": known.retailer,
        "entries": _entries(request, roles, len(late), is_paused=len(stopped) > len(late)),
        "fresh": [_fresh(one) for one in known.connections.values()],
        "late": [_late_words(one) for one in stopped[:2]],
        "is_compact": screens.choice_of(request).is_compact,
        "here": screens.here(request),
        "face": name[:1].upper(),
        "name": name,
        "role_names": ", ".join(str(Role(role).label) for role in Role.values if role in roles),
    }


def name_of(request: HttpRequest) -> str:
    """What the person who asks is called here."""
    full_name = request.user.get_full_name() if request.user.is_authenticated else ""
    return full_name or request.user.get_username()


def _queues(request: HttpRequest, roles: frozenset[str]) -> list[Entry]:
    """The person's own queues, each with the number of the tab it opens with."""
    held = queue_members.held_by(roles)
    owner = getattr(request, "case_owner", "")
    if not held and roles & policy.VERBS["queue.see"]:
        here = request.path.startswith(("/queue/", "/many/")) or bool(owner)
        return [Entry(reverse("own_queue"), "Queues", "queue", here)]
    at = getattr(request, "at", None) or clock.now()
    opened = [saved_views.opened_with(request, role, at=at) for role in held]
    counted: dict[Wanted, queue_figures.Figure] = dict(getattr(request, "counted", {}))
    counted |= queue_figures.figures_of([one for one in opened if one not in counted], at=at)
    several = len(held) > 1
    of_case = queue_members.nearest(owner, held) if owner else ""
    entries = []
    for one in opened:
        href = reverse("queue", args=[one.role.lower()])
        label = str(Role(one.role).label) if several else "Queue"
        here = request.path == href or (request.path == "/queue/" and not several)
        here = here or one.role == of_case or (request.path.startswith("/many/") and not several)
        entries.append(Entry(href, label, "queue", here, counted[one].count))
    return entries


def places_of(roles: frozenset[str]) -> list[Place]:
    """The pages of the navigation that these roles may open."""
    return [one for one in PLACES if roles & policy.VERBS[one.verb]]


def _entries(
    request: HttpRequest, roles: frozenset[str], late: int, *, is_paused: bool
) -> list[Entry]:
    entries: list[Entry] = []
    for one in places_of(roles):
        if one.name == "own_queue":
            first, *others = _queues(request, roles)
            entries += [replace(first, go=one.go), *others]
            continue
        here = request.path == one.href or (one.href != "/" and request.path.startswith(one.href))
        here = here or bool(re.match(_BELOW.get(one.name, "$"), request.path))
        status = _flow(late, is_paused=is_paused) if one.name == "connections" else None
        entries.append(Entry(one.href, one.label, one.icon, here, None, status, one.go))
    return entries


def _flow(late: int, *, is_paused: bool) -> tuple[str, str] | None:
    """What the connections need, in a word or two: one that is held on purpose is not late."""
    if late:
        return "wait", f"{late} late"
    return ("pause", "paused") if is_paused else None


def _fresh(one: directory.Known) -> Fresh:
    if one.state == ConnectionState.PAUSED:
        return Fresh(one.tile.letters, one.name, "paused", is_late=False)
    text = "not yet read"
    if one.age is not None:
        text = words.span(one.age) if one.age >= words.MINUTE else "just now"
    return Fresh(one.tile.letters, one.name, text, not one.is_fine)


def _late_words(one: directory.Known) -> tuple[str, str]:
    if one.state == ConnectionState.PAUSED:
        if one.hold is not None and one.hold.is_on:
            return "pause", f"{one.name} is paused until {words.clock_time(one.hold.ends_at)}"
        return "pause", f"{one.name} is paused"
    if one.state == ConnectionState.NEEDS_CREDENTIALS:
        return "bad", f"{one.name} needs a new key"
    if one.state == ConnectionState.DEGRADED:
        return "wait", f"{one.name} does not answer"
    if one.age is None:
        return "wait", f"{one.name} was not read yet"
    return "wait", f"{one.name} is behind by {words.span(one.age)}"
