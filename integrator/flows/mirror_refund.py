"""Tell the shop of money that moved past it: billing status, with our reference. It pays nobody.

The wanted state follows from all our refunds against what was paid, so a repeat is harmless, and
the shop's own refunds are counted too. While the shop itself owes proof of a refund nothing is
written: a billing status of ours would look like that proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum

from finance.cases import REFUND_NOT_MIRRORED
from finance.models import Refund, RefundItem
from finance.services import facts_of, open_refund
from finance.states import REFUND_PROVED, Executor
from fulfilment.models import OrderItem
from fulfilment.shapes import Billing, OrderSeen
from integrator.engine.errors import Yields
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.money import money_text
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.capture_order import order_lane
from integrator.flows.settling import settling

WAIT_FOR_PROOF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the shop should show: the order's billing and that of each unit we know of."""

    order: Billing
    units: tuple[tuple[str, Billing], ...]


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """Every recorded refund of an order of which something was paid past the shop."""
    refunds = Refund.objects.filter(pk__in={fact.record_id for fact in facts}).exclude(
        executor=Executor.MANUAL, evidence__has_key="explains"
    )
    rows = refunds.values_list("pk", "order_id", "order__connection_id", "executor")
    past = set(
        Refund.objects.filter(order__refunds__in=refunds, status__in=REFUND_PROVED)
        .exclude(executor=Executor.SCAYLE)
        .exclude(evidence__has_key="explains")  # the shop itself paid it
        .values_list("order_id", flat=True)
    )
    found = {
        pk: Aim(
            "refund", pk, lane=order_lane(order_id), order_id=order_id, connection_id=connection_id
        )
        for pk, order_id, connection_id, _ in rows
        if order_id in past
    }
    return {fact.id: found[fact.record_id] for fact in facts if fact.record_id in found}


def call(work: Work) -> Wanted | Nothing:
    refund = _refund(work)
    if open_refund(refund.order_id) is not None:
        raise Yields(
            "the shop still owes the proof of a refund of this order",
            retry_after=WAIT_FOR_PROOF_SECONDS,
        )
    wanted = _wanted(refund)
    client = platforms.scayle(work, refund.order.connection)
    seen = client.order(refund.order.external_id)
    if _shows(seen, wanted) and refund.executor == Executor.SCAYLE:
        return Nothing("the shop shows it already")
    client.set_billing_status(
        refund.order.external_id, wanted.order, _reason(refund), dict(wanted.units)
    )
    return wanted


def _refund(work: Work) -> Refund:
    return Refund.objects.select_related(
        "order__connection__retailer", "return_record__connection"
    ).get(pk=work.job.record_id)


def _wanted(refund: Refund) -> Wanted:
    """Refunded when all that was paid went back, else in part. A bundle's parts are its line's."""
    order = refund.order
    proved = Refund.objects.filter(order=order, status__in=REFUND_PROVED)
    back = sum(one.executed_minor or 0 for one in proved)
    proved_by_unit = dict(
        RefundItem.objects.filter(refund__in=proved)
        .values_list("order_item_id")
        .annotate(back=Sum("amount_minor"))
    )
    units: dict[str, list[OrderItem]] = {}
    lines = OrderItem.objects.filter(order=order).select_related("parent")
    for unit in lines.order_by("id"):
        units.setdefault(unit.line_id, []).append(unit)
    states = []
    for key, parts in units.items():
        paid = sum(one.paid_minor for one in parts if one.parent is None)
        went_back = sum(proved_by_unit.get(one.pk, 0) for one in parts)
        if went_back:
            states.append((key, Billing.REFUNDED if went_back >= paid else Billing.PARTLY_REFUNDED))
    whole = Billing.REFUNDED if back >= order.paid_minor else Billing.PARTLY_REFUNDED
    return Wanted(whole, tuple(states))


def _reason(refund: Refund) -> str:
    """Kept by the shop for audits: our key, the amount, the way, and the return."""
    paid = money_text(refund.executed_minor or 0, refund.currency)
    rma = f", return {refund.return_record.external_id}" if refund.return_record else ""
    way = refund.get_way_display().lower()
    by_hand = refund.executor == Executor.MANUAL
    paid_by = "by hand" if by_hand else f"by {refund.get_executor_display()}"
    return f"{refund.key}: {paid}, {way}, {paid_by}{rma}"


def _shows(seen: OrderSeen, wanted: Wanted) -> bool:
    return seen.billing == wanted.order


def record(work: Work, wanted: Wanted) -> Evidence:
    return {"billing": wanted.order.value, "units": len(wanted.units)}


def probe(work: Work) -> Found | NotFound:
    """It names the wanted state and moves no money: what is not there may be written again."""
    refund = _refund(work)
    wanted = _wanted(refund)
    seen = platforms.scayle(work, refund.order.connection).order(refund.order.external_id)
    return Found(wanted) if _shows(seen, wanted) else NotFound(may_repeat=True)


def plan(refund: Refund, _: Mapping[str, Any]) -> list[Call]:
    return [
        Call(
            "scayle",
            "PATCH",
            "/orders/…/billing-status",
            f"Show the refund in the shop: {_reason(refund)}",
        )
    ]


def about(refund: Refund) -> Mapping[str, Any]:
    return {
        "money_minor": refund.executed_minor or 0,
        "currency": refund.currency,
        "facts": {**facts_of(refund), "platform": refund.order.connection.name},
    }


FLOW = settling(
    Flow(
        name="mirror_refund",
        says="Show the shop a refund that was paid past it",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="scayle",
        priority=40,
        due_minutes=240,
        on_refused=REFUND_NOT_MIRRORED,
        on_doubt=REFUND_NOT_MIRRORED,
    ),
    "scayle:set_billing_status",
)
