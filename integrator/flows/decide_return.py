"""CX's word on a return that did not fit: it belongs to that order, or it may pass all the same."""

from __future__ import annotations

from finance.models import Refund
from fulfilment.models import Order
from integrator.engine import cases, together
from integrator.engine.errors import Refused
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.flows.retake_returns import nudge_returns
from integrator.models import Case, CaseEvent, Message
from returns.cases import RETURN_ORDER_UNKNOWN
from returns.models import Return, ReturnItem
from returns.services import unit_accept


def record_match(work: Work, _: None) -> Evidence:
    """Name the order; the next reading of the return checks it against what was bought."""
    case = the_case(work)
    number = str(CaseEvent.objects.get(pk=work.job.fact).data["order_number"]).strip()
    waiting = Return.objects.filter(pk=case.record_id, order=None)
    if not waiting.update(order_number=number):
        return {"nothing": "the return has its order already"}
    nudge_returns(list(waiting), work=work, origin=Message.Origin.PERSON, kind="matched")
    return {"order_number": number}


def record_accept(work: Work, _: None) -> Evidence:
    case = the_case(work)
    item = ReturnItem.objects.select_related("return_record__connection").get(pk=case.record_id)
    if not item.blocked_by:
        return {"nothing": "the unit is not held any more"}
    unit_accept(item, by=work.job.actor)
    nudge_returns([item.return_record], work=work, origin=Message.Origin.PERSON, kind="accepted")
    return {"unit": item.external_id}


def record_read_again(work: Work, _: None) -> Evidence:
    """Close the case and read the record again: if nothing was fixed there, the case comes back."""
    case = the_case(work)
    nudged = _read_again(case, work)
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_THERE,
        trace=work.trace.by(work.job.actor),
        reason="Fixed in the platform; read again to see",
    )
    return {"read_again": nudged}


def _read_again(case: Case, work: Work) -> int:

    returns: list[Return] = []
    order_id = case.order_id
    if case.record_kind == "return":
        returns = list(Return.objects.filter(pk=case.record_id))
    elif case.record_kind == "return_item":
        returns = list(Return.objects.filter(items=case.record_id))
    elif case.record_kind == "refund":
        refund = Refund.objects.get(pk=case.record_id)
        order_id = refund.order_id
        returns = [refund.return_record] if refund.return_record else []
    nudge_returns(returns, work=work, origin=Message.Origin.PERSON, kind="read-again")
    order = Order.objects.filter(pk=order_id).first() if order_id is not None else None
    if order is not None:
        nudge(
            connection_id=order.connection_id,
            topic="order",
            kind="read-again",
            resource=("order", order.external_id),
            origin=Message.Origin.PERSON,
            at=work.at,
        )
    if not returns and order is None and case.kind == RETURN_ORDER_UNKNOWN.code:
        raise Refused("there is nothing to read again")
    return len(returns) + (order is not None)


def record_not_an_error(work: Work, _: None) -> Evidence:
    case = the_case(work)
    if together.is_undone(case, work.job.fact):
        return {"undone": True}
    cases.solve(
        case,
        resolution=Case.Resolution.NOT_AN_ERROR,
        trace=work.trace.by(work.job.actor),
        reason=together.NOTHING_WRONG,
    )
    return {"case": case.pk}


MATCH_RETURN = Flow(
    name="match_return",
    says="Tie the return to its order",
    aim=each(aim_case),
    record=record_match,
    priority=15,
)
ACCEPT_UNIT = Flow(
    name="accept_unit",
    says="Let the unit pass",
    aim=each(aim_case),
    record=record_accept,
    priority=15,
)
FIXED_THERE = Flow(
    name="fixed_there",
    says="Read the record again from its platform",
    aim=each(aim_case),
    record=record_read_again,
    priority=15,
)
NOT_AN_ERROR = Flow(
    name="not_an_error",
    says="Close the case",
    aim=each(aim_case),
    record=record_not_an_error,
    priority=15,
)
