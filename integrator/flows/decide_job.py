"""A person's word on a step that stopped: try it again, or give it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from finance.models import Refund
from finance.services import refund_refused
from finance.states import RefundStatus
from integrator.engine import batches, bulks, cases, choices, decisions, jobs
from integrator.engine.cases import TRY_AGAIN as TRY_AGAIN_ACTION
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.money import money_text
from integrator.engine.shapes import Call, Change
from integrator.engine.states import Trace, move
from integrator.engine.work import Work
from integrator.flows.kinds import CASE_KINDS
from integrator.flows.refund_listed import look_at_money
from integrator.models import BatchItem, BulkItem, Case, CaseState, Job, JobState
from integrator.models.states import JOB_OPEN
from returns.models import ReturnItem
from returns.states import MONEY_MOVES, Money


def aim_case(fact: Fact) -> Aim:
    """A decision works on its case, in the case's own lane.

    What will leave the house is held back at first: until then it can be cancelled.
    """
    return Aim(
        "case",
        fact.record_id,
        f"case:{fact.record_id}",
        order_id=fact.order_id,
        delay_seconds=int(fact.data.get("hold_seconds", 0)),
    )


def the_case(work: Work) -> Case:
    """The case of the decision, locked, and before it its step."""
    decisions.lock_step(work.job.record_id)
    return (
        Case.objects.select_for_update(of=("self",), no_key=True)
        .select_related("job", "connection")
        .get(pk=work.job.record_id)
    )


def refund_of(case: Case) -> Refund | None:
    """The refund the case is about, or the one its stopped step had reserved."""
    refunds = Refund.objects.select_related("order__connection__retailer", "return_record")
    if case.record_kind == "refund":
        return refunds.filter(pk=case.record_id).first()
    # Only the step that refunds remembers one.
    refund_id = case.job.kept.get("refund") if case.job is not None else None
    return refunds.filter(pk=refund_id).first() if refund_id else None


def record_try_again(work: Work, _: None) -> Evidence:
    """Release what waits for this cause, under the settings of now.

    The case closes when the step has succeeded, not before. A step that was late may have stopped
    meanwhile, for a cause of its own: it is released too, unless that asks for another decision.
    """
    case = the_case(work)
    if (asked := _asked_elsewhere(case)) is not None:
        text = f"Not tried again: the step waits for a decision on C-{asked.pk}"
        cases.note(case, text=text, trace=work.trace.by(work.job.actor), by=None)
        return {"nothing": "it waits for another decision"}
    waiting = Job.objects.filter(Q(cause=case.cause) | Q(pk=case.job_id), state=JobState.PARKED)
    if case.job is not None and case.job.state == JobState.WAITING:
        return {"hurried": jobs.hurry(lane=case.job.lane, at=work.at)}
    versions = choices.current_versions()
    for job in waiting:
        jobs.adopt_policy(job, version=versions.get(job.connection_id))
    return {"released": jobs.release(waiting.order_by("id"), at=work.at)}


def _asked_elsewhere(case: Case) -> Case | None:
    """The open case that stopped the case's own step, where trying again is not its answer."""
    job = case.job
    if job is None or job.state != JobState.PARKED or job.cause == case.cause:
        return None
    offers = [code for code, kind in CASE_KINDS.items() if TRY_AGAIN_ACTION in kind.actions]
    return (
        Case.objects.filter(Q(job=job) | Q(cause=job.cause))
        .exclude(Q(state=CaseState.SOLVED) | Q(kind__in=offers) | Q(pk=case.pk))
        .order_by("id")
        .first()
    )


def record_give_up(work: Work, _: None) -> Evidence:
    """Stop the step for good and close the case.

    A step that is at work, or may have happened, cannot be stopped: then the case stays open and
    says so. An amount reserved and never sent is freed, and the units are never paid by us later.
    """
    case = the_case(work)
    trace = work.trace.by(work.job.actor)
    job = case.job
    if job is not None and not jobs.cancel(job, at=work.at, reason=f"given up by {work.job.actor}"):
        job.refresh_from_db(fields=["state"])
        if job.state in JOB_OPEN:
            state = job.get_state_display().lower()
            cases.note(case, text=f"Not stopped: the step is {state}", trace=trace, by=None)
            return {"nothing": f"the step is {state}"}
    if job is not None:
        _stop_earlier(case, job, work)
    # First the case: freeing the amount closes what is open about it, and this is how it ended.
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_THERE,
        trace=trace,
        reason="Done in another way",
    )
    _leave_unpaid(case, work)
    if job is not None:
        _wait_no_longer(job, trace)
    return {"stopped": job.pk if job is not None else None}


def _wait_no_longer(job: Job, trace: Trace) -> None:
    """What this step was a part of ends without it."""
    if job.record_kind == BulkItem.RECORD_KIND:
        bulks.give_up_item(job.record_id, trace=trace)
    elif job.record_kind == BatchItem.RECORD_KIND:
        batches.give_up_item(job.record_id, trace=trace, reason="Its step was given up")


def _stop_earlier(case: Case, job: Job, work: Work) -> None:
    """Earlier steps of the same kind that stopped for the same thing: the case speaks for them."""
    earlier = Job.objects.filter(
        flow=job.flow,
        record_kind=job.record_kind,
        record_id=job.record_id,
        lane=job.lane,
        cause=case.cause,
    )
    jobs.cancel_stopped(earlier, at=work.at, reason=f"given up by {work.job.actor}")


def _leave_unpaid(case: Case, work: Work) -> None:
    """What somebody settled in another way must not be paid by us when a sibling is ready.

    Where that way is a payment the returns platform lists, it is written down.
    """
    trace = work.trace.by(work.job.actor)
    refund = refund_of(case)
    if case.job is not None:
        case.job.refresh_from_db(fields=["state", "sent_at"])
    if refund is not None and _is_unsent(refund, case.job):
        refund_refused(refund, trace=trace, reason="Given up before it was sent")
        if refund.return_record is not None:
            look_at_money(work, refund.return_record)
    for unit in _units_left(case, refund):
        if Money.WAIVED in MONEY_MOVES[unit.money]:
            move(unit, "money", Money.WAIVED, reason="Settled in another way", trace=trace)


def _is_unsent(refund: Refund, job: Job | None) -> bool:
    """Reserved and never sent; or two people saw that it was not, and the step stopped before it
    was sent again. What the payer has said to have failed is no such: it may be paid there anew.
    """
    if refund.status == RefundStatus.AUTHORISED:
        return True
    return (
        refund.status == RefundStatus.IN_DOUBT
        and refund.failed_at is None
        and job is not None
        and job.state in (JobState.PARKED, JobState.CANCELLED)
        and job.sent_at is None
    )


def _units_left(case: Case, refund: Refund | None) -> list[ReturnItem]:
    """The units whose money the case's step was about."""
    is_refund = case.job is not None and case.job.flow == "refund"
    units = set(case.job.kept.get("units", [])) if case.job is not None and is_refund else set()
    if refund is not None:
        parts = refund.items.filter(return_item__isnull=False)
        units |= set(parts.values_list("return_item_id", flat=True))
    found = ReturnItem.objects.filter(pk__in=units).select_related("return_record", "sku")
    return list(found.order_by("id"))


def plan_give_up(case: Case, _: Mapping[str, Any]) -> list[Call]:
    """What is set free, and which units nobody of us pays any more."""
    changes = []
    refund = refund_of(case)
    is_unsent = refund is not None and _is_unsent(refund, case.job)
    if refund is not None and is_unsent:
        held = money_text(refund.calculated_minor, refund.currency)
        nothing = money_text(0, refund.currency)
        changes.append(Change(f"Set aside for order {refund.order.number}", held, nothing))
    for unit in _units_left(case, refund):
        if is_unsent or Money.WAIVED in MONEY_MOVES[unit.money]:
            before = unit.get_money_display()
            changes.append(Change(f"Money of {unit.sku_code}", before, Money.WAIVED.label))
    if case.job is not None:
        changes.append(Change("The step", case.job.get_state_display(), JobState.CANCELLED.label))
    return [Call("", "", "", "Note that it is done in another way", changes=tuple(changes))]


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
    plan=plan_give_up,
    priority=15,
)
