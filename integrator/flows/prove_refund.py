"""What the shop says about the refunds it was to pay: proof that one was paid, or that it was not.

A payment's outcome is told once, in its callback, and names neither the refund nor its units. It is
about the refund of the order that was being paid when it happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db.models import F

from finance.evidence import proof_of_refund
from finance.models import Refund
from finance.services import (
    open_refund,
    refund_paid_twice,
    refund_payment_failed,
    refund_recorded,
)
from finance.states import Executor, RefundStatus
from fulfilment.models import Order, OrderItem
from fulfilment.shapes import InvoiceSeen, OrderSeen
from integrator.engine.errors import Malformed
from integrator.engine.work import Work
from integrator.models import Connection, Message
from integrator.platforms.scayle.wire import PaymentNotice, payment_notice
from integrator.platforms.tame import document

REFUND_NOTICE = "payment-refund"
PROVED = "proved"
NONE_WAITS = "none waits for proof"
CLOCKS_DIFFER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """A payment's outcome. ``is_news``: this reading of the order was made because of it.

    ``payment``: what tells the payments of one order apart.
    """

    notice: PaymentNotice
    is_news: bool
    payment: str = ""


def notices_of(work: Work, connection: Connection, order_id: str) -> tuple[Heard, ...]:
    """Every outcome the shop has told for an order: they cannot be read again, so they are kept."""
    rows = Message.objects.filter(
        connection=connection,
        resource_kind="order",
        resource_id=order_id,
        kind=REFUND_NOTICE,
        verdict=Message.Verdict.ACCEPTED,
    )
    found = []
    for message in rows.select_related("payload").order_by("id"):
        try:
            notice = payment_notice(document(bytes(message.payload.body)).value)
        except Malformed:
            continue  # an erased or odd body proves nothing; the order itself is read anyway
        found.append(Heard(notice, message.pk in work.facts))
    return tuple(found)


def look_for_proof(
    work: Work,
    order: Order,
    seen: OrderSeen,
    invoices: Sequence[InvoiceSeen],
    heard: Sequence[Heard],
) -> str:
    """Doubt what failed, record what is proved, and say which it was."""
    refunds = list(
        Refund.objects.filter(order=order, executor=Executor.SCAYLE)
        .exclude(status=RefundStatus.REFUSED)
        .select_related("order__connection__retailer", "return_record__connection")
        .order_by("authorised_at", "id")
    )
    if not refunds:
        return NONE_WAITS
    told = _by_refund(refunds, _told_apart(heard, seen))
    about = {
        refund.pk: _its_own(refund, invoices, words)
        for refund, words in zip(refunds, told, strict=True)
    }
    failed = [one for one in refunds if _fail(work, one, about[one.pk])]
    for one in refunds:
        _ask_if_paid_besides(work, one, seen, invoices, about[one.pk])
    waiting = open_refund(order.pk)
    if waiting is not None and waiting not in failed:
        said = _prove(work, waiting, seen, invoices, about[waiting.pk])
    else:
        said = NONE_WAITS
    return "the payment failed" if failed else said


def _told_apart(heard: Sequence[Heard], seen: OrderSeen) -> list[Heard]:
    """Name the payment of each outcome.

    Where an order was paid in parts, an outcome without a number may be about any of them: each is
    then one of its own, so no later word takes back that a part has failed.
    """
    is_split = len(seen.payments) > 1
    return [
        replace(one, payment=one.notice.transaction or (str(number) if is_split else ""))
        for number, one in enumerate(heard)
    ]


def _by_refund(refunds: Sequence[Refund], heard: Sequence[Heard]) -> list[list[Heard]]:
    """For each refund the outcomes told while it was being paid: it is the last begun before."""
    found: dict[int, list[Heard]] = {refund.pk: [] for refund in refunds}
    for word in heard:
        at = word.notice.occurred_at
        # It is told to the second only.
        begun = [one for one in refunds if one.authorised_at.replace(microsecond=0) <= at]
        soon = [one for one in refunds if one.authorised_at <= at + CLOCKS_DIFFER]
        if begun:
            found[begun[-1].pk].append(word)
        elif soon:
            found[soon[0].pk].append(word)
    return list(found.values())


def _corrections(refund: Refund, invoices: Sequence[InvoiceSeen]) -> list[InvoiceSeen]:
    """What somebody wrote by hand since the refund began: it moves money and tells of it, too."""
    return [
        one for one in invoices if one.is_by_hand and one.external_id not in refund.evidence_before
    ]


def _has_more_to_pay(order: Order) -> bool:
    return OrderItem.objects.filter(order=order, refunded_minor__lt=F("paid_minor")).exists()


def _its_own(
    refund: Refund, invoices: Sequence[InvoiceSeen], heard: Sequence[Heard]
) -> list[Heard]:
    """The outcomes that are this refund's for certain: a success may be a correction's by hand.

    One before the first of those is its own, and where a payment was told to have succeeded more
    often than somebody wrote a correction, one of them was. What had failed is what was paid by
    hand, where the order has no other unit that could have been.
    """
    by_hand = _corrections(refund, invoices)
    if not by_hand or (refund.failed_at is not None and not _has_more_to_pay(refund.order)):
        return list(heard)
    first = min(one.created_at for one in by_hand).replace(microsecond=0)
    later = {
        (one.payment, one.notice.occurred_at)
        for one in heard
        if one.notice.succeeded and one.notice.occurred_at >= first
    }
    often = Counter(payment for payment, _ in later)
    return [
        one
        for one in heard
        if not one.notice.succeeded
        or one.notice.occurred_at < first
        or often[one.payment] > len(by_hand)
    ]


def _last_words(heard: Sequence[Heard]) -> list[PaymentNotice]:
    """The newest outcome of each payment of a refund; of two at one moment, the failure."""
    last: dict[str, PaymentNotice] = {}
    for one in sorted(
        (one for one in heard if one.notice.succeeded is not None),
        key=lambda one: (one.notice.occurred_at, not one.notice.succeeded),
    ):
        last[one.payment] = one.notice
    return list(last.values())


def _fail(work: Work, refund: Refund, heard: Sequence[Heard]) -> bool:
    """Whether a payment of it has failed, for all we know: then a person decides.

    What a person has paid by hand since is not touched by what had failed before. A refund that
    counts as paid is doubted by news only, and not by what was known when it was proved.
    """
    failures = [notice for notice in _last_words(heard) if not notice.succeeded]
    if not failures or refund.status == RefundStatus.SETTLED:
        return False
    if refund.status == RefundStatus.RECORDED and (
        "by_hand" in refund.evidence
        or not any(one.is_news and one.notice in failures for one in heard)
    ):
        return False
    refund_payment_failed(refund, transaction=failures[-1].transaction, trace=work.trace)
    return True


def _ask_if_paid_besides(
    work: Work,
    refund: Refund,
    seen: OrderSeen,
    invoices: Sequence[InvoiceSeen],
    heard: Sequence[Heard],
) -> None:
    """The shop paid after all what a person had paid by hand meanwhile: the customer has it twice.

    Where somebody wrote a correction since, that may be what moved the money: it proves nothing.
    """
    by_hand = refund.status == RefundStatus.RECORDED and "by_hand" in refund.evidence
    if not by_hand or _corrections(refund, invoices):
        return
    if refund.failed_at is not None:
        second = _paid_since(refund, heard)
    else:
        proof = _proof(refund, seen, invoices, payment_succeeded=bool(_last_words(heard)))
        second = proof["corrective_invoice"] if proof is not None else ""
    if not second:
        return
    shop = refund.order.connection.name
    refund_paid_twice(
        refund,
        second_minor=refund.calculated_minor,
        reference=second,
        why=f"It was paid by hand ({refund.reference}) and by {shop} ({second}).",
        trace=work.trace,
    )


def _paid_since(refund: Refund, heard: Sequence[Heard]) -> str:
    """The payment that had failed and went well after a person had paid by hand; empty if none.

    The shop's other signs are there since it failed, so its word alone tells of it.
    """
    assert refund.recorded_at is not None
    last = [notice for notice in _last_words(heard) if notice.succeeded]
    since = [
        one.notice
        for one in heard
        if one.notice in last and (one.is_news or one.notice.occurred_at > refund.recorded_at)
    ]
    return since[-1].transaction or "a payment without a number" if since else ""


def _prove(
    work: Work,
    refund: Refund,
    seen: OrderSeen,
    invoices: Sequence[InvoiceSeen],
    heard: Sequence[Heard],
) -> str:
    if refund.status == RefundStatus.AUTHORISED:
        return NONE_WAITS
    had_failed = refund.failed_at is not None
    has_word = bool(_last_words(heard))  # each of them a success: a failure does not come here
    if had_failed and not has_word:
        return "no proof yet"
    proof = _proof(refund, seen, invoices, payment_succeeded=has_word)
    if proof is None:
        return "no proof yet"
    if had_failed:
        # What the shop had failed to pay was paid there by hand: that explains the correction.
        proof["explains"] = [one.external_id for one in invoices if one.is_by_hand]
    refund_recorded(
        refund,
        evidence=proof,
        executed_minor=refund.calculated_minor,
        is_derived=True,
        reference=proof["corrective_invoice"],
        trace=work.trace,
        reason="The shop shows the unit returned, a corrective invoice and the money moved",
    )
    return PROVED


def _proof(
    refund: Refund, seen: OrderSeen, invoices: Sequence[InvoiceSeen], *, payment_succeeded: bool
) -> dict[str, Any] | None:
    return proof_of_refund(
        seen=seen,
        invoices=invoices,
        before=refund.evidence_before,
        unit_ids=[
            part.order_item.line_id for part in refund.items.select_related("order_item__parent")
        ],
        # A correction by hand changes it as well.
        billing_before=seen.billing if _corrections(refund, invoices) else refund.billing_before,
        payment_succeeded=payment_succeeded,
    )
