"""What do we still owe? Returns with a missing promise, stalled ones, finds of sweeps, differences.

Each number is the length of its own list. Reads only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from finance.cases import SYSTEMS_DIFFER
from finance.owed import missing, returns_owed, returns_stalled
from integrator.desk import catalogue, columns, directory, return_says, screens, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.directory import Directory
from integrator.desk.lists import WAITING
from integrator.desk.paging import page_of
from integrator.engine import choices
from integrator.models import Case, CaseState, Job, JobState, Message, PolicyVersion
from integrator.roles import Role
from returns.models import Return
from returns.stages import NEXT
from returns.states import ReturnStatus

FOUND_DAYS = 7
TITLES = {
    "owed": "Still owed",
    "stalled": "Stalled",
    "overdue": "Promises overdue",
    "found": "Found by ourselves",
    "differ": "Differences",
}
LEDES = {
    "owed": "Every return with a promise that is not kept, the longest waiting first.",
    "stalled": "Returns that have not moved for longer than their stage allows.",
    "overdue": "Steps past the time they were promised for, the oldest first.",
    "found": f"What no callback told us and our own look found, in the last {FOUND_DAYS} days.",
    "differ": "What a comparison found and nobody has explained yet.",
}


# By which moment each list is read, and whether the newest come first.
ORDER = {
    "owed": ("since", False),
    "stalled": ("since", False),
    "overdue": ("due_at", False),
    "found": ("received_at", True),
    "differ": ("opened_at", False),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of any of the lists: what, where it stands, since when, who acts, and the way in."""

    title: str
    sub: str
    state: str
    symbol: str
    since: datetime
    who: str
    order_id: int | None
    case_id: int | None = None
    return_id: int | None = None
    number: str = ""


@require_safe
@needs("order.see")
def monitors(request: DeskRequest) -> HttpResponse:
    """One list at a time; all five counted above it. What is stalled is also shown by its stage."""
    show = request.GET.get("show", "owed")
    show = show if show in TITLES else "owed"
    lists = _lists(request)
    stage = request.GET.get("stage", "") if show == "stalled" else ""
    stage = stage if stage in ReturnStatus.values else ""
    here = f"stage={stage}&show={show}" if stage else f"show={show}"
    rows = lists[show].filter(status=stage) if stage else lists[show]
    field, newest_first = ORDER[show]
    # By key: what is mended meanwhile leaves the list, and must not push others off the next page.
    page = page_of(rows, field, request.GET.get("after", ""), newest_first=newest_first)
    known = directory.current(at=request.at)
    context = {
        "tabs": [
            {
                "href": f"?show={key}",
                "label": title,
                "count": f"{lists[key].count():,}",
                "is_current": key == show,
            }
            for key, title in TITLES.items()
        ],
        "stages": _stages(lists["stalled"], stage) if show == "stalled" else [],
        "title": TITLES[show],
        "lede": LEDES[show],
        "rows": _rows(show, page.rows, request, known),
        "is_first_page": page.is_first,
        "table": screens.shown(request, columns.OWED),
        "stage": ReturnStatus(stage).label if stage else "",
        "first_page": f"?{here}",
        "next_page": f"?{here}&{urlencode({'after': page.after})}" if page.after else "",
    }
    return render(request, "desk/monitors.html", context)


def _lists(request: DeskRequest) -> dict[str, QuerySet[Any]]:
    at = request.at
    newest = PolicyVersion.objects.order_by("retailer_id", "-version").distinct("retailer_id")
    hours = {one.retailer_id: choices.choice(one, "stage_hours") for one in newest}
    return {
        "owed": returns_owed(),
        "stalled": returns_stalled(hours, at=at),
        "overdue": Job.objects.filter(
            state__in=[*WAITING, JobState.PARKED], due_at__lte=at, connection__isnull=False
        ),
        "found": Message.objects.filter(
            origin=Message.Origin.SWEEP,
            kind="missed",
            received_at__gte=at - timedelta(days=FOUND_DAYS),
        ),
        "differ": Case.objects.filter(kind=SYSTEMS_DIFFER.code).exclude(state=CaseState.SOLVED),
    }


def _stages(stalled: QuerySet[Any], chosen: str) -> list[dict[str, Any]]:
    """How many returns stand still in each stage, in the order in which a return goes through."""
    found = dict(
        stalled.order_by().values_list("status").annotate(count=Count("pk", distinct=True))
    )
    return [
        {
            "href": f"?stage={one.value}&show=stalled",
            "label": f"{one.label} ({found[one.value]:,})",
            "is_current": one.value == chosen,
        }
        for one in ReturnStatus
        if one.value in found
    ]


def _rows(show: str, found: list[Any], request: DeskRequest, known: Directory) -> list[Row]:
    if show in ("owed", "stalled"):
        owners = _owners(found)
        return [_return(one, owners, request) for one in found]
    if show == "overdue":
        return [_step(one, request) for one in found]
    if show == "found":
        return [_find(one, known) for one in found]
    return [_case(one, request) for one in found]


def _owners(found: list[Return]) -> dict[int, Case]:
    """The most urgent open case of each return: of itself, a unit or its order."""
    by_order = {one.order_id: one.pk for one in found if one.order_id is not None}
    ids = [one.pk for one in found]
    cases: dict[int, Case] = {}
    about = Q(record_kind="return", record_id__in=ids) | Q(order_id__in=by_order)
    for case in (
        Case.objects.filter(about).exclude(state=CaseState.SOLVED).order_by("severity", "-due_at")
    ):
        if case.record_kind == "return" and case.record_id in ids:
            cases[case.record_id] = case
        elif case.order_id in by_order:
            cases[by_order[case.order_id]] = case
    return cases


def _return(one: Return, owners: dict[int, Case], request: DeskRequest) -> Row:
    case = owners.get(one.pk)
    since: datetime = one.since  # type: ignore[attr-defined]
    who = NEXT.get(one.status, "we, by ourselves")
    if case is not None:
        who = str(Role(case.owner).label)
    return Row(
        title="Return",
        number=one.external_id,
        sub=f"missing: {', '.join(missing(one))}",
        symbol=return_says.SYMBOLS.get(ReturnStatus(one.status), "wait")
        if case is None or case.due_at > request.at
        else "bad",
        state=str(one.get_status_display()),
        since=since,
        who=who,
        order_id=one.order_id,
        case_id=case.pk if case is not None else None,
        return_id=one.pk,
    )


def _step(job: Job, request: DeskRequest) -> Row:
    return Row(
        title=catalogue.flow_says(job.flow),
        sub=job.error,
        symbol="bad",
        state=words.due_of(job.due_at, at=request.at).short,
        since=job.created_at,
        who="stopped: a person" if job.state == JobState.PARKED else "we, by ourselves",
        order_id=job.order_id,
    )


def _find(message: Message, known: Directory) -> Row:
    return Row(
        title=catalogue.kind_says(message.resource_kind).capitalize(),
        number=message.resource_id,
        sub=f"{known.name(message.connection_id)} did not tell us",
        symbol="wait",
        state="missed by callback",
        since=message.received_at,
        who="found and read",
        order_id=message.order_id,
    )


def _case(case: Case, request: DeskRequest) -> Row:
    said = catalogue.said_of(case)
    return Row(
        title=said.title,
        sub=said.happened,
        symbol="bad" if case.due_at <= request.at else "wait",
        state=str(case.get_state_display()),
        since=case.opened_at,
        who=str(Role(case.owner).label),
        order_id=case.order_id,
        case_id=case.pk,
    )
