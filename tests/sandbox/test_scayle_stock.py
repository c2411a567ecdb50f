"""SCAYLE stock: absolute, guarded by ``changedAt``, with blockers that a younger post releases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.sandbox.conftest import Bench

SKU = "JKT-NVY-M"
PATH = f"/variants/key%3D{SKU}/stocks"


def _post(bench: Bench, quantity: int, changed_at: datetime, **more: Any) -> TestResponse:
    body = {
        "quantity": quantity,
        "warehouseReferenceKey": "WH-HAM",
        "changedAt": changed_at.isoformat(),
    }
    return bench.scayle("POST", PATH, json=body | more)


def _quantity(bench: Bench, sku: str = SKU) -> int:
    """What is on sale in the one warehouse that sells; the others hold nothing of it."""
    rows = bench.scayle("GET", f"/variants/key%3D{sku}/stocks").json["entities"]
    (row,) = [one for one in rows if one["warehouseReferenceKey"] == "WH-HAM"]
    return row["quantity"]


def test_a_younger_figure_is_taken_and_an_older_or_equal_one_ignored(bench: Bench) -> None:
    bench.clock.pass_seconds(60)
    now = bench.clock()

    taken = _post(bench, 41, now)
    older = _post(bench, 99, now - timedelta(seconds=1))
    equal = _post(bench, 98, now)
    younger = _post(bench, 40, now + timedelta(microseconds=1))

    assert taken.json["quantity"] == 41
    # The current row comes back: the only sign that the call was ignored.
    assert (older.status_code, older.json["quantity"]) == (200, 41)
    assert (equal.status_code, equal.json["quantity"]) == (200, 41)
    assert younger.json["quantity"] == 40
    row = bench.scayle("GET", PATH).json["entities"][0]
    assert row["warehouseReferenceKey"] == "WH-HAM"
    assert row["changedAt"] == (now + timedelta(microseconds=1)).isoformat()


def test_a_sale_is_held_back_until_a_younger_figure_contains_it(bench: Bench) -> None:
    bench.clock.pass_seconds(60)
    measured_at = bench.clock()
    bench.act("scayle", "sell_unit", sku=SKU)
    assert _quantity(bench) == 199

    # Measured before the sale: the sale is still missing in it, so it stays held back.
    _post(bench, 200, measured_at)
    assert _quantity(bench) == 199

    # Measured after the sale: the figure contains it.
    bench.clock.pass_seconds(1)
    _post(bench, 199, bench.clock())
    assert _quantity(bench) == 199
    (row,) = [
        row
        for row in bench.books("scayle")["stock"]
        if (row["sku"], row["warehouse"]) == (SKU, "WH-HAM")
    ]
    assert (row["blockers"], row["truth"]) == ([], 199)


def test_a_figure_that_forgets_a_sale_oversells_and_the_books_show_it(bench: Bench) -> None:
    bench.act("scayle", "sell_unit", sku=SKU)
    bench.clock.pass_seconds(1)

    _post(bench, 200, bench.clock())

    (row,) = [
        row
        for row in bench.books("scayle")["stock"]
        if (row["sku"], row["warehouse"]) == (SKU, "WH-HAM")
    ]
    assert (row["sellable"], row["truth"]) == (200, 199)


def test_a_bundle_has_as_many_as_its_scarcest_part_and_no_stock_of_its_own(bench: Bench) -> None:
    bench.act("scayle", "change_stock", sku="TEE-WHT-M", quantity=7)
    bench.act("scayle", "change_stock", sku="TEE-BLK-L", quantity=9)

    body = {"quantity": 5, "warehouseReferenceKey": "WH-HAM"}
    refused = bench.scayle("POST", "/variants/key%3DSET-TEES/stocks", json=body)

    assert refused.status_code == 400
    assert _quantity(bench, "SET-TEES") == 3
    bench.act("scayle", "place_order", items=["SET-TEES"])
    assert (_quantity(bench, "TEE-WHT-M"), _quantity(bench, "TEE-BLK-L")) == (5, 8)


def test_what_cannot_be_booked_is_refused(bench: Bench) -> None:
    unknown_warehouse = _post(bench, 1, bench.clock(), warehouseReferenceKey="WH-MOON")
    negative = _post(bench, -1, bench.clock())
    past = _post(bench, 1, bench.clock(), expectedAvailabilityAt="2026-03-01")
    bench.act("scayle", "discontinue_sku", sku=SKU)
    deleted = _post(bench, 1, bench.clock())

    statuses = [each.status_code for each in (unknown_warehouse, negative, past, deleted)]
    assert statuses == [400, 400, 400, 404]
    assert bench.scayle("GET", PATH).status_code == 404
    rows = bench.books("scayle")["stock"]
    assert next(row["quantity"] for row in rows if row["sku"] == SKU) == 200


def _reservation(sku: str, reference: str = "EXC-1", **more: Any) -> dict[str, Any]:
    unit = {"referenceKey": reference, "warehouseReferenceKey": "WH-HAM"}
    return unit | {"variant": {"referenceKey": sku}} | more


def test_reservations_are_answered_entry_by_entry(bench: Bench) -> None:
    bench.act("scayle", "change_stock", sku=SKU, quantity=1)
    wanted = [_reservation(SKU, "E1"), _reservation(SKU, "E2"), _reservation("NOPE", "E3")]

    answer = bench.scayle("POST", "/reservations", json=wanted)

    held, sold_out, unknown = answer.json["entities"]
    assert answer.status_code == 201
    assert held["id"] > 0
    assert sold_out["error"]["errorKey"] == "OUT_OF_STOCK"
    assert unknown["error"]["errorKey"] == "VARIANT_NOT_FOUND"
    assert _quantity(bench) == 0
    released = bench.scayle("DELETE", f"/reservations/{held['id']}")
    assert (released.status_code, _quantity(bench)) == (204, 1)
    assert bench.scayle("DELETE", f"/reservations/{held['id']}").status_code == 404


def test_a_reservation_ends_by_itself_and_its_blocker_with_a_younger_figure(bench: Bench) -> None:
    bench.scayle("POST", "/reservations", json=[_reservation(SKU, reservationTtl=60)])
    assert _quantity(bench) == 199
    bench.clock.pass_seconds(61)
    assert _quantity(bench) == 200

    bench.scayle("POST", "/reservations", json=[_reservation(SKU)])
    bench.clock.pass_seconds(1)
    _post(bench, 200, bench.clock())

    assert _quantity(bench) == 200, "the post was younger than the reservation's blocker"


def test_a_partial_batch_holds_all_but_the_last(bench: Bench) -> None:
    bench.sandbox.add_faults(
        {"platform": "scayle", "endpoint": "POST /reservations", "fault": "partial_batch"}
    )

    wanted = [_reservation(SKU, "E1"), _reservation(SKU, "E2")]
    first, last = bench.scayle("POST", "/reservations", json=wanted).json["entities"]

    assert "id" in first
    assert "error" in last
