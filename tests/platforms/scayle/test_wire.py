"""SCAYLE's JSON becomes our shapes, or the field that is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fulfilment.shapes import Billing, Progress, Sellability, UnitStatus
from integrator.engine.errors import Malformed
from integrator.platforms.scayle import CONTRACT, catalogue, wire
from integrator.platforms.tame import Field

Body = Callable[[str, str], Any]
REMOVED = object()


def put(body: Any, path: str, value: Any) -> None:
    """Set (or remove) the value at a dotted path; numbers index lists."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        body = body[step]
    if value is REMOVED:
        del body[last]
    else:
        body[last] = value


def test_an_order_is_read_whole(body: Body) -> None:
    order = wire.order(body("scayle", "order"))

    assert (order.external_id, order.number, order.reference) == ("70412", "DE-70412", "SO-2044")
    assert (order.progress, order.raw_status) == (Progress.DELEGATED, "order_delegated")
    assert (order.billing, order.raw_billing) == (Billing.OPEN, "billing_payment_pending")
    assert (order.currency, order.shop, order.country) == ("EUR", "nb", "DE")
    assert order.customer.email == "pat@example.test"
    assert order.shipping_address is not None
    assert (order.shipping_address.country, order.shipping_address.postcode) == ("DE", "20457")
    (unit,) = order.units
    assert (unit.external_id, unit.sku, unit.variant_id, unit.product_id) == (
        "880001",
        "JKT-NVY-M",
        "3001",
        "300",
    )
    assert (unit.paid_minor, unit.tax_minor, unit.tax_rate) == (8925, 1425, "0.19")
    assert (unit.status, unit.warehouse_id) == (UnitStatus.OPEN, "12")
    (fee,) = order.fees
    assert (fee.category, fee.amount_minor, fee.tax_minor) == ("delivery", 495, 79)
    assert order.updated_at == datetime(2026, 10, 2, 8, 14, 31, tzinfo=UTC)
    assert order.custom_data == {}


def test_the_parts_of_an_order_add_up_to_its_total_and_to_its_payments(body: Body) -> None:
    for name in ("order", "order.shipped", "order.external_prices"):
        order = wire.order(body("scayle", name))
        parts = sum(unit.paid_minor for unit in order.units)
        parts += sum(fee.amount_minor for fee in order.fees)
        assert parts == order.total_minor == sum(paid.amount_minor for paid in order.payments)


def test_a_shipped_order_shows_parcel_return_and_voucher(body: Body) -> None:
    order = wire.order(body("scayle", "order.shipped"))

    kept, returned, never_sent = order.units
    assert (kept.paid_minor, kept.tax_minor) == (7925, 1265), "the price after the voucher"
    assert (kept.status, kept.raw_status) == (UnitStatus.SHIPPED, "deliverable")
    assert (returned.status, returned.raw_status) == (UnitStatus.RETURNED, "delivered")
    assert never_sent.status == UnitStatus.CANCELLED
    (parcel,) = order.parcels
    assert (parcel.external_id, parcel.tracking, parcel.carrier) == ("501", "JJD0001", "DHL")
    assert kept.parcel_id == parcel.external_id
    assert [payment.is_gift_card for payment in order.payments] == [True, False]
    assert order.custom_data == {"integrator": {"returned": ["880002"]}}
    assert order.billing == Billing.PARTLY_REFUNDED


def test_an_order_with_external_prices_needs_only_the_price(body: Body) -> None:
    order = wire.order(body("scayle", "order.external_prices"))

    (unit,) = order.units
    assert (unit.paid_minor, unit.tax_minor, unit.tax_rate) == (0, 0, "")
    assert (order.channel, order.shipping_address) == ("exchange", None)
    assert order.progress == Progress.CONFIRMED, "from status, as detailedStatus is missing"


@pytest.mark.requirement("R035")
@pytest.mark.parametrize(
    ("price", "tax_minor", "rate"),
    [
        ({"tax": {"vat": {"amount": 1425, "rate": 0.19}}}, 1425, "0.19"),
        ({"withoutTax": 7500}, 1425, ""),
        ({"withOutTax": 7500}, 1425, ""),
        ({"tax": {"vat": {"amount": 0, "rate": 0}}}, 0, "0"),
        ({}, 0, ""),
    ],
    ids=["stated", "net price", "net price in the other spelling", "free of tax", "not a word"],
)
def test_the_tax_in_a_price_however_the_order_states_it(
    body: Body, price: dict[str, Any], tax_minor: int, rate: str
) -> None:
    """What was paid is the price with tax in every one of them."""
    row = body("scayle", "order")
    row["items"][0]["price"] = {"withTax": 8925, **price}

    unit = wire.order(row).units[0]
    assert (unit.paid_minor, unit.tax_minor, unit.tax_rate) == (8925, tax_minor, rate)


def test_an_unknown_word_is_kept_and_never_guessed(body: Body) -> None:
    data = body("scayle", "order.external_prices")
    data["items"][0]["shippedAt"] = "2026-10-03T15:20:00+00:00"
    data["detailedStatus"] = {"order": {"code": "order_teleported"}, "billing": {"code": "odd"}}

    order = wire.order(data)

    assert (order.progress, order.raw_status) == (Progress.UNKNOWN, "order_teleported")
    assert (order.billing, order.raw_billing) == (Billing.UNKNOWN, "odd")
    (unit,) = order.units
    assert (unit.status, unit.raw_status) == (UnitStatus.UNKNOWN, "a_word_of_next_year")


@pytest.mark.parametrize("code", ["deu", "DE", "de", "DEU"])
def test_countries_are_two_letters_however_they_come(body: Body, code: str) -> None:
    data = body("scayle", "order")
    put(data, "address.shipping.countryCode", code)
    address = wire.order(data).shipping_address
    assert address is not None
    assert address.country == "DE"


BROKEN = [
    ("id", REMOVED, "id is missing"),
    ("id", {"x": 1}, "id is not a text"),
    ("currencyCode", "EURO", "currencyCode is not an ISO 4217 currency"),
    ("status", REMOVED, None),
    ("detailedStatus", "delegated", "detailedStatus is not an object"),
    ("createdAt", "2026-10-02 08:12:00", "createdAt has no time zone"),
    ("updatedAt", REMOVED, "updatedAt is missing"),
    ("confirmedAt", "soon", "confirmedAt is not a date and time"),
    ("items", REMOVED, "items is missing"),
    ("items", {"0": {}}, "items is not a list"),
    ("items.0", None, "items[0] is missing"),
    ("items.0.id", REMOVED, "items[0].id is missing"),
    ("items.0.status", REMOVED, "items[0].status is missing"),
    ("items.0.currency", "SEK", "items[0].currency is not the currency of the order"),
    ("items.0.variant.referenceKey", "", "items[0].variant.referenceKey is missing"),
    ("items.0.price", REMOVED, "items[0].price is missing"),
    ("items.0.price.withTax", "89.25", "items[0].price.withTax is not a whole number"),
    ("items.0.price.withTax", 89.25, "items[0].price.withTax is not a whole number"),
    ("items.0.price.withTax", -1, "items[0].price.withTax is below zero"),
    ("items.0.price.tax.vat.rate", 19, "items[0].price.tax.vat.rate is not a fraction"),
    ("items.0.price.tax.vat.amount", 9000, "items[0].price.tax.vat.amount does not fit the price"),
    ("items.0.price.tax", [{}], "items[0].price.tax is not an object"),
    (
        "items.0.price.absoluteVoucherReducedPrice",
        {"withOutTax": 1},
        "items[0].price.absoluteVoucherReducedPrice.withTax is missing",
    ),
    ("items.0.shippedAt", 5, "items[0].shippedAt is not a date and time"),
    ("cost", REMOVED, "cost.withTax is missing"),
    ("cost.appliedFees.0.amount", REMOVED, "cost.appliedFees[0].amount.withTax is missing"),
    ("cost.appliedFees.0.category", None, "cost.appliedFees[0].category is missing"),
    ("payment.0.amount", "9420", "payment[0].amount is not a whole number"),
    ("payment.0.isGiftCard", "no", "payment[0].isGiftCard is neither true nor false"),
    (
        "address.shipping.countryCode",
        "XYZ",
        "address.shipping.countryCode is not an ISO 3166 country",
    ),
    ("address.shipping.street", ["Kaiweg"], "address.shipping.street is not a text"),
    ("legacyCustomData", [1], "legacyCustomData is not an object"),
]


@pytest.mark.parametrize(("path", "value", "message"), BROKEN)
def test_a_broken_order_names_its_field(
    body: Body, path: str, value: Any, message: str | None
) -> None:
    data = body("scayle", "order")
    put(data, path, value)
    if message is None:  # the word of detailedStatus is enough
        assert wire.order(data).progress == Progress.DELEGATED
        return
    with pytest.raises(Malformed) as error:
        wire.order(data)
    assert error.value.message == message


def test_a_unit_listed_twice_would_be_refunded_twice(body: Body) -> None:
    data = body("scayle", "order")
    data["items"].append(data["items"][0])
    with pytest.raises(Malformed, match=r"^items\[1\]\.id is listed twice$"):
        wire.order(data)


@pytest.mark.parametrize("word", CONTRACT.enums["unit_status"])
@pytest.mark.parametrize(
    ("dates", "outcome"),
    [
        ({}, None),
        ({"shippedAt"}, UnitStatus.SHIPPED),
        ({"shippedAt", "returnedAt"}, UnitStatus.RETURNED),
        ({"cancelledAt"}, UnitStatus.CANCELLED),
    ],
)
def test_dates_outrank_an_item_word_that_lags(
    body: Body, word: str, dates: set[str], outcome: UnitStatus | None
) -> None:
    data = body("scayle", "order")
    item = data["items"][0]
    item["status"] = word
    item.update(dict.fromkeys(dates, "2026-10-03T15:20:00+00:00"))
    listed = UnitStatus(CONTRACT.word("unit_status", word))

    (unit,) = wire.order(data).units

    settled = listed in (UnitStatus.CANCELLED, UnitStatus.RETURNED)
    assert unit.status == (listed if settled or outcome is None else outcome)


def test_only_a_corrective_invoice_is_evidence_of_a_refund(body: Body) -> None:
    rows = wire.entities(Field(body("scayle", "invoices")))
    invoices = [wire.invoice(row) for row in rows]
    assert [(seen.kind, seen.is_corrective) for seen in invoices] == [
        ("invoice", False),
        ("corrective_invoice", True),
        ("return_cost_corrective_invoice", False),
    ]


@pytest.mark.parametrize(
    ("kind", "is_by_hand"),
    [
        ("custom_corrective_invoice", True),
        ("corrective_invoice", False),
        ("return_cost_corrective_invoice", False),
        ("credit_memo", True),  # a kind nobody has heard of may have moved money
    ],
)
def test_an_invoice_of_an_unknown_kind_may_have_moved_money(
    body: Body, kind: str, is_by_hand: bool
) -> None:
    (row, *_) = wire.entities(Field(body("scayle", "invoices")))
    seen = wire.invoice(Field(row.value | {"type": kind}))
    assert (seen.kind, seen.is_by_hand) == (kind, is_by_hand)


def test_a_variant_takes_state_name_and_end_of_sale_from_its_product(body: Body) -> None:
    product, row = Field(body("scayle", "product")), Field(body("scayle", "variant"))

    in_germany = catalogue.variant(row, product, "nb", "de")
    in_austria = catalogue.variant(row, product, "nb", "AT")
    in_france = catalogue.variant(row, product, "nb", "FR")

    assert (in_germany.sku, in_germany.product_id) == ("JKT-NVY-M", "300")
    assert (in_germany.name, in_france.name) == ("Jacke", "Jacke")
    assert in_germany.sellability == Sellability.LIVE
    assert in_germany.sellable_until == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert in_austria.sellable_until == datetime(2027, 6, 30, 22, tzinfo=UTC)
    assert in_france.sellable_until is None


@pytest.mark.parametrize(
    ("status", "succeeded"), [("successful", True), ("failed", False), ("pending", None)]
)
def test_a_payment_notice_says_whether_the_money_moved(
    body: Body, status: str, succeeded: bool | None
) -> None:
    data = body("scayle", "event.payment-refund")
    data["payload"]["transaction"]["operationStatus"] = status
    notice = wire.payment_notice(data)
    assert (notice.order_id, notice.transaction, notice.succeeded) == ("70412", "tx-9a1", succeeded)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, "\ud800", "9" * 5000, "EUR", "2026-01-01", "a\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for step, value in steps:
        found.append((*path, step))
        if isinstance(value, dict | list):
            found += places(value, (*path, step))
    return found


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_body_makes_anything_but_a_shape_or_a_named_field(body: Body, data: Any) -> None:
    name, parse = data.draw(
        st.sampled_from(
            [
                ("order.shipped", wire.order),
                ("product", lambda raw: catalogue.variant(Field(raw), Field(raw), "nb", "DE")),
                ("invoices", lambda raw: [*map(wire.invoice, wire.entities(Field(raw)))]),
                (
                    "stocks",
                    lambda raw: [wire.stock(row, "1") for row in wire.entities(Field(raw))],
                ),
                ("event.payment-refund", wire.payment_notice),
                ("subscriptions", lambda raw: [*map(wire.subscription, wire.entities(Field(raw)))]),
                ("events", lambda raw: [*map(wire.offered_event, wire.entities(Field(raw)))]),
                ("orders", lambda raw: wire.next_cursor(Field(raw)).text_or_empty()),
            ]
        )
    )
    broken = body("scayle", name)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(broken)))
        parent = broken
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = data.draw(JSON)
    try:
        parse(broken)
    except Malformed as error:
        assert error.facts["field"]
