"""Acts, books and seeds: the sandbox's own doors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integrator.sandbox.calls import Refusal

if TYPE_CHECKING:
    from tests.sandbox.conftest import Bench


def _story(bench: Bench) -> tuple[int, Any, Any]:
    for event in ("order-confirmed", "payment-refund"):
        bench.listen("scayle", event)
    for _ in range(5):
        order = bench.act("scayle", "place_order")
        bench.act("scayle", "ship_order", order_id=order["id"])
    rma = bench.act("returngo", "request_return", order_id=order["id"])
    bench.report_returned(order["items"][0]["id"])
    bench.sandbox.settle()
    return rma["id"], bench.books("scayle"), bench.books("returngo")


def test_the_same_seed_tells_the_same_story_and_another_one_another(bench: Bench) -> None:
    first = _story(bench)
    start = bench.clock.at
    bench.clock.at = start.replace(hour=9, minute=0, second=0)
    bench.sandbox.reset(seed=1)
    second = _story(bench)
    bench.clock.at = start.replace(hour=9, minute=0, second=0)
    bench.client.post("/_reset", json={"seed": 2})
    third = _story(bench)

    assert first == second
    assert [row["total"] for row in first[1]["orders"]] != [
        row["total"] for row in third[1]["orders"]
    ]


def test_reading_more_often_does_not_change_what_the_next_shopper_buys(bench: Bench) -> None:
    bench.act("scayle", "place_order")
    quiet = bench.act("scayle", "place_order")
    bench.sandbox.reset(seed=1)
    bench.listen("scayle", "order-confirmed")
    bench.act("scayle", "place_order")
    for _ in range(3):
        bench.scayle("GET", "/products")
    busy = bench.act("scayle", "place_order")

    assert [item["sku"] for item in quiet["items"]] == [item["sku"] for item in busy["items"]]


def test_an_act_by_http_answers_with_what_it_changed(bench: Bench) -> None:
    answer = bench.client.post("/_act/scayle/place_order", json={"items": ["JKT-NVY-M"]})

    assert answer.status_code == 200
    assert answer.json == bench.client.get("/_books/scayle").json["orders"][0]


@pytest.mark.parametrize(
    ("platform", "action", "values", "status", "field"),
    [
        ("scayle", "place_order", {"items": [{"sku": "NOPE"}]}, 400, "items[0].sku"),
        ("scayle", "place_order", {"voucher": "much"}, 400, "voucher"),
        ("scayle", "ship_order", {"order_id": 1}, 400, "order_id"),
        ("scayle", "ship_order", {}, 400, "order_number"),
        ("scayle", "change_stock", {"sku": "JKT-NVY-M", "quantity": -1}, 400, "quantity"),
        ("returngo", "approve", {"rma_id": 5}, 400, "rma_id"),
        ("returngo", "request_return", {"order_number": "DE-1"}, 400, "order_number"),
        ("scayle", "dance", {}, 404, "action"),
        ("ebay", "place_order", {}, 404, "platform"),
    ],
)
def test_a_bad_act_names_its_field(
    bench: Bench, platform: str, action: str, values: dict[str, Any], status: int, field: str
) -> None:
    answer = bench.client.post(f"/_act/{platform}/{action}", json=values)

    assert (answer.status_code, answer.json["error"]["field"]) == (status, field)


def test_a_shopper_cannot_return_the_same_unit_twice_unless_told_to(bench: Bench) -> None:
    order = bench.shipped_order("JKT-NVY-M")
    unit = [order["items"][0]["id"]]
    first = bench.act("returngo", "request_return", order_id=order["id"], units=unit)

    with pytest.raises(Refusal, match="again"):
        bench.act("returngo", "request_return", order_id=order["id"], units=unit)
    forced = bench.act(
        "returngo", "request_return", order_id=order["id"], units=unit, unchecked=True
    )
    for rma in (first, forced):
        bench.act("returngo", "reject", rma_id=rma["id"])
    again = bench.act("returngo", "request_return", order_id=order["id"], units=unit)

    assert again["status"] == "Pending"


def test_a_unit_not_yet_inspected_cannot_be_corrected(bench: Bench) -> None:
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))

    with pytest.raises(Refusal) as refused:
        bench.act("returngo", "correct_validation", rma_id=rma["id"], item_id=rma["items"][0]["id"])

    assert refused.value.key == "item_id"


def test_a_corrected_inspection_corrects_what_is_truly_sellable(bench: Bench) -> None:
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M"))
    unit = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"]}

    def truth() -> int:
        rows = bench.books("scayle")["stock"]
        return next(row["truth"] for row in rows if row["sku"] == "JKT-NVY-M")

    figures = [truth()]
    bench.act("returngo", "validate", **unit)
    figures.append(truth())
    bench.act("returngo", "correct_validation", **unit, restockable=False)
    figures.append(truth())
    bench.act("returngo", "correct_validation", **unit, restockable=True)
    figures.append(truth())

    assert figures == [199, 200, 199, 200]


def test_the_resolution_may_be_one_nobody_knows(bench: Bench) -> None:
    order = bench.shipped_order("JKT-NVY-M")

    rma = bench.act("returngo", "request_return", order_id=order["id"], resolution="KeepAndDonate")
    for action in ("approve", "receive", "validate_all"):
        rma = bench.act("returngo", action, rma_id=rma["id"])

    assert rma["items"][0]["resolution"] == "KeepAndDonate"
    assert rma["transactions"] == []


def test_only_a_server_can_deliver_over_http(bench: Bench) -> None:
    answer = bench.client.post("/_deliver")

    assert (answer.status_code, answer.json["error"]["field"]) == (409, "deliver")


def test_an_unknown_address_is_a_404_in_each_platforms_shape(bench: Bench) -> None:
    scayle = bench.scayle("GET", "/nothing")
    returngo = bench.returngo("GET", "/nothing")

    assert (scayle.status_code, scayle.json["errors"][0]["errorKey"]) == (404, "NOT_FOUND")
    assert (returngo.status_code, set(returngo.json)) == (404, {"message"})
    assert bench.client.get("/nothing").status_code == 404


def test_a_limit_is_refused_by_name_and_changes_nothing(bench: Bench) -> None:
    wrong = [{"scayle": {"ordersRead": "few"}}, {"ebay": {"daily": 1}}, {"returngo": 5}]

    answers = [bench.client.post("/_limits", json=body) for body in wrong]

    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert bench.scayle("GET", "/warehouses").headers["X-RateLimit-Limit"] == "100000"


def test_a_customer_is_read_by_id_and_by_reference(bench: Bench) -> None:
    order = bench.act("scayle", "place_order")
    base = "/shops/nb/countries/DE/customers"

    by_id = bench.scayle("GET", f"{base}/{order['customer_id']}")
    by_key = bench.scayle("GET", f"{base}/key%3DCUST-{order['customer_id']}")

    assert by_id.json == by_key.json
    assert by_id.json["email"] == order["customer_email"]
    assert bench.scayle("GET", f"{base}/1").status_code == 404
