"""Show in the shop's Panel how many units of an article are on their way back, if policy says so.

SCAYLE has no such figure, so it is kept in a warehouse there that sells nowhere (policy
``in_transit_location``). Our own movements are the only source: the figure is counted afresh each
time, and a repeat is harmless. Without the policy the count is only in our ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, Sum

from fulfilment.cases import RESTOCK_FAILED, RESTOCK_IN_DOUBT
from fulfilment.models import OrderItem, Sku, StockMovement
from fulfilment.services import pieces_of
from fulfilment.states import Bucket
from integrator.engine import mappings
from integrator.engine.clock import now
from integrator.engine.errors import Transient
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.settling import settling
from integrator.flows.shop_stock import to_the_tick, took
from integrator.flows.tenants import shops_of
from integrator.models import Connection, MappingKind
from returns.models import ReturnItem


@dataclass(frozen=True, slots=True)
class Shown:
    quantity: int
    warehouse: str


def aim(facts: Sequence[Fact]) -> dict[int, list[Aim]]:
    """The articles of the units that came onto their way, or left it."""
    units = {
        item.pk: item
        for item in ReturnItem.objects.filter(
            pk__in={fact.record_id for fact in facts}, blocked_by="", order_item__isnull=False
        )
        .select_related("order_item__sku", "order_item__order")
        .prefetch_related("order_item__components__sku")
    }
    aims: dict[int, list[Aim]] = {}
    for fact in facts:
        item = units.get(fact.record_id)
        if item is None or item.order_item is None:
            continue
        connection_id = item.order_item.order.connection_id
        aims[fact.id] = [
            Aim(
                "sku",
                piece.sku.pk,
                lane=f"transit:{connection_id}:{piece.sku.code}"[:120],
                connection_id=connection_id,
            )
            for piece in pieces_of(item.order_item)
        ]
    return aims


def call(work: Work) -> Shown | Nothing:
    assert work.job.connection_id is not None
    connection = Connection.objects.select_related("retailer").get(pk=work.job.connection_id)
    code = work.policy(connection.retailer_id).values["in_transit_location"]
    if code is None:
        return Nothing("units on their way are counted here only")
    sku = Sku.objects.get(pk=work.job.record_id)
    warehouse = mappings.find_theirs(connection=connection, kind=MappingKind.LOCATION, ours=code)
    sold = OrderItem.objects.filter(order__connection=connection, sku=sku).latest("id")
    at = to_the_tick(now())  # the instant before we count
    quantity = in_transit(shops_of(warehouse, connection, code), sku)
    client = platforms.scayle(work, connection)
    if not took(client.post_stock(sold.variant_id, warehouse, quantity, at), quantity, at):
        # Its own figure is younger than our clock. Ours becomes younger by waiting.
        raise Transient("the shop kept its own figure of the units on their way")
    return Shown(quantity, warehouse)


def in_transit(shops: Collection[int], sku: Sku) -> int:
    """Units of the article on their way back to these shops, by the movements."""
    orders = OrderItem.objects.filter(order__connection__in=shops, sku=sku).values("order_id")
    moved = StockMovement.objects.filter(sku=sku, order_id__in=orders).aggregate(
        came=Sum("quantity", filter=Q(to_bucket=Bucket.IN_TRANSIT), default=0),
        left=Sum("quantity", filter=Q(from_bucket=Bucket.IN_TRANSIT), default=0),
    )
    return int(moved["came"] - moved["left"])


def record(work: Work, shown: Shown) -> Evidence:
    return {"in_transit": shown.quantity, "warehouse": shown.warehouse}


def probe(work: Work) -> Found | NotFound:
    """It is counted afresh and sent with a younger date: a repeat is harmless."""
    return NotFound(may_repeat=True)


def plan(sku: Sku, _: Mapping[str, Any]) -> list[Call]:
    says = f"Say how many {sku.code} are on their way back"
    return [Call("scayle", "POST", "/variants/…/stocks", says)]


def about(sku: Sku) -> Mapping[str, Any]:
    return {"facts": {"sku": sku.code}}


FLOW = settling(
    Flow(
        name="show_in_transit",
        says="Show the shop how many units are on their way back",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="scayle",
        priority=60,
        joins=True,
        due_minutes=60,
        on_refused=RESTOCK_FAILED,
        on_doubt=RESTOCK_IN_DOUBT,
    ),
    "scayle:post_stock",
)
