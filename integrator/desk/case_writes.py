"""What every view shares that writes to a case: may they, has it changed, and what is said after.

Somebody who decides on a case that changed since they opened it gets the page again: with what
changed, and with what they had typed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse

from integrator import policy
from integrator.desk import case as case_page
from integrator.desk import case_forms, catalogue, history, lists
from integrator.desk.auth import DeskRequest, trace_of
from integrator.desk.case_forms import Filled
from integrator.desk.history import Told
from integrator.engine import decisions, together
from integrator.engine.case_kinds import Action
from integrator.engine.decisions import UnableToDecide
from integrator.engine.states import Raced, UnableToMove
from integrator.engine.together import UnableToHandOver, UnableToUndo
from integrator.models import Case, CaseEvent, CaseState

UNDO = "undo"  # marks a message that has a way back: undo, case, event


class Conflict(Exception):
    """Somebody else changed it meanwhile. The text says so; ``news`` what changed, oldest first."""

    def __init__(self, said: str, news: tuple[Told, ...] = ()) -> None:
        super().__init__(said)
        self.news = news


def require_act(
    request: DeskRequest, case: Case, action: Action, *, as_receiver: bool = True
) -> None:
    """Refuse who may not. ``as_receiver``: whether having been handed the case is enough."""
    kind = catalogue.kind_of(case)
    handed_to = case.handed_to if as_receiver else ""
    if not policy.may_act(kind, action, request.roles, handed_to=handed_to):
        raise PermissionDenied(policy.why_not(kind, action))


def checked(
    request: DeskRequest, case: Case, form: Filled, write: Callable[[Case], str]
) -> HttpResponse:
    """Write only if nothing changed since the person saw the page; else say who changed what."""
    try:
        with transaction.atomic():
            locked = case_page.lock(case.pk)
            _unchanged(request, locked)
            said = write(locked)
            say(request, locked, said)
    except Conflict as changed:
        return _again(request, case, form, str(changed), changed.news, is_late=True)
    except (UnableToDecide, UnableToHandOver, UnableToUndo) as why:
        return _again(request, case, form, str(why))
    except (Raced, UnableToMove):
        return _again(request, case, form, "It was changed at the same moment.", is_late=True)
    return case_page.back(request, case)


def _again(
    request: DeskRequest,
    case: Case,
    form: Filled,
    said: str,
    news: tuple[Told, ...] = (),
    *,
    is_late: bool = False,
) -> HttpResponse:
    told = replace(form, conflict=said, news=news, is_late=is_late)
    return case_page.show(request, case_page.get(case.pk), form=told, status=409)


def _unchanged(request: DeskRequest, case: Case) -> None:
    """Compare what must be seen of the case with what the form was made from."""
    seen = lists.number(request.POST.get("version", ""))
    events = CaseEvent.objects.filter(case=case, kind__in=decisions.TO_BE_SEEN)
    newest = events.order_by("-id").first()
    is_known = newest is None or seen == newest.pk
    if is_known and case.state != CaseState.SOLVED:
        return
    if newest is None:
        raise Conflict("This case was closed meanwhile.")
    since = list(events.filter(id__gt=seen).order_by("id")[:20]) or [newest]
    facts = history.facts_before(case, since[0])
    news = history.all_told(since, at=request.at, kind=case.kind, facts=facts)
    last = news[-1]
    raise Conflict(f"{last.who} {last.says} ({last.when}).", tuple(news) if len(news) > 1 else ())


def say(request: DeskRequest, case: Case, said: str) -> None:
    """Tell what was done, with a way back where there is one."""
    event = together.undoable(case, actor=trace_of(request).actor)
    mark = f"{UNDO} {case.pk} {event.pk}" if event is not None else ""
    messages.success(request, said, extra_tags=mark)


def needed(text: str, label: str) -> str:
    """What is wrong with words that must be there; empty when nothing is."""
    if not text:
        return f"{label}: say it in one sentence"
    return too_long(text, label)


def too_long(text: str, label: str) -> str:
    if len(text) > case_forms.NOTE_MAX:
        return f"{label}: use at most {case_forms.NOTE_MAX:,} characters"
    return ""
