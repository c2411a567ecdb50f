"""An order became known or moved on: returns that were held because of it are read again."""

from __future__ import annotations

from collections.abc import Sequence

from fulfilment.models import Order
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.models import Message
from returns.models import Return


def _aim(fact: Fact) -> Aim:
    return Aim("order", fact.record_id, f"retake:{fact.record_id}", order_id=fact.record_id)


def nudge_returns(returns: Sequence[Return], *, work: Work, origin: str, kind: str) -> int:
    """Ask for returns to be read again, as a fact like any other."""
    for one in returns:
        nudge(
            connection_id=one.connection_id,
            topic="rma",
            kind=kind,
            resource=("rma", one.external_id),
            origin=origin,
            at=work.at,
        )
    return len(returns)


def retake_held(order: Order, *, work: Work) -> int:
    """Returns of an order with a unit that is held: what held it may have become clear."""
    held = Return.objects.filter(order=order).exclude(items__blocked_by="").distinct()
    return nudge_returns(list(held), work=work, origin=Message.Origin.SWEEP, kind="order-known")


def record(work: Work, _: None) -> Evidence:
    order = Order.objects.select_related("connection").get(pk=work.job.record_id)
    here = Return.objects.filter(connection__retailer_id=order.connection.retailer_id)
    orphans = here.filter(order=None, order_number__in=[order.number, order.external_id])
    held = here.filter(order=order).exclude(items__blocked_by="").distinct()
    waiting = [*orphans, *held]
    count = nudge_returns(waiting, work=work, origin=Message.Origin.SWEEP, kind="order-known")
    return {"returns": count} if count else {"nothing": "no return waited for it"}


FLOW = Flow(
    name="retake_returns",
    says="Look again at returns that waited for this order",
    aim=each(_aim),
    record=record,
)
