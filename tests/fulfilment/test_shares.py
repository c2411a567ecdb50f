"""The split of a bundle's price: it adds up for every bundle, discount and rate of tax (R035)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfilment.shapes import BundleSeen, ComponentSeen, ShareBasis
from fulfilment.shares import split, spread

PRICES = st.one_of(st.none(), st.integers(0, 50_000))
COMPONENTS = st.lists(
    st.builds(
        ComponentSeen,
        sku=st.just("X"),
        variant_id=st.just("1"),
        product_id=st.just("1"),
        count=st.integers(1, 4),
        price_minor=PRICES,
    ),
    min_size=1,
    max_size=5,
)


def bundle(*parts: tuple[int, int | None]) -> BundleSeen:
    """Components as (count, price of one)."""
    return BundleSeen(
        tuple(
            ComponentSeen(f"P{place}", str(place), "1", count, price)
            for place, (count, price) in enumerate(parts)
        )
    )


@pytest.mark.requirement("R035")
@given(paid=st.integers(0, 200_000), components=COMPONENTS, rate=st.integers(0, 30))
def test_shares_and_their_tax_add_up_exactly(
    paid: int, components: list[ComponentSeen], rate: int
) -> None:
    tax = paid * rate // (100 + rate)
    units = split(paid, tax, BundleSeen(tuple(components)))

    assert len(units) == sum(one.count for one in components)
    assert sum(one.paid_minor for one in units) == paid
    assert sum(one.tax_minor for one in units) == tax
    assert all(0 <= one.tax_minor <= one.paid_minor for one in units)
    priced = all(one.price_minor is not None for one in components) and any(
        one.price_minor for one in components
    )
    weights = [(one.component.price_minor or 0) if priced else 1 for one in units]
    for one, weight in zip(units, weights, strict=True):
        assert abs(one.paid_minor * sum(weights) - paid * weight) < sum(weights)


@given(amount=st.integers(0, 10**9), weights=st.lists(st.integers(0, 10**6), min_size=1))
def test_nothing_is_lost_or_made_in_spreading(amount: int, weights: list[int]) -> None:
    if not any(weights):
        weights[0] = 1
    shares = spread(amount, weights)

    assert sum(shares) == amount
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if not weight)


@pytest.mark.parametrize(
    ("amount", "weights", "shares"),
    [
        (100, [], []),
        (100, [0, 0, 0], [34, 33, 33]),
        (100, [-5, 1], [0, 100]),
        (-100, [1, 1, 1], [-33, -33, -34]),
    ],
)
def test_a_platform_s_odd_figures_are_spread_too(
    amount: int, weights: list[int], shares: list[int]
) -> None:
    assert spread(amount, weights) == shares


def test_a_discount_is_shared_in_proportion_to_the_single_prices() -> None:
    units = split(7490, 1196, bundle((1, 2490), (1, 5990)))

    assert [one.paid_minor for one in units] == [2199, 5291]
    assert {one.basis for one in units} == {ShareBasis.CATALOGUE}


def test_the_odd_cent_goes_to_the_first_of_equal_units() -> None:
    units = split(1000, 160, bundle((3, 500)))

    assert [one.paid_minor for one in units] == [334, 333, 333]
    assert [one.number for one in units] == [1, 2, 3]


def test_without_a_price_the_parts_are_equal_and_say_so() -> None:
    units = split(1000, 0, bundle((1, 900), (1, None)))

    assert [one.paid_minor for one in units] == [500, 500]
    assert {one.basis for one in units} == {ShareBasis.EQUAL}


def test_a_free_gift_in_a_set_has_no_share() -> None:
    assert [one.paid_minor for one in split(990, 0, bundle((1, 1200), (1, 0)))] == [990, 0]
