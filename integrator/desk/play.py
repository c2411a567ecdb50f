"""Working through a queue case by case: each time the first that nobody else is on.

Passing one by takes a reason (``case_together.skip``); it comes again after ``RESTS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connection as database
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator.desk import lists, presence, queue_address, queue_rows, saved_views
from integrator.desk.auth import DeskRequest, needs, trace_of
from integrator.flows import queue_members
from integrator.flows.queue_wanted import ROLES, Wanted
from integrator.models import Approval, ApprovalState, Case, CaseEvent, CasePresence, CaseState
from integrator.roles import Role

RESTS = timedelta(hours=8)  # a working day
UNDER_WAY = timedelta(minutes=10)  # in which what was decided is carried out
PAGES = 10  # further than five hundred lines down nobody looks for one that is free
Kind = CaseEvent.Kind
_LOCK = 7_310_020  # advisory lock: two people who ask at once are served one after the other


@dataclass(frozen=True, slots=True)
class Play:
    """What the page of a case that was served shows. ``skip`` is empty where none is needed."""

    next: str
    skip: str
    leave: str


@require_safe
@needs("case.work")
def play(request: DeskRequest, role: str) -> HttpResponse:
    """Serve the next case of a list of the own team."""
    role = role.upper()
    if role not in queue_members.held_by(request.roles):
        name = Role(role).label if role in ROLES else "its own team"
        raise PermissionDenied(f"This queue is worked through by {name}.")
    view = lists.number(request.GET.get("view", ""))
    wanted = wanted_of(request, role, request.GET)
    found = _serve(request, wanted, leaving=lists.number(request.GET.get("after", "")))
    if found is None:
        messages.success(request, "Nothing is left here that is free for you")
        return HttpResponseRedirect(queue_address.href(wanted, view=view))
    return HttpResponseRedirect(queue_address.href(wanted, view=view, play=1, case=found))


def wanted_of(request: DeskRequest, role: str, query: Mapping[str, Any]) -> Wanted:
    """The list that is worked through: what is snoozed or solved waits for nobody."""
    wanted = saved_views.wanted_of(query, role=role, user_id=request.user.pk, at=request.at)
    return wanted if wanted.state == CaseState.OPEN else replace(wanted, tab="needs")


def address(wanted: Wanted, *, view: int = 0, after: int = 0) -> str:
    """Where the next case of a list is served."""
    query = queue_address.href(wanted, view=view, after=after).partition("?")[2]
    return f"{reverse('play', args=[wanted.role.lower()])}?{query}"


def shown(request: DeskRequest, wanted: Wanted, detail: Mapping[str, Any], *, view: int) -> Play:
    """The way on from a case that was served: by skipping it, where nothing was done about it."""
    case: Case = detail["case"]
    query = request.GET.copy()
    query["do"] = "skip"
    return Play(
        next=address(wanted, view=view, after=case.pk),
        skip=f"{request.path}?{query.urlencode()}" if _waits(request, wanted, detail) else "",
        leave=queue_address.href(wanted, view=view),
    )


def _waits(request: DeskRequest, wanted: Wanted, detail: Mapping[str, Any]) -> bool:
    """Whether it would be served again: what ``_free`` says, of what its page has read already."""
    case: Case = detail["case"]
    events: Sequence[CaseEvent] = detail["events"]
    undone = max((one.pk for one in events if one.kind == Kind.UNDONE), default=0)
    own = trace_of(request).actor
    is_left = any(
        (one.kind == Kind.SKIPPED and one.actor == own and one.at > request.at - RESTS)
        or (one.kind == Kind.DECIDED and one.pk > undone and one.at > request.at - UNDER_WAY)
        for one in events
    )
    is_asked = any(one.approval.asked_by_id == request.user.pk for one in detail["asked"])
    is_here = case.state == CaseState.OPEN and case.handed_to in ("", wanted.role)
    return is_here and case.assignee_id is None and not is_left and not is_asked


def _serve(request: DeskRequest, wanted: Wanted, *, leaving: int) -> int | None:
    """The first case of the list that is free, which is this person's to see from then on."""
    after = ""
    for _ in range(PAGES):
        page = queue_rows.page_of(wanted, at=request.at, after=after)
        ids = [row.id for row in page.rows if row.id != leaving]
        with transaction.atomic():
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            taken = set(
                CasePresence.objects.filter(case__in=ids, until__gt=request.at)
                .exclude(person=request.user)
                .values_list("case_id", flat=True)
            )
            free = set(_free(request, wanted.role, ids)) - taken
            found = next((one for one in ids if one in free), None)
            if found is not None:
                presence.opened(found, request, until=request.at + presence.UNHEARD)
                return found
        if not page.older:
            return None
        after = page.older
    return None


def _free(request: DeskRequest, role: str, ids: Sequence[int]) -> list[int]:
    """Those that wait for somebody of this team: not taken, not lent, not just decided or skipped.

    Nor those about which this person has asked a second one.
    """
    own = trace_of(request).actor
    events = CaseEvent.objects.filter(case=OuterRef("pk"))
    undone = CaseEvent.objects.filter(
        case=OuterRef("case_id"), kind=Kind.UNDONE, id__gt=OuterRef("pk")
    )
    skipped = events.filter(kind=Kind.SKIPPED, actor=own, at__gt=request.at - RESTS)
    decided = events.filter(kind=Kind.DECIDED, at__gt=request.at - UNDER_WAY).exclude(
        Exists(undone)
    )
    asked = Approval.objects.filter(
        record_kind="case",
        record_id=OuterRef("pk"),
        state=ApprovalState.ASKED,
        asked_by=request.user,
    )
    rows = (
        Case.objects.filter(pk__in=ids, state=CaseState.OPEN)
        .filter(Q(assignee=None) | Q(assignee=request.user))
        .filter(Q(handed_to="") | Q(handed_to=role))
        .exclude(Exists(skipped))
        .exclude(Exists(decided))
        .exclude(Exists(asked))
    )
    return list(rows.values_list("pk", flat=True))
