"""The purchase check: does what comes back fit what was bought? (R006)"""

from __future__ import annotations

from typing import Any

import pytest

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
