"""Each class of fault: what the caller sees, and what the books say really happened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from integrator.sandbox.faults import ConnectionDropped, Hang, Rule

if TYPE_CHECKING:
    from tests.sandbox.conftest import Bench

SHOP = "/shops/nb/countries/DE"
RETURN_ITEMS = "POST /fulfillment/return-items"


def _fault(
    bench: Bench, fault: str, endpoint: str = RETURN_ITEMS, platform: str = "scayle", **more: Any
) -> Rule:
    rule = {"platform": platform, "endpoint": endpoint, "fault": fault}
    (added,) = bench.sandbox.add_faults(rule | more)
    return added


def _accepted(bench: Bench) -> int:
    return len(bench.books("scayle")["returns"])


@pytest.fixture
def item_id(bench: Bench) -> int:
    return bench.shipped_order("JKT-NVY-M")["items"][0]["id"]


def test_a_refused_connection_never_reaches_the_books(bench: Bench, item_id: int) -> None:
    _fault(bench, "refused", times=1)

    with pytest.raises(ConnectionDropped):
        bench.report_returned(item_id)

    assert _accepted(bench) == 0
    assert bench.report_returned(item_id).status_code == 204, "it was to strike once"


def test_a_hang_before_the_books_tells_how_long(bench: Bench, item_id: int) -> None:
    _fault(bench, "hang", seconds=30)

    with pytest.raises(Hang) as caught:
        bench.report_returned(item_id)

    assert caught.value.seconds == 30
    assert _accepted(bench) == 0


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 429, 500, 502, 503])
def test_an_error_before_the_books_has_the_platforms_shape(
    bench: Bench, item_id: int, status: int
) -> None:
    _fault(bench, "error", status=status)

    answer = bench.report_returned(item_id)

    assert answer.status_code == status
    assert set(answer.json["errors"][0]) == {"errorKey", "message", "context"}
    assert "Retry-After" not in answer.headers
    assert _accepted(bench) == 0


def test_too_many_calls_may_say_when_to_come_back(bench: Bench) -> None:
    _fault(bench, "error", "GET /rmas", "returngo", status=429, retry_after=7)

    answer = bench.returngo("GET", "/rmas", query_string={"pagesize": 1})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert set(answer.json) == {"message"}


@pytest.mark.parametrize(
    ("fault", "exception"), [("drop_after", ConnectionDropped), ("timeout_after", Hang)]
)
def test_a_connection_lost_after_the_books_leaves_the_work_done(
    bench: Bench, item_id: int, fault: str, exception: type[Exception]
) -> None:
    _fault(bench, fault)

    with pytest.raises(exception):
        bench.report_returned(item_id)
    bench.sandbox.settle()

    assert _accepted(bench) == 1
    assert [row["executed"] for row in bench.books("scayle")["refunds"]] == [True]


def test_an_error_after_the_books_is_a_lie(bench: Bench, item_id: int) -> None:
    _fault(bench, "error_after", status=500)

    answer = bench.report_returned(item_id)

    assert answer.status_code == 500
    assert _accepted(bench) == 1


def test_a_truncated_answer_is_complete_http_and_broken_json(bench: Bench) -> None:
    _fault(bench, "truncated", "GET /warehouses")

    answer = bench.scayle("GET", "/warehouses")

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.data)


def test_a_slow_answer_says_for_how_long_it_is_held_back(bench: Bench) -> None:
    _fault(bench, "slow", "GET /warehouses", seconds=4)

    answer = bench.scayle("GET", "/warehouses")

    assert (answer.status_code, answer.headers["X-Sandbox-Slow"]) == (200, "4")


def test_what_was_accepted_becomes_visible_later(delayed_bench: Bench) -> None:
    bench = delayed_bench
    body = {"quantity": 5, "warehouseReferenceKey": "WH-HAM"}
    path = "/variants/key%3DJKT-NVY-M/stocks"
    _fault(bench, "visible_after", "POST /variants/{variant}/stocks", seconds=30)
    bench.clock.pass_seconds(1)

    answer = bench.scayle("POST", path, json=body)
    at_once = bench.scayle("GET", path).json["entities"][0]["quantity"]
    bench.clock.pass_seconds(31)
    later = bench.scayle("GET", path).json["entities"][0]["quantity"]

    assert answer.json["quantity"] == 5
    assert (at_once, later) == (200, 5)


def test_a_new_order_can_be_invisible_for_a_while_and_settling_shows_it(bench: Bench) -> None:
    customer = bench.shipped_order("TEE-BLK-L")["customer_id"]
    _fault(bench, "visible_after", "POST */orders", seconds=30)
    body = {
        "referenceKey": "EXC-1",
        "status": "payment_reserved",
        "customer": {"id": customer},
        "address": {"shipping": {"street": "a", "zipCode": "1", "city": "b", "countryCode": "DEU"}},
        "items": [{"variant": {"referenceKey": "TEE-BLK-L"}, "price": {"withTax": 0}}],
    }

    created = bench.scayle("POST", f"{SHOP}/orders", json=body)
    hidden = bench.scayle("GET", f"{SHOP}/orders/key%3DEXC-1")
    bench.sandbox.settle()
    shown = bench.scayle("GET", f"{SHOP}/orders/key%3DEXC-1")

    assert (created.status_code, hidden.status_code, shown.status_code) == (201, 404, 200)


def test_a_late_effect_comes_later_still(delayed_bench: Bench) -> None:
    bench = delayed_bench
    item = bench.shipped_order("JKT-NVY-M")["items"][0]["id"]
    _fault(bench, "visible_after", seconds=60)

    bench.report_returned(item)
    bench.clock.pass_seconds(10)
    bench.sandbox.tick()
    assert bench.books("scayle")["refunds"] == []
    bench.clock.pass_seconds(60)
    bench.sandbox.tick()

    assert len(bench.books("scayle")["refunds"]) == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("missing_field", "gone"),
        ("wrong_type", {"was": "available"}),
        ("new_enum", "lost_in_space"),
    ],
)
def test_an_answer_can_be_odd_while_the_books_are_right(
    bench: Bench, fault: str, expected: object
) -> None:
    order = bench.act("scayle", "place_order")
    more = {"field": "items.status", "value": "lost_in_space", "times": 1}
    _fault(bench, fault, "GET */orders/{order}", **more)

    odd = bench.scayle("GET", f"{SHOP}/orders/{order['id']}").json
    right = bench.scayle("GET", f"{SHOP}/orders/{order['id']}").json

    assert odd["items"][0].get("status", "gone") == expected
    assert right["items"][0]["status"] == "available"


@pytest.mark.parametrize(("fault", "expected"), [("rows_repeated", 1), ("rows_skipped", -1)])
def test_a_page_border_can_repeat_or_skip_a_row_and_paging_still_ends(
    bench: Bench, fault: str, expected: object
) -> None:
    placed = [bench.act("scayle", "place_order")["id"] for _ in range(5)]
    _fault(bench, fault, "GET */orders", times=1)

    seen, cursor = [], ""
    while cursor is not None:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = bench.scayle("GET", f"{SHOP}/orders", query_string=query).json
        seen += [row["id"] for row in page["entities"]]
        cursor = page["cursor"]["next"]

    assert len(seen) - len(placed) == expected
    assert len(set(seen)) == len(placed) + min(0, expected)


def test_paging_ends_even_when_every_page_of_one_row_repeats(bench: Bench) -> None:
    for _ in range(3):
        bench.act("scayle", "place_order")
    _fault(bench, "rows_repeated", "GET */orders")

    cursor, pages = "", 0
    while cursor is not None and pages < 20:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        cursor = bench.scayle("GET", f"{SHOP}/orders", query_string=query).json["cursor"]["next"]
        pages += 1

    assert pages < 20


def test_a_fault_strikes_its_platform_and_endpoint_only(bench: Bench, item_id: int) -> None:
    rule = _fault(bench, "refused", "PUT /rma/{id}/status", "returngo")
    rma = bench.act("returngo", "unknown_order")

    assert bench.report_returned(item_id).status_code == 204
    assert bench.returngo("GET", f"/rma/{rma['id']}").status_code == 200
    comment = f"/rma/{rma['id']}/comment"
    assert bench.returngo("POST", comment, json={"htmlText": "x"}).status_code == 200
    with pytest.raises(ConnectionDropped):
        bench.returngo("PUT", f"/rma/{rma['id']}/status", json={"status": "Approved"})
    assert rule.struck == 1


def test_a_probability_strikes_about_that_often_and_always_the_same(bench: Bench) -> None:
    def struck() -> list[int]:
        bench.sandbox.reset(seed=7)
        _fault(bench, "error", "GET /carriers", status=503, probability=0.3)
        return [bench.scayle("GET", "/carriers").status_code for _ in range(200)]

    first, second = struck(), struck()

    assert first == second
    assert 40 <= first.count(503) <= 80


def test_the_switchboard_replaces_adds_and_clears(bench: Bench) -> None:
    rule = {"platform": "scayle", "endpoint": "*", "fault": "refused"}
    other = {"platform": "returngo", "endpoint": "*", "fault": "slow", "seconds": 1}

    def shown(body: Any) -> list[str]:
        answer = bench.client.post("/_faults", json=body)
        return [row["fault"] for row in answer.json["rules"]]

    assert shown([rule]) == ["refused"]
    assert shown({"add": [other]}) == ["refused", "slow"]
    assert shown({"clear": True, "add": [other]}) == ["slow"]
    assert shown([]) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fault": "explode"}, "fault"),
        ({"platform": "ebay"}, "platform"),
        ({"probability": 1.5}, "probability"),
        ({"times": True}, "times"),
        ({"colour": "red"}, "colour"),
        ({"fault": "missing_field"}, "field"),
        ({"endpoint": ""}, "endpoint"),
        ({"seconds": -1}, "seconds"),
    ],
)
def test_a_bad_rule_is_refused_by_name_and_leaves_the_board_as_it_was(
    bench: Bench, change: dict[str, Any], named: str
) -> None:
    rule = {"platform": "scayle", "endpoint": "*", "fault": "refused"}
    bench.client.post("/_faults", json=[rule])

    answer = bench.client.post("/_faults", json=[rule | change])

    assert answer.status_code == 400
    assert f".{named}:" in answer.json["error"]["message"]
    assert len(bench.client.get("/_faults").json["rules"]) == 1
