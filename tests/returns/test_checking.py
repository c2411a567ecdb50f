"""The purchase check: does what comes back fit what was bought? (R006)"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from fulfilment.models import OrderItem, Sku
from fulfilment.shapes import UnitStatus
from returns.models import ReturnItem
from returns.services.checking import check_units
from tests.factories import order, return_seen, returned

pytestmark = pytest.mark.requirement("R006")


def verdicts(sold: Any, *units: tuple[str, str], **more: Any) -> list[tuple[str, str]]:
    checked = check_units(order=sold, seen=return_seen(*units, **more), known={})
    return [
        (
            one.order_item.external_id if one.order_item else "",
            one.breaks.code if one.breaks else "",
        )
        for one in checked.values()
    ]


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([("1-1", "JKT")], [("1-1", "")]),
        ([("1-2", "JKT"), ("1-1", "JKT")], [("1-2", ""), ("1-1", "")]),
        ([("", "JKT")], [("1-2", "")]),  # no line is named: the lowest paid unit first
        ([("", "JKT"), ("", "JKT")], [("1-2", ""), ("1-1", "")]),
        ([("1-1", "TEE")], [("", "UNIT_NOT_BOUGHT")]),
        ([("9-9", "TEE")], [("", "UNIT_NOT_BOUGHT")]),
        ([("1-1", "JKT"), ("1-1", "JKT")], [("1-1", ""), ("1-2", "")]),
        (
            [("1-1", "JKT"), ("1-2", "JKT"), ("1-2", "JKT")],
            [("1-1", ""), ("1-2", ""), ("1-2", "UNIT_RETURNED_TWICE")],
        ),
    ],
)
def test_units_are_found_in_their_order(
    db: None, units: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    assert verdicts(order(900, 700), *units) == expected


@pytest.mark.parametrize("status", [UnitStatus.OPEN, UnitStatus.CANCELLED, UnitStatus.UNKNOWN])
def test_what_did_not_leave_cannot_come_back(db: None, status: UnitStatus) -> None:
    assert verdicts(order(900, status=status), ("1-1", "JKT")) == [("1-1", "UNIT_NOT_SHIPPED")]


@pytest.mark.parametrize(
    ("email", "breaks"),
    [
        ("pat@example.test", ""),
        (" Pat@Example.test ", ""),
        ("", ""),  # an unknown sender proves nothing
        ("eve@example.test", "WRONG_CUSTOMER"),
    ],
)
def test_the_sender_must_be_the_buyer(db: None, email: str, breaks: str) -> None:
    assert verdicts(order(900), ("1-1", "JKT"), email=email) == [("1-1", breaks)]


def test_a_unit_on_its_way_in_another_return_is_not_free(db: None) -> None:
    sold = order(900)
    returned(sold.items.get())

    assert verdicts(sold, ("1-1", "JKT")) == [("1-1", "UNIT_RETURNED_TWICE")]


@pytest.mark.parametrize(("money", "breaks"), [("NONE", ""), ("RECORDED", "UNIT_RETURNED_TWICE")])
def test_a_closed_return_frees_its_unit_only_if_nothing_was_paid(
    db: None, money: str, breaks: str
) -> None:
    sold = order(900)
    item = returned(sold.items.get())
    ReturnItem.objects.filter(pk=item.pk).update(custody="CLOSED")
    if money != "NONE":
        ReturnItem.objects.filter(pk=item.pk).update(money=money)

    assert verdicts(sold, ("1-1", "JKT")) == [("1-1", breaks)]


def test_a_unit_that_fitted_once_stays_with_its_line(db: None) -> None:
    sold = order(900, 700)
    item = returned(sold.items.get(external_id="1-1"))
    seen = return_seen(("", "JKT"))

    checked = check_units(order=sold, seen=seen, known={seen.units[0].external_id: item})

    assert [one.order_item for one in checked.values()] == [item.order_item]


def a_set(*prices: int, sku: str = "SET", parts: tuple[str, ...] = ("TEE", "TEE", "CAP")) -> Any:
    """An order whose first line is a set; further lines are single caps of another price."""
    sold = order(sum(prices[: len(parts)]), *prices[len(parts) :])
    line, *singles = sold.items.order_by("id")
    skus = {
        code: Sku.objects.get_or_create(retailer=line.sku.retailer, code=code)[0]
        for code in {sku, *parts}
    }
    OrderItem.objects.filter(pk=line.pk).update(is_bundle=True, sku=skus[sku])
    OrderItem.objects.filter(pk__in=[one.pk for one in singles]).update(sku=skus[parts[-1]])
    for place, (code, price) in enumerate(zip(parts, prices, strict=False), start=1):
        OrderItem.objects.create(
            order=sold,
            parent=sold.items.get(external_id="1-1"),
            external_id=f"1-1/{code}/{place}",
            sku=skus[code],
            share_basis="CATALOGUE",
            catalogue_minor=price,
            paid_minor=price,
            tax_minor=0,
            tax_rate="0.19",
            variant_id="1",
            product_id="1",
            platform_status=UnitStatus.SHIPPED,
            platform_word="shipped",
        )
    return sold


@pytest.mark.requirement("R033")
@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([("1-1", "CAP")], [("1-1/CAP/3", "")]),  # one component of the set
        ([("1-1", "SET")], [("1-1", "")]),  # the whole set
        ([("", "SET")], [("1-1", "")]),
        ([("", "TEE")], [("1-1/TEE/1", "")]),
        ([("1-1", "TEE"), ("1-1", "TEE")], [("1-1/TEE/1", ""), ("1-1/TEE/2", "")]),
        (
            [("1-1", "TEE")] * 3,
            [("1-1/TEE/1", ""), ("1-1/TEE/2", ""), ("1-1/TEE/1", "UNIT_RETURNED_TWICE")],
        ),
        ([("1-1", "SET"), ("1-1", "CAP")], [("1-1", ""), ("1-1/CAP/3", "UNIT_RETURNED_TWICE")]),
        ([("1-1", "CAP"), ("1-1", "SET")], [("1-1/CAP/3", ""), ("1-1", "UNIT_RETURNED_TWICE")]),
        ([("1-1", "HAT")], [("", "UNIT_NOT_BOUGHT")]),
    ],
)
def test_units_of_a_bundle(
    db: None, units: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    assert verdicts(a_set(1000, 1001, 1500), *units) == expected


def test_a_bundle_nobody_could_make_out_is_held(db: None) -> None:
    sold = order(1000)
    sold.items.update(is_bundle=True)

    assert verdicts(sold, ("1-1", "JKT")) == [("1-1", "BUNDLE_UNREADABLE")]


def test_a_unit_that_names_no_line_says_what_else_it_could_be(db: None) -> None:
    sold = a_set(1000, 1000, 1500, 1900)

    checked = check_units(order=sold, seen=return_seen(("", "CAP"), ("1-1", "TEE")), known={})

    assert checked["U0"].order_item == sold.items.get(external_id="1-1/CAP/3")
    assert checked["U0"].other_prices == (1900,)
    assert checked["U1"].other_prices == ()


@pytest.mark.requirement("R033")
@pytest.mark.parametrize("set_first", [True, False])
def test_the_database_lets_a_set_come_back_whole_or_in_parts_but_not_both(
    db: None, set_first: bool
) -> None:
    sold = a_set(1000, 1000, 1500)
    first, second = "1-1", "1-1/CAP/3"
    if not set_first:
        first, second = second, first
    returned(sold.items.get(external_id=first))

    with pytest.raises(IntegrityError, match="whole or in parts"), transaction.atomic():
        returned(sold.items.get(external_id=second))
