"""Other meanings of one word that wait for a second person, as a reader sees them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrator import policy
from integrator.desk.auth import DeskRequest, may
from integrator.engine import mappings
from integrator.models import Approval, ApprovalState, Mapping

# Whoever may change meanings, and the team that says what a word of returns promises.
_ASKERS = (mappings.CHANGE, "return.match")


def may_ask(person: Any) -> bool:
    """Whether somebody may ask for another meaning of a word."""
    return any(policy.may(person, verb) for verb in _ASKERS)


@dataclass(frozen=True, slots=True)
class Asked:
    """A change that waits for its second person."""

    approval: Approval
    to: str
    is_own: bool
    may_decide: bool
    why_not: str


def asked_of(
    request: DeskRequest, current: Mapping | None, labels: dict[str, str], *, why_not: str
) -> list[Asked]:
    """The oldest first; ``why_not``: why somebody who may change no meaning cannot answer."""
    if current is None:
        return []
    found = Approval.objects.filter(
        record_kind=Mapping.RECORD_KIND, record_id=current.pk, state=ApprovalState.ASKED
    ).select_related("asked_by")
    rows = []
    for one in found.order_by("id"):
        mine = one.asked_by_id == request.user.pk
        decides = may(request, mappings.CHANGE) and not mine
        why = "You asked: somebody else must agree." if mine else why_not
        to = str(one.content["to"])
        rows.append(Asked(one, labels.get(to, to), mine, decides, "" if decides else why))
    return rows
