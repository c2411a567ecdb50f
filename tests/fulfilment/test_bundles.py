"""Bundles in an order: components with their share, cases where that cannot be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from fulfilment.models import Order, OrderItem
from fulfilment.services import order_capture
from fulfilment.shapes import BundleSeen, ComponentSeen, OrderSeen, ShareBasis
from integrator.models import Case, CaseState
from tests import factories
from tests.factories import TRACE

pytestmark = pytest.mark.django_db


def bundle(*parts: tuple[str, int, int | None], basis: str = ShareBasis.CATALOGUE) -> BundleSeen:
    """Components as (SKU, count, price of one)."""
    return BundleSeen(
        tuple(ComponentSeen(sku, sku, "9", count, price) for sku, count, price in parts),
        ShareBasis(basis),
    )


SET = bundle(("TEE", 2, 2490), ("CAP", 1, 1990))


def take(seen: OrderSeen, bundles: Mapping[str, BundleSeen] = {}, fallback: str = "hold") -> Order:
    order = order_capture(
        connection=factories.connection(),
        seen=seen,
        trace=TRACE,
        bundles=bundles,
        fallback=fallback,
    )
    assert order is not None
    with connection.cursor() as cursor:  # what is looked at when the transaction ends
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    return order


def shares(order: Order) -> list[tuple[str, int]]:
    units = order.items.exclude(parent=None).order_by("id")
    return [(unit.external_id, unit.paid_minor) for unit in units]


def open_cases() -> list[str]:
    rows = Case.objects.exclude(state=CaseState.SOLVED)
    return sorted(rows.values_list("kind", flat=True))


@pytest.mark.requirement("R033")
def test_each_unit_of_a_bundle_becomes_an_item_with_its_share() -> None:
    order = take(factories.order_seen(6490, 5000), {"77-1": SET})

    assert shares(order) == [("77-1/TEE/1", 2319), ("77-1/TEE/2", 2318), ("77-1/CAP/1", 1853)]
    assert sum(share for _, share in shares(order)) == 6490
    line = order.items.get(external_id="77-1")
    assert (line.is_bundle, line.paid_minor) == (True, 6490)
    assert open_cases() == []


def test_the_same_reading_again_changes_nothing() -> None:
    take(factories.order_seen(6490), {"77-1": SET})
    order = take(factories.order_seen(6490, minutes=5), {"77-1": SET})

    assert len(shares(order)) == 3


def test_lines_that_share_an_item_group_keep_their_own_price() -> None:
    """A configurable product's parts are order lines of their own, with their own price."""
    order = take(factories.order_seen(6490, 1500))

    assert shares(order) == []
    assert sorted(order.items.values_list("paid_minor", flat=True)) == [1500, 6490]


def test_components_follow_their_line_along_the_shops_statuses() -> None:
    seen = factories.order_seen(6490)
    take(seen, {"77-1": SET})
    later = factories.order_seen(6490, minutes=5)
    unit = replace(later.units[0], raw_status="delivered", shipped_at=factories.AT)
    order = take(replace(later, units=(unit,)))

    assert {item.platform_word for item in order.items.all()} == {"delivered"}


def test_a_price_that_is_mended_is_split_again() -> None:
    take(factories.order_seen(6490, paid=7000), {"77-1": SET})
    assert open_cases() == ["ORDER_DOES_NOT_ADD_UP"]
    order = take(factories.order_seen(7000, minutes=5))

    assert sum(share for _, share in shares(order)) == 7000
    assert open_cases() == []


@pytest.mark.requirement("R034")
def test_prices_in_the_order_come_first() -> None:
    order = take(factories.order_seen(1000), {"77-1": bundle(("A", 1, 300), ("B", 1, 700))})
    other = take(
        replace(factories.order_seen(1000), external_id="78", number="DE-78"),
        {"77-1": bundle(("A", 1, 500), ("B", 1, 500), basis=ShareBasis.ORDER)},
    )

    assert [share for _, share in shares(order)] == [300, 700]
    assert [share for _, share in shares(other)] == [500, 500]
    assert set(other.items.exclude(parent=None).values_list("share_basis", flat=True)) == {"ORDER"}


@pytest.mark.requirement("R034")
def test_without_prices_the_bundle_is_held_and_flagged() -> None:
    unpriced = {"77-1": bundle(("A", 1, 300), ("B", 1, None))}
    order = take(factories.order_seen(1000), unpriced)

    assert (shares(order), open_cases()) == ([], ["BUNDLE_PRICE_FALLBACK"])
    order = take(
        factories.order_seen(1000, minutes=5), {"77-1": bundle(("A", 1, 300), ("B", 1, 700))}
    )
    assert [share for _, share in shares(order)] == [300, 700]
    assert open_cases() == []


@pytest.mark.requirement("R034")
def test_without_prices_it_is_split_in_equal_parts_where_the_policy_says_so() -> None:
    unpriced = {"77-1": bundle(("A", 1, 300), ("B", 1, None))}
    order = take(factories.order_seen(1000), unpriced, fallback="equal")

    assert [share for _, share in shares(order)] == [500, 500]
    assert open_cases() == ["BUNDLE_PRICE_FALLBACK"]
    priced = {"77-1": bundle(("A", 1, 300), ("B", 1, 700))}
    order = take(factories.order_seen(1000, minutes=5), priced, fallback="equal")
    assert [share for _, share in shares(order)] == [300, 700]
    assert open_cases() == []


def test_a_line_nobody_can_make_out_is_held_until_it_is_clear() -> None:
    order = take(factories.order_seen(1000), {"77-1": BundleSeen((), unreadable="it is gone")})
    assert open_cases() == ["BUNDLE_UNREADABLE"]
    assert order.items.get().is_bundle

    order = take(factories.order_seen(1000, minutes=5), {"77-1": BundleSeen(())})
    assert open_cases() == []
    assert not order.items.get().is_bundle


def test_the_database_refuses_shares_that_do_not_add_up() -> None:
    order = take(factories.order_seen(6490), {"77-1": SET})

    with pytest.raises(IntegrityError, match="do not add up"), transaction.atomic():
        unit = order.items.exclude(parent=None).first()
        assert unit is not None
        OrderItem.objects.filter(pk=unit.pk).update(paid_minor=unit.paid_minor + 1)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_an_older_reading_is_ignored() -> None:
    take(factories.order_seen(6490, minutes=5), {"77-1": SET})
    seen = factories.order_seen(6490)
    order = take(replace(seen, updated_at=seen.updated_at - timedelta(minutes=1)))

    assert len(shares(order)) == 3
