"""Everything a person does to a case: one POST view per verb. What follows is decided by flows.

Each view locks the case, checks the verb and what was seen, writes, and returns to the page. When
somebody else was faster nothing is written and what was typed is shown again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from integrator import policy
from integrator.desk import bulk_choice, case_approvals, case_forms, catalogue, history, words
from integrator.desk import case as case_page
from integrator.desk.auth import DeskRequest, needs, require, trace_of
from integrator.desk.bulk_choice import UnableToChoose
from integrator.desk.case_forms import Filled, Input
from integrator.desk.steps import belongs, can_be_cancelled
from integrator.engine import cases, decisions, jobs
from integrator.engine.case_kinds import Action, CaseKind
from integrator.engine.decisions import UnableToDecide
from integrator.engine.states import Raced, UnableToMove
from integrator.flows import many_rules
from integrator.flows.many_rules import PER_RECORD
from integrator.models import Case, CaseEvent, CaseState, Job

SOLVE = Action("solve", "Close it", "Closes the case with your reason.", "case.solve")
WORK = Action("work", "Work on it", "Take, give back, snooze.", "case.work")


class Conflict(Exception):
    """Somebody else decided meanwhile. The text says who and what."""


@require_POST
@needs("case.see")
def act(request: DeskRequest, case_id: int, key: str) -> HttpResponse:
    """Carry out an action of the case's kind, or ask a second person when it needs one."""
    case = case_page.get(case_id)
    kind = catalogue.kind_of(case)
    action = case_forms.action_of(kind, key)
    if action is None:
        raise Http404
    _may_act(request, kind, action)
    data, form = case_forms.read(action, case, request.POST)
    if form.errors:
        return case_page.show(request, case, form=form, status=422)
    if form.for_all and kind.shared_cause and action.key in PER_RECORD:
        return _for_all(request, case, action.key, action.label, note=str(data.get("note", "")))
    if action.approval:
        return _checked(
            request, case, form, lambda locked: case_approvals.ask(request, locked, action, data)
        )
    return _checked(request, case, form, lambda locked: _decide(request, locked, action, data))


@require_POST
@needs("case.work")
def solve(request: DeskRequest, case_id: int) -> HttpResponse:
    """Close a case with a coded resolution and a note."""
    case = case_page.get(case_id)
    _may_act(request, catalogue.kind_of(case), SOLVE)
    chosen, note = request.POST.get("resolution", ""), words.typed(request.POST.get("note", ""))
    form = Filled(
        "solve",
        (
            Input("resolution", "How it ended", "choice", True, chosen, _wrong(chosen)),
            Input("note", "Note", "note", True, note, _needed(note, "Note")),
        ),
        for_all=request.POST.get("all") == "1",
    )
    if form.errors:
        return case_page.show(request, case, form=form, status=422)
    if chosen == Case.Resolution.ACCEPTED_LOSS:
        require(request, "loss.accept")

    if form.for_all and catalogue.kind_of(case).shared_cause:
        own = many_rules.SOLVE
        kept = {"resolution": chosen}
        return _for_all(request, case, own.key, own.label, note=note, data=kept)

    def close(locked: Case) -> str:
        decisions.close(
            locked, resolution=chosen, note=note, trace=trace_of(request), by=request.user
        )
        return "Closed"

    return _checked(request, case, form, close)


@require_POST
@needs("case.work")
def assign(request: DeskRequest, case_id: int) -> HttpResponse:
    """Take a case, or give it back. Only one of two people who take it at once gets it."""
    case = case_page.get(case_id)
    _may_act(request, catalogue.kind_of(case), WORK)
    seen = request.POST.get("assignee", "")
    take = request.POST.get("to") == "me"
    if seen != str(case.assignee_id or ""):
        return case_page.show(request, case, form=_taken(case), status=409)
    if not cases.assign(case, to=request.user if take else None, trace=trace_of(request)):
        return case_page.show(
            request, case_page.get(case_id), form=_taken(case_page.get(case_id)), status=409
        )
    messages.success(request, "It is yours now" if take else "Given back to the team")
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def snooze(request: DeskRequest, case_id: int) -> HttpResponse:
    """Hide a case until a time, a change, or until it gets worse."""
    case = case_page.get(case_id)
    _may_act(request, catalogue.kind_of(case), WORK)
    chosen, note = request.POST.get("until", ""), words.typed(request.POST.get("note", ""))
    until, awaiting = case_forms.snooze_until(chosen, at=request.at)
    wrong = "" if until or awaiting else "Until when: choose one from the list"
    form = Filled(
        "snooze",
        (
            Input("until", "Until when", "choice", True, chosen, wrong),
            Input("note", "Why it can wait", "note", True, note, _needed(note, "Why it can wait")),
        ),
    )
    if form.errors:
        return case_page.show(request, case, form=form, status=422)

    def hide(locked: Case) -> str:
        cases.snooze(locked, until=until, awaiting=awaiting, trace=trace_of(request), note=note)
        return f"Snoozed {case_page.snoozed_words(locked, at=request.at)}"

    return _checked(request, case, form, hide)


@require_POST
@needs("case.work")
def wake(request: DeskRequest, case_id: int) -> HttpResponse:
    """Bring a snoozed case back to its queue."""
    case = case_page.get(case_id)
    _may_act(request, catalogue.kind_of(case), WORK)
    if case.state == CaseState.SNOOZED:
        cases.wake(case, trace=trace_of(request), reason="A person brought it back")
        messages.success(request, "It is back in the queue")
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def note(request: DeskRequest, case_id: int) -> HttpResponse:
    """Write something down. Two people may do this at once: nothing is lost."""
    case = case_page.get(case_id)
    text = words.typed(request.POST.get("note", ""))
    wrong = _needed(text, "Comment")
    if wrong:
        form = Filled("note", (Input("note", "Comment", "note", True, text, wrong),))
        return case_page.show(request, case, form=form, status=422)
    cases.note(case, text=text, trace=trace_of(request), by=request.user)
    messages.success(request, "Comment kept")
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def cancel(request: DeskRequest, case_id: int, job_id: int) -> HttpResponse:
    """Take a decision back while nothing has left. Its case stays as it was before."""
    case = case_page.get(case_id)
    _may_act(request, catalogue.kind_of(case), WORK)
    job = get_object_or_404(Job, pk=job_id)
    if not belongs(job, case):
        raise Http404
    if not can_be_cancelled(job, case, at=request.at):
        messages.warning(request, "Too late: it has left already")
        return case_page.back(request, case)
    name = request.user.get_username()
    if jobs.cancel(job, at=request.at, reason=f"cancelled by {name}"):
        messages.success(request, "Cancelled. Nothing was sent.")
    else:
        messages.warning(request, "Too late: it has left already")
    return case_page.back(request, case)


# --- What the views share ------------------------------------------------------------------------


def _may_act(request: DeskRequest, kind: CaseKind, action: Action) -> None:
    if not policy.may_act(kind, action, request.roles):
        raise PermissionDenied(policy.why_not(kind, action))


def _checked(
    request: DeskRequest, case: Case, form: Filled, write: Callable[[Case], str]
) -> HttpResponse:
    """Write only if nobody has decided since the person saw the page; else say who and what."""
    try:
        with transaction.atomic():
            locked = case_page.lock(case.pk)
            _unchanged(request, locked)
            said = write(locked)
    except (Conflict, UnableToDecide, Raced, UnableToMove) as changed:
        spoken = isinstance(changed, Conflict | UnableToDecide)
        said = str(changed) if spoken else "Somebody was faster."
        told = Filled(form.key, form.inputs, conflict=said, for_all=form.for_all)
        return case_page.show(request, case_page.get(case.pk), form=told, status=409)
    messages.success(request, said)
    return case_page.back(request, case)


def _unchanged(request: DeskRequest, case: Case) -> None:
    """Compare the newest decision with what the form was made from."""
    newest = (
        CaseEvent.objects.filter(case=case, kind__in=decisions.DECISIVE).order_by("-id").first()
    )
    seen = request.POST.get("version", "")
    is_known = newest is None or seen == str(newest.pk)
    if is_known and case.state != CaseState.SOLVED:
        return
    if newest is None:
        raise Conflict("This case was closed meanwhile.")
    told = history.told(newest, at=request.at)
    raise Conflict(f"{told.who} {told.says} ({told.when}).")


def _decide(request: DeskRequest, case: Case, action: Action, data: dict[str, Any]) -> str:
    decisions.take(case, action, data=data, trace=trace_of(request), by=request.user)
    return f"{action.label}: " + (
        f"it leaves in {decisions.HOLD_SECONDS} s" if action.leaves else "noted"
    )


def _for_all(request: DeskRequest, case: Case, do: str, label: str, **filled: Any) -> HttpResponse:
    """All cases of its cause: first the page that says which, how many and what with them."""
    try:
        bulk = bulk_choice.from_cause(request, case, do=do, label=label, **filled)
    except UnableToChoose as why:
        messages.warning(request, str(why))
        return case_page.back(request, case)
    return HttpResponseRedirect(reverse("bulk", args=[bulk.pk]))


def _taken(case: Case) -> Filled:
    name = case.assignee.get_username() if case.assignee is not None else ""
    told = f"{name} took it a moment ago." if name else "It was given back a moment ago."
    return Filled("assign", conflict=told)


def _wrong(chosen: str) -> str:
    allowed = set(Case.Resolution.values) - {Case.Resolution.BY_ITSELF.value}
    return "" if chosen in allowed else "How it ended: choose one from the list"


def _needed(text: str, label: str) -> str:
    if not text:
        return f"{label}: say it in one sentence"
    if len(text) > case_forms.NOTE_MAX:
        return f"{label}: use at most {case_forms.NOTE_MAX:,} characters"
    return ""
