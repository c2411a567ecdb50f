"""An order changed at SCAYLE: read it, take it over, and see whether it proves an open refund."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from finance.evidence import proof_of_refund
from finance.models import Refund
from finance.services import open_refund, refund_payment_failed, refund_recorded
from finance.states import RefundStatus
from fulfilment.cases import ORDER_NOT_READ
from fulfilment.models import Order
from fulfilment.services import order_capture, oversell_look_again
from fulfilment.shapes import BundleSeen, InvoiceSeen, OrderSeen
from integrator.engine import jobs
from integrator.engine.errors import Malformed
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each, only_reads
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.past_us import look, needs_invoices
from integrator.flows.read_bundles import read_bundles
from integrator.flows.retake_returns import retake_held
from integrator.models import Message
from integrator.platforms.scayle.wire import PaymentNotice, payment_notice
from integrator.platforms.tame import document
from returns.services.exchanges import exchange_find, exchange_follow, exchange_ordered

REFUND_NOTICE = "payment-refund"


@dataclass(frozen=True, slots=True)
class Reading:
    order: OrderSeen
    invoices: tuple[InvoiceSeen, ...]
    notices: tuple[PaymentNotice, ...]
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
    message = Message.objects.select_related("connection").get(pk=work.job.record_id)
    client = platforms.scayle(work, message.connection)
    seen = client.order(message.resource_id)
    known = Order.objects.filter(
        connection=message.connection, external_id=message.resource_id
    ).first()
    waiting = open_refund(known.pk) if known is not None else None
    asked = waiting is not None or needs_invoices(seen)
    invoices = client.invoices(message.resource_id) if asked else ()
    bundles = read_bundles(work, client, message.connection, seen)
    return Reading(seen, invoices, _notices(work, message, waiting), bundles)


def _notices(work: Work, message: Message, waiting: Refund | None) -> tuple[PaymentNotice, ...]:
    """A refund's outcome cannot be read again: it is only in the body of its callback.

    A notice may come before the invoice it belongs to, so all since the open refund count.
    """
    notices = Message.objects.filter(
        connection=message.connection,
        resource_kind="order",
        resource_id=message.resource_id,
        kind=REFUND_NOTICE,
    )
    if waiting is not None:
        notices = notices.filter(received_at__gte=waiting.authorised_at)
    else:
        notices = notices.filter(pk__in=work.facts)
    found = []
    for message in notices.select_related("payload").order_by("id"):
        try:
            found.append(payment_notice(document(bytes(message.payload.body)).value))
        except Malformed:
            continue  # an erased or odd body proves nothing; the order itself is read anyway
    return tuple(found)


def record(work: Work, reading: Reading) -> Evidence:
    message = Message.objects.select_related("connection__retailer").get(pk=work.job.record_id)
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
    said["refund"] = _prove_refund(work, order, reading)
    said["past_us"] = look(work, order, reading.order, reading.invoices)
    exchange = exchange_find(
        retailer_id=message.connection.retailer_id, reference=reading.order.reference
    )
    if exchange is not None:
        # One of ours, perhaps before the answer to its creation was written down here.
        exchange_ordered(exchange, order, trace=work.trace)
        exchange_follow(exchange, order, trace=work.trace)
        said["exchange"] = exchange.key
    return said


def _fallback(work: Work, message: Message, reading: Reading) -> str:
    """The policy for bundles without prices; a job older than this choice holds them."""
    if not reading.bundles:
        return "hold"
    values = work.policy(message.connection.retailer_id).values
    return str(values.get("bundle_price_fallback", "hold"))


def _prove_refund(work: Work, order: Order, reading: Reading) -> str:
    succeeded = any(notice.succeeded is True for notice in reading.notices)
    failed = [notice for notice in reading.notices if notice.succeeded is False]
    refund = open_refund(order.pk)
    if failed and not succeeded:
        return _failed(work, order, refund, failed[-1])
    if refund is None or refund.status == RefundStatus.AUTHORISED:
        return "none waits for proof"
    said_failed = refund.status == RefundStatus.IN_DOUBT and refund.sent_at is not None
    proof = proof_of_refund(
        seen=reading.order,
        invoices=reading.invoices,
        before=refund.evidence_before,
        unit_ids=[
            part.order_item.line_id for part in refund.items.select_related("order_item__parent")
        ],
        billing_before=refund.billing_before,
        payment_succeeded=succeeded,
        payment_failed=said_failed,
    )
    if proof is None:
        return "no proof yet"
    if said_failed:
        # What the shop had failed to pay was paid there by hand: that explains the correction.
        proof["explains"] = [one.external_id for one in reading.invoices if one.is_by_hand]
    refund_recorded(
        refund,
        evidence=proof,
        executed_minor=refund.calculated_minor,
        is_derived=True,
        reference=proof["corrective_invoice"],
        trace=work.trace,
        reason="The shop shows the unit returned, a corrective invoice and the money moved",
    )
    jobs.hurry(lane=order_lane(order.pk), at=work.at)
    return "proved"


def _failed(work: Work, order: Order, refund: Refund | None, notice: PaymentNotice) -> str:
    """The provider says it could not pay. A refund we counted as proved is doubted again, aloud."""
    about = refund or (
        Refund.objects.filter(
            order=order,
            sent_at__lte=notice.occurred_at + timedelta(minutes=1),
            status=RefundStatus.RECORDED,
        )
        .order_by("-sent_at")
        .first()
    )
    if about is None:
        return "a payment failed that is none of ours"
    refund_payment_failed(about, transaction=notice.transaction, trace=work.trace)
    return "the payment failed"


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
)
