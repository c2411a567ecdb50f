"""A person's word on a step that stopped: try it again, or give it up."""

from __future__ import annotations

from datetime import timedelta

from finance.models import Refund
from finance.services import refund_refused
from finance.states import RefundStatus
from integrator.engine import cases, choices, jobs
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.work import Work
from integrator.models import Case, Job, JobState

HOLD = timedelta(seconds=30)  # a person may still change their mind before anything leaves


def aim_case(fact: Fact) -> Aim:
    """A decision works on its case, in the case's own lane."""
    return Aim("case", fact.record_id, f"case:{fact.record_id}", order_id=fact.order_id)


def the_case(work: Work) -> Case:
    return (
        Case.objects.select_for_update(of=("self",), no_key=True)
        .select_related("job", "connection")
        .get(pk=work.job.record_id)
    )


def record_try_again(work: Work, _: None) -> Evidence:
    """Release what waits for this cause, under the settings of now.

    The case closes when the step has succeeded, not before.
    """
    case = the_case(work)
    waiting = Job.objects.filter(state=JobState.PARKED, cause=case.cause)
    if case.job is not None and case.job.state == JobState.WAITING:
        return {"hurried": jobs.hurry(lane=case.job.lane, at=work.at)}
    versions = choices.current_versions()
    for job in waiting:
        jobs.adopt_policy(job, version=versions.get(job.connection_id))
    return {"released": jobs.release(waiting.order_by("id"), at=work.at, delay=HOLD)}


def record_give_up(work: Work, _: None) -> Evidence:
    """Stop the step for good and close the case.

    An amount reserved for it and never sent is freed.
    """
    case = the_case(work)
    stopped = case.job is not None and jobs.cancel(
        case.job, at=work.at, reason=f"given up by {work.job.actor}"
    )
    if stopped and case.job is not None and case.job.kept.get("refund"):
        refund = Refund.objects.select_related("order__connection__retailer").get(
            pk=case.job.kept["refund"]
        )
        if refund.status == RefundStatus.AUTHORISED:
            refund_refused(refund, trace=work.trace, reason="Given up before it was sent")
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_THERE,
        trace=work.trace.by(work.job.actor),
        reason="Done in another way",
    )
    return {"stopped": stopped}


TRY_AGAIN = Flow(
    name="try_again",
    says="Release the stopped step",
    aim=each(aim_case),
    record=record_try_again,
    priority=15,
)
GIVE_UP = Flow(
    name="give_up",
    says="Stop the step for good",
    aim=each(aim_case),
    record=record_give_up,
    priority=15,
)
