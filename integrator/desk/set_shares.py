"""How a unit's share of a bundle's price came about, in words. Knows no database."""

from __future__ import annotations

from collections.abc import Sequence

from fulfilment.models import OrderItem
from fulfilment.shapes import ShareBasis
from fulfilment.shares import RULE
from integrator.desk import words


def share_says(
    item: OrderItem, bundle: OrderItem, prices: Sequence[int | None], currency: str
) -> str:
    """``64.90 × 24.90 / 74.70, by their prices on their own``. ``prices``: of all its parts."""
    paid = words.number_of(bundle.paid_minor, currency)
    basis = ShareBasis(item.share_basis)
    if basis == ShareBasis.EQUAL or item.catalogue_minor is None:
        return f"{paid} / {len(prices)}, {RULE[basis]}"
    price = words.number_of(item.catalogue_minor, currency)
    whole = sum(one or 0 for one in prices)
    return f"{paid} × {price} / {words.number_of(whole, currency)}, {RULE[basis]}"
