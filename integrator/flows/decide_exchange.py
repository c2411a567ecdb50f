"""A person's word on a replacement: the warehouse has it, it may go unpaid, it is not sent."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from finance.services import Share, refund_recorded, refund_reserve
from finance.services.corrections import difference_left
from finance.states import Executor
from integrator.engine import cases
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.states import Trace, move
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.models import Case, CaseEvent
from returns.cases import RESOLUTION_BY_HAND
from returns.models import Exchange, ReturnItem
from returns.services.exchanges import (
    exchange_facts,
    exchange_lock,
    exchange_refuse,
    exchange_released,
    exchange_stop_waiting,
)
from returns.services.meanings import resolution_of
from returns.services.payments import exchange_owe_back
from returns.services.reporting import about_unit
from returns.shapes import Resolution
from returns.states import EXCHANGE_ENDED, DifferenceStatus


def record_released(work: Work, _: None) -> Evidence:
    case, exchange, trace = _decided(work)
    reference = _reference(work)
    exchange_released(exchange, reference=reference, trace=trace)
    _solve(case, trace, f"With the warehouse: {reference}")
    return {"exchange": exchange.key, "reference": reference}


def record_waived(work: Work, _: None) -> Evidence:
    case, exchange, trace = _decided(work)
    if exchange.difference == DifferenceStatus.OPEN:
        move(
            exchange,
            "difference",
            DifferenceStatus.WAIVED,
            reason="It may go without the payment",
            trace=trace,
            difference_at=trace.at,
        )
    _solve(case, trace, "It may go without the payment")
    return {"exchange": exchange.key, "amount_minor": exchange.difference_minor}


def record_refused(work: Work, _: None) -> Evidence:
    """It is not sent. What the customer gets instead is settled there, by hand."""
    case, exchange, trace = _decided(work)
    if not exchange_refuse(exchange, reason="A person decided that it is not sent", trace=trace):
        return {"nothing": f"it is {exchange.get_status_display().lower()}, or may be ordered"}
    _solve(case, trace, "It is not sent")
    exchange_stop_waiting(exchange, reason="It is not sent", trace=work.trace)
    if exchange.difference == DifferenceStatus.PAID:
        exchange_owe_back(exchange, exchange.difference_minor, work.trace)
    _promise_by_hand(exchange, work)
    return {"exchange": exchange.key}


def _promise_by_hand(exchange: Exchange, work: Work) -> None:
    """Goods stay promised for its unit; for the whole return, for those with no piece of their own.

    Where money is promised meanwhile, ``refund`` looks at it.
    """
    for item in _units_of(exchange):
        item.return_record = exchange.return_record
        if resolution_of(item) != Resolution.EXCHANGE:
            continue
        cases.open_case(
            RESOLUTION_BY_HAND,
            about_unit(item),
            trace=work.trace,
            facts={**exchange_facts(exchange), "resolution": "exchange", "sku": item.sku_code},
        )


def _units_of(exchange: Exchange) -> list[ReturnItem]:
    if exchange.return_item is not None:
        return [exchange.return_item]
    own = Exchange.objects.filter(return_item=OuterRef("pk")).exclude(status__in=EXCHANGE_ENDED)
    units = exchange.return_record.items.filter(~Exists(own), blocked_by="")
    return list(units.order_by("id"))


def record_difference_paid(work: Work, _: None) -> Evidence:
    """Finance has paid what the replacement cost less, or what was paid for one that has ended.

    The latter was never a sale of ours, so no book of ours has it: its proof is the reference.
    """
    case, exchange, trace = _decided(work)
    reference = _reference(work)
    if exchange.difference != DifferenceStatus.OWED:
        return {"nothing": f"the difference is {exchange.get_difference_display().lower()}"}
    said: Evidence = {"exchange": exchange.key, "reference": reference}
    if exchange.status not in EXCHANGE_ENDED:
        left = difference_left(exchange)
        if not left:
            return {"nothing": "all of it is paid back"}
        said["refund"] = _book_difference(exchange, left, reference, work)
    move(
        exchange,
        "difference",
        DifferenceStatus.SETTLED,
        reason=f"Paid back: {reference}",
        trace=trace,
        difference_reference=reference[:200],
        difference_at=trace.at,
    )
    _solve(case, trace, f"Paid back: {reference}")
    return said


def _book_difference(exchange: Exchange, left: int, reference: str, work: Work) -> int:
    """Against the unit that came back. Where the returns platform has paid a part, it is the rest.

    Returns the refund.
    """
    item = exchange.return_item or _unit_replaced(exchange)
    assert item is not None
    item.return_record = exchange.return_record
    is_rest = left != -exchange.difference_minor
    refund = refund_reserve(
        return_record=exchange.return_record,
        shares=[Share(None if is_rest else item, left, unit=item.order_item)],
        executor=Executor.MANUAL,
        evidence_before=[],
        billing_before="",
        policy_version=work.job.policy_version or 0,
        trace=work.trace,
    )
    refund_recorded(
        refund,
        evidence={"by_hand": reference, "decided_by": work.job.actor},
        executed_minor=refund.calculated_minor,
        is_derived=False,
        reference=reference,
        trace=work.trace.by(work.job.actor),
        reason="The difference of a replacement was paid by hand",
    )
    return int(refund.pk)


def _unit_replaced(exchange: Exchange) -> ReturnItem | None:
    """The first unit that a piece for the whole return replaces: of none that waits for money."""
    for item in _units_of(exchange):
        item.return_record = exchange.return_record
        if resolution_of(item) == Resolution.EXCHANGE:
            return item
    return None


def _decided(work: Work) -> tuple[Case, Exchange, Trace]:
    case = the_case(work)
    return case, exchange_lock(case.record_id), work.trace.by(work.job.actor)


def _reference(work: Work) -> str:
    return str(CaseEvent.objects.get(pk=work.job.fact).data["reference"]).strip()


def _solve(case: Case, trace: Trace, reason: str) -> None:
    cases.solve(case, resolution=Case.Resolution.FIXED_HERE, trace=trace, reason=reason)


RELEASED = Flow(
    name="exchange_released",
    says="Note that the warehouse has the replacement",
    aim=each(aim_case),
    record=record_released,
    priority=15,
)
WAIVED = Flow(
    name="exchange_waive",
    says="Let the replacement go without the payment",
    aim=each(aim_case),
    record=record_waived,
    priority=15,
)
REFUSED = Flow(
    name="exchange_refuse",
    says="End the replacement",
    aim=each(aim_case),
    record=record_refused,
    priority=15,
)
DIFFERENCE_PAID = Flow(
    name="difference_paid",
    says="Record the difference as paid back",
    aim=each(aim_case),
    record=record_difference_paid,
    priority=15,
)
