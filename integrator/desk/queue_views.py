"""Keeping, renaming, changing and deleting views of a queue: one's own, and those of one's team.

Shows nothing itself.
"""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from integrator.desk import (
    columns,
    lists,
    queue,
    queue_address,
    saved_views,
    screens,
    view_writes,
    words,
)
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.view_writes import Seen, UnableToSave
from integrator.flows import tell_view
from integrator.flows.queue_wanted import Wanted
from integrator.models import SavedView

FOR_TEAM = "team"
SETS_WHO_IS_TOLD = ("tell", "change", "give")


@require_POST
@needs("queue.see")
def save(request: DeskRequest, role: str) -> HttpResponse:
    """Keep what is shown under a name, for oneself or for the team."""
    role = queue.role_of(request, role)
    name = words.typed(request.POST.get("name", ""))
    for_team = request.POST.get("for") == FOR_TEAM
    if for_team:
        queue.require_team(request, role)
    wanted = _wanted(request, role)
    try:
        view = view_writes.keep(person=request.user, wanted=wanted, name=name, for_team=for_team)
    except UnableToSave as why:
        form = "save_for_team" if for_team else "save"
        return _again(request, role, queue.Tried(form, name, str(why)))
    messages.success(request, f"Saved as “{view.name}”")
    return HttpResponseRedirect(queue_address.href(wanted, view=view.pk))


@require_POST
@needs("queue.see")
def change(request: DeskRequest, view_id: int) -> HttpResponse:
    """Rename a view, let it show what is on the page, set its alert, give it to the team, open it
    first or not, or delete it.
    """
    mine_or_a_teams = Q(person=request.user) | Q(person__isnull=True)
    view = get_object_or_404(SavedView.objects.filter(mine_or_a_teams), pk=view_id)
    role = queue.role_of(request, view.role)
    do = request.POST.get("do", "")
    if view.is_the_teams or do == "give":
        queue.require_team(request, role)
    wanted = _wanted(request, role)
    try:
        said = _carry_out(request, view, do, wanted)
    except UnableToSave as why:
        typed = request.POST.get("more_than" if do == "tell" else "name", "")
        return _again(request, role, queue.Tried(do, words.typed(typed), str(why)))
    request.session.pop(saved_views.KEPT, None)
    messages.success(request, said)
    if do in SETS_WHO_IS_TOLD:
        _warn_if_unheard(request, view)
    if do == "delete":
        return HttpResponseRedirect(queue_address.href(Wanted(role, "needs", request.user.pk)))
    return HttpResponseRedirect(queue_address.href(wanted, view=view.pk))


def _carry_out(request: DeskRequest, view: SavedView, do: str, wanted: Wanted) -> str:
    """Do it, and say so."""
    seen = Seen(view.pk, lists.number(request.POST.get("version", "")))
    person, role, at = request.user, wanted.role, request.at
    match do:
        case "rename":
            name = words.typed(request.POST.get("name", ""))
            view = view_writes.rename(seen, person=person, role=role, name=name)
            return f"It is called “{view.name}” now"
        case "change":
            view = view_writes.change(seen, person=person, wanted=wanted, at=at)
            return f"“{view.name}” shows this from now on"
        case "first" | "not_first" if not view.is_the_teams:
            yes = do == "first"
            view_writes.open_first(seen, person=person, role=role, yes=yes)
            opens = f"“{view.name}”" if yes else "“Needs us”"
            return f"This queue opens with {opens}"
        case "give" if not view.is_the_teams:
            view = view_writes.give(seen, person=person, role=role, at=at)
            return f"“{view.name}” is a view of the whole team now"
        case "tell" | "tell_nobody":
            return _tell(request, seen, role, ends=do == "tell_nobody")
        case "delete":
            view = view_writes.delete(seen, person=person, role=role)
            return f"“{view.name}” was deleted"
    raise Http404


def _tell(request: DeskRequest, seen: Seen, role: str, *, ends: bool) -> str:
    more_than = None if ends else view_writes.number_of(request.POST.get("more_than", ""))
    view = view_writes.tell(
        seen, person=request.user, role=role, more_than=more_than, at=request.at
    )
    if more_than is None:
        return f"“{view.name}” tells nobody any more"
    who = "your team" if view.is_the_teams else "you"
    return f"“{view.name}” tells {who} when it rises above {more_than:,}"


def _warn_if_unheard(request: DeskRequest, view: SavedView) -> None:
    """An alert that reaches nobody is set all the same: the team may be about to choose."""
    view.refresh_from_db()
    if view.more_than is not None and (why := tell_view.why_nobody_hears(view)):
        messages.warning(request, why)


def _wanted(request: DeskRequest, role: str) -> Wanted:
    query = queue_address.parsed(request.POST.get("query", "")[:2000])
    wanted = saved_views.wanted_of(query, role=role, user_id=request.user.pk, at=request.at)
    # A view keeps the columns that are shown, also those the person usually has.
    hidden = screens.shown(request, columns.QUEUE, instead=wanted.hidden).hidden
    return replace(wanted, hidden=tuple(columns.QUEUE.hideable(hidden)))


def _again(request: DeskRequest, role: str, tried: queue.Tried) -> HttpResponse:
    """The page it came from, with what was typed and what is wrong with it."""
    query = queue_address.parsed(request.POST.get("query", "")[:2000])
    return queue.show(request, role, query, tried=tried, status=422)
