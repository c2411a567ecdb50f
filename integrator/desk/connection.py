"""One connection: what is said of it today, its steps that wait, its maintenance, its switch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from integrator.desk import (
    columns,
    connection_forms,
    connections,
    directory,
    history,
    screens,
    stopped,
    words,
)
from integrator.desk.auth import DeskRequest, may, needs, trace_of
from integrator.desk.case_forms import Filled
from integrator.desk.lists import number
from integrator.desk.steps import Listed, listed
from integrator.engine import connections as switch
from integrator.engine import maintenance
from integrator.engine.maintenance import UnableToAnnounce, UnableToCancel
from integrator.engine.states import UnableToMove
from integrator.engine.watch import newest_beat
from integrator.models import Connection, ConnectionState, Job, MaintenanceState, MaintenanceWindow
from integrator.models.states import JOB_OPEN

STEPS_SHOWN = 8
_FORMS = ("pause", "on", "plan", "cancel")
_TABS = (("connection", "Today"), ("connection_history", "The last 90 days"))


@dataclass(frozen=True, slots=True)
class Planned:
    """One maintenance window as a reader sees it."""

    id: int
    when: str
    reason: str
    who: str
    is_on: bool
    is_by_hand: bool


def tabs(connection_id: int, current: str) -> list[dict[str, Any]]:
    """The two pages of a connection, for the head of each."""
    return [
        {
            "href": reverse(name, args=[connection_id]),
            "label": label,
            "count": "",
            "is_current": name == current,
        }
        for name, label in _TABS
    ]


@require_safe
@needs("connection.see")
def page(request: DeskRequest, connection_id: int) -> HttpResponse:
    """Today. ``?do=`` opens one of the forms, ``?window=`` says which maintenance to cancel."""
    wanted = request.GET.get("do", "")
    form = connection_forms.blank(wanted) if wanted in _FORMS else None
    return _show(request, connection_id, form, about=number(request.GET.get("window", "")))


def _show(
    request: DeskRequest,
    connection_id: int,
    form: Filled | None,
    *,
    about: int = 0,
    status: int = 200,
) -> HttpResponse:
    """``about`` is the maintenance that a form to cancel is about: without one it does not open."""
    found = connections.read(pk=connection_id)
    if not found:
        raise Http404
    [connection] = found
    may_change = may(request, "connection.change")
    silent = connections.silence(newest_beat(), at=request.at)
    is_read = not silent
    [panel] = connections.panels_of(found, is_read=is_read, at=request.at)
    windows = _windows(request, connection)
    planned = next((one for one in windows if one.id == about and not one.is_on), None)
    is_open = may_change and form is not None and (form.key != "cancel" or planned is not None)
    context = {
        "one": panel,
        "silence": silent,
        "connection": connection,
        "tabs": tabs(connection.pk, "connection"),
        "streams": connections.streams_of(found, is_read=is_read, at=request.at),
        "windows": windows,
        "steps": _steps(request, connection) if panel.waiting else [],
        "table": screens.shown(request, columns.STEPS),
        "d": {"form": form, "window": planned} if is_open else None,
        "may_change": may_change,
        "may_try": may(request, "connection.try"),
        "is_held_by_plan": panel.hold is not None and panel.hold.is_on,
        "needs_key": connection.state == ConnectionState.NEEDS_CREDENTIALS,
    }
    return render(request, "desk/connection.html", context, status=status)


def _windows(request: DeskRequest, connection: Connection) -> list[Planned]:
    rows = maintenance.open_windows().filter(connection=connection)
    return [
        Planned(
            id=one.pk,
            when=stopped.span_text(one, at=request.at),
            reason=one.reason,
            who=history.who(one.made_by),
            is_on=one.state == MaintenanceState.BEGUN,
            is_by_hand=one.is_by_hand,
        )
        for one in rows
    ]


def _steps(request: DeskRequest, connection: Connection) -> list[Listed]:
    """The oldest steps that wait."""
    rows = list(
        Job.objects.filter(connection=connection, state__in=JOB_OPEN).order_by("id")[:STEPS_SHOWN]
    )
    return listed(rows, request)


# --- Writing --------------------------------------------------------------------------------------


@require_POST
@needs("connection.change")
def change(request: DeskRequest, connection_id: int) -> HttpResponse:
    """Pause a connection, if wanted until a moment, or start it again. The reason is kept."""
    key = "on" if request.POST.get("to") == "resume" else "pause"
    texts, moments, form = connection_forms.read(key, request.POST)
    if form.errors:
        return _show(request, connection_id, form, status=422)
    try:
        with transaction.atomic():
            rows = Connection.objects.select_for_update(no_key=True).defer("secrets")
            connection = get_object_or_404(rows, pk=connection_id)
            said = _switch(request, connection, key, texts["reason"], moments.get("ends"))
    except UnableToMove:
        messages.warning(request, "Somebody has switched it already")
        return _back(connection_id)
    except UnableToAnnounce as why:
        form = connection_forms.refused(form, why.field, why.text)
        return _show(request, connection_id, form, status=422)
    directory.forget()
    messages.success(request, said)
    return _back(connection_id)


def _switch(
    request: DeskRequest, connection: Connection, key: str, reason: str, ends: datetime | None
) -> str:
    """Switch it, and say what is so now."""
    trace = trace_of(request)
    if key == "on":
        switch.resume(connection, trace=trace, reason=reason)
        return f"{connection.name} is on again. Held work starts, oldest first."
    if ends is None:
        switch.pause(connection, trace=trace, reason=reason)
        return f"{connection.name} is paused. Its work is held, in order."
    maintenance.pause_until(connection, ends_at=ends, reason=reason, trace=trace)
    when = words.start_text(ends, at=request.at)
    return f"{connection.name} is paused until {when}. Its work is held, in order."


@require_POST
@needs("connection.change")
def plan(request: DeskRequest, connection_id: int) -> HttpResponse:
    """Announce that the platform will be down: its work is held then, and starts by itself."""
    connection = get_object_or_404(Connection.objects.defer("secrets"), pk=connection_id)
    texts, moments, form = connection_forms.read("plan", request.POST)
    if form.errors:
        return _show(request, connection_id, form, status=422)
    try:
        made = maintenance.announce(
            connection,
            starts_at=moments["starts"],
            ends_at=moments["ends"],
            reason=texts["reason"],
            trace=trace_of(request),
        )
    except UnableToAnnounce as why:
        form = connection_forms.refused(form, why.field, why.text)
        return _show(request, connection_id, form, status=422)
    directory.forget()
    when = stopped.span_text(made, at=request.at)
    messages.success(request, f"Announced: {connection.name} is down {when}")
    return _back(connection_id)


@require_POST
@needs("connection.change")
def cancel(request: DeskRequest, window_id: int) -> HttpResponse:
    """Take an announcement back before it begins. The reason is kept."""
    window = get_object_or_404(MaintenanceWindow, pk=window_id)
    texts, _, form = connection_forms.read("cancel", request.POST)
    if form.errors and window.state == MaintenanceState.PLANNED:  # else nothing is left to mend
        return _show(request, window.connection_id, form, about=window.pk, status=422)
    try:
        maintenance.cancel(window, reason=texts.get("reason", ""), trace=trace_of(request))
    except UnableToCancel as why:
        messages.warning(request, str(why))
    else:
        messages.success(request, "Cancelled: nothing is held then")
    directory.forget()
    return _back(window.connection_id)


def _back(connection_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("connection", args=[connection_id]))
