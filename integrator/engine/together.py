"""Several people on the same cases: handing one over, passing it by, and undoing what stays here.

Nothing here leaves the house, and nothing is erased: what is undone is a fact of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import TextChoices
from django.utils.dateparse import parse_datetime

from integrator.engine import approvals, cases
from integrator.engine.approvals import UnableToApprove
from integrator.engine.decisions import CLOSED_BY_HAND
from integrator.engine.states import Trace, move
from integrator.models import Approval, Case, CaseEvent, CaseState

Kind = CaseEvent.Kind
NOTHING_WRONG = "A person looked and found nothing wrong"
# In which the same press again is one press: who means it again does so later.
SECOND_PRESS = timedelta(minutes=1)
# Decisions that do nothing but close the case they were made on.
CLOSES_ONLY = "not_an_error"
# What the house itself notes about a case without changing anything of it.
_ASIDE = (Kind.ALERTED, Kind.SKIPPED)


class Skip(TextChoices):
    """Why somebody passed a case by. Each begins with its own letter, which chooses it."""

    NEEDS_ANSWER = "NEEDS_ANSWER", "Waits for somebody’s answer"
    ANOTHERS = "ANOTHERS", "Another team or colleague should do it"
    UNCLEAR = "UNCLEAR", "Not clear what to do"
    TOO_LONG = "TOO_LONG", "Takes longer than I have now"
    OTHER = "OTHER", "Something else"


class UnableToUndo(Exception):
    """It cannot be undone any more. Says why, for the person."""


class UnableToHandOver(Exception):
    """The case lies with that team already, or is closed. Says which, for the person."""


def hand_over(case: Case, *, to: str, note: str, trace: Trace, by: Any) -> CaseEvent:
    """Let another team work on a case, or give it back to its owner. The note says what is asked.

    Whoever had taken it has it no longer; the owner still answers for it. The case is locked.
    """
    assert note, "who receives it must know why"
    if case.state == CaseState.SOLVED:
        raise UnableToHandOver("This case was closed meanwhile.")
    if to == with_team(case):
        raise UnableToHandOver("It lies with that team already.")
    data = {"from": with_team(case), "to": to, "had": str(case.assignee or "")}
    with transaction.atomic():
        _set(case, handed_to="" if to == case.owner else to, assignee=None)
        return cases.happened(case, Kind.HANDED_OVER, trace, data=data, note=note, by=by)


def with_team(case: Case) -> str:
    """The team that works on it: its owner's, or the one it was handed to."""
    return case.handed_to or case.owner


def skip(case: Case, *, why: Skip, words: str, trace: Trace, by: Any) -> None:
    """Somebody goes on to the next case. The case, which is locked, stays as it is."""
    data = {"why": why.value}
    if not _is_second_press(case, Kind.SKIPPED, data, words, trace):
        cases.happened(case, Kind.SKIPPED, trace, data=data, note=words, by=by)


def comment(case: Case, *, text: str, trace: Trace, by: Any) -> None:
    """Keep what somebody says about a case, which is locked."""
    if not _is_second_press(case, Kind.NOTED, {}, text, trace):
        cases.note(case, text=text, trace=trace, by=by)


def _is_second_press(
    case: Case, kind: Kind, data: Mapping[str, Any], words: str, trace: Trace
) -> bool:
    """Whether the newest that happened to the case is just this, by the same person just now."""
    newest = case.events.select_related("note").order_by("-id").first()
    if newest is None or trace.at - newest.at > SECOND_PRESS:
        return False
    said = newest.note.text if newest.note is not None else ""
    return (newest.kind, newest.actor, newest.data, said) == (kind, trace.actor, data, words)


# --- Undoing --------------------------------------------------------------------------------------


def undoable(case: Case, *, actor: str) -> CaseEvent | None:
    """What this person did last to the case, when nothing else happened to it since."""
    newest = case.events.exclude(kind__in=_ASIDE).order_by("-id")[:2]
    return _meant(list(newest), actor)


def undo(case: Case, event: CaseEvent, *, trace: Trace, by: Any) -> CaseEvent:
    """Put a case back to where it was before ``event``. The case is locked.

    Only by who did it, and only while nothing else happened to the case: UnableToUndo says what.
    """
    if event.actor != trace.actor:
        raise UnableToUndo("Only who did it can undo it.")
    if is_undone(case, event.pk):
        raise UnableToUndo("It was undone already.")
    newest = list(case.events.exclude(kind__in=_ASIDE).order_by("-id")[:2])
    meant = _meant(newest, trace.actor)
    if meant is None or meant.pk != event.pk:
        raise UnableToUndo(
            "Something else happened to the case since: look at it and decide again."
            if newest and newest[0].pk > event.pk
            else "This cannot be undone."
        )
    data = {"event": event.pk, "what": event.kind}
    if "question" in event.data:
        data["question"] = event.data["question"]
    with transaction.atomic():
        _BACK[Kind(event.kind)](case, event.data | {"event": event.pk}, trace)
        return cases.happened(case, Kind.UNDONE, trace, data=data, by=by)


def is_undone(case: Case, event_id: int) -> bool:
    return case.events.filter(kind=Kind.UNDONE, data__event=event_id).exists()


def _meant(newest: list[CaseEvent], actor: str) -> CaseEvent | None:
    """The newest event, if it can be undone by ``actor``; the decision where it was carried out."""
    if not newest or newest[0].actor != actor:
        return None
    last = newest[0]
    if last.kind == Kind.SOLVED and last.data.get("reason") != CLOSED_BY_HAND:
        # The worker closed it in the person's name, because of the decision just before.
        last = newest[-1]
        if last.actor != actor or last.kind != Kind.DECIDED:
            return None
    if last.kind == Kind.DECIDED and last.action != CLOSES_ONLY:
        return None
    if last.data.get("question") not in (None, "asked"):
        return None
    return last if last.kind in _BACK else None


def _set(case: Case, **values: Any) -> None:
    """Columns that are no status. The caller holds the case."""
    Case.objects.filter(pk=case.pk).update(**values)
    for name, value in values.items():
        setattr(case, name, value)


def _assigned(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    _give(case, str(data.get("from", "")))


def _give(case: Case, username: str) -> None:
    """To whom it was before, if they still work here; to nobody if nobody had it."""
    person = User.objects.filter(username=username, is_active=True).first() if username else None
    if username and person is None:
        raise UnableToUndo(f"{username} no longer works here: take it or leave it with the team.")
    _set(case, assignee=person)


def _handed(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    before = str(data["from"])
    _give(case, str(data.get("had", "")))
    _set(case, handed_to="" if before == case.owner else before)


def _snoozed(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    _open(case, trace)


def _woke(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    _sleep(case, data, trace)
    if case.state != CaseState.SNOOZED:
        raise UnableToUndo("The time until which it was snoozed has come.")


def _solved(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    _open(case, trace, resolution="", solved_at=None, handed_to=str(data.get("handed_to", "")))
    _sleep(case, data, trace)


def _closed_by_decision(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    """Carried out or not: the step that closes it asks whether the decision was undone."""
    closed = case.events.filter(kind=Kind.SOLVED).order_by("-id").first()
    if case.state == CaseState.SOLVED and closed is not None:
        _solved(case, closed.data, trace)


def _noted(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    """The words stay what somebody wrote; its page shows them no longer.

    Were they part of a question to a second person, nobody can agree to it any more.
    """
    asked = Approval.objects.select_related("asked_by").filter(
        record_kind="case", record_id=case.pk, content__note_event=data["event"]
    )
    for approval in asked:
        try:
            approvals.take_back(approval, by=approval.asked_by, trace=trace)
        except UnableToApprove as answered:
            raise UnableToUndo(str(answered)) from None


def _open(case: Case, trace: Trace, **changes: Any) -> None:
    cleared = {"snoozed_until": None, "snoozed_for": ""}
    move(case, "state", CaseState.OPEN, reason="Undone", trace=trace, **(cleared | changes))


def _sleep(case: Case, data: Mapping[str, Any], trace: Trace) -> None:
    """Back to sleep as it was, unless its time has come."""
    until = parse_datetime(str(data["until"])) if data.get("until") else None
    awaiting = str(data.get("for", ""))
    if not awaiting and (until is None or until <= trace.at):
        return
    move(
        case,
        "state",
        CaseState.SNOOZED,
        reason="Undone",
        trace=trace,
        snoozed_until=until,
        snoozed_for=awaiting,
    )


_BACK: Mapping[CaseEvent.Kind, Callable[[Case, Mapping[str, Any], Trace], None]] = {
    Kind.ASSIGNED: _assigned,
    Kind.HANDED_OVER: _handed,
    Kind.SNOOZED: _snoozed,
    Kind.WOKE: _woke,
    Kind.SOLVED: _solved,
    Kind.DECIDED: _closed_by_decision,
    Kind.NOTED: _noted,
}
