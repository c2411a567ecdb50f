"""Money that has moved, and what is known now says another amount. Nothing is taken back by itself.

``unit_contradicted`` is for whoever learns it: a verdict, a fee or a promise that changed after the
refund. Finance settles the difference; the books carry it until then and after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery, prefetch_related_objects

from finance import cases as kinds
from finance.amounts import worked_out
from finance.models import Refund, RefundItem
from finance.return_fees import fees_left, took
from finance.services.books import post
from finance.services.figures import our_shares
from finance.services.refunds import about, facts_of
from finance.states import Account, RefundStatus
from fulfilment.models import Order, OrderItem
from fulfilment.shares import spread
from integrator.engine import cases
from integrator.engine.money import money_text
from integrator.engine.states import Trace
from integrator.models import Case, CaseState
from returns.models import Exchange, Inspection, Return, ReturnItem
from returns.services.exchanges import unit_exchanges, unit_gets_goods
from returns.services.meanings import method_of, resolution_of
from returns.shapes import Method, Resolution
from returns.states import EXCHANGE_ENDED, NOT_KEPT, Custody, Disposition, Money

_PAID = (
    RefundStatus.SENT,
    RefundStatus.IN_DOUBT,
    RefundStatus.RECORDED,
    RefundStatus.SETTLED,
)


def unit_contradicted(
    part: RefundItem, item: ReturnItem, *, paid_minor: int, due_minor: int, why: str, trace: Trace
) -> Case | None:
    """What the customer got for a unit is not, or no longer, what is due. Repeating is fine.

    ``due_minor`` is right by what is known now; when it is what was paid, an open case closes.
    ``why`` is a sentence for finance.
    """
    if paid_minor == due_minor:
        cases.close_by_fact(
            trace=trace,
            reason="What was paid is right again",
            kinds=[kinds.CORRECTION_AFTER_REFUND],
            record_kind="refund",
            record_id=part.refund_id,
            cause=_cause(item),
        )
        return None
    return _open(
        part.refund,
        _cause(item),
        paid_minor=paid_minor,
        due_minor=due_minor,
        why=why,
        trace=trace,
        part_id=part.pk,
    )


def refund_paid_twice(
    refund: Refund, *, second_minor: int, reference: str, why: str, trace: Trace
) -> Case:
    """Somebody seems to have paid once more for what this refund had paid.

    The second payment is booked when a person says that it is one: it may be ours under another
    reference.
    """
    first = refund.calculated_minor if refund.executed_minor is None else refund.executed_minor
    return _open(
        refund,
        f"twice:{refund.pk}:{reference}"[:200],
        paid_minor=first + second_minor,
        due_minor=first,
        why=why,
        trace=trace,
    )


def figure_contradicted(refund: Refund, *, why: str, trace: Trace) -> None:
    """Another amount was paid than was set aside for it: finance settles what is missing or left.

    The payer's figure counts until then. ``why`` is a sentence for finance.
    """
    assert refund.executed_minor is not None, "nothing was paid yet"
    parts = list(refund.items.filter(is_live=True).select_related("order_item").order_by("id"))
    dues = our_shares(refund, parts)
    for part, due, paid in zip(parts, dues, spread(refund.executed_minor, dues), strict=True):
        if paid != due:
            _open(
                refund,
                f"figure:{refund.pk}:{part.pk}",
                paid_minor=paid,
                due_minor=due,
                why=why,
                trace=trace,
                part_id=part.pk,
            )


def _cause(item: ReturnItem) -> str:
    return f"correction:unit:{item.pk}"


def _open(
    refund: Refund,
    cause: str,
    *,
    paid_minor: int,
    due_minor: int,
    why: str,
    trace: Trace,
    part_id: int | None = None,
) -> Case:
    known = Case.objects.filter(
        kind=kinds.CORRECTION_AFTER_REFUND.code,
        record_kind="refund",
        record_id=refund.pk,
        cause=cause,
        state=CaseState.SOLVED,
        facts__paid_minor=paid_minor,
        facts__due_minor=due_minor,
    ).exclude(resolution=Case.Resolution.BY_ITSELF)
    if (settled := known.first()) is not None:
        return settled  # a person has decided exactly this
    stake = about(refund)
    return cases.open_case(
        kinds.CORRECTION_AFTER_REFUND,
        cases.About(
            stake.record_kind,
            stake.record_id,
            stake.order_id,
            stake.connection_id,
            money_minor=abs(due_minor - paid_minor),
            currency=refund.currency,
        ),
        trace=trace,
        cause=cause,
        facts={
            **facts_of(refund),
            "why": why,
            "amount": money_text(paid_minor, refund.currency),
            "due": money_text(due_minor, refund.currency),
            "difference": money_text(abs(due_minor - paid_minor), refund.currency),
            "paid_minor": paid_minor,
            "due_minor": due_minor,
            "part": part_id,
        },
    )


def difference_bear(
    refund: Refund, *, part: RefundItem | None, amount_minor: int, trace: Trace
) -> None:
    """Too much was paid: sales returns bear what is due, the rest is a difference of ours.

    Without a part it is a second payment, which the books do not have yet.
    """
    post(
        refund,
        f"corrected:{trace.job_id}",
        Account.DIFFERENCES,
        Account.PAYER if part is None else Account.SALES_RETURNS,
        amount_minor,
        trace,
        reason="More was paid than is due",
    )


def difference_came_back(
    refund: Refund, *, part: RefundItem | None, amount_minor: int, due_minor: int, trace: Trace
) -> None:
    """The customer paid it back: what counts as refunded is what was due.

    What was paid beyond the price of the goods never counted as refunded.
    """
    post(
        refund,
        f"back:{trace.job_id}",
        Account.PAYER,
        Account.DIFFERENCES,
        amount_minor,
        trace,
        reason="The customer paid the difference back",
    )
    if part is None:
        return  # a second payment was never counted as refunded
    Order.objects.select_for_update(no_key=True).get(pk=refund.order_id)
    paid = [*_rests([part]), part]  # what was paid last comes back first
    counted = max(min(amount_minor, sum(one.amount_minor for one in paid) - due_minor), 0)
    Order.objects.filter(pk=refund.order_id).update(refunded_minor=F("refunded_minor") - counted)
    OrderItem.objects.filter(pk=part.order_item_id).update(
        refunded_minor=F("refunded_minor") - counted
    )
    for one in paid:
        back = min(one.amount_minor, counted)
        RefundItem.objects.filter(pk=one.pk).update(
            amount_minor=F("amount_minor") - back, came_back_minor=F("came_back_minor") + back
        )
        counted -= back


def _rests(parts: Iterable[RefundItem]) -> list[RefundItem]:
    """What was paid besides these parts, for their units, as the rest of their refunds."""
    whole = {(part.refund_id, part.order_item_id) for part in parts}
    found = RefundItem.objects.filter(
        order_item__in={unit for _, unit in whole},
        refund__evidence__rest_of__in=[refund for refund, _ in whole],
        is_live=True,
    ).select_related("refund")
    return [
        one
        for one in found.order_by("-id")
        if (one.refund.evidence["rest_of"], one.order_item_id) in whole
    ]


def return_review(record: Return, *, trace: Trace) -> None:
    """Compare what was paid for each unit of a return with what is known about it now."""
    parts = list(
        RefundItem.objects.filter(
            return_item__return_record=record, is_live=True, refund__status__in=_PAID
        )
        .select_related("refund", "return_item__return_record")
        .prefetch_related("return_item__return_record__exchanges")
        .order_by("id")
    )
    if not parts:
        return
    # What a part was not worked out from is worked out now, from what was bought.
    prefetch_related_objects(
        [part for part in parts if _row_of(part) is None],
        "return_item__order_item__sku",
        "return_item__order_item__parent__sku",
    )
    rests = _rests(parts)
    fees = _fees_since(record, parts)
    last = dict(
        Inspection.objects.filter(return_item__return_record=record, piece=None)
        .order_by("version")
        .values_list("return_item_id", "disposition")
    )
    for part in parts:
        item = part.return_item
        assert item is not None
        paid = part.amount_minor + sum(
            one.amount_minor
            for one in rests
            if one.order_item_id == part.order_item_id
            and one.refund.evidence["rest_of"] == part.refund_id
        )
        due, why = _due(part, item, paid, fees.get(part.pk, 0), last.get(item.pk, ""))
        unit_contradicted(part, item, paid_minor=paid, due_minor=due, why=why, trace=trace)


def difference_left(exchange: Exchange) -> int:
    """What the customer is still owed of a replacement that costs less than its unit."""
    paid = RefundItem.objects.filter(
        return_item__isnull=False,
        return_item=exchange.return_item_id,
        is_live=True,
        refund__status__in=_PAID,
    )
    return max(-exchange.difference_minor - sum(paid.values_list("amount_minor", flat=True)), 0)


def _fees_since(record: Return, parts: Sequence[RefundItem]) -> dict[int, int]:
    """What is to be taken off each part more, or less, for another fee on the return by now.

    What may still be paid takes it first: only what no refund can take any more counts here.
    """
    rows = {part.pk: row for part in parts if (row := _row_of(part)) is not None}
    fees = sum(int(fee) for fee in record.fees.values())
    if all(row.get("return_fees_minor", fees) == fees for row in rows.values()):
        return {}
    left = fees_left(record, record.fees)
    if left > 0 and _may_be_paid(record):
        return {}
    by = [_then(row) if left > 0 else took(row) for row in rows.values()]
    shares = spread(abs(left), by) if any(by) else [0] * len(rows)
    return {pk: share if left > 0 else -share for pk, share in zip(rows, shares, strict=True)}


def _may_be_paid(record: Return) -> bool:
    """Whether money may still go out for a unit of a return, or can still be worked out anew."""
    last = Inspection.objects.filter(return_item=OuterRef("pk"), piece=None).order_by("-version")
    unpaid = record.items.filter(
        blocked_by="", money__in=(Money.NONE, Money.PROPOSED, Money.REFUSED, Money.AUTHORISED)
    ).exclude(Q(custody=Custody.CLOSED) | Q(resolution=Resolution.EXCHANGE))
    verdicts = unpaid.annotate(verdict=Subquery(last.values("disposition")[:1]))
    return any(one not in NOT_KEPT for one in verdicts.values_list("verdict", flat=True))


def _row_of(part: RefundItem) -> dict[str, Any] | None:
    """How a part was worked out; None where nothing was."""
    rows = [row for row in part.refund.arithmetic if row.get("return_item") == part.return_item_id]
    return rows[0] if rows else None


def _then(row: Mapping[str, Any]) -> int:
    return int(row.get("counted_minor", row["result_minor"]))


def _worth_here(item: ReturnItem, disposition: str) -> int:
    """What a unit is worth that came back and is to be paid, not replaced; else nothing."""
    is_back = method_of(item) == Method.KEPT or (disposition and disposition not in NOT_KEPT)
    is_for_money = resolution_of(item) in (Resolution.REFUND, Resolution.STORE_CREDIT)
    if not (is_back and is_for_money) or item.order_item is None or unit_gets_goods(item):
        return 0
    return worked_out(item.order_item, item.deductions)[0]


def _due(
    part: RefundItem, item: ReturnItem, paid: int, fees_since: int, disposition: str
) -> tuple[int, str]:
    """What is due for a unit that was paid, and the sentence that says why.

    What was paid is right as long as nothing has changed: two people may have agreed on another
    amount than was worked out. What the customer paid back of it was right for a while only.
    """
    if disposition == Disposition.NOT_RETURNED:
        return 0, f"{item.sku_code} was not in the parcel after all."
    row = _row_of(part)
    if row is None:
        # Nothing was worked out: a person said what was paid, or it is an exchange's difference.
        said = part.amount_minor + part.came_back_minor
        worth = _worth_here(item, disposition)
        return max(said, worth), f"Only a part of what {item.sku_code} is worth was paid."
    if resolution_of(item) == Resolution.EXCHANGE:
        costs_less = -sum(
            min(one.difference_minor, 0)
            for one in unit_exchanges(item)
            if one.status not in EXCHANGE_ENDED
        )
        if not costs_less:
            return 0, f"{item.sku_code} is now to be exchanged instead of refunded."
        # What is missing of the difference is the exchange's own question.
        due = min(costs_less, paid)
        return due, f"{item.sku_code} is exchanged: what its replacement costs less is due."
    changed = sum(int(fee["amount_minor"]) for fee in item.deductions) - int(row["unit_fees_minor"])
    if changed or fees_since:
        on = item.sku_code if changed else "the whole return"
        return max(_then(row) - changed - fees_since, 0), f"The fees on {on} were changed."
    if part.came_back_minor:
        return _then(row), f"What is known about {item.sku_code} is as it was when it was paid."
    return paid, ""
