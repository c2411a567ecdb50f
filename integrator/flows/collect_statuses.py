"""A return, a unit or a refund changed: put it into the batch that tells the shop.

What is told is the state at the time of telling, so it does not matter how changes are grouped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from finance.models import Refund
from fulfilment.models import Order
from integrator.engine import batches, choices
from integrator.engine.batches import Change
from integrator.engine.flow import Aim, Evidence, Fact, Flow
from integrator.engine.work import Work
from integrator.models import Batch, Transition
from returns.models import Return, ReturnItem

SHOP = "scayle"


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """The order of each fact. Returns whose order is unknown are told when it becomes known."""
    order_of = _orders(facts)
    shops = dict(
        Order.objects.filter(pk__in=set(order_of.values()), connection__platform=SHOP).values_list(
            "pk", "connection_id"
        )
    )
    aims = {}
    for fact in facts:
        order_id = order_of.get((fact.record_kind, fact.record_id))
        if order_id in shops:
            aims[fact.id] = Aim(
                "order",
                order_id,
                lane=f"collect:{order_id}",
                order_id=order_id,
                connection_id=shops[order_id],
            )
    return aims


def _orders(facts: Sequence[Fact]) -> Mapping[tuple[str, int], int]:
    ids: dict[str, set[int]] = {}
    for fact in facts:
        ids.setdefault(fact.record_kind, set()).add(fact.record_id)
    rows = {
        "return": Return.objects.filter(pk__in=ids.get("return", ())).values_list("pk", "order_id"),
        "return_item": ReturnItem.objects.filter(pk__in=ids.get("return_item", ())).values_list(
            "pk", "return_record__order_id"
        ),
        "refund": Refund.objects.filter(pk__in=ids.get("refund", ())).values_list("pk", "order_id"),
    }
    return {
        (kind, pk): order_id
        for kind, found in rows.items()
        if kind in ids
        for pk, order_id in found
        if order_id is not None
    }


def record(work: Work, _: None) -> Evidence:
    order = Order.objects.select_related("connection__retailer").get(pk=work.job.record_id)
    retailer = order.connection.retailer
    changes = list(Transition.objects.filter(pk__in=work.facts).order_by("id"))
    paid = [
        one.record_id for one in changes if (one.record_kind, one.new) == ("refund", "RECORDED")
    ]
    amounts = Refund.objects.filter(pk__in=paid).values_list("executed_minor", flat=True)
    amount = sum(one or 0 for one in amounts)
    item = batches.collect(
        Change(
            "order",
            order.pk,
            order.pk,
            [one.pk for one in changes],
            min(one.at for one in changes),
            amount,
            order.currency if amount else "",
        ),
        connection_id=order.connection_id,
        kind=Batch.Kind.RETURN_STATUSES,
        rule=choices.choice(work.policy(retailer.pk), "status_posting"),
        timezone=retailer.timezone,
        trace=work.trace,
    )
    return {"batch": item.batch_id, "changes": len(changes)}


FLOW = Flow(
    name="collect_statuses",
    says="Note for the shop what became of a return",
    aim=aim,
    record=record,
    joins=True,
    priority=70,
)
