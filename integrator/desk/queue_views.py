"""Keeping, renaming, changing and deleting one's own views of a queue. Shows nothing itself."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from integrator.desk import columns, queue, queue_address, saved_views, screens, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.saved_views import UnableToSave
from integrator.flows.queue_wanted import Wanted
from integrator.models import SavedView


@require_POST
@needs("queue.see")
def save(request: DeskRequest, role: str) -> HttpResponse:
    """Keep what is shown under a name."""
    role = queue.role_of(request, role)
    name = words.typed(request.POST.get("name", ""))
    wanted = _wanted(request, role)
    try:
        view = saved_views.keep(person=request.user, wanted=wanted, name=name)
    except UnableToSave as why:
        return _again(request, role, queue.Tried("save", name, str(why)))
    messages.success(request, f"Saved as “{view.name}”")
    return HttpResponseRedirect(queue_address.href(wanted, view=view.pk))


@require_POST
@needs("queue.see")
def change(request: DeskRequest, view_id: int) -> HttpResponse:
    """Rename a view, let it show what is on the page, open it first or not, or delete it."""
    view = get_object_or_404(
        SavedView.objects.select_related("person"), pk=view_id, person=request.user
    )
    role = queue.role_of(request, view.role)
    do = request.POST.get("do", "")
    name = words.typed(request.POST.get("name", ""))
    wanted = _wanted(request, role)
    try:
        said = _carry_out(view, do, name=name, wanted=wanted)
    except UnableToSave as why:
        return _again(request, role, queue.Tried(do, name, str(why)))
    request.session.pop(saved_views.KEPT, None)
    messages.success(request, said)
    if do == "delete":
        return HttpResponseRedirect(queue_address.href(Wanted(role, "needs", request.user.pk)))
    return HttpResponseRedirect(queue_address.href(wanted, view=view.pk))


def _carry_out(view: SavedView, do: str, *, name: str, wanted: Wanted) -> str:
    if do == "rename":
        saved_views.rename(view, name=name)
        return f"It is called “{view.name}” now"
    if do == "change":
        saved_views.change(view, wanted=wanted)
        return f"“{view.name}” shows this from now on"
    if do in ("first", "not_first"):
        saved_views.open_first(view, yes=do == "first")
        opens = f"“{view.name}”" if do == "first" else "“Needs us”"
        return f"This queue opens with {opens}"
    if do == "delete":
        view.delete()
        return f"“{view.name}” was deleted"
    raise Http404


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
