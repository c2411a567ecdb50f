"""The JSON of an exchange order and of its reservations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fulfilment.shapes import (
    AddressSeen,
    CollectionPointSeen,
    DraftUnit,
    OrderDraft,
    ReservationSeen,
)
from integrator.engine.errors import Malformed
from integrator.platforms.scayle import exchange
from integrator.platforms.tame import Field

HOME = AddressSeen(
    first_name="Sascha",
    last_name="Novak",
    street="Elbchaussee",
    house_number="7",
    additional="",
    postcode="22765",
    city="Hamburg",
    state="",
    country="DE",
)
UNIT = DraftUnit("x1", "JKT-NVY-L", "500", "9001", 11900, "0.19")


def draft(*units: DraftUnit) -> OrderDraft:
    return OrderDraft(
        reference="EXC-812-1",
        number="DE-70001-X1",
        currency="EUR",
        customer_reference="CUST-501",
        shipping_address=HOME,
        billing_address=replace(HOME, city="Bremen"),
        units=units,
        transaction="EXC-812-1",
        custom_data={"kind": "exchange"},
        placed_at=datetime(2026, 3, 2, 9, 0, 0, 5, tzinfo=UTC),
    )


def test_the_order_adds_up_whatever_its_units_cost() -> None:
    units = (UNIT, replace(UNIT, key="x2", price_minor=333, tax_rate="0.07"))
    body = exchange.order(draft(*units), {})

    prices = [item["price"] for item in body["items"]]
    assert [price["withTax"] for price in prices] == [11900, 333]
    assert [price["withoutTax"] for price in prices] == [10000, 311]
    assert [price["tax"]["vat"] for price in prices] == [
        {"amount": 1900, "rate": 0.19},
        {"amount": 22, "rate": 0.07},
    ]
    assert body["cost"] == {
        "withTax": 12233,
        "withoutTax": 10311,
        "tax": {"vat": {"amount": 1922}},
        "costCapture": 12233,
        "appliedFees": [],
    }
    assert [(row["amount"], row["transactionKey"]) for row in body["payment"]] == [
        (12233, "EXC-812-1")
    ]


def test_an_even_exchange_costs_nothing_and_has_no_tax() -> None:
    body = exchange.order(draft(replace(UNIT, price_minor=0, tax_rate="")), {})

    assert body["items"][0]["price"] == {
        "withTax": 0,
        "withoutTax": 0,
        "tax": {"vat": {"amount": 0, "rate": 0.0}},
    }
    assert body["payment"][0]["amount"] == 0


def test_the_order_names_whom_what_and_when() -> None:
    body = exchange.order(draft(UNIT), {})

    assert (body["referenceKey"], body["publicKey"]) == ("EXC-812-1", "DE-70001-X1")
    assert body["customer"] == {"referenceKey": "CUST-501"}
    assert body["createdAt"] == "2026-03-02T09:00:00+00:00"
    assert body["items"][0]["variant"] == {"referenceKey": "JKT-NVY-L", "id": 9001}
    assert body["items"][0]["product"] == {"id": 500}
    assert body["legacyCustomData"] == {"kind": "exchange"}
    shipping, billing = body["address"]["shipping"], body["address"]["billing"]
    assert (shipping["city"], shipping["countryCode"]) == ("Hamburg", "DEU")
    assert shipping["isDefault"] == {"billing": False, "shipping": True}
    assert (billing["city"], billing["isDefault"]) == (
        "Bremen",
        {"billing": True, "shipping": False},
    )


def test_what_is_not_a_number_there_is_no_number_here() -> None:
    item = exchange.order(draft(replace(UNIT, product_id="", variant_id="")), {})["items"][0]

    assert item["variant"] == {"referenceKey": "JKT-NVY-L"}
    assert "product" not in item


@pytest.mark.parametrize(
    ("settings", "channel"),
    [
        ({}, None),
        ({"exchange_channel": " "}, None),
        ({"exchange_channel": "desk"}, {"key": "desk"}),
    ],
)
def test_the_channel_is_named_only_where_one_is_set(
    settings: dict[str, str], channel: dict[str, str] | None
) -> None:
    assert exchange.order(draft(UNIT), settings).get("channel") == channel


def test_a_collection_point_stays_in_the_address() -> None:
    point = CollectionPointSeen(kind="locker", key="145", customer_key="77", description="")
    body = exchange.order(
        replace(draft(UNIT), shipping_address=replace(HOME, collection_point=point)), {}
    )

    assert body["address"]["shipping"]["collectionPoint"] == {
        "type": "locker",
        "key": "145",
        "customerKey": "77",
        "description": None,
    }
    assert body["address"]["billing"]["collectionPoint"] is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"last_name": " "}, ["the recipient's name"]),
        ({"street": "", "city": ""}, ["street", "city"]),
        ({"country": ""}, ["country"]),
        ({"country": "XX"}, ["country"]),
        ({"house_number": ""}, []),
    ],
)
def test_what_an_address_lacks_is_named(changed: dict[str, str], said: list[str]) -> None:
    assert exchange.missing_in(replace(HOME, **changed)) == said  # type: ignore[arg-type]


def test_a_reservation_names_one_piece_and_where_it_lies() -> None:
    assert exchange.reservation("EXC-812-1-1", "JKT-NVY-L", "WH-HAM") == {
        "referenceKey": "EXC-812-1-1",
        "warehouseReferenceKey": "WH-HAM",
        "reservationTtl": 14 * 24 * 3600,
        "variant": {"referenceKey": "JKT-NVY-L"},
    }


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ({"referenceKey": "r", "id": 5}, ReservationSeen("r", "5")),
        ({"referenceKey": "r", "id": 5, "error": []}, ReservationSeen("r", "5")),
        (
            {"referenceKey": "r", "error": {"errorKey": "OUT_OF_STOCK", "message": "none left"}},
            ReservationSeen("r", "", is_sold_out=True, error="OUT_OF_STOCK: none left"),
        ),
        (
            {"referenceKey": "r", "error": {"errorKey": "LOCKED", "message": "try later"}},
            ReservationSeen("r", "", error="LOCKED: try later"),
        ),
    ],
)
def test_the_answer_about_each_piece_is_a_yes_or_a_reason(
    row: dict[str, Any], seen: ReservationSeen
) -> None:
    assert exchange.reserved(Field(row)) == seen


@pytest.mark.parametrize("row", [{"referenceKey": "r"}, {"id": 5}, "sold"])
def test_an_answer_that_says_neither_is_refused(row: Any) -> None:
    with pytest.raises(Malformed):
        exchange.reserved(Field(row))
