"""How the price that was really paid for a bundle is split over its components. Pure arithmetic.

The rule: each unit's share is in proportion to its price on its own, rounded down; the cents left
over go to the largest remainders, earlier units first. So the shares add up to the bundle's price
exactly, and none is a whole minor unit away from its exact proportion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fulfilment.shapes import BundleSeen, ComponentSeen, ShareBasis

RULE = {
    ShareBasis.ORDER: "in proportion to their prices in the order",
    ShareBasis.CATALOGUE: "in proportion to their prices on their own",
    ShareBasis.EQUAL: "in equal parts, because no price of their own was to be had",
}


@dataclass(frozen=True, slots=True)
class Split:
    """One unit of a bundle: the ``number``-th of its SKU, with its share in minor units."""

    component: ComponentSeen
    number: int
    paid_minor: int
    tax_minor: int
    basis: ShareBasis


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """``amount`` over ``weights`` without losing a minor unit: largest remainder, first one wins.

    A weight below nothing counts as nothing. Equal parts when no weight says otherwise; no parts
    when there is no weight at all.
    """
    weights = [max(weight, 0) for weight in weights]
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    shares = [amount * weight // whole for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda place: (-(amount * weights[place] % whole), place)
    )
    for place in by_remainder[: amount - sum(shares)]:
        shares[place] += 1
    return shares


def has_prices(bundle: BundleSeen) -> bool:
    """Every component has a price, and not all are free: the shares follow from them."""
    prices = [one.price_minor for one in bundle.components]
    return None not in prices and any(prices)


def split(paid_minor: int, tax_minor: int, bundle: BundleSeen) -> list[Split]:
    """A bundle's paid price and the tax in it, over its units; in equal parts without prices."""
    priced = has_prices(bundle)
    units = [
        (component, number)
        for component in bundle.components
        for number in range(1, component.count + 1)
    ]
    weights = [(component.price_minor or 0) if priced else 1 for component, _ in units]
    assert min(paid_minor, tax_minor, *weights) >= 0, (paid_minor, tax_minor, weights)
    paid = spread(paid_minor, weights)
    tax = spread_tax(tax_minor, paid)
    basis = bundle.basis if priced else ShareBasis.EQUAL
    return [
        Split(component, number, paid[place], tax[place], basis)
        for place, (component, number) in enumerate(units)
    ]


def spread_tax(tax_minor: int, paid: Sequence[int]) -> list[int]:
    """The tax inside a price follows the shares of the price: it is one price at one rate."""
    return spread(tax_minor, paid) if any(paid) else [0 for _ in paid]
