"""What happens to a refund once its amount is reserved. Every function is one step.

Money is never sent on a guess: it is counted as paid while it may have been, and freed only on
proof that it was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finance import cases as kinds
from finance.models import Refund
from finance.services.books import post, step_of
from finance.services.bundles import bundles_freed
from finance.services.figures import payment_taken_back, their_figure_taken
from finance.services.reserving import amount_free, origin_of
from finance.states import REFUND_OPEN, REFUND_PROVED, Account, Executor, RefundStatus
from integrator.engine import cases
from integrator.engine.case_facts import moment_fact
from integrator.engine.money import money_text
from integrator.engine.states import Trace, move
from returns.models import ReturnItem
from returns.states import MONEY_MOVES, Money


def refund_sent(refund: Refund, *, trace: Trace, reason: str) -> None:
    """The payer took it: from now on only proof is missing. Repeating changes nothing."""
    if refund.status not in (RefundStatus.AUTHORISED, RefundStatus.IN_DOUBT):
        return
    move(refund, "status", RefundStatus.SENT, reason=reason, trace=trace, sent_at=trace.at)
    for item in _units(refund):
        move(item, "money", Money.SENT, reason=reason, trace=trace)


def refund_doubtful(refund: Refund, *, trace: Trace, reason: str) -> None:
    """It may have been paid. It counts as paid, and is not sent again, until somebody knows."""
    if refund.status not in (RefundStatus.AUTHORISED, RefundStatus.SENT):
        return
    move(refund, "status", RefundStatus.IN_DOUBT, reason=reason, trace=trace)
    for item in _units(refund):
        move(item, "money", Money.IN_DOUBT, reason=reason, trace=trace)


def refund_refused(refund: Refund, *, trace: Trace, reason: str) -> None:
    """Proved not paid: the reserved amount is free again. Only a proven failure comes here."""
    if refund.status not in REFUND_OPEN:
        return
    amount_free(refund)
    move(refund, "status", RefundStatus.REFUSED, reason=reason, trace=trace)
    for item in _units(refund):
        move(item, "money", Money.REFUSED, reason=reason, trace=trace)
    refund.items.update(is_live=False)
    bundles_freed(refund, trace=trace, reason=reason)
    post(
        refund,
        "freed",
        Account.REFUNDS_OWED,
        origin_of(refund),
        refund.calculated_minor,
        trace,
        reason=reason,
    )
    _close_cases(refund, trace, "It will not be paid this way")


def refund_withdrawn(refund: Refund, *, trace: Trace, reason: str) -> None:
    """Never sent, and not owed like this any more. No payer has failed: nobody is told of one."""
    if refund.status not in REFUND_OPEN:
        return
    refund.evidence = {**refund.evidence, "withdrawn": reason}
    refund.save(update_fields=["evidence"])
    refund_refused(refund, trace=trace, reason=reason)


def refund_recorded(
    refund: Refund,
    *,
    evidence: Mapping[str, Any],
    executed_minor: int,
    is_derived: bool,
    reference: str,
    trace: Trace,
    reason: str,
) -> None:
    """The payer's own record was seen.

    ``is_derived``: the figure follows from ours, not from theirs. Where theirs is another than
    ours, what counts as refunded follows theirs, and the books carry the difference.
    """
    if refund.status in REFUND_PROVED:
        return
    if executed_minor != refund.calculated_minor:
        their_figure_taken(refund, executed_minor, trace)
    move(
        refund,
        "status",
        RefundStatus.RECORDED,
        reason=reason,
        trace=trace,
        executed_minor=executed_minor,
        executed_is_derived=is_derived,
        evidence=_what_they_were_told(refund) | dict(evidence),
        reference=reference[:120],
        recorded_at=trace.at,
    )
    for item in _units(refund):
        if Money(item.money) not in (Money.RECORDED, Money.SETTLED):
            move(item, "money", Money.RECORDED, reason=reason, trace=trace)
    post(
        refund,
        step_of(refund, "paid"),
        Account.REFUNDS_OWED,
        Account.PAYER,
        executed_minor,
        trace,
        reason=reason,
    )
    _close_cases(refund, trace, "The refund is recorded")


def refund_payment_failed(refund: Refund, *, transaction: str, trace: Trace) -> None:
    """The payer could not pay, or could not after all. The refund is open; a person decides.

    What was recorded as paid is owed again: the books take the payment back, and the amount stays
    set aside, because whoever starts the payment once more pays this refund.
    """
    reason = "The payment provider reported a failure"
    if refund.status == RefundStatus.RECORDED:
        _take_back(refund, trace, reason)
    elif refund.failed_at is None:
        refund.failed_at = trace.at
        refund.save(update_fields=["failed_at"])
    refund_doubtful(refund, trace=trace, reason=reason)
    cases.open_case(
        kinds.REFUND_FAILED,
        about(refund),
        trace=trace,
        facts={**facts_of(refund), "transaction": transaction or "(none given)"},
    )


def _what_they_were_told(refund: Refund) -> dict[str, Any]:
    """References of it as paid before it failed: the returns platform may list them as such."""
    return {"told": refund.evidence["told"]} if "told" in refund.evidence else {}


def _take_back(refund: Refund, trace: Trace, reason: str) -> None:
    payment_taken_back(refund, trace=trace, reason=reason)
    told = [*refund.evidence.get("told", []), refund.reference]
    move(
        refund,
        "status",
        RefundStatus.IN_DOUBT,
        reason=reason,
        trace=trace,
        executed_minor=None,
        executed_is_derived=True,
        evidence={**refund.evidence, "told": told},
        reference="",
        recorded_at=None,
        failed_at=trace.at,
    )
    for item in _units(refund):
        if Money.IN_DOUBT in MONEY_MOVES[item.money]:
            move(item, "money", Money.IN_DOUBT, reason=reason, trace=trace)


def refund_overdue(refund: Refund, *, trace: Trace) -> None:
    """With the payer for long and still no proof: finance looks."""
    assert refund.sent_at is not None
    cases.open_case(
        kinds.REFUND_NOT_RECORDED,
        about(refund),
        trace=trace,
        facts={**facts_of(refund), "sent": moment_fact(refund.sent_at)},
    )


def refund_by_hand(refund: Refund, *, trace: Trace, why: str) -> None:
    """A person has to pay it: finance gets it with the amount, and with why it is not automatic."""
    cases.open_case(
        kinds.REFUND_BY_HAND, about(refund), trace=trace, facts={**facts_of(refund), "error": why}
    )


def about(refund: Refund) -> cases.About:
    return cases.About(
        "refund",
        refund.pk,
        refund.order_id,
        refund.order.connection_id,
        money_minor=refund.calculated_minor,
        currency=refund.currency,
        customers_waiting=1,
    )


def facts_of(refund: Refund) -> dict[str, str]:
    """What a case says about a refund."""
    paid_there = refund.executor == Executor.RETURNS_PLATFORM and refund.return_record is not None
    payer = refund.return_record.connection if paid_there and refund.return_record else None
    return {
        "order": refund.order.number,
        "rma": refund.return_record.external_id if refund.return_record else "(none)",
        "amount": money_text(refund.calculated_minor, refund.currency),
        "what": refund.subject_label.lower(),
        "platform": (payer or refund.order.connection).name,
    }


def _units(refund: Refund) -> list[ReturnItem]:
    parts = refund.items.filter(return_item__isnull=False).select_related(
        "return_item__return_record"
    )
    return [part.return_item for part in parts if part.return_item is not None]


def _close_cases(refund: Refund, trace: Trace, reason: str) -> None:
    cases.close_by_fact(
        trace=trace,
        reason=reason,
        kinds=kinds.OF_A_REFUND,
        record_kind="refund",
        record_id=refund.pk,
    )
