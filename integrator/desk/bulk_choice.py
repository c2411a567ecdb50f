"""Choosing many cases and what to do about them: from a queue, or from one case for its cause.

Keeps what was chosen as a bulk that nobody has started. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrator import policy
from integrator.desk import catalogue, queue_address, queue_rows
from integrator.desk.auth import DeskRequest, may, trace_of
from integrator.engine import bulks, decisions
from integrator.engine.bulks import Chosen
from integrator.flows import many_rules
from integrator.flows.queue_wanted import Wanted
from integrator.models import Bulk, Case, CaseState

WHICH = ("lines", "page", "all")


class UnableToChoose(Exception):
    """Nothing was chosen, or too much. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The bar below a list: what can be done, and how many lines there are to choose from."""

    actions: list[tuple[str, str]]
    page: int
    matching: int


def offer(request: DeskRequest, shown: Sequence[Case], wanted: Wanted) -> Offer | None:
    """What may be done about many of these; None where nothing can be, or not by this person."""
    if not shown or wanted.state == CaseState.SOLVED or not may(request, "case.work"):
        return None
    own = [(key, action.label) for key, action in many_rules.OWN.items()]
    if wanted.state == CaseState.SNOOZED:
        own = [one for one in own if one[0] != many_rules.SNOOZE.key]
    buttons: dict[str, str] = {}
    for code in {case.kind for case in shown}:
        kind = catalogue.kinds().get(code)
        for action in many_rules.offered(kind) if kind is not None else ():
            if kind is not None and policy.may_act(kind, action, request.roles):
                buttons[_key(action.key, action.label)] = action.label
    actions = sorted(buttons.items(), key=lambda one: one[1])
    return Offer([*actions, *own], len(shown), request.counted[wanted].count)


def _key(do: str, label: str) -> str:
    """What the bar sends. Kinds that name one key differently mean different things by it."""
    return f"{do}:{label}"


def read_action(text: str) -> tuple[str, str]:
    """The key and the label of what is to be done; UnableToChoose for anything nobody offers."""
    if text in many_rules.OWN:
        return text, many_rules.OWN[text].label
    do, _, label = text.partition(":")
    for kind in catalogue.kinds().values():
        if any((one.key, one.label) == (do, label) for one in many_rules.offered(kind)):
            return do, label
    raise UnableToChoose("Choose what to do about them")


def from_queue(
    request: DeskRequest, wanted: Wanted, *, which: str, lines: Sequence[int], do: str, label: str
) -> Bulk:
    """What was ticked on the page of a queue, the whole page, or all that match its filters."""
    if wanted.state == CaseState.SOLVED:
        raise UnableToChoose("These are closed already")
    if which not in WHICH or (which != "all" and not lines):
        raise UnableToChoose("Tick at least one case first")
    found = queue_rows.cases_of(
        wanted, lines=None if which == "all" else lines, limit=bulks.MOST + 1
    )
    return _prepared(request, found, do=do, label=label, role=wanted.role, wanted=wanted)


def from_cause(
    request: DeskRequest,
    case: Case,
    *,
    do: str,
    label: str,
    note: str,
    data: Mapping[str, Any] | None = None,
) -> Bulk:
    """Every case of the same cause that is in the same state: fix once, do it for all."""
    same = Case.objects.filter(kind=case.kind, cause=case.cause, state=case.state)
    found = list(same.order_by("id").values_list("pk", flat=True)[: bulks.MOST + 1])
    tab = "snoozed" if case.state == CaseState.SNOOZED else "needs"
    wanted = Wanted(case.owner, tab, request.user.pk, kind=case.kind, cause=case.cause)
    return _prepared(
        request,
        found,
        do=do,
        label=label,
        role=case.owner,
        wanted=wanted,
        note=note,
        data=data or {},
    )


def _prepared(
    request: DeskRequest,
    found: Sequence[int],
    *,
    do: str,
    label: str,
    role: str,
    wanted: Wanted,
    note: str = "",
    data: Mapping[str, Any] | None = None,
) -> Bulk:
    if not found:
        raise UnableToChoose("None of these is in the list any more")
    if len(found) > bulks.MOST:
        raise UnableToChoose(
            f"More than {bulks.MOST:,} cases at once are too many: narrow the list down first"
        )
    return bulks.prepare(
        _judged(request, found, do=do, label=label),
        do=do,
        label=label,
        role=role,
        query=queue_address.write(wanted),
        data=data or {},
        note=note,
        by=request.user,
        trace=trace_of(request),
    )


def _judged(request: DeskRequest, ids: Sequence[int], *, do: str, label: str) -> list[Chosen]:
    """Each case with why nothing will be done about it, if so. Five queries, however many."""
    found = Case.objects.select_related("job", "assignee").filter(pk__in=ids).order_by("id")
    cases = list(found)
    deciding = decisions.being_decided([one.job_id for one in cases if one.job_id is not None])
    asked = decisions.waiting_for_second(cases)
    newest = decisions.newest(ids)
    return [
        Chosen(
            case=one,
            seen=newest.get(one.pk, 0),
            why_not=many_rules.why_not(
                one,
                do,
                label,
                user=request.user,
                roles=request.roles,
                deciding=deciding,
                asked=asked,
            ),
        )
        for one in cases
    ]


def snooze_of(until: datetime | None, awaiting: str) -> dict[str, Any]:
    """The end of a snooze as it is kept until each case's turn comes."""
    return {"at": until.isoformat() if until is not None else "", "awaiting": awaiting}
