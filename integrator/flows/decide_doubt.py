"""Two people's word on a call that may have happened and that no look-up could settle."""

from __future__ import annotations

from finance.models import Refund
from finance.services import refund_sent
from integrator.engine import cases, jobs
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.models import Case, CaseEvent


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
    refund = _refund(case)
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


def _refund(case: Case) -> Refund | None:
    refund_id = case.job.kept.get("refund") if case.job is not None else None
    if refund_id is None:
        return None
    return Refund.objects.select_related("order", "return_record").get(pk=refund_id)


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
    priority=15,
)
IT_DID_NOT_HAPPEN = Flow(
    name="it_did_not_happen",
    says="Let the step run again on two people's word",
    aim=each(aim_case),
    record=record_did_not,
    priority=15,
)
