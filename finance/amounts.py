"""Amounts that are split or worked out. Pure, in minor units, without losing a cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fulfilment.models import OrderItem
from fulfilment.shapes import ShareBasis
from integrator.engine.money import money_text


def spread(total_minor: int, weights: Sequence[int]) -> list[int]:
    """``total_minor`` over ``weights``, whole cents, adding up: largest remainder, first one wins.

    Equal parts when no weight says otherwise.
    """
    if not weights:
        return []
    parts = [max(weight, 0) for weight in weights]
    if not sum(parts):
        parts = [1] * len(parts)
    whole = sum(parts)
    shares = [total_minor * part // whole for part in parts]
    by_remainder = sorted(
        range(len(parts)), key=lambda place: (-(total_minor * parts[place] % whole), place)
    )
    for place in by_remainder[: total_minor - sum(shares)]:
        shares[place] += 1
    return shares


def said(amount_minor: int, currency: str) -> str:
    """An amount as cases say it: 12.34 EUR."""
    return money_text(amount_minor, currency)


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
