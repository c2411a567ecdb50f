"""What SCAYLE says of bundles: their components, how many of each, and what those cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fulfilment.shapes import PartSeen, VariantSeen
from integrator.engine.errors import Malformed
from integrator.platforms.scayle import catalogue, wire
from integrator.platforms.tame import Field

Body = Callable[[str, str], Any]
JKT = {"variantReferenceKey": "JKT-NVY-M", "isMainVariant": True, "unitCount": 2}


def read(body: Body, country: str = "DE", **changed: Any) -> VariantSeen:
    row = {**body("scayle", "variant"), "isComposite": True, **changed}
    return catalogue.variant(Field(row), Field(body("scayle", "product")), "nb", country)


def parts(body: Body, *rows: Any) -> tuple[PartSeen, ...]:
    return read(body, relatedVariants=list(rows)).parts


@pytest.mark.requirement("R034")
def test_components_are_named_by_sku_or_by_id_and_counted(body: Body) -> None:
    assert parts(body, JKT, {"variantId": 3002}) == (
        PartSeen(count=2, sku="JKT-NVY-M"),
        PartSeen(count=1, variant_id="3002"),
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**JKT, "unitCount": 0}, "unitCount is below one"),
        ({**JKT, "unitCount": "two"}, "unitCount"),
        ({"unitCount": 1}, "variantReferenceKey is missing"),
        ("JKT-NVY-M", "relatedVariants"),
    ],
)
def test_a_component_nobody_can_make_out_names_its_field(body: Body, row: Any, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        parts(body, row)


def bundle_in_order(body: Body, rows: Any) -> tuple[PartSeen, ...]:
    row = body("scayle", "order")
    row["items"][0]["merchantAdditionalData"] = {"bundleProductInformation": rows}
    return wire.order(row).units[0].parts


@pytest.mark.requirement("R034")
def test_an_order_may_say_what_each_component_costs(body: Body) -> None:
    priced = {**JKT, "price": {"withTax": 4990}}
    assert bundle_in_order(body, [priced]) == (PartSeen(2, sku="JKT-NVY-M", price_minor=4990),)
    assert bundle_in_order(body, [JKT]) == (PartSeen(2, sku="JKT-NVY-M"),)


@pytest.mark.parametrize(
    "rows",
    [None, [], {}, "x", [7], [{"variantReferenceKey": "JKT-NVY-M"}], [{**JKT, "unitCount": 0}]],
    ids=["null", "empty", "map", "text", "number", "not counted", "none of it"],
)
def test_an_odd_bundle_in_an_order_says_nothing_and_the_order_is_still_read(
    body: Body, rows: Any
) -> None:
    """Its form is assumed: the catalogue is asked then."""
    assert bundle_in_order(body, rows) == ()


def test_the_price_is_what_anyone_pays_in_that_country_on_that_day(body: Body) -> None:
    prices = [
        {"currencyCode": "EUR", "price": 5000},
        {"currencyCode": "EUR", "price": 4500, "validFrom": "2026-05-01T00:00:00+00:00"},
        {"currencyCode": "EUR", "price": 4000, "validFrom": "2026-08-01T00:00:00+00:00"},
        {"currencyCode": "EUR", "price": 100, "groupKey": "staff"},
        {"currencyCode": "EUR", "price": 200, "promotionKey": "black-friday"},
        {"currencyCode": "EUR", "price": 6000, "countryCode": "AT"},
        {"currencyCode": "CHF", "price": 7000},
    ]
    variant = read(body, prices=prices)

    assert variant.price_at("EUR", datetime(2026, 3, 1, tzinfo=UTC)) == 5000
    assert variant.price_at("EUR", datetime(2026, 6, 1, tzinfo=UTC)) == 4500
    assert variant.price_at("CHF", datetime(2026, 6, 1, tzinfo=UTC)) == 7000
    assert variant.price_at("USD", datetime(2026, 6, 1, tzinfo=UTC)) is None
    assert read(body, prices=prices, country="AT").prices[-2].amount_minor == 6000
