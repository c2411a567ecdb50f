"""The home page and the queues. Which cases belong where is in ``queue_members``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from integrator.desk import (
    bulk_choice,
    catalogue,
    columns,
    directory,
    lists,
    play,
    queue_rows,
    queue_tabs,
    queue_words,
    saved_views,
    screens,
)
from integrator.desk import case as case_page
from integrator.desk.auth import DeskRequest, may, needs
from integrator.desk.queue_lines import Line, cases_of, lines_of, sections_of, table_of
from integrator.desk.queue_orders import ORDERS, order_of
from integrator.desk.queue_tabs import Shown
from integrator.engine.case_kinds import ENGINE_KINDS
from integrator.flows import queue_figures, queue_members, tell_view
from integrator.flows.queue_wanted import ROLES, TABS, WHO, Wanted, own_order
from integrator.flows.view_alerts import EVERY_MINUTES
from integrator.models import CaseState
from integrator.roles import Role


@dataclass(frozen=True, slots=True)
class Tried:
    """A form about a view that came back: which one, what was typed, and what is wrong with it."""

    form: str
    name: str
    error: str


@require_safe
@needs("queue.see")
def home(request: DeskRequest) -> HttpResponse:
    """One panel per queue this person works in; for those who only look, every team's figures."""
    held = queue_members.held_by(request.roles)
    shown = [*held, *(role for role in queue_members.visible_to(request.roles) if role not in held)]
    wanted = {role: {tab: Wanted(role, tab, request.user.pk) for tab in TABS} for role in shown}
    request.counted = queue_figures.figures_of(
        [one for tabs in wanted.values() for one in tabs.values()], at=request.at
    )
    panels = []
    for role, tabs in wanted.items():
        figures = {tab: request.counted[one] for tab, one in tabs.items()}
        is_own = role in held
        lines: list[Line] = []
        if is_own and figures["needs"].count:
            page = queue_rows.page_of(tabs["needs"], at=request.at, size=5)
            lines = lines_of(request, page.rows, tabs["needs"], cases_of(request, page.rows))
        panels.append(
            {
                "role": role.lower(),
                "name": str(Role(role).label),
                **figures,
                "overdue_words": f"{figures['needs'].overdue} overdue",
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
    role = role_of(request, role)
    saved_views.remember(request, at=request.at)
    first = saved_views.first_of(saved_views.views_of(request, at=request.at).get(role, []))
    if first is not None and not request.GET:
        return HttpResponseRedirect(first.href)
    return show(request, role, request.GET)


def show(
    request: DeskRequest,
    role: str,
    query: Mapping[str, Any],
    *,
    tried: Tried | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page an address asks for, with a form to correct when ``tried`` is given."""
    user_id = request.user.pk
    wanted = saved_views.wanted_of(query, role=role, user_id=user_id, at=request.at)
    views = saved_views.views_of(request, at=request.at).get(role, [])
    table = table_of(request, wanted)
    usual = screens.shown(request, columns.QUEUE)
    shown = queue_tabs.shown(wanted, views, lists.number(query.get("view", "")), usual=usual)
    tabs = [*queue_tabs.everybodys(role, user_id), *(one.wanted for one in views), wanted]
    request.counted = queue_figures.figures_of(tabs, at=request.at)
    after = query.get("after", "")
    page = queue_rows.page_of(wanted, at=request.at, after=after)
    chosen = lists.number(query.get("case", ""))
    cases = cases_of(request, page.rows, chosen)
    lines = lines_of(request, page.rows, wanted, cases, current=chosen, view=shown.view_id)
    detail: dict[str, Any] | None = None
    played: play.Play | None = None
    if chosen:
        found = cases.get(chosen)
        if found is None:
            raise Http404
        detail = case_page.detail_of(request, found)
        if query.get("play") == "1" and role in queue_members.held_by(request.roles):
            played = play.shown(request, wanted, detail, view=shown.view_id)
    known = directory.current(at=request.at)
    chips = [(label, shown.href(without)) for label, without in queue_words.chips_of(wanted, known)]
    tab_list = queue_tabs.tabs_of(shown, request.counted)
    tab = next((one.label for one in tab_list if one.is_current), "")
    context = {
        "role": role.lower(),
        "role_name": str(Role(role).label),
        "tabs": tab_list,
        "shown": shown,
        "wanted": wanted,
        "table": table,
        "back": shown.href(after=after, case=chosen),
        "hide": columns.NAME,
        "hidden": "" if wanted.hidden is None else columns.write(wanted.hidden),
        "system": wanted.system,
        **_forms(request, role, tried, shown),
        "query": shown.href().partition("?")[2],
        "sections": sections_of(lines, wanted, currency=known.currency),
        "order": order_of(wanted.sorted_by),
        "solved": request.counted[Wanted(role, "solved", user_id)],
        "older": shown.href(after=page.older) if page.older else "",
        "is_first_page": not after,
        "first_page": shown.href(),
        "chips": chips,
        "queue_name": f"{Role(role).label} queue",
        "narrowed": ", ".join([tab, *(label for label, _ in chips)]),
        "fields": _fields(wanted, known),
        "unfiltered": shown.href(_without_filters(wanted)),
        "roles": _roles_for(request),
        "position": _position(lines, chosen),
        "play": played,
        "begin_play": _begin(request, wanted, shown) if lines else "",
        "detail": detail,
        "many": bulk_choice.offer(request, [one.case for one in lines], wanted),
    }
    return render(request, "desk/queue.html", context, status=status)


def _forms(request: DeskRequest, role: str, tried: Tried | None, shown: Shown) -> dict[str, Any]:
    """What the forms about views say."""
    for_team = keeps_for_team(request, role)
    view = shown.own.saved if shown.own is not None else None
    unheard = ""
    if view is not None and (for_team or not view.is_the_teams):
        unheard = tell_view.why_nobody_hears(view)
    return {
        "tried": tried,
        "saves": tried is not None and tried.form in ("save", "save_for_team"),
        "keeps_for_team": for_team,
        "unheard": unheard,
        "counts_every": EVERY_MINUTES,
    }


def _begin(request: DeskRequest, wanted: Wanted, shown: Shown) -> str:
    """Where those who work in this queue go through it case by case."""
    if wanted.role not in queue_members.held_by(request.roles) or wanted.state != CaseState.OPEN:
        return ""
    return play.address(wanted, view=shown.view_id) if may(request, "case.work") else ""


def role_of(request: DeskRequest, asked: str) -> str:
    """The role whose queue is asked for, if this person may look at it."""
    role = asked.upper() or queue_members.visible_to(request.roles)[0]
    if role not in ROLES:
        raise Http404
    if role not in queue_members.visible_to(request.roles):
        raise PermissionDenied(f"This queue is for {Role(role).label}.")
    return role


def keeps_for_team(request: DeskRequest, role: str) -> bool:
    """Whether this person may keep and change the views of this queue's team: one of the team."""
    return role in request.roles and may(request, "team_view.keep")


def require_team(request: DeskRequest, role: str) -> None:
    if not keeps_for_team(request, role):
        raise PermissionDenied(f"Views of this team are for {Role(role).label} to keep.")


def _roles_for(request: DeskRequest) -> list[tuple[str, str]]:
    """The queues this person may look at, when there is more than one."""
    roles = queue_members.visible_to(request.roles)
    return [(role.lower(), str(Role(role).label)) for role in roles] if len(roles) > 1 else []


def _without_filters(wanted: Wanted) -> Wanted:
    return replace(wanted, tab="needs", kind="", cause="", who="", connection_id=0, bulk_id=0)


@dataclass(frozen=True, slots=True)
class Choice:
    """One list of the form that narrows and sorts."""

    name: str
    label: str
    options: list[tuple[str, str]]
    value: str


def _fields(wanted: Wanted, known: directory.Directory) -> list[Choice]:
    kinds = [("", "Every kind"), *_kinds_for(wanted)]
    connections = [(str(one.id), one.name) for one in known.connections.values()]
    fields = [
        Choice("kind", "Kind", kinds, wanted.kind),
        Choice(
            "connection",
            "Connection",
            [("", "Every connection"), *connections],
            str(wanted.connection_id or ""),
        ),
    ]
    if wanted.tab != "mine":
        fields.append(Choice("who", "Taken by", [("", "Any"), *WHO.items()], wanted.who))
    if wanted.tab != "solved":
        orders = [(key, order.label) for key, order in ORDERS.items()]
        order = wanted.order or own_order(wanted.role, wanted.tab)
        fields.append(Choice("order", "Sort by", orders, order))
    return fields


def _kinds_for(wanted: Wanted) -> list[tuple[str, str]]:
    """The kinds this tab can be narrowed to, by name."""
    only = wanted.system.codes if wanted.system is not None else None
    listed = [
        (code, case_page.plain_title(kind))
        for code, kind in catalogue.kinds().items()
        if (code in only if only is not None else _may_reach(wanted.role, code, kind))
        or code == wanted.kind
    ]
    return sorted(listed, key=lambda one: one[1])


def _may_reach(role: str, code: str, kind: Any) -> bool:
    return role in (kind.owner, *kind.ladder) or code in ENGINE_KINDS


def _position(lines: list[Line], chosen: int) -> dict[str, Any]:
    """Where the chosen case stands on this page, and which comes next."""
    ids = [line.id for line in lines]
    if chosen not in ids:
        return {"next": lines[0].href if lines and chosen else ""}
    place = ids.index(chosen)
    following = lines[place + 1].href if place + 1 < len(lines) else ""
    return {"place": place + 1, "of": len(ids), "next": following}
