"""SCAYLE accepts now and acts later; a return pays the whole unit at SCAYLE's own price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Bench

SHOP = "/shops/nb/countries/DE"


def test_a_return_is_accepted_without_a_body_and_takes_effect_later(delayed_bench: Bench) -> None:
    bench = delayed_bench
    for event in ("order-item-returned", "order-corrective-invoiced", "payment-refund"):
        bench.listen("scayle", event)
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L")
    item = order["items"][0]["id"]
    path = f"{SHOP}/orders/{order['id']}"

    answer = bench.report_returned(item)
    at_once = bench.scayle("GET", path).json
    bench.clock.pass_seconds(3)
    later = bench.scayle("GET", path).json

    assert (answer.status_code, answer.data) == (204, b"")
    assert at_once["items"][0]["status"] == "deliverable"
    assert later["items"][0]["status"] == "returned"
    assert later["items"][0]["returnedAt"] is not None
    assert later["items"][1]["status"] == "deliverable"
    assert later["detailedStatus"]["shipping"]["code"] == "shipping_partially_returned"
    assert later["detailedStatus"]["billing"]["code"] == "billing_partially_refunded"
    invoices = bench.scayle("GET", f"{path}/invoices").json["entities"]
    assert [row["type"] for row in invoices] == ["invoice", "corrective_invoice"]
    events = [callback.event for callback in bench.sandbox.pending_callbacks()]
    assert events == ["order-item-returned", "order-corrective-invoiced", "payment-refund"]
    paid = bench.sandbox.pending_callbacks()[-1].body["payload"]["transaction"]
    assert paid["operationStatus"] == "successful"


def test_the_refund_is_the_whole_unit_after_its_voucher_share(bench: Bench) -> None:
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L", voucher=1000)
    item = order["items"][0]

    bench.report_returned(item["id"])
    bench.sandbox.settle()

    (refund,) = bench.books("scayle")["refunds"]
    assert refund["amount"] == item["paid"] < item["price"]
    assert (refund["item_ids"], refund["by"], refund["executed"]) == (
        [item["id"]],
        "return-items",
        True,
    )


def test_units_of_one_call_are_one_refund_and_split_payments_give_an_event_each(
    bench: Bench,
) -> None:
    bench.listen("scayle", "payment-refund")
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L", gift_card=6000)

    bench.report_returned(*[item["id"] for item in order["items"]])
    bench.sandbox.settle()

    (refund,) = bench.books("scayle")["refunds"]
    assert refund["amount"] == 8925 + 2490
    # Free shipping from 100 EUR, so the card paid 11415 - 6000.
    assert [part["amount"] for part in refund["payments"]] == [5415, 6000]
    assert len(bench.sandbox.pending_callbacks()) == 2
    billing = bench.books("scayle")["orders"][0]["billing"]
    assert billing == "billing_refunded"


def test_a_unit_returned_twice_is_accepted_and_paid_once(bench: Bench) -> None:
    """Assumed: SCAYLE does not say what a repeated key does."""
    order = bench.shipped_order("JKT-NVY-M")
    item = order["items"][0]["id"]

    first = bench.report_returned(item)
    second = bench.report_returned(item)
    bench.sandbox.settle()
    third = bench.report_returned(item)
    bench.sandbox.settle()

    assert [answer.status_code for answer in (first, second, third)] == [204, 204, 204]
    assert len(bench.books("scayle")["refunds"]) == 1
    assert [row["repeat"] for row in bench.books("scayle")["returns"]] == [False, True, True]


def test_an_unknown_return_key_refuses_the_whole_call(bench: Bench) -> None:
    order = bench.shipped_order("JKT-NVY-M")

    answer = bench.report_returned(order["items"][0]["id"], 123)
    bench.sandbox.settle()

    assert answer.status_code == 400
    assert bench.books("scayle")["returns"] == []
    assert bench.books("scayle")["refunds"] == []


def test_a_unit_that_was_never_shipped_has_no_return_key(bench: Bench) -> None:
    order = bench.act("scayle", "place_order", items=[{"sku": "JKT-NVY-M"}])

    assert bench.report_returned(order["items"][0]["id"]).status_code == 400


@pytest.mark.parametrize("body", [{"returnKey": "1"}, [], ["1"], [{"received": "2026-03-02"}]])
def test_the_body_must_be_an_array_of_units(bench: Bench, body: Any) -> None:
    answer = bench.scayle("POST", "/fulfillment/return-items", json=body)

    assert answer.status_code == 400


def _shipment(
    order: dict[str, Any], items: list[dict[str, Any]], key: str = "SCEND-1"
) -> dict[str, Any]:
    return {
        "shopKey": "nb",
        "countryCode": "DE",
        "orderId": order["id"],
        "carrier": "DHL",
        "deliveryDate": "2026-03-02T10:00:00+00:00",
        "shipmentKey": key,
        "items": [{"orderItemId": item["id"], "returnKey": f"R{item['id']}"} for item in items],
    }


def test_a_reported_parcel_ships_its_units_and_takes_the_payment(bench: Bench) -> None:
    for event in ("order-package-shipped", "order-partially-invoiced", "payment-capture"):
        bench.listen("scayle", event)
    order = bench.act("scayle", "place_order", items=["JKT-NVY-M", "TEE-BLK-L"])
    first, second = order["items"]

    accepted = bench.scayle("POST", "/fulfillment/shipments", json=_shipment(order, [first]))
    before = bench.scayle("GET", f"{SHOP}/orders/{order['id']}").json
    bench.sandbox.settle()
    after = bench.scayle("GET", f"{SHOP}/orders/{order['id']}").json

    assert accepted.status_code == 204
    assert before["packages"] == []
    assert after["packages"][0]["shipmentKey"] == "SCEND-1"
    assert after["items"][0]["packageId"] == after["packages"][0]["id"]
    assert after["items"][1]["shippedAt"] is None
    assert after["status"] == "invoice_partially_completed"
    events = [row.event for row in bench.sandbox.pending_callbacks()]
    assert events == ["order-package-shipped", "payment-capture", "order-partially-invoiced"]
    again = bench.scayle("POST", "/fulfillment/shipments", json=_shipment(order, [first], "S2"))
    assert again.status_code == 409
    other_key = f"R{first['id']}"
    stolen = _shipment(order, [second]) | {
        "items": [{"orderItemId": second["id"], "returnKey": other_key}]
    }
    assert bench.scayle("POST", "/fulfillment/shipments", json=stolen).status_code == 409


def test_a_cancelled_unit_frees_its_stock_and_an_unpaid_order_pays_nothing_back(
    bench: Bench,
) -> None:
    order = bench.act("scayle", "place_order", items=["JKT-NVY-M", "TEE-BLK-L"])
    body = {"shopKey": "nb", "countryCode": "DE", "orderId": order["id"]}
    ids = [{"orderItemId": item["id"]} for item in order["items"]]

    bench.scayle("POST", "/fulfillment/cancellations", json=body | {"items": ids[:1]})
    bench.sandbox.settle()
    partly = bench.books("scayle")["orders"][0]
    gone = bench.scayle("POST", "/fulfillment/shipments", json=_shipment(order, order["items"][:1]))
    bench.scayle("POST", "/fulfillment/cancellations", json=body | {"items": ids[1:]})
    bench.sandbox.settle()
    whole = bench.books("scayle")["orders"][0]

    assert partly["status"] == "payment_reserved"
    assert gone.status_code == 409, "what is cancelled cannot leave"
    assert (whole["status"], whole["billing"]) == (
        "cancellation_completed",
        "billing_payment_cancelled",
    )
    assert bench.books("scayle")["refunds"] == []
    rows = bench.books("scayle")["stock"]
    jackets = {row["warehouse"]: row for row in rows if row["sku"] == "JKT-NVY-M"}
    assert (jackets["WH-HAM"]["sellable"], jackets["WH-HAM"]["truth"]) == (200, 200)


def test_a_unit_cancelled_after_the_payment_was_taken_is_paid_back(bench: Bench) -> None:
    order = bench.act("scayle", "place_order", items=["JKT-NVY-M", "TEE-BLK-L"])
    jacket, tee = order["items"]
    bench.act("scayle", "ship_order", order_id=order["id"], item_ids=[jacket["id"]])

    bench.act("scayle", "cancel_order", order_id=order["id"], item_ids=[tee["id"]])

    (refund,) = bench.books("scayle")["refunds"]
    assert (refund["by"], refund["amount"]) == ("cancellation", 2490)


def test_a_refund_by_hand_is_in_the_books_and_announced(bench: Bench) -> None:
    bench.listen("scayle", "payment-refund")
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L")

    bench.act("scayle", "refund_by_hand", order_id=order["id"], amount=1234)

    (refund,) = bench.books("scayle")["refunds"]
    assert (refund["by"], refund["amount"]) == ("hand", 1234)
    assert len(bench.sandbox.pending_callbacks()) == 1
    types = [row["type"] for row in bench.books("scayle")["orders"][0]["invoices"]]
    assert types == ["invoice", "custom_corrective_invoice"]


def test_a_failed_refund_is_announced_as_failed_and_nobody_is_paid(bench: Bench) -> None:
    bench.listen("scayle", "payment-refund")
    bench.sandbox.add_faults(
        {
            "platform": "scayle",
            "endpoint": "POST /fulfillment/return-items",
            "fault": "refund_failed",
        }
    )
    order = bench.shipped_order("JKT-NVY-M")

    bench.report_returned(order["items"][0]["id"])
    bench.sandbox.settle()

    (refund,) = bench.books("scayle")["refunds"]
    assert refund["executed"] is False
    (callback,) = bench.sandbox.pending_callbacks()
    assert callback.body["payload"]["transaction"]["operationStatus"] == "failed"
    assert bench.books("scayle")["orders"][0]["billing"] == "billing_completed"
