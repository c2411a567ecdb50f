"""What a refund, or a decision about one, would do: said before anybody presses a button.

Reads only. The figures are worked out by the rules that pay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finance.models import Refund, RefundItem
from finance.states import REFUND_PROVED, Account, Executor, RefundStatus
from fulfilment.models import Order
from integrator.engine import choices
from integrator.engine.errors import Misconfigured
from integrator.engine.money import money_text
from integrator.engine.shapes import Call, Change
from integrator.flows.decide_job import refund_of
from integrator.flows.refund_rules import Group, group_ready, ready_units, shares_by_hand
from integrator.models import Case
from returns.models import Return

Kept = Mapping[str, Any]
LOOK = Call("returngo", "GET", "/rma/…", "Check whether the returns platform has paid already")


def plan(record: Return, kept: Kept) -> list[Call]:
    """What the refund step would do now; only with its own units where it has stopped."""
    held = _held(kept)
    if held is not None:
        return [LOOK, _once_more(held)]
    known = Return.objects.select_related("connection__retailer", "order")
    record = known.get(pk=record.pk)
    values = choices.current(record.connection.retailer).values
    try:
        ready = ready_units(record, values)
        if kept.get("units"):
            ready = [one for one in ready if one.item.pk in kept["units"]]
        groups = group_ready(ready, values)
    except Misconfigured as error:
        return [LOOK, Call("", "", "", f"Nothing more until it is set: {error}")]
    return [LOOK, *_sent(record.order, groups)]


def _held(kept: Kept) -> Refund | None:
    """The refund whose amount the step has set aside already, if it may still be sent."""
    if not kept.get("refund"):
        return None
    held = Refund.objects.exclude(status=RefundStatus.REFUSED).filter(pk=kept["refund"])
    return held.select_related("order").first()


def _once_more(refund: Refund) -> Call:
    payer = refund.get_executor_display()
    says = f"Send refund {refund.number} of this order to {payer}, unless it is found there"
    return Call(
        refund.executor.lower(),
        "POST",
        "/fulfillment/return-items",
        says,
        money_minor=refund.calculated_minor,
        currency=refund.currency,
    )


def _sent(order: Order | None, groups: Sequence[Group]) -> list[Call]:
    calls = []
    counted = order.refunded_minor if order is not None else 0
    for group in groups:
        amount = sum(share.amount_minor for share in group.shares)
        count = len(group.units)
        units = "1 unit" if count == 1 else f"{count} units"
        if group.executor == Executor.SCAYLE:
            platform, says = "scayle", f"Report {units} as returned; SCAYLE then pays the customer"
        else:
            platform, says = "", f"Set the money for {units} aside: {group.why}"
        changes = (_counted(order, counted, counted + amount),) if order is not None else ()
        counted += amount
        currency = order.currency if order is not None else ""
        calls.append(
            Call(platform, "", "", says, money_minor=amount, currency=currency, changes=changes)
        )
    return calls


def _counted(order: Order, before: int, after: int) -> Change:
    return Change(
        f"Refunded or set aside of order {order.number}",
        money_text(before, order.currency),
        money_text(after, order.currency),
    )


def units_of(case: Case | None, refused: Refund | None) -> list[int]:
    """The returned units a case asks to pay: of its step, or of the refund that was refused."""
    if refused is not None:
        parts = refused.items.filter(return_item__isnull=False)
        return [pk for pk in parts.values_list("return_item_id", flat=True) if pk is not None]
    return list(case.job.kept.get("units", [])) if case is not None and case.job else []


def paid_by_others(case: Case, refused: Refund | None) -> list[Refund]:
    """The proved refunds that have paid every unit of the case meanwhile; none if a unit is left.

    The step that stopped knows nothing of them: the returns platform may have paid.
    """
    units = units_of(case, refused)
    parts = RefundItem.objects.filter(
        return_item__in=units, is_live=True, refund__status__in=REFUND_PROVED
    )
    by_unit = dict(parts.values_list("return_item_id", "refund_id"))
    if not units or set(by_unit) != set(units):
        return []
    refunds = Refund.objects.select_related("order__connection__retailer", "return_record")
    return list(refunds.filter(pk__in=by_unit.values()).order_by("id"))


def plan_by_hand(case: Case, _: Kept) -> list[Call]:
    """What is written down once two people say that it was paid: for the amount as it was asked."""
    refund = refund_of(case)
    is_recorded = refund is not None and refund.status in REFUND_PROVED
    if is_recorded or paid_by_others(case, refund):
        return [Call("", "", "", "It is recorded already: finance is asked about a second payment")]
    changes = []
    amount: int | None = None
    if refund is None or refund.status == RefundStatus.REFUSED:
        shares = shares_by_hand(units_of(case, refund))
        order = Order.objects.filter(pk=case.order_id or 0).first()
        if shares and order is not None:
            amount = sum(one.amount_minor for one in shares)
            changes.append(_counted(order, order.refunded_minor, order.refunded_minor + amount))
    else:
        amount = refund.calculated_minor
        before = refund.get_status_display()
        changes.append(Change("Refund", before, RefundStatus.RECORDED.label))
    changes.append(Change("In the books", Account.REFUNDS_OWED.label, Account.PAYER.label))
    return [
        Call(
            "",
            "",
            "",
            "",
            money_minor=amount,
            currency=case.currency,
            changes=tuple(changes),
        )
    ]
