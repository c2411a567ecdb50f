"""An order changed at SCAYLE: read it, take it over, and see whether it proves an open refund."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q

from finance.evidence import proof_of_refund
from finance.models import Refund
from finance.services import open_refund, refund_payment_failed, refund_recorded
from finance.states import Executor, RefundStatus
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
    notices: tuple[PaymentNotice, ...]  # as they happened
    news: frozenset[PaymentNotice]  # those of them that this reading answers
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
    notices = _notices(work, message, waiting)
    return Reading(
        seen,
        invoices,
        tuple(sorted(notices, key=lambda notice: notice.occurred_at)),
        frozenset(notice for notice, is_new in notices.items() if is_new),
        bundles,
    )


def _notices(work: Work, message: Message, waiting: Refund | None) -> dict[PaymentNotice, bool]:
    """A refund's outcome cannot be read again: it is only in the body of its callback.

    A notice may come before the invoice it belongs to, so all since the open refund are read again;
    the value says whether it is new.
    """
    new = Q(pk__in=work.facts)
    if waiting is not None:
        new |= Q(received_at__gte=waiting.authorised_at)
    notices = Message.objects.filter(
        new,
        connection=message.connection,
        resource_kind="order",
        resource_id=message.resource_id,
        kind=REFUND_NOTICE,
    )
    found: dict[PaymentNotice, bool] = {}
    for message in notices.select_related("payload").order_by("id"):
        try:
            notice = payment_notice(document(bytes(message.payload.body)).value)
        except Malformed:
            continue  # an erased or odd body proves nothing; the order itself is read anyway
        found[notice] = found.get(notice, False) or message.pk in work.facts
    return found


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
    refund = open_refund(order.pk)
    said = _by_refund(order, reading.notices)
    for about, notices in said.items():
        failed = _failed(notices)
        # Of a refund that is settled between us and finance only what is new is told.
        if failed and (about == refund or not reading.news.isdisjoint(failed)):
            refund_payment_failed(about, transaction=failed[-1].transaction, trace=work.trace)
            if about == refund:
                return "the payment failed"
    if refund is None or refund.status == RefundStatus.AUTHORISED:
        return "none waits for proof"
    ours = said.get(refund, [])
    proof = proof_of_refund(
        seen=reading.order,
        invoices=reading.invoices,
        before=refund.evidence_before,
        unit_ids=[
            part.order_item.line_id for part in refund.items.select_related("order_item__parent")
        ],
        billing_before=refund.billing_before,
        payment_succeeded=any(one.succeeded for one in ours),
    )
    if proof is None:
        return "no proof yet"
    if any(one.succeeded is False for one in ours):
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


def _by_refund(order: Order, notices: Sequence[PaymentNotice]) -> dict[Refund, list[PaymentNotice]]:
    """Whose payment each notice is about: the last refund that was authorised before it happened.

    By the time it happened, not by the time we heard of it: a late word on one refund says nothing
    about the next one. One refund at a time is open per order, so the time decides. A notice from
    before any refund of ours is about none of them.
    """
    if not notices:
        return {}
    ours = list(
        Refund.objects.filter(order=order, executor=Executor.SCAYLE)
        .exclude(status=RefundStatus.REFUSED)
        .select_related("order__connection__retailer", "return_record")
        .order_by("-authorised_at", "-id")
    )
    said: dict[Refund, list[PaymentNotice]] = {}
    for notice in notices:
        happened = notice.occurred_at  # told to the second only
        about = next((r for r in ours if r.authorised_at.replace(microsecond=0) <= happened), None)
        if about is not None:
            said.setdefault(about, []).append(notice)
    return said


def _failed(notices: Sequence[PaymentNotice]) -> list[PaymentNotice]:
    """Failures that nothing made good since, by the last word on each transaction.

    A refund is split over the payments of its order, and each tells its own outcome.
    """
    last = {one.transaction: one for one in notices if one.succeeded is not None}
    return [one for one in last.values() if one.succeeded is False]


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
