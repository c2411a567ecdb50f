"""A person's decision on a case: taken by one, or by two who agree to exactly the same.

Pressing a button never does anything itself: it leaves a fact, ``decided:<key>``, and the flow of
that line follows. Permissions are checked above; that a second person is needed is held here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, Max, OuterRef

from integrator.engine import approvals, cases, jobs
from integrator.engine.case_kinds import Action
from integrator.engine.states import Trace
from integrator.models import Approval, ApprovalState, Case, CaseEvent, CaseState, Job, JobState
from integrator.models.states import JOB_AT_WORK, JOB_OPEN

HOLD_SECONDS = 30  # in which a person may change their mind before anything leaves the house
CLOSED_BY_HAND = "Closed by a person"  # by none of the buttons of its kind
WAITS_FOR_SECOND = "A second person has been asked. It must be answered or taken back first."
# What somebody must have seen before they may decide: a later one of these means "look again".
DECISIVE = (
    CaseEvent.Kind.DECIDED,
    CaseEvent.Kind.SOLVED,
    CaseEvent.Kind.REOPENED,
    CaseEvent.Kind.SNOOZED,
    CaseEvent.Kind.UNDONE,
)
# What changes the case under somebody's hands without deciding it: they see it before they do.
TO_BE_SEEN = (*DECISIVE, CaseEvent.Kind.SEEN_AGAIN, CaseEvent.Kind.HANDED_OVER)


class UnableToDecide(Exception):
    """Somebody decided meanwhile, or what is at stake has changed. Says which, for the person."""


def take(
    case: Case, action: Action, *, data: Mapping[str, Any], trace: Trace, by: Any
) -> CaseEvent:
    """Record one person's decision. Only for actions one person may decide alone.

    UnableToDecide while another decision about the same step is on its way, or a second person has
    been asked about the case.
    """
    assert not action.approval, f"{action.key} needs a second person"
    _refuse_if_asked([case])
    _refuse_if_not_now(case, action)
    return _record(case, action, data=data, trace=trace, by=by)


def take_all(
    chosen: Sequence[tuple[Case, Action, Mapping[str, Any]]], *, trace: Trace
) -> list[CaseEvent]:
    """Record one person's decisions on several cases, all or none, in a fixed number of statements.

    As ``take`` for each, without notes. UnableToDecide names what it is about.
    """
    steps = [case.job_id for case, _, _ in chosen if case.job_id is not None]
    locked = Job.objects.select_for_update(no_key=True).filter(pk__in=steps).order_by("pk")
    jobs = {job.pk: job for job in locked}
    deciding = being_decided(steps)
    _refuse_if_asked([case for case, _, _ in chosen])
    for case, action, _ in chosen:
        assert not action.approval, f"{action.key} needs a second person"
        job = jobs.get(case.job_id or 0)
        if said := why_not(action, job, deciding=case.job_id in deciding):
            raise UnableToDecide(said)
    return cases.decided_all(
        [(case, action, _kept(action, data)) for case, action, data in chosen], trace=trace
    )


def ask(case: Case, action: Action, *, data: Mapping[str, Any], trace: Trace, by: Any) -> Approval:
    """Ask for the second person, bound to what is decided and what is at stake at this moment.

    The note stays a note of the case, so that it can be erased. UnableToDecide while its step is
    tried again: it may be doing just now what two people would decide. Also while another question
    waits: agreed to twice, with two references, a payment would be carried out for neither.
    """
    assert action.approval, f"{action.key} is decided by one person"
    _refuse_if_asked([case])
    _refuse_if_not_now(case, action)
    asked = {key: value for key, value in data.items() if key != "note"}
    event = _questioned(case, "asked", action, text=str(data.get("note", "")), trace=trace, by=by)
    return approvals.ask(
        verb=action.verb,
        record_kind="case",
        record_id=case.pk,
        content={
            "case": case.pk,
            "action": action.key,
            "data": asked,
            "facts": case.facts,
            **_at_stake(case),
            "note_event": event.pk,
        },
        by=by,
        trace=trace,
    )


def agree(case: Case, action: Action, approval: Approval, *, trace: Trace, by: Any) -> CaseEvent:
    """The second person's word, which uses the approval up: the decision is the asker's.

    It is about the facts that were shown when it was asked (``facts`` of the decision): what came
    to light since is not decided by it.

    UnableToDecide when the case was decided since it was asked, or is about other money now.
    UnableToApprove when it is the asker who agrees.
    """
    if approval.state != ApprovalState.ASKED:
        raise UnableToDecide("Somebody has answered this already")
    if _decided_since(case, approval):
        raise UnableToDecide("Somebody decided this meanwhile, so nothing was done")
    stake = _at_stake(case)
    if not is_about(approval, case):
        raise UnableToDecide("The amount has changed since it was asked: it must be asked anew")
    _refuse_if_not_now(case, action)
    approvals.decide(approval, grant=True, by=by, trace=trace)
    approvals.use(
        verb=approval.verb,
        record_kind="case",
        record_id=case.pk,
        content=approval.content,
        trace=trace,
    )
    data = dict(approval.content.get("data", {}))
    asked = CaseEvent.objects.select_related("note").filter(
        pk=approval.content.get("note_event"), case=case
    )
    found = asked.first()
    if found is not None and found.note is not None:
        data["note"] = found.note.text
    asker = approval.asked_by
    return _record(
        case,
        action,
        data=data
        | {
            "agreed_by": by.get_username(),
            "approval_id": approval.pk,
            "facts": approval.content["facts"],
            **stake,
        },
        trace=trace.by(f"user:{asker.get_username()}"),
        by=asker,
    )


def refuse(case: Case, action: Action, approval: Approval, *, trace: Trace, by: Any) -> None:
    """The second person says no. The case stays as it is, with their word on it."""
    if approval.state != ApprovalState.ASKED:
        raise UnableToDecide("Somebody has answered this already")
    approvals.decide(approval, grant=False, by=by, trace=trace)
    _questioned(case, "refused", action, trace=trace, by=by)


def take_back(case: Case, action: Action, approval: Approval, *, trace: Trace, by: Any) -> None:
    """Whoever asked takes the question back: nobody can agree to it any more.

    UnableToApprove when somebody else asked it, or somebody has answered.
    """
    approvals.take_back(approval, by=by, trace=trace)
    _questioned(case, "took back", action, trace=trace, by=by)


def is_about(approval: Approval, case: Case) -> bool:
    """Whether the case is still about the money that was at stake when this was asked."""
    return all(approval.content.get(name) == value for name, value in _at_stake(case).items())


def is_current(approval: Approval, case: Case) -> bool:
    """Whether its answer would decide the case as it is now: the same money, the same facts."""
    return is_about(approval, case) and approval.content.get("facts") == case.facts


def close(case: Case, *, resolution: str, note: str, trace: Trace, by: Any) -> None:
    """Close a case without any action of its kind.

    UnableToDecide while its step has stopped or is in doubt: closing would hide what is still owed.
    Also while a second person has been asked: whoever asked waits for the answer.
    """
    if said := why_not_close(case.job):
        raise UnableToDecide(said)
    _refuse_if_asked([case])
    cases.solve(
        case,
        resolution=resolution,
        trace=trace,
        reason=CLOSED_BY_HAND,
        note=note,
        by=by,
    )


def waiting_for_second(cases: Iterable[Case]) -> set[int]:
    """The numbers of those about which, as they are now, a second person was asked and has not
    answered.
    """
    of = {case.pk: case for case in cases}
    waiting = Approval.objects.filter(
        record_kind="case", record_id__in=list(of), state=ApprovalState.ASKED
    )
    return {one.record_id for one in waiting if is_current(one, of[one.record_id])}


def _refuse_if_asked(cases: Iterable[Case]) -> None:
    if waiting_for_second(cases):
        raise UnableToDecide(WAITS_FOR_SECOND)


def _questioned(
    case: Case, what: str, action: Action, *, trace: Trace, by: Any, text: str = ""
) -> CaseEvent:
    """Somebody asked a second person, refused what was asked, or took it back, in their words."""
    data = {"question": what, "about": action.key}
    return cases.happened(case, CaseEvent.Kind.NOTED, trace, data=data, note=text, by=by)


def _record(
    case: Case, action: Action, *, data: Mapping[str, Any], trace: Trace, by: Any
) -> CaseEvent:
    return cases.decided(case, action, data=_kept(action, data), trace=trace, by=by)


def _kept(action: Action, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a decision keeps; one that leaves the house is held for a moment."""
    return {**data, "hold_seconds": HOLD_SECONDS} if action.leaves else dict(data)


def why_not(action: Action, job: Job | None, *, deciding: bool) -> str:
    """Why a step's case cannot be decided in this way at this moment; empty when it can.

    One decision at a time about a step, whichever of its cases it is made on (``deciding``). And
    what two people decide is about a step that rests: while it is tried again, it may be doing just
    now what they would decide.
    """
    if deciding:
        return "A decision about its step is on its way. Wait, or cancel it."
    if action.approval and job is not None and job.state in JOB_AT_WORK:
        return "Its step is being tried again. Look again when that has ended."
    return ""


def why_not_close(job: Job | None) -> str:
    """Why a case with this step cannot simply be closed; empty when it can."""
    if job is not None and job.state in (JobState.PARKED, JobState.IN_DOUBT):
        return "Its step waits for this case. It closes by itself once the step has ended."
    return ""


def newest(case_ids: Sequence[int]) -> dict[int, int]:
    """The number of the newest decisive event of each case; without one it is left out."""
    events = CaseEvent.objects.filter(case_id__in=case_ids, kind__in=DECISIVE)
    return dict(events.values_list("case_id").annotate(newest=Max("id")).order_by())


def _refuse_if_not_now(case: Case, action: Action) -> None:
    if case.job_id is None:
        return
    job = Job.objects.select_for_update(no_key=True).get(pk=case.job_id)
    if said := why_not(action, job, deciding=job.pk in being_decided([job.pk])):
        raise UnableToDecide(said)


def lock_step(case_id: int) -> None:
    """Lock the step of a case. To be called before the case is locked: workers, too, lock the step
    first, so that neither waits for what the other holds.
    """
    step = Case.objects.filter(pk=case_id).values("job_id")
    Job.objects.select_for_update(no_key=True).filter(pk__in=step).values_list("pk").first()


def being_decided(job_ids: Sequence[int]) -> set[int]:
    """Those of these jobs about which a decision has been taken that is not carried out yet."""
    about = Case.objects.filter(job_id__in=job_ids)
    # Other steps work on a case too: a mail that tells its owner must not hold a decision up.
    decision = CaseEvent.objects.filter(pk=OuterRef("fact"), kind=CaseEvent.Kind.DECIDED)
    held = Job.objects.filter(
        Exists(decision), record_kind="case", record_id=OuterRef("pk"), state__in=JOB_OPEN
    )
    unheard = CaseEvent.objects.filter(
        case=OuterRef("pk"), kind=CaseEvent.Kind.DECIDED, routed_at__isnull=True
    )
    found = about.filter(Exists(held) | Exists(unheard)).values_list("job_id", flat=True)
    return {job_id for job_id in found if job_id is not None}


def let_look_again(stopped: Sequence[Job], *, at: datetime) -> int:
    """Set parked steps going again because of a later fact. Returns how many.

    What a person is deciding about one just now stays with that person.
    """
    deciding = being_decided([job.pk for job in stopped])
    return jobs.release([job for job in stopped if job.pk not in deciding], at=at)


def _at_stake(case: Case) -> dict[str, Any]:
    return {"money_minor": case.money_minor, "currency": case.currency}


def _decided_since(case: Case, approval: Approval) -> bool:
    """By the order in which it was written down: two servers' clocks differ."""
    decisive = case.events.filter(kind__in=DECISIVE, pk__gt=approval.content["note_event"])
    return case.state == CaseState.SOLVED or decisive.exists()
