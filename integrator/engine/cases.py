"""Cases: what a person must look at. One ``CaseKind`` says everything about one way to go wrong.

The kinds of a department live in its app's ``cases.py``; the engine's own are at the end of this
file. Nothing here closes a case by its age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from integrator.engine.states import Trace, move
from integrator.models import Case, CaseEvent, CaseState, Note

LIFT_EVERY_HOURS = 4  # an unattended overdue case goes one step up its ladder each time


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a person fills in for an action. ``kind`` is text, money, choice or note."""

    name: str
    label: str
    kind: str = "text"
    required: bool = True
    choices: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A button on the case. ``key`` is routed as ``decided:<key>``; ``verb`` is the permission.

    ``leaves`` says that it sends something to a platform: it then waits 30 seconds and can be
    cancelled. ``approval`` says that a second person must agree to the exact content.
    """

    key: str
    label: str
    says: str
    verb: str
    fields: tuple[Field, ...] = ()
    leaves: bool = False
    approval: bool = False


@dataclass(frozen=True, slots=True)
class CaseKind:
    """One way to go wrong, in words for the person who owns it.

    The sentences may use ``{names}`` from the case's facts. ``closes_when`` says in words which
    later fact closes it by itself. ``ladder`` are the roles told one after another when nobody
    acts. ``alert`` mails the owner at once.
    """

    code: str
    owner: str
    severity: int
    due_hours: float
    title: str
    happened: str
    means: str
    todo: str
    otherwise: str
    closes_when: str
    actions: tuple[Action, ...]
    evidence: tuple[str, ...] = ()
    ladder: tuple[str, ...] = ("ADMIN",)
    alert: bool = False
    shared_cause: bool = False


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
            "severity": kind.severity,
            "opened_at": trace.at,
            "due_at": trace.at + timedelta(hours=kind.due_hours),
            "money_minor": about.money_minor,
            "currency": about.currency,
            "customers_waiting": about.customers_waiting,
        }
        case, created = Case.objects.select_for_update().get_or_create(
            kind=kind.code,
            record_kind=about.record_kind,
            record_id=about.record_id,
            cause=cause or f"{about.record_kind}:{about.record_id}",
            defaults=values,
        )
        if created:
            _event(case, CaseEvent.Kind.OPENED, trace, data=case.facts)
        else:
            _seen_again(case, values, trace)
    return case


def _seen_again(case: Case, values: dict[str, Any], trace: Trace) -> None:
    fresh = {key: values[key] for key in ("facts", "job_id", "money_minor", "customers_waiting")}
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
        )
        Case.objects.filter(pk=case.pk).update(seen=F("seen") + 1, **fresh)
        _event(case, CaseEvent.Kind.REOPENED, trace, data=fresh["facts"])
        return
    worse = values["money_minor"] > case.money_minor
    changed = values["facts"] != case.facts
    Case.objects.filter(pk=case.pk).update(seen=F("seen") + 1, **fresh)
    if changed:
        _event(case, CaseEvent.Kind.SEEN_AGAIN, trace, data=fresh["facts"])
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
        )
        _event(
            case,
            CaseEvent.Kind.SOLVED,
            trace,
            data={"resolution": resolution, "reason": reason},
            note=note,
            by=by,
        )


def close_by_fact(
    *,
    trace: Trace,
    reason: str,
    kinds: Sequence[CaseKind] = (),
    record_kind: str = "",
    record_id: int | None = None,
    job_id: int | None = None,
    cause: str = "",
) -> int:
    """Close every open case a later fact has made untrue. Returns how many."""
    cases = Case.objects.exclude(state=CaseState.SOLVED)
    if job_id is not None:
        cases = cases.filter(job_id=job_id)
    if record_id is not None:
        cases = cases.filter(record_kind=record_kind, record_id=record_id)
    if kinds:
        cases = cases.filter(kind__in=[kind.code for kind in kinds])
    if cause:
        cases = cases.filter(cause=cause)
    closed = 0
    for case in cases.select_for_update().order_by("id"):
        solve(case, resolution=Case.Resolution.BY_ITSELF, trace=trace, reason=reason)
        closed += 1
    return closed


def decide(
    case: Case, action: Action, *, data: Mapping[str, Any], trace: Trace, by: Any
) -> CaseEvent:
    """Record a person's decision as a fact. What follows from it is the line ``decided:<key>``."""
    note = str(data.get("note", ""))
    kept = {key: value for key, value in data.items() if key != "note"}
    return _event(
        case, CaseEvent.Kind.DECIDED, trace, action=action.key, data=kept, note=note, by=by
    )


def assign(case: Case, *, to: Any, trace: Trace, note: str = "") -> bool:
    """Give a case to a person, or to nobody. Claiming is assigning to oneself; only one wins.

    Returns False when somebody else took it first.
    """
    with transaction.atomic():
        updated = Case.objects.filter(pk=case.pk, assignee=case.assignee_id).update(assignee=to)
        if not updated:
            return False
        name = to.get_username() if to is not None else ""
        _event(case, CaseEvent.Kind.ASSIGNED, trace, data={"to": name}, note=note)
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
        _event(
            case,
            CaseEvent.Kind.SNOOZED,
            trace,
            data={"until": until.isoformat() if until else "", "for": awaiting},
            note=note,
        )


def wake(case: Case, *, trace: Trace, reason: str) -> None:
    """Bring a snoozed case back to its queue."""
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
        _event(case, CaseEvent.Kind.WOKE, trace, data={"reason": reason})


def note(case: Case, *, text: str, trace: Trace, by: Any) -> CaseEvent:
    """Add a person's words to a case."""
    return _event(case, CaseEvent.Kind.NOTED, trace, note=text, by=by)


def escalate(kinds: Mapping[str, CaseKind], *, trace: Trace, limit: int = 200) -> int:
    """Wake what is due to wake, and lift overdue cases up their ladder. Returns how many changed."""
    changed = 0
    sleeping = Case.objects.filter(state=CaseState.SNOOZED, snoozed_until__lte=trace.at)
    for case in sleeping.order_by("id")[:limit]:
        wake(case, trace=trace, reason="Its time has come")
        changed += 1
    overdue = Case.objects.filter(state=CaseState.OPEN, due_at__lte=trace.at).order_by("id")
    for case in overdue[:limit]:
        kind = kinds[case.kind]
        late = trace.at - case.due_at
        step = min(len(kind.ladder), 1 + int(late / timedelta(hours=LIFT_EVERY_HOURS)))
        if step <= case.escalation:
            continue
        with transaction.atomic():
            lifted = Case.objects.filter(pk=case.pk, escalation=case.escalation)
            if lifted.update(escalation=step):
                told = kind.ladder[step - 1]
                _event(case, CaseEvent.Kind.ESCALATED, trace, data={"step": step, "role": told})
                changed += 1
    return changed


def _event(
    case: Case,
    kind: str,
    trace: Trace,
    *,
    action: str = "",
    data: Mapping[str, Any] | None = None,
    note: str = "",
    by: Any = None,
) -> CaseEvent:
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


@dataclass(frozen=True, slots=True)
class Said:
    """A case's five lines with its facts filled in."""

    title: str
    happened: str
    means: str
    todo: str
    otherwise: str


class _Facts(dict[str, Any]):
    """A fact that was not given is shown as unknown instead of breaking the sentence."""

    def __missing__(self, key: str) -> str:
        return "(unknown)"


def say(kind: CaseKind, facts: Mapping[str, Any]) -> Said:
    """Fill a kind's sentences with a case's facts."""
    known = _Facts(facts)
    return Said(
        title=kind.title.format_map(known),
        happened=kind.happened.format_map(known),
        means=kind.means.format_map(known),
        todo=kind.todo.format_map(known),
        otherwise=kind.otherwise.format_map(known),
    )


# --- Actions every department uses ------------------------------------------------------------

TRY_AGAIN = Action(
    key="try_again",
    label="Try again",
    says="Runs the waiting step once more. What was already done is not done twice.",
    verb="job.retry",
    leaves=True,
)
GIVE_UP = Action(
    key="give_up",
    label="Stop trying",
    says="The step is not run any more. Say what was done instead.",
    verb="job.cancel",
    fields=(Field("note", "What was done instead", "note"),),
)
SAVE_MAPPING = Action(
    key="save_mapping",
    label="Map it",
    says="Saves what the word means and releases everything that waits for it, in order.",
    verb="mapping.change",
    fields=(Field("ours", "This is our", "choice", choices="mapping"),),
    leaves=True,
)
NOT_AN_ERROR = Action(
    key="not_an_error",
    label="Nothing is wrong",
    says="Closes the case. It comes back if the same happens again.",
    verb="case.solve",
    fields=(Field("note", "Why nothing is wrong", "note"),),
)
FIXED_THERE = Action(
    key="fixed_there",
    label="I fixed it in the platform",
    says="Closes the case and reads the record again from the platform.",
    verb="case.solve",
    fields=(Field("note", "What was changed, and where", "note"),),
    leaves=True,
)

# --- The engine's own kinds --------------------------------------------------------------------

JOB_FAILED = CaseKind(
    code="JOB_FAILED",
    owner="ADMIN",
    severity=2,
    due_hours=4,
    title="{step} stopped",
    happened="{step} was refused: {error}",
    means="The record behind it stays where it is until somebody decides.",
    todo="Look at what was refused, mend it, then try again.",
    otherwise="It stays undone, and this case stays open.",
    closes_when="the step succeeds",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("step", "error"),
)
JOB_CRASHES = CaseKind(
    code="JOB_CRASHES",
    owner="ADMIN",
    severity=3,
    due_hours=2,
    title="{step} stops its worker",
    happened="{step} ended its worker {crashes} times, so it was set aside.",
    means="Everything else goes on. Only this step waits.",
    todo="Ask a developer to look at the record, then try again.",
    otherwise="It stays undone, and this case stays open.",
    closes_when="the step succeeds",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("step", "crashes"),
)
JOB_LATE = CaseKind(
    code="JOB_LATE",
    owner="ADMIN",
    severity=2,
    due_hours=2,
    title="{step} is late",
    happened="{step} should have been done by {due}. It keeps being tried: {error}",
    means="Somebody waits for it: a customer, the shop or the books.",
    todo="See whether the platform has a problem. Nothing needs to be sent again by hand.",
    otherwise="It is tried for seven days, then set aside.",
    closes_when="the step succeeds",
    actions=(TRY_AGAIN, GIVE_UP),
    evidence=("step", "due", "error"),
)
JOB_IN_DOUBT = CaseKind(
    code="JOB_IN_DOUBT",
    owner="OPERATIONS",
    severity=3,
    due_hours=2,
    title="We are not sure whether “{step}” happened",
    happened="The platform did not answer after we sent it, and looking it up gave no clear answer.",
    means="It may have happened. It is not sent again on a guess.",
    todo="Look in the platform. Then say here what you saw.",
    otherwise="Later steps for the same record wait.",
    closes_when="a look-up finds it",
    actions=(
        Action(
            key="it_happened",
            label="It happened",
            says="Counts the step as done, with your reference as proof.",
            verb="doubt.decide",
            fields=(
                Field("reference", "Reference you saw in the platform"),
                Field("note", "What you saw", "note"),
            ),
            approval=True,
        ),
        Action(
            key="it_did_not_happen",
            label="It did not happen",
            says="The step may then be run again.",
            verb="doubt.decide",
            fields=(Field("note", "How you know", "note"),),
            approval=True,
            leaves=True,
        ),
    ),
    evidence=("step", "error"),
    alert=True,
)
MAPPING_MISSING = CaseKind(
    code="MAPPING_MISSING",
    owner="OPERATIONS",
    severity=2,
    due_hours=4,
    title="{platform} says “{theirs}”: we do not know this {kind}",
    happened="{platform} sent the {kind} “{theirs}”. Nobody has said what it means here.",
    means="What depends on it was held back. Nothing was booked to another place.",
    todo="Say what it is. Everything that waits for it is then released, in order.",
    otherwise="More records join the pile. None is booked on a guess.",
    closes_when="the word is mapped",
    actions=(SAVE_MAPPING,),
    evidence=("platform", "kind", "theirs"),
    shared_cause=True,
)
CREDENTIALS_REFUSED = CaseKind(
    code="CREDENTIALS_REFUSED",
    owner="ADMIN",
    severity=3,
    due_hours=1,
    title="{platform} does not accept our key any more",
    happened="{platform} refused our credentials: {error}",
    means="All work for {platform} is held, in order. Nothing is lost.",
    todo="Enter a new key for the connection, test it, and switch it on again.",
    otherwise="Orders, returns and refunds for {platform} keep waiting.",
    closes_when="the connection is active again",
    actions=(
        Action(
            key="resume_connection",
            label="Switch it on again",
            says="Held work starts again, oldest first.",
            verb="connection.change",
            leaves=True,
        ),
    ),
    evidence=("platform", "error"),
    alert=True,
    shared_cause=True,
)
WRITE_SWITCHED_OFF = CaseKind(
    code="WRITE_SWITCHED_OFF",
    owner="OPERATIONS",
    severity=2,
    due_hours=8,
    title="This step must be done by hand in {platform}",
    happened="“{write}” is switched off, because {platform} has not confirmed how it works.",
    means="Everything before it is done. Only this step is open.",
    todo="Do the step in {platform}, then say so here.",
    otherwise="{platform} keeps showing the old state.",
    closes_when="the platform shows the new state",
    actions=(GIVE_UP, TRY_AGAIN),
    evidence=("platform", "write"),
)
MESSAGE_UNKNOWN = CaseKind(
    code="MESSAGE_UNKNOWN",
    owner="ADMIN",
    severity=1,
    due_hours=24,
    title="{platform} sent something new: {event}",
    happened="{platform} sent “{event}”. It is genuine, but has no meaning here yet.",
    means="It was kept and nothing was changed.",
    todo="See whether it matters. If it does, ask for it to be supported.",
    otherwise="Messages like it keep being kept and not used.",
    closes_when="somebody has looked at it",
    actions=(NOT_AN_ERROR,),
    evidence=("platform", "event"),
    shared_cause=True,
)
MESSAGE_CHANGED = CaseKind(
    code="MESSAGE_CHANGED",
    owner="ADMIN",
    severity=2,
    due_hours=8,
    title="{platform} sent a known message with other content",
    happened="Message {event_id} came again, but it does not say the same any more.",
    means="The second one was kept aside and changed nothing.",
    todo="Ask {platform} which one is right. Our figures come from reading {platform} itself.",
    otherwise="Nothing is wrong with our data, but a sender may be faulty or false.",
    closes_when="somebody has looked at it",
    actions=(NOT_AN_ERROR,),
    evidence=("platform", "event", "event_id"),
)

KINDS: tuple[CaseKind, ...] = (
    JOB_FAILED,
    JOB_CRASHES,
    JOB_LATE,
    JOB_IN_DOUBT,
    MAPPING_MISSING,
    CREDENTIALS_REFUSED,
    WRITE_SWITCHED_OFF,
    MESSAGE_UNKNOWN,
    MESSAGE_CHANGED,
)


def by_code(kinds: Sequence[CaseKind]) -> dict[str, CaseKind]:
    """A catalogue by code; two kinds with one code are a programmer's mistake."""
    catalogue = {kind.code: kind for kind in kinds}
    assert len(catalogue) == len(kinds), "two case kinds share a code"
    return catalogue


ENGINE_KINDS = by_code(KINDS)
