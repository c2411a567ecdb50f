"""ReturnGO's JSON becomes our shapes, or the field that is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrator.engine.errors import Malformed
from integrator.platforms.returngo import wire
from integrator.platforms.tame import Field
from returns.shapes import (
    DeductionSeen,
    Method,
    MoneyStatus,
    ParcelStatus,
    PlatformStatus,
    Resolution,
)

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


def test_an_inspected_return_is_read_whole(body: Body) -> None:
    seen = wire.rma(body("returngo", "rma.inspected"))

    assert (seen.external_id, seen.order_id, seen.order_number) == ("20000001", "70412", "DE-70412")
    assert (seen.status, seen.raw_status) == (PlatformStatus.VALIDATED, "Validated")
    sellable, stained = seen.units
    assert (sellable.external_id, sellable.order_unit_id, sellable.sku) == (
        "9001",
        "880001",
        "TEE-BLK-M",
    )
    assert (sellable.paid_minor, sellable.currency) == (2450, "EUR")
    assert sellable.deductions == (DeductionSeen("returnFee", 250),)
    assert (sellable.resolution, sellable.method) == (Resolution.REFUND, Method.SHIPPED)
    assert sellable.inspection is not None
    assert sellable.inspection.is_restockable
    assert sellable.inspection.inspected_at == datetime(2026, 3, 8, 10, 15, tzinfo=UTC)
    assert stained.inspection is not None
    assert (stained.inspection.is_returned, stained.inspection.is_restockable) == (True, False)
    assert (stained.inspection.reason, stained.inspection.location) == ("Stained", "WH-1")
    (parcel,) = seen.parcels
    assert (parcel.status, parcel.postcode, parcel.is_outbound) == (
        ParcelStatus.VALIDATED,
        "20457",
        False,
    )
    (money,) = seen.money
    assert (money.external_id, money.amount_minor, money.unit_ids) == ("61", 4650, ("9001", "9002"))
    assert (money.resolution, money.status) == (Resolution.REFUND, MoneyStatus.REQUESTED)
    assert seen.comments == ("Refund recorded (op 17)",)


@pytest.mark.requirement("R022")
def test_before_inspection_the_booleans_mean_nothing(body: Body) -> None:
    seen = wire.rma(body("returngo", "rma.approved"))
    assert [unit.inspection for unit in seen.units] == [None, None, None]


def test_exchange_kept_goods_and_unknown_words(body: Body) -> None:
    _, exchange, kept = wire.rma(body("returngo", "rma.approved")).units
    assert exchange.resolution == Resolution.EXCHANGE
    assert [one.sku for one in exchange.wanted] == ["TEE-BLK-L"] * 2, "one entry per piece"
    assert (kept.method, kept.parcel_id) == (Method.KEPT, "")
    assert (kept.resolution, kept.raw_resolution) == (Resolution.UNKNOWN, "ManualExchange")


def test_a_store_credit_code_stops_at_the_border(body: Body) -> None:
    invoice, credit = wire.rma(body("returngo", "rma.approved")).money
    assert credit.reference == "…IJKL", "whoever reads the whole code can spend it"
    assert (credit.resolution, credit.status) == (Resolution.STORE_CREDIT, MoneyStatus.SUCCEEDED)
    assert (invoice.kind, invoice.unit_ids, invoice.reference) == ("InvoicePayment", (), "inv-1")


def test_tax_outside_the_price_is_added(body: Body) -> None:
    data = body("returngo", "rma.inspected")
    put(data, "items.0.taxIncluded", False)
    units = wire.rma(data).units
    assert [unit.paid_minor for unit in units] == [2841, 2450]


def test_fees_and_exchanges_of_the_whole_return_are_not_lost(body: Body) -> None:
    data = body("returngo", "rma.inspected")
    put(data, "cancellationFee", 1.5)
    put(data, "exchangeItems", [{"sku": "TEE-RED-M"}])
    seen = wire.rma(data)
    assert seen.deductions == (DeductionSeen("cancellationFee", 150),)
    assert [(one.sku, one.price_minor) for one in seen.wanted] == [("TEE-RED-M", None)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rmaSummary.status", "Done"),
        ("items.0.itemValidationStatusResponse.isRestockable", False),
        ("items.0.itemValidationStatusResponse.lastValidationDate", "2026-03-09T10:15:00+00:00"),
        ("items.0.itemValidationStatusResponse.storeLocationId", "WH-2"),
        ("items.0.resolutionType", "RefundToStoreCredit"),
        ("items.0.restockingFee", 1),
        ("items.0.paidPrice.amount", 24),
        ("items.0.returnMethod.type", "No shipment required"),
        ("items.0.exchangeItems", [{"sku": "TEE-RED-M"}]),
        ("exchangeItems", [{"sku": "TEE-RED-M"}]),
        ("exchangeOrders", [{"draftOrderId": "d-1", "orderName": "#X1"}]),
        ("cancellationFee", 1),
        ("shipments.0.status", "Received"),
        ("shipments.0.trackingNumber", "T2"),
        ("transactions.0.status", "Success"),
        ("transactions.0.amount.amount", 46),
    ],
)
def test_a_change_of_the_business_is_a_new_version(body: Body, path: str, value: Any) -> None:
    data = body("returngo", "rma.inspected")
    before = wire.rma(data).digest
    put(data, path, value)
    assert wire.rma(data).digest != before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("lastUpdated", "2026-03-09T00:00:00+00:00"),
        ("comments", []),
        ("rmaSummary.events", []),
        ("rmaSummary.rmaId", 20000001),
        ("items.0.itemValidationStatusResponse.isReturned", 1),
        ("items.0.itemValidationStatusResponse.lastValidatedBy", "Omar"),
        ("items.0.itemValidationStatusResponse.lastValidationDate", "2026-03-08T11:15:00+01:00"),
        ("items.0.restockingFee", None),
        ("items.0.paidPrice.amount", "24.50"),
        ("cancellationFee", 0.0),
        ("transactions.0.id", "61"),
        ("a_field_of_next_year", {"x": 1}),
    ],
)
def test_the_same_business_in_other_words_is_the_same_version(
    body: Body, path: str, value: Any
) -> None:
    data = body("returngo", "rma.inspected")
    before = wire.rma(data).digest
    put(data, path, value)
    assert wire.rma(data).digest == before


def test_the_order_of_rows_is_no_change(body: Body) -> None:
    data = body("returngo", "rma.approved")
    before = wire.rma(data).digest
    for rows in (data["items"], data["transactions"], data["shipments"]):
        rows.reverse()
    assert wire.rma(data).digest == before


BROKEN = [
    ("rmaSummary", REMOVED, "rmaSummary is missing"),
    ("rmaSummary.rmaId", None, "rmaSummary.rmaId is missing"),
    ("rmaSummary.rmaId", "RMA", "rmaSummary.rmaId is missing"),
    ("rmaSummary.status", "", "rmaSummary.status is missing"),
    ("createdAt", REMOVED, "createdAt is missing"),
    ("items", REMOVED, "items is missing"),
    ("items.1", 5, "items[1] is not an object"),
    ("items.0.returnedItemId", "", "items[0].returnedItemId is missing"),
    ("items.1.returnedItemId", "9001", "items[1].returnedItemId is listed twice"),
    ("items.0.paidPrice", REMOVED, "items[0].paidPrice is missing"),
    ("items.0.paidPrice.amount", 24.505, "items[0].paidPrice.amount has more decimals than EUR"),
    ("items.0.paidPrice.currency", "", "items[0].paidPrice.currency is missing"),
    ("items.0.returnFee", "none", "items[0].returnFee is not a number"),
    ("items.0.returnFee", -2.5, "items[0].returnFee is below zero"),
    ("items.0.taxIncluded", "yes", "items[0].taxIncluded is neither true nor false"),
    (
        "items.0.itemValidationStatusResponse.isReturned",
        REMOVED,
        "items[0].itemValidationStatusResponse.isReturned is missing",
    ),
    (
        "items.0.itemValidationStatusResponse.lastValidationDate",
        "2026-03-08 10:15",
        "items[0].itemValidationStatusResponse.lastValidationDate has no time zone",
    ),
    (
        "items.0.exchangeItems",
        [{"sku": "A", "quantity": 10**9}],
        "items[0].exchangeItems[0].quantity is not a number of pieces",
    ),
    ("shipments.0.status", None, "shipments[0].status is missing"),
    ("transactions.0.amount", None, "transactions[0].amount is missing"),
    ("transactions.0.returnItemIds", "9001", "transactions[0].returnItemIds is not a list"),
    ("transactions.0.returnItemIds", [None], "transactions[0].returnItemIds[0] is missing"),
]


@pytest.mark.parametrize(("path", "value", "message"), BROKEN)
def test_a_broken_return_names_its_field(body: Body, path: str, value: Any, message: str) -> None:
    data = body("returngo", "rma.inspected")
    put(data, path, value)
    with pytest.raises(Malformed) as error:
        wire.rma(data)
    assert error.value.message == message


def test_summaries_are_flat_or_wrapped(body: Body) -> None:
    rows = list(wire.rows(Field(body("returngo", "rmas"))))
    flat = [wire.summary(row) for row in rows]
    wrapped = [wire.summary(Field({"rmaSummary": row.value})) for row in rows]
    assert flat == wrapped
    assert [(seen.external_id, seen.status) for seen in flat] == [
        ("20000001", PlatformStatus.VALIDATED),
        ("20000002", PlatformStatus.CANCELLED),
    ]


@pytest.mark.parametrize("shown", ["RMA123", "RMA-123", "123", 123])
def test_the_portals_prefix_is_not_part_of_the_id(shown: Any) -> None:
    assert wire.rma_id(Field(shown)) == "123"


def test_an_answer_without_a_list_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^body has none of rmas"):
        list(wire.rows(Field({"message": "hello"})))


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
                ("rma.inspected", wire.rma),
                ("rma.approved", wire.rma),
                ("rmas", lambda raw: [*map(wire.summary, wire.rows(Field(raw)))]),
                ("rmas", lambda raw: wire.next_cursor(Field(raw)).text_or_empty()),
                ("transactions", lambda raw: [*map(wire.money, wire.rows(Field(raw)))]),
                ("webhooks", lambda raw: [*map(wire.subscription, wire.rows(Field(raw)))]),
            ]
        )
    )
    broken = body("returngo", name)
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
