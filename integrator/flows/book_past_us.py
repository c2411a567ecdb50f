"""Finance's word, agreed by a second person, on money that was paid back in the shop itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from finance.models import Refund
from finance.services import (
    Share,
    refund_recorded,
    refund_reserve,
    refund_reserve_whole,
    return_review,
)
from finance.states import Executor, Subject
from fulfilment.models import Order, OrderItem
from fulfilment.shares import spread
from integrator.engine import cases
from integrator.engine.decisions import let_look_again
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.money import money_text
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.flows.refund_rules import still_returnable
from integrator.models import Case, CaseEvent, CaseState, Job, JobState
from returns.models import ReturnItem
from returns.states import Custody


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
        most = money_text(sum(left), order.currency)
        wrong = f"{money_text(amount, order.currency)} is not between 0 and {most}"
    if wrong:
        cases.note(case, text=f"Not booked: {wrong}", trace=work.trace, by=None)
        return {"nothing": wrong}
    by_return: dict[int | None, list[Share]] = {}
    for unit, part in zip(units, spread(amount, left), strict=True):
        if not part:
            continue  # less than the smallest coin of it is this unit's
        item = _coming_back(unit)
        share = Share(item, part, unit=unit, arithmetic={})
        by_return.setdefault(item.return_record_id if item else None, []).append(share)
    for shares in by_return.values():
        first = shares[0].item
        refund = refund_reserve(
            return_record=first.return_record if first is not None else None,
            order_id=order.pk,
            shares=shares,
            executor=Executor.MANUAL,
            evidence_before=[],
            billing_before="",
            policy_version=work.job.policy_version or 0,
            trace=work.trace.by(work.job.actor),
        )
        _record(refund, data, work)
        if first is not None and first.return_record is not None:
            return_review(first.return_record, trace=work.trace.by(work.job.actor))
    return _done(case, data, work, f"It paid for {len(units)} units")


def _coming_back(unit: OrderItem) -> ReturnItem | None:
    """The returned unit it paid for; one whose return goes on before one whose return is done."""
    found = list(still_returnable().filter(order_item=unit))
    going_on = [item for item in found if item.custody != Custody.CLOSED]
    return next(iter([*going_on, *found]), None)


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
    _record(refund, data, work)
    return _done(case, data, work, "It was for something else")


def record_already(work: Work, _: None) -> Evidence:
    """It is a payment we know of, recorded by hand before its correction was seen."""
    case, data = _open(work)
    if case.state == CaseState.SOLVED:
        return {"nothing": "it is settled already"}
    known = Refund.objects.select_for_update(no_key=True).filter(
        order=case.record_id, reference=data["reference"], evidence__has_key="by_hand"
    )
    refund = known.order_by("-id").first()
    if refund is None:
        wrong = f"no payment by hand was recorded for this order under {data['reference']}"
        cases.note(case, text=f"Not tied: {wrong}", trace=work.trace, by=None)
        return {"nothing": wrong}
    explains = {*refund.evidence.get("explains", []), *map(str, data["facts"]["corrections"])}
    refund.evidence = {**refund.evidence, "explains": sorted(explains)}
    refund.save(update_fields=["evidence"])
    return _done(case, data, work, f"It is the payment {refund.reference}")


def _open(work: Work) -> tuple[Case, dict[str, Any]]:
    return the_case(work), dict(CaseEvent.objects.get(pk=work.job.fact).data)


def _units(order: Order, typed: str) -> tuple[list[OrderItem], str]:
    """The units meant, one per article or line number typed; all that are not paid back when none.

    An article bought twice is no name for one of its units: the wrong one would count as paid back
    and the other would be paid again. The second answer says what is wrong, empty if nothing is.
    """
    free = [
        unit
        for unit in OrderItem.objects.filter(order=order, is_bundle=False)
        .select_related("sku")
        .order_by("id")
        if unit.refunded_minor < unit.paid_minor
    ]
    wanted = Counter(one.strip() for one in typed.split(",") if one.strip())
    if not wanted:
        return free, "" if free else "everything is paid back already"
    found = []
    for name, times in wanted.items():
        named = [unit for unit in free if name in (unit.sku.code, unit.external_id)]
        if len(named) < times:
            return [], f"the order has no {name} left that is not paid back"
        if len(named) > times:
            lines = ", ".join(unit.external_id for unit in named)
            return [], f"the order has {len(named)} of {name}; give the line number of one: {lines}"
        found += [unit for unit in named if unit not in found]
    return found, ""


def _record(refund: Refund, data: dict[str, Any], work: Work) -> None:
    # Those of the moment it was asked: of a later one nobody has said what it paid.
    corrections = [str(one) for one in data["facts"]["corrections"]]
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


def _done(case: Case, data: dict[str, Any], work: Work, reason: str) -> Evidence:
    """Refunds of the order that were held because of it look again."""
    later = sorted(set(case.facts["corrections"]) - set(data["facts"]["corrections"]))
    if later:
        text = f"{reason}. Correction {', '.join(later)} came to light since"
        cases.note(case, text=text, trace=work.trace, by=None)
        return {"asked_again": later}
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=work.trace.by(work.job.actor),
        reason=reason,
    )
    held = Job.objects.filter(flow="refund", order_id=case.record_id, state=JobState.PARKED)
    return {"released": let_look_again(list(held.order_by("id")), at=work.at)}


ALREADY = Flow(
    name="paid_already",
    says="Tie what was paid in the shop to the payment that is recorded",
    aim=each(aim_case),
    record=record_already,
    priority=15,
)
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
