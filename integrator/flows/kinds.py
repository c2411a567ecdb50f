"""Every case kind of the product by its code: the engine's and the departments'."""

from __future__ import annotations

from finance import cases as finance_cases
from fulfilment import cases as fulfilment_cases
from integrator import access_reviews
from integrator.engine import alert_cases, by_hand, cases, seal_cases
from returns import cases as returns_cases

CASE_KINDS = cases.by_code(
    [
        *cases.KINDS,
        *by_hand.KINDS,
        *seal_cases.KINDS,
        *alert_cases.KINDS,
        *access_reviews.KINDS,
        *fulfilment_cases.KINDS,
        *returns_cases.KINDS,
        *finance_cases.KINDS,
    ]
)
