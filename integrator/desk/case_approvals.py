"""The second person: asking for one, and their answer, bound to the exact content shown."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from integrator import policy
from integrator.desk import case as case_page
from integrator.desk import case_asked, case_forms, catalogue
from integrator.desk.answers import Answer, answer_of, refuse_if_asker_may_not
from integrator.desk.auth import DeskRequest, needs, trace_of
from integrator.engine import decisions
from integrator.engine.approvals import UnableToApprove
from integrator.engine.case_kinds import Action
from integrator.models import Approval, Case

_WORDS = (Answer.AGREE, Answer.REFUSE)  # a case's question is taken back by a form of its own


@require_POST
@needs("approval.decide")
def agree(request: DeskRequest, case_id: int, approval_id: int) -> HttpResponse:
    """The second person's word. Agreeing uses the approval up and records the decision at once."""
    with transaction.atomic():
        case = case_page.lock(case_id)
        approval = _of(case, approval_id)
        kind = catalogue.kind_of(case)
        refusal = case_asked.who_agrees(request, kind, approval)
        if refusal:
            raise PermissionDenied(refusal)
        action = case_forms.action_of(kind, str(approval.content.get("action", "")))
        if action is None:
            messages.warning(request, "Somebody has answered this already")
            return case_page.back(request, case)
        grant = answer_of(request, _WORDS) == Answer.AGREE
        answer = decisions.agree if grant else decisions.refuse
        still = policy.may_act(kind, action, policy.roles_of(approval.asked_by))
        try:
            if grant:
                refuse_if_asker_may_not(approval, still=still)
            answer(case, action, approval, trace=trace_of(request), by=request.user)
        except (decisions.UnableToDecide, UnableToApprove) as changed:
            messages.warning(request, str(changed))
            return case_page.back(request, case)
    said = "You agreed" if grant else "You refused"
    messages.success(request, f"{said}: {action.label}")
    return case_page.back(request, case)


@require_POST
@needs("case.work")
def take_back(request: DeskRequest, case_id: int, approval_id: int) -> HttpResponse:
    """Whoever asked takes the question back, and may ask another one."""
    with transaction.atomic():
        case = case_page.lock(case_id)
        approval = _of(case, approval_id)
        if approval.asked_by_id != request.user.pk:
            raise PermissionDenied("Only who asked can take it back.")
        action = case_forms.action_of(
            catalogue.kind_of(case), str(approval.content.get("action", ""))
        )
        try:
            if action is None:
                raise UnableToApprove("Somebody has answered this already.")
            decisions.take_back(case, action, approval, trace=trace_of(request), by=request.user)
        except UnableToApprove as answered:
            messages.warning(request, str(answered))
        else:
            messages.success(request, f"Taken back: {action.label}")
    return case_page.back(request, case)


def _of(case: Case, approval_id: int) -> Approval:
    """A question about this case, held until the answer is written."""
    waiting = Approval.objects.select_for_update(of=("self",), no_key=True)
    return get_object_or_404(
        waiting.select_related("asked_by"),
        pk=approval_id,
        record_kind="case",
        record_id=case.pk,
    )


def ask(request: DeskRequest, case: Case, action: Action, data: dict[str, Any]) -> str:
    """Ask for the second person; what exactly they agree to is bound in ``engine.decisions``."""
    decisions.ask(case, action, data=data, trace=trace_of(request), by=request.user)
    return "A second person has been asked"
