"""Who has a case open at this moment. Soft: it is shown, and nobody is locked out by it.

A page that is open says so every few seconds; after ``LAPSE`` of silence nobody is there any more,
as when a laptop is closed. Without scripts opening the page counts for ``UNHEARD``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from django.db.models import JSONField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject, NullIf
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from integrator import policy
from integrator.desk import catalogue, history, lists, words
from integrator.desk.auth import DeskRequest, needs
from integrator.engine import decisions
from integrator.engine.case_kinds import CaseKind
from integrator.models import Case, CaseEvent, CasePresence, CaseState

LAPSE = timedelta(seconds=45)
UNHEARD = timedelta(minutes=5)
LEAVING = timedelta(seconds=5)  # a page that is only shown anew says that it goes, too

# One statement: what this person left behind goes, this case is theirs to see, and who else is on
# it comes back.
_OPENED = """
    WITH gone AS (
        DELETE FROM integrator_casepresence
         WHERE person_id = %(me)s AND case_id <> %(case)s AND until <= %(at)s),
    mine AS (
        INSERT INTO integrator_casepresence AS own (case_id, person_id, since, until)
        VALUES (%(case)s, %(me)s, %(at)s, %(until)s)
        ON CONFLICT (case_id, person_id) DO UPDATE
           SET since = CASE WHEN own.until <= %(at)s THEN EXCLUDED.since
                            ELSE least(own.since, EXCLUDED.since) END,
               until = EXCLUDED.until)
    SELECT coalesce(nullif(u.first_name, ''), u.username), p.since
      FROM integrator_casepresence p JOIN auth_user u ON u.id = p.person_id
     WHERE p.case_id = %(case)s AND p.person_id <> %(me)s AND p.until > %(at)s
     ORDER BY p.since, p.id LIMIT 5
"""


_NAME = Coalesce(NullIf("person__first_name", Value("")), "person__username")


@dataclass(frozen=True, slots=True)
class Here:
    """Who else is on a case, in words, and what the page says so with."""

    others: tuple[str, ...]
    is_told: bool
    news: str = ""


def here(request: DeskRequest, case: Case, kind: CaseKind) -> Here:
    """This person has the case open. Who may only look is nobody's company."""
    if case.state == CaseState.SOLVED or not _may_work(request, case, kind):
        return Here((), is_told=False)
    return Here(opened(case.pk, request, until=request.at + UNHEARD), is_told=True)


def opened(case_id: int, request: DeskRequest, *, until: datetime) -> tuple[str, ...]:
    """Note that this person has the case open, and say who else has."""
    asked: dict[str, Any] = {
        "me": request.user.pk,
        "case": case_id,
        "at": request.at,
        "until": until,
    }
    with database.cursor() as cursor:
        cursor.execute(_OPENED, asked)
        return tuple(_words(name, since, at=request.at) for name, since in cursor.fetchall())


def with_others(cases: QuerySet[Case], request: DeskRequest) -> QuerySet[Case]:
    """Cases with who else is on them, as far as a line of a queue says it: ``on_it``."""
    rows = (
        CasePresence.objects.filter(case=OuterRef("pk"), until__gt=request.at)
        .exclude(person=request.user)
        .order_by("since", "id")
    )
    one = rows.values(told=JSONObject(name=_NAME, since="since"))[:1]
    return cases.annotate(on_it=Subquery(one, output_field=JSONField()))


def line_of(case: Case, *, at: datetime) -> str:
    """Who else is on a case that came ``with_others``."""
    told = getattr(case, "on_it", None)
    if told is None:
        return ""
    return _words(told["name"], datetime.fromisoformat(told["since"]), at=at)


def _words(name: str, since: datetime, *, at: datetime) -> str:
    return f"{name} has had this open since {words.moment_text(since, at=at)}"


def _may_work(request: DeskRequest, case: Case, kind: CaseKind) -> bool:
    return policy.may_work(kind, request.roles, handed_to=case.handed_to)


@require_POST
@needs("case.work")
def beat(request: DeskRequest, case_id: int) -> HttpResponse:
    """A page that is still open, or that is being left: who else is there, and what is new."""
    case = get_object_or_404(Case, pk=case_id)
    if not _may_work(request, case, catalogue.kind_of(case)):
        return HttpResponse(status=204)
    if request.POST.get("leaves") == "1":
        soon = request.at + LEAVING
        own = CasePresence.objects.filter(case=case, person=request.user, until__gt=soon)
        own.update(until=soon)
        return HttpResponse(status=204)
    others: tuple[str, ...] = ()
    if case.state != CaseState.SOLVED:
        others = opened(case.pk, request, until=request.at + LAPSE)
    seen = lists.number(request.POST.get("version", ""))
    told = Here(others, is_told=True, news=_news(request, case, seen))
    return render(request, "desk/_presence.html", {"presence": told, "case": case})


def _news(request: DeskRequest, case: Case, seen: int) -> str:
    """The newest that changed the case since its page was made."""
    newest = (
        CaseEvent.objects.filter(case=case, kind__in=decisions.TO_BE_SEEN, id__gt=seen)
        .order_by("-id")
        .first()
    )
    if newest is None:
        return ""
    told = history.told(newest, at=request.at, kind=case.kind)
    return f"{told.who} {told.says} ({told.when})"
