"""A person's word on a bundle nobody could read or price: the order is then read again."""

from __future__ import annotations

from fulfilment.bundles import bundle_agree_to_equal_parts, bundle_is_one_piece
from fulfilment.models import OrderItem
from integrator.engine import cases
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.flows.retake_returns import retake_held
from integrator.models import Case, Message


def record_one_piece(work: Work, _: None) -> Evidence:
    """It is no set: what comes back of it is one piece, and nothing of it is held any more."""
    case = the_case(work)
    line = _line(case)
    if not bundle_is_one_piece(line):
        return {"nothing": "it is known what it consists of"}
    cases.solve(
        case,
        resolution=Case.Resolution.NOT_AN_ERROR,
        trace=work.trace.by(work.job.actor),
        reason="A person says that it is no set",
    )
    return {"returns": retake_held(line.order, work=work)}


def record_equal_parts(work: Work, _: None) -> Evidence:
    """Agreed: equal parts. Reading the order again makes them, where they are not there yet."""
    case = the_case(work)
    line = _line(case)
    bundle_agree_to_equal_parts(line)
    cases.solve(
        case,
        resolution=Case.Resolution.NOT_AN_ERROR,
        trace=work.trace.by(work.job.actor),
        reason="A person agreed to equal parts",
    )
    nudge(
        connection_id=line.order.connection_id,
        topic="order",
        kind="bundle-decided",
        resource=("order", line.order.external_id),
        origin=Message.Origin.PERSON,
        at=work.at,
    )
    return {"order": line.order.number, "sku": line.sku.code}


def _line(case: Case) -> OrderItem:
    return OrderItem.objects.select_related("order__connection", "sku").get(pk=case.record_id)


ONE_PIECE = Flow(
    name="one_piece",
    says="Count the article as one piece",
    aim=each(aim_case),
    record=record_one_piece,
    priority=15,
)
EQUAL_PARTS = Flow(
    name="equal_parts",
    says="Split the set's price in equal parts",
    aim=each(aim_case),
    record=record_equal_parts,
    priority=15,
)
