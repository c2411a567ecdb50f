"""Everything a person does to a case: one POST view per verb. What follows is decided by flows.

Each view locks the case, checks the verb and what was seen, writes, and returns to the page. When
somebody else was faster nothing is written and what was typed is shown again.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from integrator import policy
from integrator.desk import bulk_choice, case_approvals, case_forms, catalogue, words
from integrator.desk import case as case_page
from integrator.desk.auth import DeskRequest, needs, require, trace_of
from integrator.desk.bulk_choice import UnableToChoose
from integrator.desk.case_forms import Filled, Input
from integrator.desk.case_writes import checked, needed, require_act, say
from integrator.desk.steps import belongs, can_be_cancelled
from integrator.engine import cases, decisions, jobs, together
from integrator.engine.case_kinds import Action
from integrator.flows import many_rules
from integrator.flows.many_rules import PER_RECORD
from integrator.models import Case, CaseState, Job

CLOSED = "This case is closed: there is nothing left to take."


@require_POST
@needs("case.see")
def act(request: DeskRequest, case_id: int, key: str) -> HttpResponse:
    """Carry out an action of the case's kind, or ask a second person when it needs one."""
    case = case_page.get(case_id)
    kind = catalogue.kind_of(case)
    action = case_forms.action_of(kind, key)
    if action is None:
        raise Http404
    require_act(request, case, action)
    data, form = case_forms.read(action, case, request.POST)
    if form.errors:
        return case_page.show(request, case, form=form, status=422)
    if form.for_all and kind.shared_cause and action.key in PER_RECORD:
        return _for_all(request, case, action.key, action.label, note=str(data.get("note", "")))
    if action.approval:
        return checked(
            request, case, form, lambda locked: case_approvals.ask(request, locked, action, data)
        )
    return checked(request, case, form, lambda locked: _decide(request, locked, action, data))


@require_POST
@needs("case.work")
def solve(request: DeskRequest, case_id: int) -> HttpResponse:
    """Close a case with a coded resolution and a note."""
    case = case_page.get(case_id)
    require_act(request, case, policy.SOLVE)
    chosen, note = request.POST.get("resolution", ""), words.typed(request.POST.get("note", ""))
    form = Filled(
        "solve",
        (
            Input("resolution", "How it ended", "choice", True, chosen, _wrong(chosen)),
            Input("note", "Note", "note", True, note, needed(note, "Note")),
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

    return checked(request, case, form, close)


@require_POST
@needs("case.work")
def assign(request: DeskRequest, case_id: int) -> HttpResponse:
    """Take a case, or give it back. Only one of two people who take it at once gets it.

    One that is closed is nobody's to take.
    """
    case = case_page.get(case_id)
    require_act(request, case, policy.WORK)
    seen = request.POST.get("assignee", "")
    take = request.POST.get("to") == "me"
    with transaction.atomic():
        case = case_page.lock(case_id)
        is_closed = take and case.state == CaseState.SOLVED
        is_seen = seen == str(case.assignee_id or "")
        given = (
            is_seen
            and not is_closed
            and cases.assign(case, to=request.user if take else None, trace=trace_of(request))
        )
        if given:
            say(request, case, "It is yours now" if take else "Given back to the team")
    if not given:
        case = case_page.get(case_id)
        told = CLOSED if is_closed else _taken(case)
        form = Filled("assign", conflict=told, is_late=not is_closed)
        return case_page.show(request, case, form=form, status=409)
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def snooze(request: DeskRequest, case_id: int) -> HttpResponse:
    """Hide a case until a time, a change, or until it gets worse."""
    case = case_page.get(case_id)
    require_act(request, case, policy.WORK)
    chosen, note = request.POST.get("until", ""), words.typed(request.POST.get("note", ""))
    until, awaiting = case_forms.snooze_until(chosen, at=request.at)
    wrong = "" if until or awaiting else "Until when: choose one from the list"
    form = Filled(
        "snooze",
        (
            Input("until", "Until when", "choice", True, chosen, wrong),
            Input("note", "Why it can wait", "note", True, note, needed(note, "Why it can wait")),
        ),
    )
    if form.errors:
        return case_page.show(request, case, form=form, status=422)

    def hide(locked: Case) -> str:
        cases.snooze(locked, until=until, awaiting=awaiting, trace=trace_of(request), note=note)
        return f"Snoozed {case_page.snoozed_words(locked, at=request.at)}"

    return checked(request, case, form, hide)


@require_POST
@needs("case.work")
def wake(request: DeskRequest, case_id: int) -> HttpResponse:
    """Bring a snoozed case back to its queue."""
    case = case_page.get(case_id)
    require_act(request, case, policy.WORK)
    with transaction.atomic():
        case = case_page.lock(case_id)
        if case.state == CaseState.SNOOZED:
            cases.wake(case, trace=trace_of(request), reason="A person brought it back")
            say(request, case, "It is back in the queue")
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def note(request: DeskRequest, case_id: int) -> HttpResponse:
    """Write something down. Two people may do this at once: nothing is lost."""
    case = case_page.get(case_id)
    text = words.typed(request.POST.get("note", ""))
    wrong = needed(text, "Comment")
    if wrong:
        form = Filled("note", (Input("note", "Comment", "note", True, text, wrong),))
        return case_page.show(request, case, form=form, status=422)
    with transaction.atomic():
        case = case_page.lock(case_id)
        together.comment(case, text=text, trace=trace_of(request), by=request.user)
        say(request, case, "Comment kept")
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def cancel(request: DeskRequest, case_id: int, job_id: int) -> HttpResponse:
    """Take a decision back while nothing has left. Its case stays as it was before."""
    case = case_page.get(case_id)
    require_act(request, case, policy.WORK, as_receiver=False)
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


def _decide(request: DeskRequest, case: Case, action: Action, data: dict[str, Any]) -> str:
    decisions.take(case, action, data=data, trace=trace_of(request), by=request.user)
    return f"{action.label_on(case.facts)}: " + (
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


def _taken(case: Case) -> str:
    name = case.assignee.get_username() if case.assignee is not None else ""
    return f"{name} took it a moment ago." if name else "It was given back a moment ago."


def _wrong(chosen: str) -> str:
    allowed = set(Case.Resolution.values) - {Case.Resolution.BY_ITSELF.value}
    return "" if chosen in allowed else "How it ended: choose one from the list"
