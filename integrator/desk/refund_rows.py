"""Refunds as lines of a page: the three figures of each, kept apart, with its state. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from finance.models import Refund
from finance.states import RefundStatus
from integrator.desk.symbols import REFUND_SYMBOLS


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
