"""Refunds as lines of a page: the three figures of each, kept apart, with its state. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finance.models import Refund
from finance.states import RefundStatus

REFUND_SYMBOLS: Mapping[RefundStatus, str] = {
    RefundStatus.AUTHORISED: "wait",
    RefundStatus.SENT: "wait",
    RefundStatus.IN_DOUBT: "doubt",
    RefundStatus.RECORDED: "ok",
    RefundStatus.SETTLED: "ok",
    RefundStatus.REFUSED: "bad",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The three figures of a refund, kept apart, with its state."""

    refund: Refund
    subject: str
    symbol: str
    state: str
    executor: str


def figures_of(refund: Refund) -> Figures:
    status = RefundStatus(refund.status)
    return Figures(
        refund=refund,
        subject=refund.subject_label,
        symbol=REFUND_SYMBOLS[status],
        state=str(status.label),
        executor=refund.get_executor_display(),
    )
