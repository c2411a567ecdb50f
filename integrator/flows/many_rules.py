"""What may be done about many cases at once, and why a case is left out of it. Decides nothing."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from integrator import policy
from integrator.engine import decisions
from integrator.engine.case_kinds import TRY_AGAIN, Action, CaseKind
from integrator.flows.kinds import CASE_KINDS
from integrator.models import Case, CaseState

# Done once per record, so they can be done for every record of a cause in one go.
PER_RECORD = frozenset({"give_up", "not_an_error", "fixed_there", "accept_unit", "solve"})
FOR_MANY = PER_RECORD | {TRY_AGAIN.key}
# What can be done about every case, whatever its kind. They are no actions: no flow follows.
TAKE = Action("take", "Take them", "Each case is yours from then on.", "case.work")
GIVE_BACK = Action(
    "give_back", "Give them back", "The whole team sees each case as free.", "case.work"
)
SNOOZE = Action(
    "snooze",
    "Snooze them",
    "Each case is hidden until the time or the change you choose; until then nobody else is told.",
    "case.work",
)
SOLVE = Action("solve", "Close them", "Each case is closed with your reason.", "case.solve")
OWN = {one.key: one for one in (TAKE, GIVE_BACK, SNOOZE, SOLVE)}


def offered(kind: CaseKind) -> list[Action]:
    """The buttons of a kind that can be pressed for many: by one person, with a note at most."""
    return [
        action
        for action in kind.actions
        if action.key in FOR_MANY
        and not action.approval
        and all(one.kind == "note" for one in action.fields)
    ]


def action_for(case: Case, do: str, label: str) -> Action | None:
    """What would be done about this case; None where its kind has no such button."""
    if do in OWN:
        return OWN[do]
    kind = CASE_KINDS.get(case.kind)
    found = (one for one in kind.actions if one.key == do) if kind is not None else iter(())
    action = next(found, None)
    return action if action is not None and action.label == label else None


def why_not(
    case: Case,
    do: str,
    label: str,
    *,
    user: Any,
    roles: frozenset[str],
    deciding: Container[int],
    asked: Container[int],
) -> str:
    """Why this person cannot do it about this case at this moment; empty when they can.

    ``deciding`` are the steps about which a decision is on its way, ``asked`` the cases about which
    a second person has been asked. The case comes with its job and its assignee.
    """
    kind, action = CASE_KINDS.get(case.kind), action_for(case, do, label)
    if case.state == CaseState.SOLVED:
        return "It is closed already."
    if kind is None:
        return "Its kind is no longer in use: close it on its own page."
    if action is None:
        return f"This kind of case has no “{label}”."
    if not policy.may_act(kind, action, roles, handed_to=case.handed_to):
        return policy.why_not(kind, action)
    if action.approval:
        return "It needs a second person: decide it on its own page."
    if action not in (*OWN.values(), *offered(kind)):
        return "It is decided one by one, on its own page."
    if case.assignee is not None and case.assignee_id != user.pk:
        return f"{case.assignee.first_name or case.assignee.get_username()} has it."
    return _not_now(case, do, action, deciding, asked)


def _not_now(
    case: Case, do: str, action: Action, deciding: Container[int], asked: Container[int]
) -> str:
    match do:
        case TAKE.key:
            return "You have it already." if case.assignee_id else ""
        case GIVE_BACK.key:
            return "" if case.assignee_id else "Nobody has it."
        case SNOOZE.key:
            return "It is snoozed already." if case.state == CaseState.SNOOZED else ""
    if case.pk in asked:
        return decisions.WAITS_FOR_SECOND
    if do == SOLVE.key:
        return decisions.why_not_close(case.job)
    return decisions.why_not(action, case.job, deciding=case.job_id in deciding)
