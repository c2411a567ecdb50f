"""What happens to refunds and the books. Every function is one step of the caller's transaction."""

from finance.services.books import period_for
from finance.services.corrections import (
    figure_contradicted,
    refund_paid_twice,
    return_review,
    unit_contradicted,
)
from finance.services.goodwill import goodwill_ask, goodwill_fits, goodwill_needs_two
from finance.services.refunds import (
    facts_of,
    refund_by_hand,
    refund_doubtful,
    refund_overdue,
    refund_payment_failed,
    refund_recorded,
    refund_refused,
    refund_sent,
    refund_withdrawn,
)
from finance.services.reserving import (
    Share,
    UnableToRefund,
    open_refund,
    refund_reserve,
    refund_reserve_whole,
)

__all__ = [
    "Share",
    "UnableToRefund",
    "facts_of",
    "figure_contradicted",
    "goodwill_ask",
    "goodwill_fits",
    "goodwill_needs_two",
    "open_refund",
    "period_for",
    "refund_by_hand",
    "refund_doubtful",
    "refund_overdue",
    "refund_paid_twice",
    "refund_payment_failed",
    "refund_recorded",
    "refund_refused",
    "refund_reserve",
    "refund_reserve_whole",
    "refund_sent",
    "refund_withdrawn",
    "return_review",
    "unit_contradicted",
]
