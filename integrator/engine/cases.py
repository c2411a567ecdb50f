"""Cases: what a person must look at, from opening to closing. Nothing here closes one by its age.

What kinds there are is said in ``engine.case_kinds`` and in the apps' ``cases.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.db.models import F, Q

from integrator.engine.case_kinds import (
    CALLS_RUN_LOW,
    CREDENTIALS_REFUSED,
    ENGINE_KINDS,
    FACT_NOT_ROUTED,
    FIXED_THERE,
    GIVE_UP,
    JOB_CRASHES,
    JOB_FAILED,
    JOB_IN_DOUBT,
    JOB_LATE,
    KINDS,
    MAPPING_MISSING,
    MESSAGE_CHANGED,
    MESSAGE_UNKNOWN,
    NOT_AN_ERROR,
    ROW_NOT_READ,
    SAVE_MAPPING,
    TRY_AGAIN,
    WRITE_SWITCHED_OFF,
    Action,
    CaseKind,
    Field,
    by_code,
)
from integrator.engine.states import Raced, Trace, move
from integrator.models import Case, CaseEvent, CaseState, Note

LIFT_EVERY = timedelta(hours=4)  # an unattended overdue case goes one step up its ladder each time


@dataclass(frozen=True, slots=True)
class About:
    """What a case is about. ``money_minor`` is what is at risk, in minor units of ``currency``."""

    record_kind: str
    record_id: int
    order_id: int | None = None
    connection_id: int | None = None
    job_id: int | None = None
    money_minor: int = 0
    currency: str = ""
    customers_waiting: int = 0


def open_case(
    kind: CaseKind,
    about: About,
    *,
    trace: Trace,
    cause: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Case:
    """Put a problem in front of its owner. Once per (kind, record, cause), whatever happens.

    Open already → seen again. Snoozed "until something changes" → wakes. Solved → comes back with
    its history (a regression). Safe in any transaction; two workers end with one case.
    """
    with transaction.atomic():
        values = {
            "owner": kind.owner,
            "order_id": about.order_id,
            "connection_id": about.connection_id,
            "job_id": about.job_id,
            "facts": dict(facts or {}),
            "shares_cause": kind.shared_cause,
            "severity": kind.severity,
            "opened_at": trace.at,
            "due_at": trace.at + timedelta(hours=kind.due_hours),
            "money_minor": about.money_minor,
            "currency": about.currency,
            "customers_waiting": about.customers_waiting,
        }
        case, created = Case.objects.select_for_update(no_key=True).get_or_create(
            kind=kind.code,
            record_kind=about.record_kind,
            record_id=about.record_id,
            cause=cause or f"{about.record_kind}:{about.record_id}",
            defaults=values,
        )
        if created:
            happened(case, CaseEvent.Kind.OPENED, trace, data=case.facts)
        else:
            _seen_again(case, values, trace)
    return case


def _seen_again(case: Case, values: dict[str, Any], trace: Trace) -> None:
    told = (
        "facts",
        "job_id",
        "shares_cause",
        "money_minor",
        "currency",
        "customers_waiting",
    )
    fresh = {key: values[key] for key in told}
    if case.state == CaseState.SOLVED:
        move(
            case,
            "state",
            CaseState.OPEN,
            reason="The same problem came back",
            trace=trace,
            resolution="",
            solved_at=None,
            opened_at=trace.at,
            due_at=values["due_at"],
            regressions=case.regressions + 1,
            escalation=0,
        )
        Case.objects.filter(pk=case.pk).update(seen=F("seen") + 1, **fresh)
        happened(case, CaseEvent.Kind.REOPENED, trace, data=fresh["facts"])
        return
    worse = values["money_minor"] > case.money_minor
    changed = values["facts"] != case.facts
    Case.objects.filter(pk=case.pk).update(seen=F("seen") + 1, **fresh)
    if changed:
        happened(case, CaseEvent.Kind.SEEN_AGAIN, trace, data=fresh["facts"])
    if case.state == CaseState.SNOOZED and (
        (case.snoozed_for == "CHANGE" and changed) or (case.snoozed_for == "WORSE" and worse)
    ):
        wake(case, trace=trace, reason="It changed while it was snoozed")


def solve(
    case: Case, *, resolution: str, trace: Trace, reason: str, note: str = "", by: Any = None
) -> None:
    """Close a case with a coded resolution. A case that is solved already stays as it is."""
    if case.state == CaseState.SOLVED:
        return
    was = case.sleep | ({"handed_to": case.handed_to} if case.handed_to else {})
    with transaction.atomic():
        move(
            case,
            "state",
            CaseState.SOLVED,
            reason=reason,
            trace=trace,
            resolution=resolution,
            solved_at=trace.at,
            snoozed_until=None,
            snoozed_for="",
            handed_to="",
        )
        happened(
            case,
            CaseEvent.Kind.SOLVED,
            trace,
            data={"resolution": resolution, "reason": reason} | was,
            note=note,
            by=by,
        )


def close_by_fact(
    *,
    trace: Trace,
    reason: str,
    kinds: Sequence[CaseKind] = (),
    record_kind: str = "",
    record_id: int | Sequence[int] | None = None,
    job_id: int | None = None,
    cause: str = "",
) -> int:
    """Close every open case a later fact has made untrue. Returns how many.

    ``record_id`` may be several records of one kind: none of them closes none.
    """
    about: dict[str, Any] = {}
    if job_id is not None:
        about["job_id = %s"] = job_id
    if record_id is not None:
        ids = [record_id] if isinstance(record_id, int) else list(record_id)
        about["record_kind = %s"], about["record_id = ANY(%s)"] = record_kind, ids
    if kinds:
        about["kind = ANY(%s)"] = [kind.code for kind in kinds]
    if cause:
        about["cause = %s"] = cause
    # Nearly always there is none, and every reading of a return asks for each of its units: so it
    # is asked in the cheapest way there is, and only what was found is locked.
    statement = " AND ".join(["SELECT id FROM integrator_case WHERE state <> 'SOLVED'", *about])
    with database.cursor() as cursor:
        cursor.execute(statement, list(about.values()))
        found = [row[0] for row in cursor.fetchall()]
    if not found:
        return 0
    closed = 0
    with transaction.atomic(savepoint=False):
        waiting = Case.objects.filter(pk__in=found).exclude(state=CaseState.SOLVED)
        for case in waiting.select_for_update(no_key=True).order_by("id"):
            solve(case, resolution=Case.Resolution.BY_ITSELF, trace=trace, reason=reason)
            closed += 1
    return closed


def decided(
    case: Case, action: Action, *, data: Mapping[str, Any], trace: Trace, by: Any
) -> CaseEvent:
    """Write the fact of a decision; whether it may be taken is ``engine.decisions``' business."""
    note = str(data.get("note", ""))
    kept = {key: value for key, value in data.items() if key != "note"}
    return happened(
        case, CaseEvent.Kind.DECIDED, trace, action=action.key, data=kept, note=note, by=by
    )


def decided_all(
    taken: Sequence[tuple[Case, Action, Mapping[str, Any]]], *, trace: Trace
) -> list[CaseEvent]:
    """The same for many cases in one statement, without notes."""
    return CaseEvent.objects.bulk_create(
        [
            CaseEvent(
                case=case,
                kind=CaseEvent.Kind.DECIDED,
                action=action.key,
                actor=trace.actor,
                data=dict(data),
                at=trace.at,
            )
            for case, action, data in taken
        ]
    )


def assign(case: Case, *, to: Any, trace: Trace, note: str = "") -> bool:
    """Give a case to a person, or to nobody. Claiming is assigning to oneself; only one wins.

    Returns False when somebody else took it first.
    """
    with transaction.atomic():
        updated = Case.objects.filter(pk=case.pk, assignee=case.assignee_id).update(assignee=to)
        if not updated:
            return False
        data = {"to": str(to or ""), "from": str(case.assignee or "")}
        happened(case, CaseEvent.Kind.ASSIGNED, trace, data=data, note=note)
        case.assignee = to
    return True


def snooze(case: Case, *, until: datetime | None, awaiting: str, trace: Trace, note: str) -> None:
    """Hide a case until a time, until something CHANGEs, or until it gets WORSE. Needs a reason."""
    if until is None and awaiting not in ("CHANGE", "WORSE"):
        raise ValueError("a snooze needs an end: a time, CHANGE or WORSE")
    with transaction.atomic():
        move(
            case,
            "state",
            CaseState.SNOOZED,
            reason=f"Snoozed: {awaiting.lower() or until}",
            trace=trace,
            snoozed_until=until,
            snoozed_for=awaiting,
        )
        happened(
            case,
            CaseEvent.Kind.SNOOZED,
            trace,
            data=case.sleep,
            note=note,
        )


def wake(case: Case, *, trace: Trace, reason: str) -> None:
    """Bring a snoozed case back to its queue."""
    was = case.sleep
    with transaction.atomic():
        move(
            case,
            "state",
            CaseState.OPEN,
            reason=reason,
            trace=trace,
            snoozed_until=None,
            snoozed_for="",
        )
        happened(case, CaseEvent.Kind.WOKE, trace, data={"reason": reason} | was)


def note(case: Case, *, text: str, trace: Trace, by: Any) -> CaseEvent:
    """Add a person's words to a case."""
    return happened(case, CaseEvent.Kind.NOTED, trace, note=text, by=by)


def escalate(kinds: Mapping[str, CaseKind], *, trace: Trace, limit: int = 200) -> int:
    """Wake what is due to wake, and lift overdue cases up their ladder. Returns how many changed.

    One step per call, so that nobody on the ladder is skipped. Safe in several processes at once.
    """
    changed = 0
    sleeping = Case.objects.filter(state=CaseState.SNOOZED, snoozed_until__lte=trace.at)
    for case in sleeping.order_by("id")[:limit]:
        try:
            wake(case, trace=trace, reason="Its time has come")
        except Raced:
            continue  # another process or a person was faster
        changed += 1
    # Only those with a step left: cases at the top of their ladder must not use up the limit.
    liftable = Q(pk__in=[])
    for step in range(max(len(kind.ladder) for kind in kinds.values())):
        codes = [kind.code for kind in kinds.values() if len(kind.ladder) > step]
        due = trace.at - step * LIFT_EVERY
        liftable |= Q(escalation=step, due_at__lte=due, kind__in=codes)
    overdue = Case.objects.filter(liftable, state=CaseState.OPEN, due_at__lte=trace.at)
    for case in overdue.order_by("id")[:limit]:
        changed += _lift(case, kinds[case.kind].ladder[case.escalation], trace)
    return changed


def _lift(case: Case, told: str, trace: Trace) -> bool:
    with transaction.atomic():
        mine = Case.objects.filter(
            pk=case.pk, state=CaseState.OPEN, escalation=case.escalation
        ).update(escalation=case.escalation + 1)
        if mine:
            data = {"step": case.escalation + 1, "role": told}
            happened(case, CaseEvent.Kind.ESCALATED, trace, data=data)
    return bool(mine)


def happened(
    case: Case,
    kind: str,
    trace: Trace,
    *,
    action: str = "",
    data: Mapping[str, Any] | None = None,
    note: str = "",
    by: Any = None,
) -> CaseEvent:
    """Write the fact that something happened to a case, with a person's words if there are any."""
    written = Note.objects.create(text=note, author=by, at=trace.at) if note else None
    return CaseEvent.objects.create(
        case=case,
        kind=kind,
        action=action,
        actor=trace.actor,
        data=dict(data or {}),
        note=written,
        at=trace.at,
    )


__all__ = [
    "CALLS_RUN_LOW",
    "CREDENTIALS_REFUSED",
    "ENGINE_KINDS",
    "FACT_NOT_ROUTED",
    "FIXED_THERE",
    "GIVE_UP",
    "JOB_CRASHES",
    "JOB_FAILED",
    "JOB_IN_DOUBT",
    "JOB_LATE",
    "KINDS",
    "MAPPING_MISSING",
    "MESSAGE_CHANGED",
    "MESSAGE_UNKNOWN",
    "NOT_AN_ERROR",
    "ROW_NOT_READ",
    "SAVE_MAPPING",
    "TRY_AGAIN",
    "WRITE_SWITCHED_OFF",
    "About",
    "Action",
    "Case",
    "CaseKind",
    "Field",
    "assign",
    "by_code",
    "close_by_fact",
    "decided",
    "escalate",
    "happened",
    "note",
    "open_case",
    "snooze",
    "solve",
    "wake",
]
