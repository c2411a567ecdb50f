"""Finance's word on a refund, agreed by a second person: paid by hand, or to be sent anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finance.models import Refund
from finance.services import (
    facts_of,
    figure_contradicted,
    refund_paid_twice,
    refund_recorded,
    refund_reserve,
    return_review,
)
from finance.states import REFUND_PROVED, Executor, RefundStatus
from integrator.engine import cases, jobs
from integrator.engine.errors import Refused
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, refund_of, the_case
from integrator.flows.refund_preview import paid_by_others, plan_by_hand, units_of
from integrator.flows.refund_rules import shares_by_hand
from integrator.models import Case, CaseEvent, CaseState, Job

PAID = (RefundStatus.SENT, *REFUND_PROVED)  # by the payer, as far as we know


class UnableToPayByHand(Refused):
    """What would be recorded is not what two people agreed to. Nothing was written."""


def record(work: Work, _: None) -> Evidence:
    case = the_case(work)
    data = CaseEvent.objects.get(pk=work.job.fact).data
    reference = str(data["reference"])
    refund = refund_of(case)
    if refund is not None and refund.evidence.get("by_hand") == reference:
        return {"nothing": "it is recorded already"}
    is_settled = case.state == CaseState.SOLVED
    if refund is not None and refund.status in (PAID if is_settled else REFUND_PROVED):
        return _paid_besides(case, refund, _paid_minor(refund, data), data, work)
    paid, agreed = data.get("amount"), data.get("money_minor")
    was_withdrawn = refund is not None and "withdrawn" in refund.evidence
    if refund is None or refund.status == RefundStatus.REFUSED:
        others = paid_by_others(case, refund)
        if others:
            return _settled_by_others(case, others, data, work)
        refund = _set_aside_anew(refund) or _new_refund(case, refund, work)
    if paid is None and was_withdrawn:
        paid = agreed  # it was paid as it was asked for, though it was not owed like that any more
    elif agreed is not None and int(agreed) != refund.calculated_minor:
        raise UnableToPayByHand(
            f"two people agreed to another amount than {refund.calculated_minor}"
        )
    if refund.executor == Executor.RETURNS_PLATFORM:
        Refund.objects.filter(pk=refund.pk).update(executor=Executor.MANUAL)
        refund.executor = Executor.MANUAL  # they were to pay it, and a person has
    trace = work.trace.by(work.job.actor)
    # First the case: recording closes what is open about the refund, and this is how it ended.
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=trace,
        reason=f"Paid by hand: {reference}",
    )
    refund_recorded(
        refund,
        evidence={"by_hand": reference, "decided_by": work.job.actor},
        executed_minor=refund.calculated_minor if paid is None else int(paid),
        is_derived=False,
        reference=reference,
        trace=trace,
        reason="Paid by hand",
    )
    if was_withdrawn and refund.return_record is not None:
        why = f"It was paid by hand ({reference}) when it was not owed like this any more."
        figure_contradicted(refund, why=why, trace=trace)
        return_review(refund.return_record, trace=trace)
    if case.job is not None:
        _end_job(case.job, work, reference)
    return {"refund": refund.pk, "reference": reference}


def _paid_minor(refund: Refund, data: Mapping[str, Any]) -> int:
    """What was paid: the amount asked for, unless another was typed."""
    return int(data.get("amount", refund.calculated_minor))


def _paid_besides(
    case: Case, refund: Refund, second_minor: int, data: Mapping[str, Any], work: Work
) -> Evidence:
    """The payer's record turned up between the decision and now: the customer has it twice."""
    reference = str(data["reference"])
    trace = work.trace.by(work.job.actor)
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=trace,
        reason="The refund was recorded meanwhile",
    )
    refund_paid_twice(
        refund,
        second_minor=second_minor,
        reference=reference,
        why=f"It was paid by hand ({reference}) and by {facts_of(refund)['platform']}.",
        trace=trace,
    )
    return {"refund": refund.pk, "twice": reference}


def _settled_by_others(
    case: Case, others: Sequence[Refund], data: Mapping[str, Any], work: Work
) -> Evidence:
    """What was typed is the payment that is recorded already, or one besides it."""
    reference = str(data["reference"])
    # Several payments are typed one after the other; one may have a reference of several words.
    typed = {reference, *reference.split()}
    if {one.reference for one in others} <= typed:
        cases.solve(
            case,
            resolution=Case.Resolution.FIXED_HERE,
            trace=work.trace.by(work.job.actor),
            reason=f"It is recorded already: {reference}",
        )
        evidence: Evidence = {"nothing": "it is recorded already"}
    else:
        asked = data.get("money_minor", sum(one.calculated_minor for one in others))
        paid = int(data.get("amount", asked))
        evidence = _paid_besides(case, others[0], paid, data, work)
    if case.job is not None:
        _end_job(case.job, work, reference)
    return evidence


def _set_aside_anew(withdrawn: Refund | None) -> Refund | None:
    """What took the place of a refund that was withdrawn while it was being paid by hand."""
    if withdrawn is None:
        return None
    return (
        Refund.objects.filter(
            items__return_item__in=units_of(None, withdrawn),
            items__is_live=True,
            executor=Executor.MANUAL,
            status=RefundStatus.AUTHORISED,
        )
        .select_related("order__connection__retailer", "return_record")
        .first()
    )


def _new_refund(case: Case, refused: Refund | None, work: Work) -> Refund:
    """Nothing was reserved (the payer could not express it), or what was reserved was freed."""
    job = case.job
    before = refused.policy_version if refused is not None else job.policy_version if job else None
    shares = shares_by_hand(units_of(case, refused))
    if not shares:
        raise UnableToPayByHand("nothing says which units of the return it paid for")
    first = shares[0].item
    assert first is not None
    refund = refund_reserve(
        return_record=first.return_record,
        shares=shares,
        executor=Executor.MANUAL,
        evidence_before=list(job.kept.get("corrections", [])) if job is not None else [],
        billing_before="",
        policy_version=work.job.policy_version or before or 0,
        trace=work.trace,
    )
    return Refund.objects.select_related("order__connection__retailer", "return_record").get(
        pk=refund.pk
    )


def _end_job(job: Job, work: Work, reference: str) -> None:
    if not jobs.cancel(job, at=work.at, reason=f"paid by hand: {reference}"):
        jobs.settle_doubt(job, happened=True, at=work.at, evidence={"by_hand": reference})


def record_pay_anyway(work: Work, _: None) -> Evidence:
    """What was written by hand was for something else: the refund looks once more and is sent."""
    case = the_case(work)
    assert case.job is not None
    jobs.keep(case.job, allowed=list(case.job.kept.get("corrections", [])))
    waiting = Job.objects.filter(pk=case.job.pk)
    return {"released": jobs.release(waiting, at=work.at)}


PAY_ANYWAY = Flow(
    name="pay_anyway",
    says="Send the refund all the same",
    aim=each(aim_case),
    record=record_pay_anyway,
    priority=15,
)
FLOW = Flow(
    name="paid_by_hand",
    says="Record the refund that was paid by hand",
    aim=each(aim_case),
    record=record,
    plan=plan_by_hand,
    priority=15,
)
