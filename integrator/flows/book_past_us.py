"""Finance's word, agreed by a second person, on money that was paid back in the shop itself."""

from __future__ import annotations

from typing import Any

from finance.amounts import said, spread
from finance.models import Refund
from finance.services import Share, refund_recorded, refund_reserve, refund_reserve_whole
from finance.states import Executor, Subject
from fulfilment.models import Order, OrderItem
from integrator.engine import cases, jobs
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.flows.refund_rules import PAYABLE
from integrator.models import Case, CaseEvent, CaseState, Job, JobState
from returns.models import ReturnItem


def record_goods(work: Work, _: None) -> Evidence:
    """It paid for goods: they count as paid back, in their return if there is one already."""
    case, data = _open(work)
    if case.state == CaseState.SOLVED:
        return {"nothing": "it is settled already"}
    order = Order.objects.get(pk=case.record_id)
    units, wrong = _units(order, str(data.get("skus", "")))
    amount = int(data["amount"])
    left = [unit.paid_minor - unit.refunded_minor for unit in units]
    if not wrong and not 0 < amount <= sum(left):
        wrong = (
            f"{said(amount, order.currency)} is not between 0 and {said(sum(left), order.currency)}"
        )
    if wrong:
        cases.note(case, text=f"Not booked: {wrong}", trace=work.trace, by=None)
        return {"nothing": wrong}
    by_return: dict[int | None, list[Share]] = {}
    for unit, part in zip(units, spread(amount, left), strict=True):
        item = (
            ReturnItem.objects.filter(order_item=unit, blocked_by="", money__in=PAYABLE)
            .select_related("return_record")
            .first()
        )
        share = Share(item, part, unit=unit, arithmetic={})
        by_return.setdefault(item.return_record_id if item else None, []).append(share)
    for shares in by_return.values():
        first = shares[0].item
        refund = refund_reserve(
            return_record=first.return_record if first is not None else None,
            order_id=order.pk,
            shares=[one for one in shares if one.amount_minor],
            executor=Executor.MANUAL,
            evidence_before=[],
            billing_before="",
            policy_version=work.job.policy_version or 0,
            trace=work.trace.by(work.job.actor),
        )
        _record(refund, case, work)
    return _done(case, work, f"It paid for {len(units)} units")


def record_else(work: Work, _: None) -> Evidence:
    """It paid for something else: the money moved, but no unit counts as paid back."""
    case, data = _open(work)
    if case.state == CaseState.SOLVED:
        return {"nothing": "it is settled already"}
    refund = refund_reserve_whole(
        order_id=case.record_id,
        subject=Subject.GOODWILL,
        amount_minor=int(data["amount"]),
        executor=Executor.MANUAL,
        policy_version=work.job.policy_version or 0,
        trace=work.trace.by(work.job.actor),
    )
    _record(refund, case, work)
    return _done(case, work, "It was for something else")


def _open(work: Work) -> tuple[Case, dict[str, Any]]:
    return the_case(work), dict(CaseEvent.objects.get(pk=work.job.fact).data)


def _units(order: Order, typed: str) -> tuple[list[OrderItem], str]:
    """The units meant: one per article number typed, or all that are not paid back yet."""
    free = [
        unit
        for unit in OrderItem.objects.filter(order=order, is_bundle=False)
        .select_related("sku")
        .order_by("id")
        if unit.refunded_minor < unit.paid_minor
    ]
    wanted = [one.strip() for one in typed.split(",") if one.strip()]
    if not wanted:
        return free, "" if free else "everything is paid back already"
    found = []
    for code in wanted:
        unit = next((one for one in free if one.sku.code == code), None)
        if unit is None:
            return [], f"the order has no {code} left that is not paid back"
        free.remove(unit)
        found.append(unit)
    return found, ""


def _record(refund: Refund, case: Case, work: Work) -> None:
    corrections = [str(one) for one in case.facts.get("corrections", [])]
    reference = corrections[0] if corrections else "seen in the shop"
    refund = Refund.objects.select_related("order__connection__retailer", "return_record").get(
        pk=refund.pk
    )
    refund_recorded(
        refund,
        evidence={
            "by_hand": reference,
            "explains": corrections,
            "decided_by": work.job.actor,
        },
        executed_minor=refund.calculated_minor,
        is_derived=False,
        reference=reference,
        trace=work.trace.by(work.job.actor),
        reason="It was paid in the shop by hand",
    )


def _done(case: Case, work: Work, reason: str) -> Evidence:
    """Refunds of the order that were held because of it look again."""
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=work.trace.by(work.job.actor),
        reason=reason,
    )
    held = Job.objects.filter(flow="refund", order_id=case.record_id, state=JobState.PARKED)
    return {"released": jobs.release(held.order_by("id"), at=work.at)}


ELSE = Flow(
    name="paid_something_else",
    says="Book what was paid in the shop as something else",
    aim=each(aim_case),
    record=record_else,
    priority=15,
)
FLOW = Flow(
    name="paid_goods",
    says="Book what was paid in the shop for its goods",
    aim=each(aim_case),
    record=record_goods,
    priority=15,
)
