"""An order changed at SCAYLE: read it, take it over, and see whether it proves an open refund."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finance.services import open_refund
from fulfilment.cases import ORDER_NOT_READ
from fulfilment.models import Order
from fulfilment.services import order_capture, oversell_look_again
from fulfilment.shapes import BundleSeen, InvoiceSeen, OrderSeen
from integrator.engine import jobs
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each, only_reads
from integrator.engine.work import Work
from integrator.flows import platforms, read_again
from integrator.flows.differences import CHANGED, changed, order_now
from integrator.flows.past_us import look, needs_invoices
from integrator.flows.prove_refund import PROVED, Heard, look_for_proof, notices_of
from integrator.flows.read_bundles import read_bundles
from integrator.flows.retake_returns import retake_held
from integrator.flows.stopped_readings import end_stopped
from integrator.models import Message
from returns.services.exchanges import exchange_find, exchange_follow, exchange_ordered


@dataclass(frozen=True, slots=True)
class Reading:
    order: OrderSeen
    invoices: tuple[InvoiceSeen, ...]
    heard: tuple[Heard, ...]
    bundles: Mapping[str, BundleSeen]


def order_lane(order_id: int) -> str:
    """Money, shipping and cancelling of one order happen in this lane, one after another."""
    return f"order:{order_id}"


def _aim(fact: Fact) -> Aim:
    resource = str(fact.data["resource_id"])
    lane = f"read:order:{fact.connection_id}:{resource}"
    return Aim(fact.record_kind, fact.record_id, lane, join=lane)


def call(work: Work) -> Reading:
    """Read the order, what its bundles consist of, and its invoices where something went back."""
    message = work.heard[0]
    client = platforms.scayle(work, message.connection)
    seen = client.order(message.resource_id)
    asked = needs_invoices(seen) or _waits_for_proof(message)
    invoices = client.invoices(message.resource_id) if asked else ()
    bundles = read_bundles(work, client, message.connection, seen)
    heard = notices_of(work, message.connection, message.resource_id)
    return Reading(seen, invoices, heard, bundles)


def _waits_for_proof(message: Message) -> bool:
    known = Order.objects.filter(connection=message.connection, external_id=message.resource_id)
    return any(open_refund(pk) is not None for pk in known.values_list("pk", flat=True))


def record(work: Work, reading: Reading) -> Evidence:
    message = work.heard[0]
    end_stopped(work)
    asked = read_again.is_asked(work)
    before = order_now(message.connection_id, message.resource_id) if asked else {}
    order = order_capture(
        connection=message.connection,
        seen=reading.order,
        trace=work.trace,
        bundles=reading.bundles,
        fallback=_fallback(work, message, reading),
    )
    if order is None:
        return {"nothing": f"the order is {reading.order.raw_status}: not ours yet"}
    if reading.bundles:
        retake_held(order, work=work)
    oversell_look_again(order, trace=work.trace)
    said: Evidence = {"order": order.number, "status": reading.order.raw_status}
    said["refund"] = look_for_proof(work, order, reading.order, reading.invoices, reading.heard)
    if said["refund"] == PROVED:
        jobs.hurry(lane=order_lane(order.pk), at=work.at)
    said["past_us"] = look(work, order, reading.order, reading.invoices)
    exchange = exchange_find(
        retailer_id=message.connection.retailer_id, reference=reading.order.reference
    )
    if exchange is not None:
        # One of ours, perhaps before the answer to its creation was written down here.
        exchange_ordered(exchange, order, trace=work.trace)
        exchange_follow(exchange, order, trace=work.trace)
        said["exchange"] = exchange.key
    if asked:
        said[CHANGED] = changed(before, order_now(order.connection_id, order.external_id))
    return said


def _fallback(work: Work, message: Message, reading: Reading) -> str:
    """The policy for bundles without prices; a job older than this choice holds them."""
    if not reading.bundles:
        return "hold"
    values = work.policy(message.connection.retailer_id).values
    return str(values.get("bundle_price_fallback", "hold"))


def about(message: Message) -> Mapping[str, Any]:
    """The order itself where we know it; else only its number at the shop is to be had."""
    known = Order.objects.filter(
        connection=message.connection_id, external_id=message.resource_id
    ).first()
    if known is None:
        return {"facts": {"order": message.resource_id}}
    return {"record_kind": "order", "record_id": known.pk, "facts": {"order": known.number}}


FLOW = Flow(
    name="capture_order",
    says="Read the order from the shop",
    aim=each(_aim),
    call=call,
    record=record,
    probe=only_reads,
    queue="scayle",
    priority=20,
    joins=True,
    due_minutes=5,
    on_refused=ORDER_NOT_READ,
    about=about,
)
