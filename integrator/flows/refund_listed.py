"""Money that the returns platform lists for units of a return: written down as paid by them.

It may have paid before anything was received, after we had set a refund aside, or besides us. What
it lists is read, never asked for; nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q

from finance.models import Refund
from finance.return_fees import fees_left
from finance.services import (
    Share,
    facts_of,
    figure_contradicted,
    refund_paid_twice,
    refund_payment_failed,
    refund_recorded,
    refund_refused,
    refund_reserve,
)
from finance.states import REFUND_OPEN, REFUND_PROVED, Executor, RefundStatus
from fulfilment.shapes import OrderKind
from integrator.engine.decisions import let_look_again
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows.refund_rules import Ready, stopped_refunds, with_fee
from integrator.flows.replacement_worth import replacement_book, worth_of
from integrator.models import Message
from returns.models import Return, ReturnItem
from returns.services.payments import money_parts
from returns.shapes import MoneySeen, MoneyStatus, Resolution, ReturnSeen

TOPIC = "money"
PAYS = (Resolution.REFUND, Resolution.STORE_CREDIT)  # money to the customer, not a bill of theirs


def version_of(work: Work) -> int:
    assert work.job.policy_version is not None  # work.policy() has refused a job without one
    return work.job.policy_version


def look_at_money(work: Work, record: Return, *, kind: str = "listed") -> None:
    """Have the money of a return looked at: what is listed for it, and what is still to be paid."""
    nudge(
        connection_id=record.connection_id,
        topic=TOPIC,
        kind=kind,
        resource=("rma", record.external_id),
        origin=Message.Origin.SWEEP,
        at=work.at,
    )


def listed_for(record: Return, seen: ReturnSeen) -> list[tuple[MoneySeen, list[ReturnItem]]]:
    """Money that was paid or failed, with its units. Units that are held keep theirs waiting.

    Money in another currency than the order's says nothing that could be counted here: before its
    units are paid, a person is asked (``refuse_if_unclear``).
    """
    assert record.order is not None
    told = [
        money
        for money in seen.money
        if money.resolution in PAYS
        and money.unit_ids
        and money.currency == record.order.currency
        and money.status in (MoneyStatus.SUCCEEDED, MoneyStatus.FAILED)
    ]
    if not told:
        return []
    units = {
        item.external_id: item
        for item in record.items.filter(blocked_by="", order_item__isnull=False)
        .select_related(
            "order_item__sku",
            "order_item__parent__sku",
            "order_item__order__connection",
            "return_record__order",
        )
        .order_by("id")
    }
    return [
        (money, [units[one] for one in money.unit_ids])
        for money in told
        if set(money.unit_ids) <= set(units)
    ]


def is_news(record: Return, seen: ReturnSeen) -> bool:
    """Whether something is listed that none of our refunds explains yet."""
    if record.order_id is None:
        return False
    listed = listed_for(record, seen)
    every = _refunds_of([item for _, items in listed for item in items]) if listed else []
    for money, items in listed:
        units = {item.pk for item in items}
        refunds = [one for one in every if units & _covers(one)]
        if money.status == MoneyStatus.FAILED:
            if any(_has_failed(one, money) for one in refunds):
                return True
        elif not _is_ours(refunds, money) and (
            _free(items, refunds) or not _explained(refunds, money)
        ):
            return True
    return False


def take_listed(work: Work, record: Return, seen: ReturnSeen) -> int:
    """Write down every payment that is listed. Returns how many were new."""
    count = 0
    for money, items in listed_for(record, seen):
        if money.status == MoneyStatus.FAILED:
            _failed(work, money, items)
            continue
        new = _paid(work, record, seen, money, items)
        if new:
            _let_look_again(work, items)
        count += new
    return count


def _let_look_again(work: Work, items: Sequence[ReturnItem]) -> None:
    """A refund that had stopped with what they have paid is not owed: it sees that, and ends."""
    paid = {item.pk for item in items}
    stopped = [job for job in stopped_refunds(work) if paid & set(job.kept.get("units", ()))]
    if stopped:
        with work.step():
            let_look_again(stopped, at=work.at)


def _refunds_of(items: Sequence[ReturnItem]) -> list[Refund]:
    """The refunds that may have paid these units, oldest first."""
    replaced = Q(
        return_record__in={item.return_record_id for item in items},
        evidence__return_item__in=[item.pk for item in items],
    )
    return list(
        Refund.objects.filter(Q(items__return_item__in=items, items__is_live=True) | replaced)
        .exclude(status=RefundStatus.REFUSED)
        .prefetch_related("items")
        .distinct()
        .order_by("id")
    )


def _covers(refund: Refund) -> set[int | None]:
    """The returned units it pays: those of its parts, or the replacement it is booked for."""
    return {
        refund.evidence.get("return_item"),
        *(part.return_item_id for part in refund.items.all() if part.is_live),
    }


def _free(items: Sequence[ReturnItem], refunds: Sequence[Refund]) -> list[ReturnItem]:
    """The units that none of their refunds may have paid."""
    taken = {pk for refund in refunds for pk in _covers(refund)}
    return [item for item in items if item.pk not in taken]


def _is_theirs(refund: Refund) -> bool:
    return refund.executor == Executor.RETURNS_PLATFORM


def _is_ours(refunds: Sequence[Refund], money: MoneySeen) -> bool:
    """It is a payment of ours that they were told of: it carries our reference."""
    return any(
        not _is_theirs(one)
        and one.status in REFUND_PROVED
        and money.reference in (one.reference, *one.evidence.get("told", []))
        for one in refunds
    )


def _explained(refunds: Sequence[Refund], money: MoneySeen) -> bool:
    return all(_is_it(one, money) for one in refunds)


def _is_it(refund: Refund, money: MoneySeen) -> bool:
    """The refund is what this payment was written down as, or what we told them of it.

    They may ask for money they have paid already: we answer with the reference of that payment.
    """
    if money.external_id in refund.evidence.get("transactions", []):
        return True
    told = refund.status in REFUND_PROVED and refund.reference != ""
    return told and money.reference == refund.reference


def _has_failed(refund: Refund, money: MoneySeen) -> bool:
    """They were to pay it and could not; or it was written down as paid by this very payment."""
    if not _is_theirs(refund):
        return False
    if refund.status == RefundStatus.RECORDED:
        return money.external_id in refund.evidence.get("transactions", [])
    return refund.status in REFUND_OPEN


def _failed(work: Work, money: MoneySeen, items: Sequence[ReturnItem]) -> None:
    for refund in _refunds_of(items):
        if _has_failed(refund, money):
            with work.step():
                refund_payment_failed(refund, transaction=money.external_id, trace=work.trace)


def _paid(
    work: Work, record: Return, seen: ReturnSeen, money: MoneySeen, items: Sequence[ReturnItem]
) -> int:
    refunds = _refunds_of(items)
    if _is_ours(refunds, money):
        return 0
    for refund in refunds:
        if refund.status not in REFUND_OPEN:
            if not _is_it(refund, money):
                _report_twice(work, refund, seen, money)
            continue
        if _is_theirs(refund):
            _prove(work, refund, seen)
        elif refund.executor == Executor.MANUAL and refund.status == RefundStatus.AUTHORISED:
            with work.step():
                refund_refused(
                    refund, trace=work.trace, reason="The returns platform paid it meanwhile"
                )
    free = _free(items, _refunds_of(items))
    if free:
        _write_down(work, record, seen, money, free)
    return len(free)


def _report_twice(work: Work, refund: Refund, seen: ReturnSeen, money: MoneySeen) -> None:
    """They list a payment besides the one we have proof of: the customer has it twice."""
    covered = ReturnItem.objects.filter(pk__in=[pk for pk in _covers(refund) if pk is not None])
    parts = money_parts(money, seen)
    again = sum(parts.get(one, 0) for one in covered.values_list("external_id", flat=True))
    if again <= 0:
        return
    with work.step():
        refund_paid_twice(
            refund,
            second_minor=again,
            reference=money.external_id,
            why=f"The returns platform lists payment {money.external_id} besides ours.",
            trace=work.trace,
        )


def _prove(work: Work, refund: Refund, seen: ReturnSeen) -> None:
    """A refund they were to pay is recorded once they list all of its units as paid."""
    ours = {
        part.return_item.external_id
        for part in refund.items.select_related("return_item")
        if part.return_item is not None
    }
    paid = [
        money
        for money in seen.money
        if money.status == MoneyStatus.SUCCEEDED
        and money.resolution in PAYS
        and money.currency == refund.currency
        and ours & set(money.unit_ids)
    ]
    if not ours <= {unit for money in paid for unit in money.unit_ids}:
        return
    executed = sum(
        part for money in paid for unit, part in money_parts(money, seen).items() if unit in ours
    )
    if executed <= 0:
        return  # a payment of nothing proves nothing: it is told of as overdue
    with work.step():
        refund_recorded(
            refund,
            evidence=_evidence(paid),
            executed_minor=executed,
            is_derived=False,
            reference=paid[0].reference or paid[0].external_id,
            trace=work.trace,
            reason="The returns platform lists it as paid",
        )
        payer = facts_of(refund)["platform"]
        why = f"{payer} paid another amount than was set aside."
        figure_contradicted(refund, why=why, trace=work.trace)


def _write_down(
    work: Work,
    record: Return,
    seen: ReturnSeen,
    money: MoneySeen,
    free: Sequence[ReturnItem],
) -> None:
    """They paid units nobody here has paid: theirs is the refund, so that nobody pays it again."""
    parts = money_parts(money, seen)
    reference = money.reference or money.external_id
    reason = "The returns platform had paid it already"
    for item in free:
        amount = parts[item.external_id]
        if amount <= 0:
            continue
        assert item.order_item is not None and record.order is not None
        item.refresh_from_db(fields=["money"])
        with work.step():
            if _is_replacement(item) and worth_of(item).total_minor:
                replacement_book(
                    item,
                    paid_minor=amount,
                    executor=Executor.RETURNS_PLATFORM,
                    evidence=_evidence([money]),
                    reference=reference,
                    reason=reason,
                    policy_version=version_of(work),
                    trace=work.trace,
                )
                continue
            left = _left(item)
            row = _row(record, seen, money, item, amount)
            counted = max(min(amount, left), 1)
            refund = refund_reserve(
                return_record=record,
                shares=[Share(item, counted, arithmetic={**row, "counted_minor": counted})],
                executor=Executor.RETURNS_PLATFORM,
                evidence_before=[],
                billing_before="",
                policy_version=version_of(work),
                way=money.resolution,
                trace=work.trace,
            )
            refund_recorded(
                refund,
                evidence=_evidence([money]),
                executed_minor=amount,
                is_derived=False,
                reference=reference,
                trace=work.trace,
                reason=reason,
            )


def _row(
    record: Return, seen: ReturnSeen, money: MoneySeen, item: ReturnItem, paid_minor: int
) -> Mapping[str, Any]:
    """What they paid a unit for. What is short of its worth is the fee on the whole return."""
    whole = Ready(item, money.resolution, tuple(item.deductions))
    short = whole.share.amount_minor - paid_minor
    taken = max(min(short, fees_left(record, seen.fees)), 0)
    deductions = with_fee(whole.deductions, next(iter(seen.fees), ""), taken)
    total = sum(seen.fees.values())
    return replace(whole, deductions=deductions, return_fees_minor=total).share.arithmetic


def _is_replacement(item: ReturnItem) -> bool:
    return item.order_item is not None and item.order_item.order.kind == OrderKind.EXCHANGE


def _left(item: ReturnItem) -> int:
    assert item.order_item is not None
    unit = item.order_item
    unit.refresh_from_db(fields=["refunded_minor", "paid_minor"])
    order = unit.order
    order.refresh_from_db(fields=["refunded_minor", "paid_minor"])
    return min(unit.paid_minor - unit.refunded_minor, order.paid_minor - order.refunded_minor)


def _evidence(paid: Sequence[MoneySeen]) -> dict[str, object]:
    return {"transactions": [one.external_id for one in paid], "kind": paid[0].kind}
