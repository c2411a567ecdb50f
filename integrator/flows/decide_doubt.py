"""Two people's word on a call that may have happened and that no look-up could settle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finance.services import refund_sent
from finance.states import RefundStatus
from integrator.engine import cases, jobs
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.shapes import Call, Change
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, refund_of, the_case
from integrator.models import Case, CaseEvent, JobState


def _decision(work: Work) -> CaseEvent:
    return CaseEvent.objects.get(pk=work.job.fact)


def record_happened(work: Work, _: None) -> Evidence:
    """It was sent: the step is done, with the reference as proof.

    Money still waits for its record.
    """
    case = the_case(work)
    reference = str(_decision(work).data.get("reference", ""))
    settled = case.job is not None and jobs.settle_doubt(
        case.job, happened=True, at=work.at, evidence={"by": work.job.actor, "reference": reference}
    )
    refund = refund_of(case)
    if settled and refund is not None:
        refund_sent(
            refund,
            trace=work.trace.by(work.job.actor),
            reason=f"Seen there by a person: {reference}",
        )
    _close(case, work, "Two people saw that it happened")
    return {"settled": settled}


def record_did_not(work: Work, _: None) -> Evidence:
    """It was not sent: it may run again, and looks first whether somebody paid meanwhile."""
    case = the_case(work)
    job = case.job
    if job is not None and job.sent_at is not None and job.sent_at > _decision(work).at:
        # It was sent once more since they looked: their word is about the call before.
        return {"nothing": "it was sent again after this was decided"}
    settled = job is not None and jobs.settle_doubt(job, happened=False, at=work.at, evidence={})
    _close(case, work, "Two people saw that it did not happen")
    return {"settled": settled}


def plan_happened(case: Case, _: Mapping[str, Any]) -> list[Call]:
    changes = []
    refund = refund_of(case)
    if refund is not None:
        changes.append(Change("Refund", refund.get_status_display(), RefundStatus.SENT.label))
    if case.job is not None:
        changes.append(Change("The step", case.job.get_state_display(), JobState.DONE.label))
    says = "Let the later steps of the same record go on"
    return [Call("", "", "", says, changes=tuple(changes))]


def _close(case: Case, work: Work, reason: str) -> None:
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=work.trace.by(work.job.actor),
        reason=reason,
    )


IT_HAPPENED = Flow(
    name="it_happened",
    says="Count the step as done on two people's word",
    aim=each(aim_case),
    record=record_happened,
    plan=plan_happened,
    priority=15,
)
IT_DID_NOT_HAPPEN = Flow(
    name="it_did_not_happen",
    says="Let the step run again on two people's word",
    aim=each(aim_case),
    record=record_did_not,
    priority=15,
)
