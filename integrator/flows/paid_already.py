"""Was it paid already? What is looked at before any money is sent; each passes or refuses."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from finance import cases as kinds
from finance.models import Refund
from finance.services import facts_of
from finance.states import Executor, RefundStatus
from fulfilment.models import Order
from fulfilment.shapes import InvoiceSeen, OrderSeen, UnitStatus
from integrator.engine import cases
from integrator.engine.errors import Refused
from integrator.engine.money import money_text
from integrator.engine.work import Work
from integrator.flows.refund_listed import listed_for
from integrator.flows.refund_rules import Ready, about
from returns.models import Return
from returns.shapes import MoneySeen, MoneyStatus, Resolution, ReturnSeen


def refuse_if_unclear(record: Return, ready: Sequence[Ready], seen: ReturnSeen) -> None:
    """What the returns platform lists for a unit and cannot be understood stops everything.

    A *requested* transaction is the platform asking us to pay, so it does not stop us. Nor does
    one that was written down as paid: its units are not ready any more.
    """
    understood = {money.external_id for money, _ in listed_for(record, seen)}
    for one in ready:
        if why := _unclear(one, seen, understood):
            raise Refused(
                why,
                case=kinds.REFUND_REFUSED,
                facts={
                    "rma": seen.external_id,
                    "order": seen.order_number,
                    "amount": money_text(one.item.claimed_minor, one.item.currency),
                    "platform": one.item.return_record.connection.name,
                },
            )


def _unclear(one: Ready, seen: ReturnSeen, understood: Collection[str]) -> str:
    """Why a unit cannot be paid by itself: money of an unknown outcome, in another currency, or
    that was paid and may be for it.
    """
    assert one.item.order_item is not None
    currency = one.item.order_item.order.currency
    listed = [money for money in seen.money if _may_pay(money, {one.item.external_id})]
    paid = [money for money in listed if money.status == MoneyStatus.SUCCEEDED]
    if any(money.status == MoneyStatus.UNKNOWN for money in listed):
        return "the returns platform lists money with an outcome we do not know"
    if any(money.currency != currency for money in paid):
        return f"the returns platform lists a payment in another currency than {currency}"
    if any(money.external_id not in understood for money in paid):
        return "the returns platform lists a payment that may have been for it"
    if one.deductions and one.item.currency != currency:
        return f"the returns platform takes a fee in another currency than {currency}"
    return ""


def _may_pay(money: MoneySeen, units: Collection[str]) -> bool:
    """Money to the customer for one of these units, or for units it does not name.

    What the customer pays for a dearer replacement is none.
    """
    if money.resolution == Resolution.EXCHANGE:
        return False
    return not money.unit_ids or not set(units).isdisjoint(money.unit_ids)


def refuse_if_returned_there(record: Return, payable: Sequence[Ready], order: OrderSeen) -> None:
    """A unit the shop has as returned already was paid by hand there: nobody pays it again."""
    there = {unit.external_id for unit in order.units if unit.status == UnitStatus.RETURNED}
    twice = [one for one in payable if one.item.order_item and one.item.order_item.line_id in there]
    if twice:
        raise Refused(
            f"the shop shows {len(twice)} of these units as returned already",
            case=kinds.REFUND_REFUSED,
            facts=dict(about(record)["facts"]),
        )


def refuse_if_paid_meanwhile(refund: Refund, seen: ReturnSeen) -> None:
    """Sending late, or again after a doubt was decided: look once more whether somebody paid."""
    ours = {
        part.return_item.external_id
        for part in refund.items.select_related("return_item")
        if part.return_item
    }
    paid = [
        money
        for money in seen.money
        if money.status in (MoneyStatus.SUCCEEDED, MoneyStatus.UNKNOWN) and _may_pay(money, ours)
    ]
    if paid:
        raise Refused(
            "the returns platform lists a payment for these units by now",
            case=kinds.REFUND_REFUSED,
            facts=facts_of(refund),
        )


def is_returned_there(refund: Refund, seen: OrderSeen) -> bool:
    """Every unit of a refund is booked as returned at the shop: it took our call."""
    status = {unit.external_id: unit.status for unit in seen.units}
    units = refund.items.select_related("order_item__parent")
    return all(status.get(unit.order_item.line_id) == UnitStatus.RETURNED for unit in units)


def refuse_if_paid_past_us(
    work: Work, record: Return, order: Order, invoices: Sequence[InvoiceSeen]
) -> None:
    """A correction was written by hand there that no refund of ours explains: ask first."""
    explained = set(work.kept.get("allowed", [])) | explained_whole(order.pk)
    strange = [one.external_id for one in invoices if one.is_by_hand]
    if set(strange) <= explained:
        return
    with work.step():
        work.keep(corrections=strange)
        cases.close_by_fact(
            trace=work.trace,
            reason="It is asked about with a return now",
            kinds=[kinds.PAID_IN_SHOP],
            record_kind="order",
            record_id=order.pk,
        )
    raise Refused(
        "a correction was written there by hand",
        case=kinds.REFUNDED_PAST_US,
        facts={**about(record)["facts"], "corrections": ", ".join(strange)},
    )


def explained_whole(order_id: int) -> set[str]:
    """Corrections of which finance said everything that they paid, with its amount.

    "Paid by hand" and "pay all the same" do not: they are about the units that were asked about. A
    correction shows no amount, so it may have paid the next ones too, and they are asked about.
    """
    rows = Refund.objects.filter(order_id=order_id, evidence__has_key="explains")
    found = rows.exclude(status=RefundStatus.REFUSED).values_list("evidence", flat=True)
    return {one for evidence in found for one in evidence["explains"]}


def explained_by_hand(order_id: int) -> set[str]:
    """Corrections that some refund of ours was paid with: nobody need be asked what they are."""
    by_hand = Refund.objects.filter(order_id=order_id, executor=Executor.MANUAL)
    seen = by_hand.exclude(status=RefundStatus.REFUSED).values_list("evidence_before", flat=True)
    return explained_whole(order_id) | {one for before in seen for one in before}
