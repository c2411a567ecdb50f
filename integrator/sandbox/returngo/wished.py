"""What a shopper picks in the portal instead of money."""

from __future__ import annotations

from typing import Any

from integrator.sandbox.acting import Wish
from integrator.sandbox.world import World


def items(world: World, unit: Wish) -> list[dict[str, Any]]:
    found = world.catalogue.by_sku(unit.text("exchange_sku"))
    if found is None:
        raise unit.refuse("exchange_sku", "no such variant")
    product, variant = found
    # Goods of one model are swapped at what was paid, or at their price in the catalogue.
    price = unit.number("exchange_price", variant.price)
    amount = {"amount": price / 100, "currency": "EUR"}
    amount |= {"shopAmount": price / 100, "shopCurrency": "EUR"}
    return [
        {
            "productId": str(product.id),
            "variantId": str(variant.id),
            "quantity": unit.number("exchange_quantity", 1, lowest=1),
            "sku": variant.sku,
            "itemPriceMethod": "CatalogPrice",
            "freeExchangePriceRange": {"min": 0, "max": 0},
            "catalogPrice": amount,
            "effectivePrice": amount,
        }
    ]
