"""Goodwill was paid: a gift of ours, with a refund, an account and a second person of its own."""

from __future__ import annotations

from django.db.models import Sum

from finance.models import Refund
from finance.services import (
    goodwill_fits,
    goodwill_needs_two,
    refund_recorded,
    refund_reserve_whole,
)
from finance.states import REFUND_PROVED, Subject
from fulfilment.models import Order
from integrator.engine import cases
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.money import money_text
from integrator.engine.shapes import Call, Change
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.flows.refund_preview import Kept
from integrator.flows.refund_rules import payer_of
from integrator.models import Case, CaseEvent, CaseState


def record(work: Work, _: None) -> Evidence:
    case = the_case(work)
    if case.state == CaseState.SOLVED:
        return {"nothing": "it is paid already"}
    reference = str(CaseEvent.objects.get(pk=work.job.fact).data["reference"])
    order = (
        Order.objects.select_for_update(of=["self"], no_key=True)
        .select_related("connection")
        .get(pk=case.record_id)
    )
    policy = work.policy(order.connection.retailer_id)
    trace = work.trace.by(work.job.actor)
    if not goodwill_fits(case, order):
        who = work.job.actor.removeprefix("user:")
        said = f"{who} said that it was paid: {reference}. More has gone back meanwhile"
        asked = goodwill_needs_two(case, order, said=said, trace=work.trace)
        return {"nothing": "it takes two people now", "case": asked.pk}
    refund = refund_reserve_whole(
        order_id=order.pk,
        subject=Subject.GOODWILL,
        amount_minor=case.money_minor,
        executor=payer_of(policy.values, "refund_executor_otherwise", "goodwill is paid past it"),
        policy_version=policy.version,
        trace=trace,
    )
    refund = Refund.objects.select_related("order__connection__retailer", "return_record").get(
        pk=refund.pk
    )
    refund_recorded(
        refund,
        evidence={"by_hand": reference, "decided_by": work.job.actor},
        executed_minor=case.money_minor,
        is_derived=False,
        reference=reference,
        trace=trace,
        reason="Goodwill was paid",
    )
    cases.solve(
        case, resolution=Case.Resolution.FIXED_HERE, trace=trace, reason=f"Paid: {reference}"
    )
    return {"refund": refund.pk, "reference": reference}


def plan(case: Case, _: Kept) -> list[Call]:
    """The gift on top of what was given for this order before; the button's own words say it."""
    if not case.money_minor:
        return []
    gifts = Refund.objects.filter(
        order=case.record_id, subject=Subject.GOODWILL, status__in=REFUND_PROVED
    )
    before = gifts.aggregate(sum=Sum("executed_minor", default=0))["sum"]
    change = Change(
        "Goodwill of this order",
        money_text(before, case.currency),
        money_text(before + case.money_minor, case.currency),
    )
    return [Call("", "", "", "", case.money_minor, case.currency, (change,))]


FLOW = Flow(
    name="goodwill_paid",
    says="Record the goodwill that was paid",
    aim=each(aim_case),
    record=record,
    plan=plan,
    priority=15,
)
