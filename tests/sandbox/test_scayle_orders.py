"""SCAYLE's orders as its contract describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integrator.sandbox.calls import Refusal

if TYPE_CHECKING:
    from tests.sandbox.conftest import Bench

SHOP = "/shops/nb/countries/DE"


def test_an_order_adds_up_and_has_the_documented_shape(bench: Bench) -> None:
    order = bench.act(
        "scayle",
        "place_order",
        items=[{"sku": "JKT-NVY-M", "price": 8000}, {"sku": "TEE-BLK-L", "quantity": 2}],
        voucher=1001,
        gift_card=1000,
    )

    body = bench.scayle("GET", f"{SHOP}/orders/{order['id']}").json

    assert len(body["items"]) == 3, "one item is one unit"
    assert body["address"]["shipping"]["countryCode"] == "DEU"
    assert body["shopCountry"]["countryCode"] == "DE"
    price = body["items"][0]["price"]
    assert price["tax"]["vat"]["rate"] == 0.19
    assert price["undiscountedWithTax"] == 8925
    assert price["undiscountedWithOutTax"] == 7500
    units = sum(item["price"]["absoluteVoucherReducedPrice"]["withTax"] for item in body["items"])
    assert units == 8000 + 2 * 2490 - 1001
    fees = sum(fee["amount"]["withTax"] for fee in body["cost"]["appliedFees"])
    assert units + fees == body["cost"]["withTax"]
    assert sum(payment["amount"] for payment in body["payment"]) == body["cost"]["withTax"]
    assert body["cost"]["costCapture"] == body["cost"]["withTax"] - 1000
    assert "returnKey" not in body["items"][0]
    assert "legacyCustomData" not in body


def test_an_order_is_found_by_id_and_by_reference_key(bench: Bench) -> None:
    order = bench.act("scayle", "place_order")
    bench.scayle(
        "PUT", f"{SHOP}/orders/{order['id']}/reference-key", json={"referenceKey": "SO 7 A"}
    )

    # Form encoding writes a blank as a plus.
    found = bench.scayle("GET", f"{SHOP}/orders/key%3DSO+7+A")

    assert found.json["id"] == order["id"]
    missing = bench.scayle("GET", f"{SHOP}/orders/99")
    assert missing.status_code == 404
    assert missing.json["errors"][0]["errorKey"] == "ORDER_NOT_FOUND"


def _page(bench: Any, **query: Any) -> Any:
    return bench.scayle("GET", f"{SHOP}/orders", query_string=query).json


def test_paging_shows_every_order_once(bench: Bench) -> None:
    placed = [bench.act("scayle", "place_order")["id"] for _ in range(7)]

    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = _page(bench, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [row["id"] for row in page["entities"]]
        cursor = page["cursor"]["next"]
        pages += 1

    assert seen == placed
    assert pages == 3


def test_the_list_filters_by_time_reference_and_status(bench: Bench) -> None:
    first = bench.act("scayle", "place_order")
    second = bench.act("scayle", "place_order")
    watermark = bench.clock().isoformat()
    bench.act("scayle", "ship_order", order_id=first["id"])

    def ids(**filters: str) -> list[int]:
        query = {f"filters[{name}]": value for name, value in filters.items()}
        return [row["id"] for row in _page(bench, **query)["entities"]]

    assert ids(minUpdatedAt=watermark) == [first["id"], second["id"]]
    assert ids(minUpdatedAt=bench.clock().isoformat()) == [first["id"]]
    assert ids(referenceKey=second["reference_key"]) == [second["id"]]
    assert ids(status="invoice_completed,cancellation_completed") == [first["id"]]
    assert ids(id=f"{first['id']},{second['id']}") == [first["id"], second["id"]]
    unknown = bench.scayle("GET", f"{SHOP}/orders", query_string={"filters[colour]": "red"})
    assert unknown.status_code == 400


def test_custom_data_is_shown_only_when_asked_for(bench: Bench) -> None:
    order = bench.act("scayle", "place_order")
    item = order["items"][0]["id"]
    path = f"{SHOP}/orders/{order['id']}"

    written = bench.scayle("PUT", f"{path}/legacy-custom-data", json={"rma": "812"})
    bench.scayle("PUT", f"{path}/items/{item}/legacy-custom-data", json={"back": True})

    assert (written.status_code, written.data) == (204, b"")
    assert "legacyCustomData" not in bench.scayle("GET", path).json
    query = {"with": "legacyCustomData,items.legacyCustomData"}
    full = bench.scayle("GET", path, query_string=query).json
    assert full["legacyCustomData"] == {"rma": "812"}
    assert full["items"][0]["legacyCustomData"] == {"back": True}


def test_billing_status_mirrors_money_and_pays_nobody(bench: Bench) -> None:
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L")
    path = f"{SHOP}/orders/{order['id']}/billing-status"
    item = order["items"][0]["id"]
    body = {
        "code": "billing_partially_refunded",
        "reason": "RF-1 EUR 20.00",
        "items": [{"id": item, "code": "billing_refunded"}],
    }

    answer = bench.scayle("PATCH", path, json=body)

    assert answer.json["detailedStatus"]["billing"]["code"] == "billing_partially_refunded"
    assert bench.books("scayle")["refunds"] == []
    assert bench.books("scayle")["orders"][0]["billing_log"][0]["reason"] == "RF-1 EUR 20.00"
    assert bench.scayle("PATCH", path, json={"code": "billing_lost"}).status_code == 400


def _import_body(reference: str, customer: str) -> dict[str, Any]:
    return {
        "referenceKey": reference,
        "status": "payment_reserved",
        "customer": {"referenceKey": customer},
        "address": {
            "shipping": {
                "recipient": {"firstName": "Pat", "lastName": "Roe"},
                "street": "Kaiweg",
                "zipCode": "20457",
                "city": "Hamburg",
                "countryCode": "DEU",
            }
        },
        "items": [
            {
                "key": "x1",
                "variant": {"referenceKey": "JKT-NVY-L"},
                "price": {"withTax": 0, "withoutTax": 0},
            }
        ],
        "legacyCustomData": {"kind": "exchange"},
    }


def test_an_imported_order_reserves_nothing_and_is_not_delegated(bench: Bench) -> None:
    bench.listen("scayle", "order-delegated")
    bench.act("scayle", "place_order", items=[{"sku": "TEE-BLK-L"}])
    before = _sellable(bench, "JKT-NVY-L")

    answer = bench.scayle("POST", f"{SHOP}/orders", json=_import_body("EXC-812-1", "CUST-501"))

    assert answer.status_code == 201
    assert answer.json["basketKey"] == "imported-basket"
    assert answer.json["legacyCustomData"] == {"kind": "exchange", "origin": "data-importer"}
    assert _sellable(bench, "JKT-NVY-L") == before
    delegated = [row.body["payload"]["id"] for row in bench.sandbox.pending_callbacks()]
    assert answer.json["id"] not in delegated
    with pytest.raises(Refusal, match="nothing left to ship"):
        bench.act("scayle", "ship_order", order_id=answer.json["id"])


def test_the_warehouse_sends_imported_orders_that_are_old_enough_and_no_others(
    bench: Bench,
) -> None:
    bench.act("scayle", "place_order", items=[{"sku": "TEE-BLK-L"}])
    body = _import_body("EXC-812-1", "CUST-501")
    made = bench.scayle("POST", f"{SHOP}/orders", json=body).json["id"]

    assert bench.act("scayle", "send_imported_due", seconds=60) == {"sent": []}
    bench.clock.pass_seconds(60)
    sent = bench.act("scayle", "send_imported_due", seconds=60)

    assert sent == {"sent": [made]}
    items = {row["id"]: row["items"] for row in bench.books("scayle")["orders"]}
    assert all(item["shipped"] for item in items[made])
    assert [row for row, units in items.items() if any(unit["shipped"] for unit in units)] == [made]
    assert bench.act("scayle", "send_imported_due", seconds=60) == {"sent": []}


def _sellable(bench: Any, sku: str) -> int:
    rows = bench.books("scayle")["stock"]
    return next(row["sellable"] for row in rows if row["sku"] == sku)


def test_the_same_reference_imported_twice_makes_two_orders(bench: Bench) -> None:
    """Assumed, and on purpose unkind: who does not look first is found out."""
    bench.act("scayle", "place_order")
    for _ in range(2):
        bench.scayle("POST", f"{SHOP}/orders", json=_import_body("EXC-1", "CUST-501"))

    found = _page(bench, **{"filters[referenceKey]": "EXC-1"})

    assert len(found["entities"]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customer": {"referenceKey": "nobody"}}, "customer"),
        ({"items": []}, "items"),
        ({"status": "shiny"}, "status"),
        ({"items": [{"variant": {"referenceKey": "NOPE"}, "price": {"withTax": 0}}]}, "variant"),
    ],
)
def test_an_import_is_refused_with_the_field_that_is_wrong(
    bench: Bench, change: dict[str, Any], message: str
) -> None:
    bench.act("scayle", "place_order")

    answer = bench.scayle("POST", f"{SHOP}/orders", json=_import_body("E", "CUST-501") | change)

    assert answer.status_code == 400
    assert message in answer.json["errors"][0]["message"]
    assert len(bench.books("scayle")["orders"]) == 1


@pytest.mark.parametrize("headers", [{}, {"X-Access-Token": "wrong"}])
def test_a_wrong_key_gets_the_documented_error(bench: Bench, headers: dict[str, str]) -> None:
    answer = bench.scayle("GET", "/warehouses", headers=headers)

    assert answer.status_code == 401
    assert answer.json["errors"][0]["errorKey"] == "UNAUTHORIZED"


def test_every_answer_carries_the_limits_of_its_scope_and_the_last_one_a_no(bench: Bench) -> None:
    bench.client.post("/_limits", json={"scayle": {"globalRead": 2}})

    answers = [bench.scayle("GET", "/warehouses") for _ in range(3)]
    other_scope = bench.scayle("GET", "/products")
    bench.clock.pass_seconds(60)
    next_minute = bench.scayle("GET", "/carriers")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[0].headers["X-RateLimit-Scope"] == "globalRead"
    assert answers[0].headers["X-RateLimit-Limit"] == "2"
    assert answers[0].headers["X-RateLimit-Reset"] == "60"
    assert answers[2].json["errors"][0]["errorKey"] == "RATE_LIMIT_EXCEED"
    assert other_scope.status_code == 200, "scopes are isolated"
    assert next_minute.status_code == 200


def test_the_catalogue_is_read_page_by_page_with_its_variants(bench: Bench) -> None:
    first = bench.scayle("GET", "/products", query_string={"limit": 7}).json
    rest = bench.scayle(
        "GET", "/products", query_string={"limit": 7, "cursor": first["cursor"]["next"]}
    ).json

    products = first["entities"] + rest["entities"]
    variants = [variant for product in products for variant in product["variants"]]
    assert rest["cursor"]["next"] is None
    assert len(variants) == 42
    assert sum(variant["isComposite"] for variant in variants) == 2
    bundle = bench.scayle("GET", "/products/key%3DSET-TEES/variants/key%3DSET-TEES").json
    assert [part["unitCount"] for part in bundle["relatedVariants"]] == [2, 1]
    assert [part["isMainVariant"] for part in bundle["relatedVariants"]] == [True, False]


def test_a_live_product_can_be_blocked_but_not_made_a_draft_again(bench: Bench) -> None:
    draft = bench.scayle("PUT", "/products/300/state", json={"state": "draft"})
    blocked = bench.scayle("PUT", "/products/300/state", json={"state": "blocked"})

    assert draft.status_code == 400
    assert blocked.json["state"] == "blocked"
    assert bench.scayle("GET", "/products/300").json["state"] == "blocked"
