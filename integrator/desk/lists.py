"""The rows behind the counts of the connections page: its steps and its cases. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator.desk import catalogue, columns, directory, effects, screens, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.steps import listed
from integrator.models import Case, CaseState, Job, JobState
from integrator.roles import Role

PAGE = 50
# The same words on the connections page: a count there is the length of a list here.
WAITING = (JobState.DUE, JobState.RUNNING, JobState.WAITING, JobState.IN_DOUBT)
SHOWN: dict[str, tuple[str, tuple[JobState, ...]]] = {
    "waiting": ("Waiting", WAITING),
    "in-doubt": ("In doubt", (JobState.IN_DOUBT,)),
    "stopped": ("Stopped", (JobState.PARKED,)),
}


@require_safe
@needs("connection.see")
def steps(request: DeskRequest) -> HttpResponse:
    """Steps that wait, are in doubt or stopped: the oldest first."""
    about = request.GET.get("about", "")
    found = Job.objects.filter(connection__isnull=False)
    found = effects.narrowed(_narrowed(request, found), about).order_by("id")
    counts = _steps_counted(found)
    chosen = _steps_chosen(request.GET.get("show", ""), counts)
    after = number(request.GET.get("after", ""))
    rows = list(found.filter(state__in=SHOWN[chosen][1], pk__gt=after)[: PAGE + 1])
    known = directory.current(at=request.at)
    context = {
        "steps": listed(rows[:PAGE], request),
        "chosen": chosen,
        "about": about if about in effects.GROUPS else "",
        "narrowed": ", ".join(_steps_shown(request, known, chosen, about)),
        "only": effects.GROUPS[about].many if about in effects.GROUPS else "",
        "shown": [(key, title, counts[key]) for key, (title, _) in SHOWN.items()],
        "table": screens.shown(request, columns.STEPS),
        **_frame(request, known, rows, after, show=chosen),
    }
    return render(request, "desk/steps.html", context)


@require_safe
@needs("case.see")
def cases(request: DeskRequest) -> HttpResponse:
    """Open cases of one connection or of all, the oldest first, whoever owns them."""
    found = _narrowed(request, Case.objects.exclude(state=CaseState.SOLVED)).order_by("id")
    after = number(request.GET.get("after", ""))
    rows = list(found.filter(pk__gt=after)[: PAGE + 1])
    known = directory.current(at=request.at)
    context = {
        "cases": [
            (
                case,
                catalogue.said_of(case).title,
                Role(case.owner).label if case.owner in Role.values else case.owner,
                words.due_of(case.due_at, at=request.at),
                known.tile(case.connection_id),
            )
            for case in rows[:PAGE]
        ],
        "total": found.count(),
        "table": screens.shown(request, columns.CASES),
        **_frame(request, known, rows, after),
    }
    return render(request, "desk/cases.html", context)


def _steps_counted(found: QuerySet[Job]) -> dict[str, int]:
    """How many steps each list has, in one statement."""
    listed = {one for _, states in SHOWN.values() for one in states}
    rows = found.filter(state__in=listed).order_by().values_list("state").annotate(Count("id"))
    in_state = dict(rows)
    return {key: sum(in_state.get(one, 0) for one in states) for key, (_, states) in SHOWN.items()}


def _steps_chosen(asked: str, counts: Mapping[str, int]) -> str:
    """The list that was asked for, else the first with something in it."""
    if asked in SHOWN:
        return asked
    return next((key for key, count in counts.items() if count), "waiting")


def _steps_shown(
    request: DeskRequest, known: directory.Directory, chosen: str, about: str
) -> list[str]:
    """What the steps are narrowed to, in words."""
    connection = known.connections.get(number(request.GET.get("connection", "")))
    group = effects.GROUPS.get(about)
    parts = [SHOWN[chosen][0].lower(), group.many if group else "", connection and connection.name]
    return [part for part in parts if part]


def number(text: str) -> int:
    """A number from the URL; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _narrowed(request: DeskRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    connection_id = number(request.GET.get("connection", ""))
    return rows.filter(connection_id=connection_id) if connection_id else rows


def _frame(
    request: DeskRequest,
    known: directory.Directory,
    rows: list[Any],
    after: int,
    **named: str,
) -> dict[str, Any]:
    """What both lists show around their rows. ``named`` stays in the address from page to page."""
    connection_id = number(request.GET.get("connection", ""))
    query = request.GET.copy()
    query.pop("after", None)
    for name, value in named.items():
        query[name] = value
    first = f"?{query.urlencode()}"
    query["after"] = str(rows[PAGE - 1].pk) if len(rows) > PAGE else ""
    return {
        "connection": known.connections.get(connection_id),
        "first_page": first,
        "is_first_page": not after,
        "next_page": f"?{query.urlencode()}" if query["after"] else "",
        "back": reverse("connections"),
    }
