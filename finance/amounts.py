"""What a unit is worth in a refund. Pure, in minor units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fulfilment.models import OrderItem
from fulfilment.shapes import ShareBasis


def worked_out(
    unit: OrderItem, deductions: Sequence[Mapping[str, Any]]
) -> tuple[int, dict[str, Any]]:
    """What a unit is worth in a refund, and the rows that show how: paid, taken off, remains.

    Never below nothing: a fee above the price leaves nothing to pay.
    """
    less = [(str(fee["key"]), int(fee["amount_minor"])) for fee in deductions]
    result = max(unit.paid_minor - sum(amount for _, amount in less), 0)
    row: dict[str, Any] = {
        "unit": unit.sku.code,
        "paid_minor": unit.paid_minor,
        "less": [{"key": key, "amount_minor": amount} for key, amount in less],
        "result_minor": result,
    }
    if unit.parent is not None:
        row["share_of"] = {
            "bundle": unit.parent.sku.code,
            "paid_minor": unit.parent.paid_minor,
            "basis": str(ShareBasis(unit.share_basis).label),
        }
    return result, row
