"""Fees on a return as a whole: they are taken off its refunds once, whoever is paid first.

Nothing is written here. What a fee took off a unit stands in the arithmetic of the unit's refund.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finance.states import RefundStatus
from returns.models import Return


def took(row: Mapping[str, Any]) -> int:
    """What such fees took off one unit, by its row of a refund's arithmetic."""
    less = sum(int(fee["amount_minor"]) for fee in row.get("less", []))
    return less - int(row.get("unit_fees_minor") or 0)


def fees_left(record: Return, fees: Mapping[str, int]) -> int:
    """How much of its fees no refund of a return has taken yet; below nothing: too much was."""
    refunds = record.refunds.exclude(status=RefundStatus.REFUSED)
    rows = [row for found in refunds.values_list("arithmetic", flat=True) for row in found]
    return sum(fees.values()) - sum(took(row) for row in rows)
