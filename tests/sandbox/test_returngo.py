"""ReturnGO as observed and documented: moves, lagging dates, transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Bench

_SHIPMENT_STATUSES = ("Pending", "LabelCreated", "Shipped", "Received", "Validated", "Canceled")
_LEGAL = {
    "Pending": {"LabelCreated", "Shipped", "Received", "Canceled", "Validated"},
    "LabelCreated": {"Shipped", "Received", "Canceled", "Validated"},
    "Shipped": {"Received", "Canceled", "Validated"},
    "Canceled": {"Received", "Validated"},
    "Received": {"Validated"},
    "Validated": set(),
}
# A way to each status over legal moves only.
_WAY = {
    "Pending": [],
    "LabelCreated": ["LabelCreated"],
    "Shipped": ["Shipped"],
    "Received": ["Received"],
    "Validated": ["Validated"],
    "Canceled": ["Canceled"],
}


@pytest.mark.parametrize("old", _SHIPMENT_STATUSES)
@pytest.mark.parametrize("new", _SHIPMENT_STATUSES)
def test_a_shipment_moves_only_as_documented(bench: Bench, old: str, new: str) -> None:
    order = bench.shipped_order("JKT-NVY-M")
    rma = bench.act("returngo", "request_return", order_id=order["id"])
    bench.act("returngo", "approve", rma_id=rma["id"])
    shipment = rma["parcels"][0]["id"]
    for step in _WAY[old]:
        bench.returngo("PUT", f"/shipment/{shipment}", json={"status": step})

    answer = bench.returngo("PUT", f"/shipment/{shipment}", json={"status": new})

    legal = new == old or new in _LEGAL[old]
    assert answer.status_code == (200 if legal else 400)
    after = bench.returngo("GET", f"/rma/{rma['id']}").json["shipments"][0]["status"]
    assert after == (new if legal else old)


def test_before_the_inspection_both_flags_are_false_and_the_date_is_missing(bench: Bench) -> None:
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L")
    rma = bench.received_rma(order)

    before = bench.returngo("GET", f"/rma/{rma['id']}").json
    outcomes = [item["itemValidationStatusResponse"] for item in before["items"]]

    assert before["rmaSummary"]["status"] == "Received"
    assert [(row["isReturned"], row["isRestockable"]) for row in outcomes] == [(False, False)] * 2
    assert [row["lastValidationDate"] for row in outcomes] == [None, None]
    # A received RMA carries no event of it: observed.
    names = [event["eventName"] for event in before["rmaSummary"]["events"]]
    assert names == ["RMA_CREATED", "RMA_APPROVED"]


def test_the_last_inspection_validates_the_rma_and_asks_for_the_money_unit_by_unit(
    bench: Bench,
) -> None:
    bench.listen("returngo", "TRANSACTION_CREATED")
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L")
    rma = bench.received_rma(order, return_fee=250)
    jacket, tee = rma["items"]

    halfway = bench.act(
        "returngo", "validate", rma_id=rma["id"], item_id=jacket["id"], location="WH-1"
    )
    bench.act("returngo", "validate", rma_id=rma["id"], item_id=tee["id"], restockable=False)

    assert halfway["status"] == "Received"
    assert halfway["transactions"] == []
    body = bench.returngo("GET", f"/rma/{rma['id']}").json
    assert body["rmaSummary"]["status"] == "Validated"
    assert body["shipments"][0]["status"] == "Validated"
    amounts = [row["amount"]["amount"] for row in body["transactions"]]
    assert amounts == [86.75, 22.4]
    assert {row["status"] for row in body["transactions"]} == {"Requested"}
    assert [row["returnItemIds"] for row in body["transactions"]] == [
        [str(jacket["id"])],
        [str(tee["id"])],
    ]
    reason = body["items"][1]["itemValidationStatusResponse"]["nonRestockableReason"]
    assert reason == "Stained"
    assert len(bench.sandbox.pending_callbacks()) == 2
    rows = bench.books("scayle")["stock"]
    stock = {row["sku"]: row["truth"] for row in rows if row["warehouse"] == "WH-HAM"}
    assert (stock["JKT-NVY-M"], stock["TEE-BLK-L"]) == (200, 199)


def test_a_unit_that_was_not_in_the_parcel_gets_no_money(bench: Bench) -> None:
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))

    rma = bench.act("returngo", "validate_all", rma_id=rma["id"], returned=False)

    assert rma["transactions"] == []
    assert rma["items"][0]["validation"]["non_returned_reason"] == "Not in the parcel"


def test_last_updated_lags_behind_receipt_inspection_and_correction(bench: Bench) -> None:
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))
    approved_at = bench.returngo("GET", f"/rma/{rma['id']}").json["lastUpdated"]

    bench.act("returngo", "validate_all", rma_id=rma["id"])
    bench.act(
        "returngo",
        "correct_validation",
        rma_id=rma["id"],
        item_id=rma["items"][0]["id"],
        restockable=False,
    )

    body = bench.returngo("GET", f"/rma/{rma['id']}").json
    assert body["lastUpdated"] == approved_at
    outcome = body["items"][0]["itemValidationStatusResponse"]
    assert (outcome["isReturned"], outcome["isRestockable"]) == (True, False)
    assert len(body["transactions"]) == 1, "a correction asks for no second payment"
    since = {"pagesize": 500, "rma_updated_at": f"gt:{approved_at[:19]}"}
    assert bench.returngo("GET", "/rmas", query_string=since).json["rmas"] == []


def test_a_status_moves_forward_by_api_and_back_only_in_the_dashboard(bench: Bench) -> None:
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))
    path = f"/rma/{rma['id']}/status"

    def put(status: str) -> int:
        return bench.returngo("PUT", path, json={"status": status}).status_code

    assert put("Pending") == 400
    assert put("Cancelled") == 400, "one l"
    assert put("Done") == 200
    assert put("Done") == 200, "the same again changes nothing"
    assert put("Received") == 400
    reopened = bench.act("returngo", "reopen", rma_id=rma["id"], status="Approved")
    assert reopened["status"] == "Approved"


def test_what_stays_at_home_has_no_shipment_and_is_to_be_paid_on_approval(bench: Bench) -> None:
    order = bench.shipped_order("TEE-BLK-L")
    rma = bench.act(
        "returngo", "request_return", order_id=order["id"], method="No shipment required"
    )

    rma = bench.act("returngo", "approve", rma_id=rma["id"])

    body = bench.returngo("GET", f"/rma/{rma['id']}").json
    assert body["shipments"] == []
    assert body["items"][0]["shipmentId"] == ""
    assert [row["status"] for row in body["transactions"]] == ["Requested"]
    done = bench.returngo("PUT", f"/rma/{rma['id']}/status", json={"status": "Done"})
    assert done.status_code == 200


def test_an_exchange_is_drafted_and_its_price_difference_billed(bench: Bench) -> None:
    order = bench.shipped_order("TEE-BLK-L")
    unit = {"item_id": order["items"][0]["id"], "exchange_sku": "HOD-GRY-L"}
    rma = bench.act("returngo", "request_return", order_id=order["id"], units=[unit])

    bench.act("returngo", "approve", rma_id=rma["id"])

    body = bench.returngo("GET", f"/rma/{rma['id']}").json
    assert body["items"][0]["resolutionType"] == "InstantVariantExchange"
    assert body["items"][0]["exchangeItems"][0]["sku"] == "HOD-GRY-L"
    assert body["exchangeItems"] == []
    assert body["exchangeOrders"][0]["orderId"] == ""
    (bill,) = body["transactions"]
    assert (bill["type"], bill["amount"]["amount"], bill["returnItemIds"]) == (
        "InvoicePayment",
        35,
        [],
    )


def test_a_bundle_component_carries_the_bundle_line_and_its_own_sku(bench: Bench) -> None:
    order = bench.shipped_order("SET-WEEKEND")
    unit = {"item_id": order["items"][0]["id"], "component": "HOD-GRY-M"}

    rma = bench.act("returngo", "request_return", order_id=order["id"], units=[unit])

    (item,) = bench.returngo("GET", f"/rma/{rma['id']}").json["items"]
    assert item["sku"] == "HOD-GRY-M"
    assert item["shopLineItemId"] == str(order["items"][0]["id"])
    assert item["paidPrice"]["amount"] == round(7490 * 5990 / 8480) / 100


def test_a_transaction_is_reported_once_and_stays_paid(bench: Bench) -> None:
    bench.listen("returngo", "REFUND_CREATED")
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))
    rma = bench.act("returngo", "validate_all", rma_id=rma["id"])
    path = f"/transaction/{rma['transactions'][0]}"
    paid = {"status": "Success", "externalReferenceId": "RF-1"}

    first = bench.returngo("PUT", path, json=paid)
    again = bench.returngo("PUT", path, json=paid)
    undone = bench.returngo("PUT", path, json={"status": "Failed"})

    assert (first.json["status"], first.json["externalReferenceId"]) == ("Success", "RF-1")
    assert again.status_code == 200
    assert undone.status_code == 400
    assert len(bench.sandbox.pending_callbacks()) == 1
    query = {"pagesize": 1, "statuses": "Success", "rma_ids": str(rma["id"])}
    listed = bench.returngo("GET", "/transactions", query_string=query).json
    assert len(listed["transactions"]) == 1


def test_the_list_needs_a_page_size_and_pages_by_cursor(bench: Bench) -> None:
    ids = []
    for _ in range(3):
        order = bench.shipped_order("TEE-BLK-L")
        row = bench.act("returngo", "request_return", order_id=order["id"])
        ids.append(str(row["id"]))

    assert bench.returngo("GET", "/rmas").status_code == 400
    assert bench.returngo("GET", "/rmas", query_string={"pagesize": 501}).status_code == 400
    first = bench.returngo("GET", "/rmas", query_string={"pagesize": 2}).json
    rest_query = {"pagesize": 2, "cursor": first["next_cursor"]}
    rest = bench.returngo("GET", "/rmas", query_string=rest_query).json
    assert [row["rmaId"] for row in first["rmas"] + rest["rmas"]] == ids
    assert rest["next_cursor"] is None
    newest = {"pagesize": 1, "sort_by": "-rma_created_at", "status": "Pending,Approved"}
    assert bench.returngo("GET", "/rmas", query_string=newest).json["rmas"][0]["rmaId"] == ids[-1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-shop-name": "demo-shop"}, 401),
        ({"x-api-key": "sandbox-returngo-key", "x-shop-name": "other-shop"}, 403),
    ],
)
def test_a_wrong_key_or_shop_is_refused_in_returngos_shape(
    bench: Bench, headers: dict[str, str], status: int
) -> None:
    answer = bench.returngo("GET", "/webhooks", headers=headers)

    assert answer.status_code == status
    assert set(answer.json) == {"message"}


def test_the_day_has_a_limit(bench: Bench) -> None:
    bench.client.post("/_limits", json={"returngo": {"daily": 2}})

    answers = [bench.returngo("GET", "/webhooks").status_code for _ in range(3)]
    bench.clock.pass_seconds(86_400)

    assert answers == [200, 200, 429]
    assert bench.returngo("GET", "/webhooks").status_code == 200


def test_the_wrong_returns_of_a_shop_can_be_played(bench: Bench) -> None:
    order = bench.shipped_order("JKT-NVY-M", "TEE-BLK-L")
    jacket, tee = (item["id"] for item in order["items"])

    stranger = bench.act("returngo", "wrong_customer", order_id=order["id"], units=[jacket])
    unknown = bench.act("returngo", "unknown_order")
    honest = bench.act("returngo", "request_return", order_id=order["id"], units=[tee])
    dearer = bench.act("returngo", "tamper", rma_id=honest["id"], amount=2000)

    assert stranger["address"]["email"] != order["customer_email"]
    assert int(unknown["order_id"]) not in {row["id"] for row in bench.books("scayle")["orders"]}
    assert dearer["items"][0]["paid_price"] == 2490 + 2000


def test_comments_are_newest_first_and_can_be_added(bench: Bench) -> None:
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))

    answer = bench.returngo("POST", f"/rma/{rma['id']}/comment", json={"htmlText": "op-17"})

    comments = bench.returngo("GET", f"/rma/{rma['id']}").json["comments"]
    assert answer.status_code == 200
    assert (comments[0]["commentType"], comments[0]["htmlText"]) == ("merchant", "op-17")
    assert comments[-1]["htmlText"] == "Return requested"


def test_an_inspection_can_be_written_by_api_as_assumed(bench: Bench) -> None:
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))
    path = f"/rma/{rma['id']}/items/{rma['items'][0]['id']}/validation"
    outcome = {"isReturned": True, "isRestockable": True, "storeLocationId": "WH-1"}

    answer = bench.returngo("PUT", path, json=outcome)

    assert answer.json["lastValidationDate"] == bench.clock().isoformat()
    assert bench.books("returngo")["rmas"][0]["status"] == "Validated"
