"""Finance's word, agreed by a second person, on money that moved and was not right in the end."""

from __future__ import annotations

from finance.models import Refund, RefundItem
from finance.services import Share, refund_recorded, refund_reserve
from finance.services.corrections import difference_bear, difference_came_back
from finance.states import Executor
from integrator.engine import cases
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.states import Trace
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.models import Case, CaseEvent, CaseState


def record(work: Work, _: None) -> Evidence:
    """The difference was paid to the customer, or the customer paid it back."""
    case = the_case(work)
    if case.state == CaseState.SOLVED:
        return {"nothing": "it is settled already"}
    reference = str(CaseEvent.objects.get(pk=work.job.fact).data["reference"])
    refund, part, more = _what(case)
    trace = work.trace.by(work.job.actor)
    if more > 0:
        difference_bear(refund, part=part, amount_minor=more, trace=trace)
        due = int(case.facts["due_minor"])
        difference_came_back(refund, part=part, amount_minor=more, due_minor=due, trace=trace)
    elif part is not None:
        _pay_rest(refund, part, -more, reference, work, trace)
    _close(case, Case.Resolution.FIXED_HERE, f"Settled by hand: {reference}", trace)
    return {"refund": refund.pk, "reference": reference, "difference_minor": more}


def record_leave(work: Work, _: None) -> Evidence:
    """It stays as it was paid. What is too much is a loss of ours, and the books say so."""
    case = the_case(work)
    if case.state == CaseState.SOLVED:
        return {"nothing": "it is settled already"}
    refund, part, more = _what(case)
    trace = work.trace.by(work.job.actor)
    if more > 0:
        difference_bear(refund, part=part, amount_minor=more, trace=trace)
    _close(case, Case.Resolution.ACCEPTED_LOSS, "It stays as it was paid", trace)
    return {"refund": refund.pk, "difference_minor": more}


def _what(case: Case) -> tuple[Refund, RefundItem | None, int]:
    """The refund, the part of it that is wrong, and by how much too much was paid."""
    refund = Refund.objects.select_related("order__connection__retailer", "return_record").get(
        pk=case.record_id
    )
    part = RefundItem.objects.filter(pk=case.facts.get("part")).select_related("order_item").first()
    return refund, part, int(case.facts["paid_minor"]) - int(case.facts["due_minor"])


def _pay_rest(
    refund: Refund, part: RefundItem, amount: int, reference: str, work: Work, trace: Trace
) -> None:
    rest = refund_reserve(
        return_record=refund.return_record,
        order_id=refund.order_id,
        shares=[Share(None, amount, unit=part.order_item)],
        executor=Executor.MANUAL,
        evidence_before=[],
        billing_before="",
        policy_version=work.job.policy_version or refund.policy_version,
        trace=trace,
    )
    rest = Refund.objects.select_related("order__connection__retailer", "return_record").get(
        pk=rest.pk
    )
    refund_recorded(
        rest,
        evidence={"by_hand": reference, "decided_by": work.job.actor, "rest_of": refund.pk},
        executed_minor=amount,
        is_derived=False,
        reference=reference,
        trace=trace,
        reason="The rest was paid by hand",
    )


def _close(case: Case, resolution: str, reason: str, trace: Trace) -> None:
    cases.solve(case, resolution=resolution, trace=trace, reason=reason)


LEAVE = Flow(
    name="leave_as_paid",
    says="Leave the refund as it was paid",
    aim=each(aim_case),
    record=record_leave,
    priority=15,
)
FLOW = Flow(
    name="settle_difference",
    says="Record how the difference was settled",
    aim=each(aim_case),
    record=record,
    priority=15,
)
