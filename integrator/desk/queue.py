"""The home page and the queues. Which cases belong where is in ``queue_rows``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator.desk import case as case_page
from integrator.desk import catalogue, directory, lists, queue_rows, words
from integrator.desk.auth import DeskRequest, needs
from integrator.engine.case_kinds import ENGINE_KINDS
from integrator.models import Case
from integrator.roles import Role

SECTIONS = ("Overdue", "Due today", "Later")
RECORD_WORDS = {
    "return": "return",
    "return_item": "returned unit",
    "order": "order",
    "refund": "refund",
    "job": "step",
    "connection": "connection",
    "message": "message",
    "reconciliation": "difference",
}
TAB_NAMES = {"needs": "Needs us", "mine": "Mine", "snoozed": "Snoozed", "solved": "Solved"}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a queue as it is shown."""

    id: int
    href: str
    symbol: str
    title: str
    money_minor: int
    currency: str
    right: str
    tile: catalogue.Tile | None
    sub: str
    due: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Tab:
    key: str
    label: str
    href: str
    count: str
    overdue: int
    is_current: bool


@require_safe
@needs("queue.see")
def home(request: DeskRequest) -> HttpResponse:
    """One panel per queue this person works in; for those who only look, every team's figures."""
    held = queue_rows.held_by(request.roles)
    shown = [*held, *(role for role in queue_rows.visible_to(request.roles) if role not in held)]
    wanted = [queue_rows.Wanted(role, "needs", request.user.pk) for role in shown]
    found = queue_rows.counts_of(wanted, at=request.at)
    request.counted = dict(zip(wanted, found, strict=True))
    counts = dict(zip(shown, found, strict=True))
    panels = []
    for one in wanted:
        is_own = one.role in held
        lines: list[Line] = []
        if is_own and counts[one.role].needs:
            page = queue_rows.page_of(one, at=request.at, size=5)
            lines = _lines(request, page.rows, one, current=0)
        panels.append(
            {
                "role": one.role.lower(),
                "name": str(Role(one.role).label),
                "counts": counts[one.role],
                "overdue_words": f"{counts[one.role].overdue} overdue",
                "is_own": is_own,
                "lines": lines,
            }
        )
    known = directory.current(at=request.at)
    context = {
        "own": [panel for panel in panels if panel["is_own"]],
        "others": [panel for panel in panels if not panel["is_own"]],
        "late": [one for one in known.connections.values() if not one.is_fine],
        "name": request.user.first_name or request.user.get_username(),
    }
    return render(request, "desk/home.html", context)


@require_safe
@needs("queue.see")
def queue(request: DeskRequest, role: str = "") -> HttpResponse:
    """A team's queue: list on the left, the chosen case on the right."""
    wanted = _wanted(request, _role_of(request, role))
    counts = queue_rows.counts_of([wanted], at=request.at)[0]
    request.counted = {wanted: counts}
    page = queue_rows.page_of(wanted, at=request.at, after=request.GET.get("after", ""))
    chosen = lists.number(request.GET.get("case", ""))
    lines = _lines(request, page.rows, wanted, current=chosen)
    detail: dict[str, Any] | None = None
    if chosen:
        found = case_page.find(chosen)
        if found is None:
            raise Http404
        detail = case_page.detail_of(request, found)
    context = {
        "role": wanted.role.lower(),
        "role_name": str(Role(wanted.role).label),
        "tabs": _tabs(wanted, counts),
        "tab": wanted.tab,
        "sections": _sections(lines, page.rows, wanted),
        "counts": counts,
        "older": _href(wanted, after=page.older) if page.older else "",
        "is_first_page": not request.GET.get("after"),
        "first_page": _href(wanted),
        "kind": catalogue.kinds().get(wanted.kind),
        "kind_title": case_page.plain_title(catalogue.kinds()[wanted.kind]) if wanted.kind else "",
        "kinds": _kinds_for(wanted.role),
        "wanted": wanted,
        "without_kind": _href(wanted, kind="", cause=""),
        "roles": _roles_for(request),
        "position": _position(lines, chosen),
        "detail": detail,
    }
    return render(request, "desk/queue.html", context)


def _role_of(request: DeskRequest, asked: str) -> str:
    role = asked.upper() or queue_rows.visible_to(request.roles)[0]
    if role not in queue_rows.ROLES:
        raise Http404
    if role not in queue_rows.visible_to(request.roles):
        raise PermissionDenied(f"This queue is for {Role(role).label}.")
    return role


def _roles_for(request: DeskRequest) -> list[tuple[str, str]]:
    """The queues this person may look at, when there is more than one."""
    roles = queue_rows.visible_to(request.roles)
    return [(role.lower(), str(Role(role).label)) for role in roles] if len(roles) > 1 else []


def _kinds_for(role: str) -> list[tuple[str, str]]:
    """The kinds a role's queue can be narrowed to, by name."""
    listed = [
        (code, case_page.plain_title(kind))
        for code, kind in catalogue.kinds().items()
        if role in (kind.owner, *kind.ladder) or code in ENGINE_KINDS
    ]
    return sorted(listed, key=lambda one: one[1])


def _wanted(request: DeskRequest, role: str) -> queue_rows.Wanted:
    tab = request.GET.get("tab", "needs")
    kind = request.GET.get("kind", "")
    return queue_rows.Wanted(
        role=role,
        tab=tab if tab in queue_rows.TABS else "needs",
        user_id=request.user.pk,
        kind=kind if kind in catalogue.kinds() else "",
        cause=words.typed(request.GET.get("cause", ""))[:200],
    )


def _href(wanted: queue_rows.Wanted, **changes: Any) -> str:
    values = {"tab": wanted.tab, "kind": wanted.kind, "cause": wanted.cause, **changes}
    if values["tab"] == "needs":
        del values["tab"]
    query = urlencode({key: value for key, value in values.items() if value})
    path = reverse("queue", args=[wanted.role.lower()])
    return f"{path}?{query}" if query else path


def _lines(
    request: DeskRequest, rows: list[queue_rows.Row], wanted: queue_rows.Wanted, *, current: int
) -> list[Line]:
    cases = (
        Case.objects.select_related("assignee").in_bulk([row.id for row in rows]) if rows else {}
    )
    known = directory.current(at=request.at)
    return [
        _line(row, cases[row.id], wanted, known, at=request.at, current=current)
        for row in rows
        if row.id in cases
    ]


def _line(
    row: queue_rows.Row,
    case: Case,
    wanted: queue_rows.Wanted,
    known: directory.Directory,
    *,
    at: datetime,
    current: int,
) -> Line:
    due = words.due_of(row.due_at, at=at)
    symbol, text = due.symbol, due.short
    if wanted.tab == "solved":
        symbol, text = "ok", f"solved {words.moment_text(row.sort_at, at=at)}"
    elif wanted.tab == "snoozed":
        symbol, text = "pause", case_page.snoozed_words(case, at=at)
    right = ""
    if row.currencies > 1:
        right = f"{row.currencies} currencies"
    elif not row.money_minor and row.customers_waiting:
        right = words.plural(row.customers_waiting, "customer")
    return Line(
        id=row.id,
        href=_href(wanted, case=row.id),
        symbol=symbol,
        title=catalogue.said_of(case).title,
        money_minor=0 if row.currencies > 1 else row.money_minor,
        currency=row.currency,
        right=right,
        tile=known.tile(case.connection_id) if case.connection_id else None,
        sub=_sub(row, case, wanted),
        due=text,
        is_current=row.id == current,
    )


def _sub(row: queue_rows.Row, case: Case, wanted: queue_rows.Wanted) -> str:
    parts = []
    if row.members > 1:
        parts.append(words.plural(row.members, RECORD_WORDS.get(case.record_kind, "record")))
    else:
        parts.append(f"C-{case.pk}")
    if case.facts.get("order") and row.members == 1:
        parts.append(f"order {case.facts['order']}")
    if case.seen > 1 and row.members == 1:
        parts.append(f"seen {case.seen} times")
    if case.regressions:
        parts.append("came back")
    if wanted.tab == "solved":
        parts.append(str(Case.Resolution(case.resolution).label).lower())
    elif case.assignee is not None:
        parts.append(case.assignee.first_name or case.assignee.get_username())
    return ", ".join(parts)


def _sections(
    lines: list[Line], rows: list[queue_rows.Row], wanted: queue_rows.Wanted
) -> list[Section]:
    titles = ("Newest first",) if wanted.tab == "solved" else SECTIONS
    by_id = {line.id: line for line in lines}
    sections = []
    for number, title in enumerate(titles):
        inside = [by_id[row.id] for row in rows if row.section == number and row.id in by_id]
        if inside:
            sections.append(Section(title, inside))
    return sections


def _tabs(wanted: queue_rows.Wanted, counts: queue_rows.Counts) -> list[Tab]:
    tabs = []
    for key in queue_rows.TABS:
        count = getattr(counts, key)
        capped = key == "solved" and count >= queue_rows.CAP
        tabs.append(
            Tab(
                key=key,
                label=TAB_NAMES[key],
                href=_href(wanted, tab=key),
                count=f"{count:,}+" if capped else f"{count:,}",
                overdue=counts.overdue if key == "needs" else 0,
                is_current=key == wanted.tab,
            )
        )
    return tabs


def _position(lines: list[Line], chosen: int) -> dict[str, Any]:
    """Where the chosen case stands on this page, and which comes next."""
    ids = [line.id for line in lines]
    if chosen not in ids:
        return {"next": lines[0].href if lines and chosen else ""}
    place = ids.index(chosen)
    following = lines[place + 1].href if place + 1 < len(lines) else ""
    return {"place": place + 1, "of": len(ids), "next": following}
