"""What waits for a second person on a case: the exact content, and who may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import QuerySet

from integrator import policy
from integrator.desk import case_forms
from integrator.desk.auth import DeskRequest
from integrator.engine import decisions
from integrator.engine.case_kinds import CaseKind
from integrator.engine.case_words import Said
from integrator.models import Approval, ApprovalState, Case, CaseEvent
from integrator.roles import Role

CHANGED_SINCE = "The amount has changed since. It has to be asked anew."


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision that waits for a second person."""

    approval: Approval
    key: str
    label: str
    says: str
    content: list[tuple[str, str]]
    may_agree: bool
    may_refuse: bool
    is_own: bool
    is_current: bool
    why_not: str


def waiting_of(case_id: Any) -> QuerySet[Approval]:
    return Approval.objects.filter(record_kind="case", record_id=case_id, state=ApprovalState.ASKED)


def of(request: DeskRequest, case: Case, kind: CaseKind, events: list[CaseEvent]) -> list[Asked]:
    if not getattr(case, "is_asked", True):
        return []
    waiting = waiting_of(case.pk).select_related("asked_by")
    notes = {event.pk: event.note.text for event in events if event.note is not None}
    actions = {action.key: action for action in kind.actions}
    found = []
    for approval in waiting.order_by("id"):
        action = actions.get(str(approval.content.get("action", "")))
        if action is None:
            continue
        refused = who_agrees(request, kind, approval)
        void = "" if decisions.is_about(approval, case) else CHANGED_SINCE
        found.append(
            Asked(
                approval=approval,
                key=action.key,
                label=action.label,
                says=action.says,
                content=case_forms.in_words(action, approval.content, notes),
                may_agree=not refused and not void,
                may_refuse=not refused,
                is_own=approval.asked_by_id == request.user.pk,
                is_current=decisions.is_current(approval, case),
                why_not=void or refused,
            )
        )
    return found


def told(said: Said, asked: Sequence[Asked]) -> Said:
    """What a case means, and what follows when nobody acts, while a second person is asked: by the
    word of the first it may have been done already.
    """
    one = next((one for one in asked if one.is_current), None)
    if one is None:
        return said
    by = one.approval.asked_by
    return replace(
        said,
        means=f"{by.first_name or by.get_username()} pressed “{one.label}”. "
        "It counts as soon as somebody else agrees, and not before.",
        otherwise="It stays unanswered, and this case stays open.",
    )


def who_agrees(request: DeskRequest, kind: CaseKind, approval: Approval) -> str:
    """Why this person may not agree; empty when they may. The asker never may (R: two people)."""
    if approval.asked_by_id == request.user.pk:
        return "You asked, so somebody else must agree."
    able = frozenset({kind.owner, *kind.ladder}) & policy.VERBS["approval.decide"]
    if request.roles & able:
        return ""
    names = [str(Role(role).label) for role in Role.values if role in able]
    return f"Only {' or '.join(names)} can agree to this." if names else "Nobody may agree to this."
