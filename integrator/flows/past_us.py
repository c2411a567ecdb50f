"""Money that was paid back in the shop itself, which no refund of ours explains: asked about once.

Three signs, and none of them names an amount: a correction written by hand, a unit booked as
returned that we never reported, and a billing status that says refunded while we paid nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from finance.cases import PAID_IN_SHOP, REFUNDED_PAST_US
from finance.models import Refund, RefundItem
from finance.services import open_refund, return_review
from finance.states import REFUND_PROVED, Executor, RefundStatus
from fulfilment.models import Order
from fulfilment.shapes import Billing, InvoiceSeen, OrderSeen, UnitStatus
from integrator.engine import cases
from integrator.engine.states import move
from integrator.engine.work import Work
from integrator.flows.paid_already import explained_by_hand
from integrator.flows.refund_rules import still_returnable
from integrator.models import Case, CaseState
from returns.models import Return, ReturnItem
from returns.states import Money

REFUNDED = (Billing.PARTLY_REFUNDED, Billing.REFUNDED)


def needs_invoices(seen: OrderSeen) -> bool:
    """Only an order of which something went back has invoices worth a call."""
    return seen.billing in REFUNDED or any(
        unit.status == UnitStatus.RETURNED for unit in seen.units
    )


def signs(order: Order, seen: OrderSeen, invoices: Sequence[InvoiceSeen]) -> dict[str, list[str]]:
    """What the shop shows that nobody here did: corrections, units, and billing, by name."""
    explained = explained_by_hand(order.pk)
    ours = Refund.objects.filter(order=order).exclude(status=RefundStatus.REFUSED)
    reported = RefundItem.objects.filter(refund__in=ours, is_live=True).filter(
        Q(refund__executor=Executor.SCAYLE) | Q(refund__evidence__has_key="explains")
    )
    told = {
        key
        for keys in reported.values_list(
            "order_item__external_id", "order_item__parent__external_id"
        )
        for key in keys  # a whole bundle is booked there by its own line
    }
    cancelled = any(unit.status == UnitStatus.CANCELLED for unit in seen.units)
    return {
        "corrections": [
            one.external_id
            for one in invoices
            if one.is_by_hand and one.external_id not in explained
        ],
        "units": [
            unit.sku
            for unit in seen.units
            if unit.status == UnitStatus.RETURNED and unit.external_id not in told
        ],
        "billing": [Billing(seen.billing).label.lower()]
        if seen.billing in REFUNDED and not cancelled and not ours.exists()
        else [],
    }


def look(work: Work, order: Order, seen: OrderSeen, invoices: Sequence[InvoiceSeen]) -> str:
    """Ask finance, or close the question. While the shop owes us a proof nothing is clear yet."""
    if open_refund(order.pk) is not None:
        return "a refund of ours waits for its proof"
    found = signs(order, seen, invoices)
    if not any(found.values()):
        cases.close_by_fact(
            trace=work.trace,
            reason="A refund of ours explains it",
            kinds=[PAID_IN_SHOP],
            record_kind="order",
            record_id=order.pk,
        )
        return "nothing went past us"
    asked = Case.objects.filter(kind=REFUNDED_PAST_US.code, order_id=order.pk)
    if asked.exclude(state=CaseState.SOLVED).exists():
        return "it is asked about with a return"
    cases.open_case(
        PAID_IN_SHOP,
        cases.About(
            "order",
            order.pk,
            order.pk,
            order.connection_id,
            money_minor=order.paid_minor - order.refunded_minor,
            currency=order.currency,
        ),
        trace=work.trace,
        facts={
            "order": order.number,
            "platform": order.connection.name,
            "signs": _in_words(found),
            "corrections": found["corrections"],
        },
    )
    return "somebody paid past us"


def _in_words(found: dict[str, list[str]]) -> str:
    said = []
    if found["corrections"]:
        said.append(f"correction {', '.join(found['corrections'])}")
    if found["units"]:
        said.append(f"{', '.join(found['units'])} as returned")
    if found["billing"]:
        said.append(f"the order as {found['billing'][0]}")
    return " and ".join(said)


def tie_paid_units(work: Work, record_id: int) -> int:
    """A unit that somebody paid back before its return came: the payment and the return meet."""
    paid = RefundItem.objects.filter(
        order_item__in=ReturnItem.objects.filter(return_record=record_id).values("order_item"),
        return_item__isnull=True,
        is_live=True,
        refund__status__in=REFUND_PROVED,
        refund__evidence__has_key="explains",
    )
    loose: dict[int, list[int]] = {}
    for pk, unit in paid.order_by("id").values_list("pk", "order_item"):
        loose.setdefault(unit, []).append(pk)
    tied = 0
    for item in still_returnable().filter(return_record=record_id, order_item__in=loose):
        assert item.order_item_id is not None
        if parts := loose[item.order_item_id]:
            with work.step():
                RefundItem.objects.filter(pk=parts.pop(0)).update(return_item=item)
                move(
                    item,
                    "money",
                    Money.RECORDED,
                    reason="It was paid in the shop",
                    trace=work.trace,
                )
            tied += 1
    if tied:
        # It may have been a part of what they are worth.
        with work.step():
            return_review(Return.objects.get(pk=record_id), trace=work.trace)
    return tied
