"""Whether a unit may be paid now, and by whom: the rules before a refund. They send nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finance import cases as kinds
from finance.evidence import missing_evidence
from finance.models import Refund
from finance.services import facts_of
from finance.states import Executor
from fulfilment.models import Order
from fulfilment.shapes import InvoiceSeen, OrderSeen, UnitStatus
from integrator.engine import mappings
from integrator.engine.errors import Misconfigured, Refused
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.models import MappingKind
from returns.cases import REFUND_MODE_UNKNOWN
from returns.models import Inspection, Return, ReturnItem
from returns.shapes import Method, MoneySeen, MoneyStatus, Resolution, ReturnSeen
from returns.states import Money

PAYABLE = (Money.NONE, Money.PROPOSED, Money.REFUSED)


@dataclass(frozen=True, slots=True)
class Ready:
    """A unit whose evidence is complete, and what the shopper was promised for it."""

    item: ReturnItem
    resolution: Resolution


def ready_units(record: Return, values: Mapping[str, Any]) -> list[Ready]:
    """Units that may be paid: not blocked, not paid, all evidence there, and the promise known."""
    items = list(
        record.items.filter(blocked_by="", money__in=PAYABLE, order_item__isnull=False)
        .select_related("order_item", "return_record__connection")
        .order_by("id")
    )
    verdicts = dict(
        Inspection.objects.filter(return_item__in=items)
        .order_by("version")
        .values_list("return_item_id", "disposition")
    )
    ready = []
    for item in items:
        method = Method(_known(record, MappingKind.METHOD, item.method, item.method_word))
        if missing_evidence(item, method, verdicts.get(item.pk), values):
            continue
        word = _known(record, MappingKind.RESOLUTION, item.resolution, item.resolution_word)
        ready.append(Ready(item, Resolution(word)))
    return ready


def _known(record: Return, kind: MappingKind, ours: str, theirs: str) -> str:
    """A word we know, or what a person said it means; otherwise the whole return is held."""
    if ours != Resolution.UNKNOWN:
        return ours
    return mappings.find(
        connection=record.connection, kind=kind, theirs=theirs, case=REFUND_MODE_UNKNOWN
    )


def split_paid(
    ready: Sequence[Ready], seen: ReturnSeen
) -> tuple[list[tuple[ReturnItem, MoneySeen]], list[Ready]]:
    """Units whose platform lists money that succeeded are paid; money of unknown outcome stops us.

    A *requested* transaction is the platform asking us to pay, so it does not stop us.
    """
    before: list[tuple[ReturnItem, MoneySeen]] = []
    to_pay: list[Ready] = []
    for one in ready:
        listed = [money for money in seen.money if one.item.external_id in money.unit_ids]
        unclear = [money for money in listed if money.status == MoneyStatus.UNKNOWN]
        if unclear:
            raise Refused(
                "the returns platform lists money with an outcome we do not know",
                case=kinds.REFUND_REFUSED,
                facts={
                    "rma": seen.external_id,
                    "order": seen.order_number,
                    "amount": f"{one.item.claimed_minor / 100:.2f} {one.item.currency}",
                    "platform": one.item.return_record.connection.name,
                },
            )
        paid = [money for money in listed if money.status == MoneyStatus.SUCCEEDED]
        if paid:
            before.append((one.item, paid[0]))
        else:
            to_pay.append(one)
    return before, to_pay


def refuse_unless_expressible(
    record: Return, payable: Sequence[Ready], values: Mapping[str, Any]
) -> None:
    """SCAYLE pays whole units at its own price and nothing else. The executor has no default."""
    executor = values["refund_executor"]
    if executor is None:
        raise Misconfigured(
            "policy.refund_executor is not set",
            case=kinds.REFUND_EXECUTOR_MISSING,
            cause="policy:refund_executor",
        )
    deducted = sum(int(fee["amount_minor"]) for one in payable for fee in one.item.deductions)
    composite = any(one.item.sku is not None and one.item.sku.is_composite for one in payable)
    if executor == Executor.SCAYLE and not deducted and not composite:
        return
    if executor == Executor.SCAYLE:
        executor = values["refund_executor_otherwise"]
        why = "a fee is deducted" if deducted else "it is part of a bundle"
    else:
        why = f"refunds are paid by the {Executor(executor).label.lower()}"
    if executor is None:
        raise Misconfigured(
            f"policy.refund_executor_otherwise is not set, and {why}",
            case=kinds.REFUND_EXECUTOR_MISSING,
            cause="policy:refund_executor_otherwise",
        )
    total = sum(one.item.order_item.paid_minor for one in payable if one.item.order_item) - deducted
    assert record.order is not None
    raise Refused(
        why,
        case=kinds.REFUND_BY_HAND,
        facts={
            "order": record.order.number,
            "rma": record.external_id,
            "amount": f"{total / 100:.2f} {record.order.currency}",
            "platform": record.order.connection.name,
        },
    )


def refuse_if_returned_there(record: Return, payable: Sequence[Ready], order: OrderSeen) -> None:
    """A unit the shop has as returned already was paid by hand there: nobody pays it again."""
    there = {unit.external_id for unit in order.units if unit.status == UnitStatus.RETURNED}
    twice = [
        one for one in payable if one.item.order_item and one.item.order_item.external_id in there
    ]
    if twice:
        raise Refused(
            f"the shop shows {len(twice)} of these units as returned already",
            case=kinds.REFUND_REFUSED,
            facts=dict(about(record)["facts"]),
        )


def refuse_if_paid_meanwhile(work: Work, record: Return, refund: Refund) -> None:
    """Sending late, or again after a doubt was decided: look once more whether somebody paid."""
    seen = platforms.returngo(work, record.connection).rma(record.external_id)
    ours = {
        part.return_item.external_id
        for part in refund.items.select_related("return_item")
        if part.return_item
    }
    paid = [
        money
        for money in seen.money
        if money.status in (MoneyStatus.SUCCEEDED, MoneyStatus.UNKNOWN)
        and ours & set(money.unit_ids)
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
    keys = refund.items.values_list("order_item__external_id", flat=True)
    return all(status.get(key) == UnitStatus.RETURNED for key in keys)


def refuse_if_paid_past_us(
    work: Work, record: Return, order: Order, invoices: Sequence[InvoiceSeen]
) -> None:
    """A correction was written by hand there that no refund of ours explains: ask first."""
    explained = set(work.kept.get("allowed", []))
    for known in Refund.objects.filter(order=order).values_list("evidence_before", flat=True):
        explained |= set(known)
    strange = [one.external_id for one in invoices if one.is_by_hand]
    if set(strange) <= explained:
        return
    with work.step():
        work.keep(corrections=strange)
    raise Refused(
        "a correction was written there by hand",
        case=kinds.REFUNDED_PAST_US,
        facts={**about(record)["facts"], "corrections": ", ".join(strange)},
    )


def about(record_: Return) -> Mapping[str, Any]:
    """What a case about this refund is worth and says."""
    order = record_.order
    refund = record_.refunds.order_by("-id").first()
    items = record_.items.filter(blocked_by="").select_related("order_item")
    amount = (
        refund.calculated_minor
        if refund is not None
        else sum(item.order_item.paid_minor for item in items if item.order_item)
    )
    currency = order.currency if order else ""
    return {
        "money_minor": amount,
        "currency": currency,
        "customers_waiting": 1,
        "facts": {
            "order": order.number if order else "(unknown)",
            "rma": record_.external_id,
            "amount": f"{amount / 100:.2f} {currency}",
            "platform": order.connection.name if order else record_.connection.name,
        },
    }
