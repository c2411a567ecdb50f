"""Working on a case with others: handing it over, passing it by, undoing. One POST view each."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from integrator import policy
from integrator.desk import case as case_page
from integrator.desk import case_forms, catalogue, history, words
from integrator.desk.auth import DeskRequest, needs, trace_of
from integrator.desk.case_forms import Filled, Input
from integrator.desk.case_writes import checked, needed, require_act, too_long
from integrator.engine import together
from integrator.engine.together import Skip, UnableToUndo
from integrator.models import Case, CaseEvent


@require_POST
@needs("case.work")
def hand_over(request: DeskRequest, case_id: int) -> HttpResponse:
    """Let another team work on a case, or give it back: never without a note for them."""
    case = case_page.get(case_id)
    require_act(request, case, policy.WORK)
    to, note = request.POST.get("to", ""), words.typed(request.POST.get("note", ""))
    label = "What they should know or do"
    wrong = "" if to in dict(case_forms.teams_for(case)) else "To which team: choose one"
    form = Filled(
        "hand_over",
        (
            Input("to", "To which team", "choice", True, to, wrong),
            Input("note", label, "note", True, note, needed(note, label)),
        ),
    )
    if form.errors:
        return case_page.show(request, case, form=form, status=422)

    def give(locked: Case) -> str:
        together.hand_over(locked, to=to, note=note, trace=trace_of(request), by=request.user)
        return f"Handed over to {history.team(to)}"

    return checked(request, case, form, give)


@require_POST
@needs("case.work")
def skip(request: DeskRequest, case_id: int) -> HttpResponse:
    """Go on to the next case, with a reason. Nothing about the case changes."""
    case = case_page.get(case_id)
    require_act(request, case, policy.WORK)
    why, note = request.POST.get("why", ""), words.typed(request.POST.get("note", ""))
    wrong = "" if why in Skip.values else "Why you skip it: choose one from the list"
    says = needed(note, "In your words") if why == Skip.OTHER else too_long(note, "In your words")
    form = Filled(
        "skip",
        (
            Input("why", "Why you skip it", "choice", True, why, wrong),
            Input("note", "In your words", "note", False, note, says),
        ),
    )
    if form.errors:
        return case_page.show(request, case, form=form, status=422)
    with transaction.atomic():
        locked = case_page.lock(case_id)
        together.skip(locked, why=Skip(why), words=note, trace=trace_of(request), by=request.user)
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def undo(request: DeskRequest, case_id: int, event_id: int) -> HttpResponse:
    """Put the case back to where it was before what this person did last."""
    case = case_page.get(case_id)
    event = get_object_or_404(CaseEvent, pk=event_id, case=case)
    # Who handed it on may call it back, though it is no longer theirs.
    was_with = str(event.data["from"]) if event.kind == CaseEvent.Kind.HANDED_OVER else ""
    if not policy.may_work(catalogue.kind_of(case), request.roles, handed_to=was_with):
        require_act(request, case, policy.WORK)
    try:
        with transaction.atomic():
            locked = case_page.lock(case.pk)
            together.undo(locked, event, trace=trace_of(request), by=request.user)
    except UnableToUndo as why:
        messages.warning(request, f"Nothing was undone. {why}")
    else:
        messages.success(request, f"Undone: C-{case.pk} is as it was before")
    return case_page.back(request, case)
