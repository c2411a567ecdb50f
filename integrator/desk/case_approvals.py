"""The second person: asking for one, and their answer, bound to the exact content shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from integrator.desk import case as case_page
from integrator.desk import case_forms, catalogue
from integrator.desk.auth import DeskRequest, needs, trace_of
from integrator.engine import approvals, cases
from integrator.engine.case_kinds import Action
from integrator.models import Approval, ApprovalState, Case, CaseEvent, CaseState


@require_POST
@needs("approval.decide")
def agree(request: DeskRequest, case_id: int, approval_id: int) -> HttpResponse:
    """The second person's word. Agreeing uses the approval up and records the decision at once."""
    with transaction.atomic():
        case = case_page.lock(case_id)
        approval = get_object_or_404(
            Approval.objects.select_for_update(of=("self",), no_key=True).select_related(
                "asked_by"
            ),
            pk=approval_id,
            record_kind="case",
            record_id=case_id,
        )
        kind = catalogue.kind_of(case)
        refusal = case_page.who_agrees(request, kind, approval)
        if refusal:
            raise PermissionDenied(refusal)
        action = case_forms.action_of(kind, str(approval.content.get("action", "")))
        if action is None or approval.state != ApprovalState.ASKED:
            messages.warning(request, "Somebody has answered this already")
            return case_page.back(request, case)
        grant = request.POST.get("answer") == "agree"
        if grant and _decided_since(case, approval.asked_at):
            messages.warning(request, "Somebody decided this meanwhile, so nothing was done")
            return case_page.back(request, case)
        approvals.decide(approval, grant=grant, by=request.user, trace=trace_of(request))
        if grant:
            _carry_out(request, case, action, approval)
        else:
            cases.note(
                case, text=f"Refused “{action.label}”", trace=trace_of(request), by=request.user
            )
    said = "You agreed" if grant else "You refused"
    messages.success(request, f"{said}: {action.label}")
    return case_page.back(request, case)


def ask(request: DeskRequest, case: Case, action: Action, data: dict[str, Any]) -> str:
    """Bind the exact content to a question. The note stays a note, so that it can be erased."""
    written = data.pop("note", "")
    event = None
    if written:
        event = cases.note(case, text=written, trace=trace_of(request), by=request.user)
    content = {
        "case": case.pk,
        "action": action.key,
        "data": data,
        "currency": case.currency,
        "note_event": event.pk if event is not None else None,
    }
    approvals.ask(
        verb=action.verb,
        record_kind="case",
        record_id=case.pk,
        content=content,
        by=request.user,
        trace=trace_of(request),
    )
    return "A second person has been asked"


def _decided_since(case: Case, asked_at: datetime) -> bool:
    decisive = case.events.filter(kind__in=case_page.DECISIVE, at__gt=asked_at)
    return case.state == CaseState.SOLVED or decisive.exists()


def _carry_out(request: DeskRequest, case: Case, action: Action, approval: Approval) -> None:
    """The asker's decision, carried out on the second person's word."""
    approvals.use(
        verb=approval.verb,
        record_kind="case",
        record_id=case.pk,
        content=approval.content,
        trace=trace_of(request),
    )
    data = dict(approval.content.get("data", {}))
    asked = CaseEvent.objects.select_related("note").filter(
        pk=approval.content.get("note_event"), case=case
    )
    found = asked.first()
    if found is not None and found.note is not None:
        data["note"] = found.note.text
    data |= {"agreed_by": request.user.get_username(), "approval_id": approval.pk}
    cases.decide(
        case,
        action,
        data=data,
        trace=trace_of(request).by(f"user:{approval.asked_by.get_username()}"),
        by=approval.asked_by,
    )
