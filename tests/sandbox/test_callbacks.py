"""The outbox: who is told what, with which secret, how often, and what went wrong on the way."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Bench


class Receiver:
    """Stands where the product's callback address would be."""

    def __init__(self, *statuses: int) -> None:
        self.received: list[tuple[str, dict[str, str], dict]] = []
        self._statuses = list(statuses)

    def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.received.append((url, headers, json.loads(body)))
        return self._statuses.pop(0) if self._statuses else 200

    @property
    def bodies(self) -> list[dict]:
        return [body for _, _, body in self.received]


def _fault(
    bench: Bench, fault: str, event: str = "order-confirmed", platform: str = "scayle", **more: Any
) -> None:
    rule = {"platform": platform, "endpoint": event, "fault": fault, "times": 1}
    bench.sandbox.add_faults(rule | more)


@pytest.fixture
def listening(bench: Bench) -> Bench:
    bench.listen("scayle", "order-confirmed")
    return bench


def test_a_callback_carries_the_documented_envelope_and_the_credentials(listening: Bench) -> None:
    order = listening.act("scayle", "place_order")
    receiver = Receiver()

    sent = listening.sandbox.deliver(receiver)

    ((url, headers, body),) = receiver.received
    assert sent == 1
    assert url == "http://127.0.0.1/in/scayle", "the credentials are not part of the address"
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"app:secret"
    assert set(body) == {"key", "meta", "occurredAt", "type", "version", "payload"}
    assert (body["type"], body["payload"]["id"]) == ("order-confirmed", order["id"])
    (row,) = listening.books("scayle")["callbacks"]
    assert (row["state"], [each["status"] for each in row["answers"]]) == ("answered", [200])


def test_nothing_is_told_to_who_did_not_subscribe_or_no_longer_does(listening: Bench) -> None:
    (subscription,) = listening.scayle("GET", "/webhooks/subscriptions").json["entities"]
    listening.scayle("DELETE", f"/webhooks/subscriptions/{subscription['id']}")

    listening.act("scayle", "place_order")

    assert listening.sandbox.pending_callbacks() == []


def test_credentials_are_masked_when_a_subscription_is_read(listening: Bench) -> None:
    (row,) = listening.scayle("GET", "/webhooks/subscriptions").json["entities"]
    one = listening.scayle("GET", f"/webhooks/subscriptions/{row['id']}").json

    assert row["url"] == one["url"] == "http://***:***@127.0.0.1/in/scayle"
    assert "secret" not in json.dumps(listening.books("scayle")["callbacks"])


def test_a_subscription_to_an_unknown_event_is_refused(bench: Bench) -> None:
    body = {"event": "order-exploded", "version": 1, "url": "http://127.0.0.1/x"}

    answer = bench.scayle("POST", "/webhooks/subscriptions", json=body)
    returngo = bench.returngo("POST", "/webhook", json={"eventName": "X", "url": "http://a/b"})

    assert (answer.status_code, returngo.status_code) == (400, 400)
    assert len(bench.scayle("GET", "/webhooks/events").json["entities"]) > 20


def test_a_callback_not_answered_well_comes_again_later_and_then_no_more(listening: Bench) -> None:
    listening.act("scayle", "place_order")
    receiver = Receiver(*[500] * 10)

    waits = 0
    while listening.sandbox.pending_callbacks():
        listening.sandbox.deliver(receiver)
        listening.sandbox.deliver(receiver)  # too early for the next attempt
        listening.clock.pass_seconds(100)
        waits += 1

    assert len(receiver.received) == waits == 6
    assert listening.books("scayle")["callbacks"][0]["state"] == "gave_up"


def test_a_broken_connection_counts_as_not_answered(listening: Bench) -> None:
    listening.act("scayle", "place_order")

    def broken(url: str, headers: dict[str, str], body: bytes) -> int:
        raise ConnectionRefusedError

    listening.sandbox.deliver(broken)

    (row,) = listening.books("scayle")["callbacks"]
    assert (row["state"], row["answers"][0]["status"]) == ("pending", 0)


def test_a_duplicate_has_the_same_key_and_body(listening: Bench) -> None:
    _fault(listening, "callback_duplicate")
    listening.act("scayle", "place_order")
    receiver = Receiver()

    listening.sandbox.deliver(receiver)

    first, second = receiver.bodies
    assert first == second


def test_the_same_key_can_speak_of_another_order(listening: Bench) -> None:
    _fault(listening, "callback_same_id_other_body")
    listening.act("scayle", "place_order")
    receiver = Receiver()

    listening.sandbox.deliver(receiver)

    first, second = receiver.bodies
    assert first["key"] == second["key"]
    assert first["payload"]["id"] != second["payload"]["id"]


def test_a_suppressed_callback_stays_in_the_books_only(listening: Bench) -> None:
    _fault(listening, "callback_suppress")
    listening.act("scayle", "place_order")
    receiver = Receiver()

    listening.sandbox.deliver(receiver)
    listening.sandbox.settle()
    listening.sandbox.deliver(receiver)

    assert receiver.received == []
    assert listening.books("scayle")["callbacks"][0]["state"] == "suppressed"


def test_a_delayed_callback_comes_when_its_time_is_over(listening: Bench) -> None:
    _fault(listening, "callback_delay", seconds=60)
    listening.act("scayle", "place_order")
    receiver = Receiver()

    listening.sandbox.deliver(receiver)
    assert receiver.received == []
    listening.clock.pass_seconds(60)
    listening.sandbox.deliver(receiver)

    assert len(receiver.received) == 1


def test_a_reordered_callback_comes_behind_the_next_one(listening: Bench) -> None:
    _fault(listening, "callback_reorder")
    first = listening.act("scayle", "place_order")
    receiver = Receiver()
    listening.sandbox.deliver(receiver)
    assert receiver.received == []

    second = listening.act("scayle", "place_order")
    listening.sandbox.deliver(receiver)

    assert [body["payload"]["id"] for body in receiver.bodies] == [second["id"], first["id"]]


def test_a_reordered_callback_without_a_next_one_comes_after_all(listening: Bench) -> None:
    _fault(listening, "callback_reorder")
    listening.act("scayle", "place_order")
    listening.clock.pass_seconds(6)
    receiver = Receiver()

    listening.sandbox.deliver(receiver)

    assert len(receiver.received) == 1


def test_an_old_secret_is_sent_where_each_platform_keeps_its_secret(bench: Bench) -> None:
    bench.listen("scayle", "order-confirmed")
    bench.listen("returngo", "RMA_CREATED")
    _fault(bench, "callback_old_secret")
    _fault(bench, "callback_old_secret", "RMA_CREATED", "returngo")
    order = bench.shipped_order("JKT-NVY-M")
    bench.act("returngo", "request_return", order_id=order["id"])
    receiver = Receiver(401, 401)

    bench.sandbox.deliver(receiver)

    (_, headers, _), (url, _, body) = receiver.received
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"app:old-secret"
    assert url == "http://127.0.0.1/in/returngo/old-secret"
    assert body["eventName"] == "RMA_CREATED"


def test_returngo_tells_of_receipt_but_never_of_an_inspection(bench: Bench) -> None:
    for event in ("RMA_STATUS_UPDATED", "SHIPMENT_STATUS_UPDATED"):
        bench.listen("returngo", event)
    rma = bench.received_rma(bench.shipped_order("JKT-NVY-M", "TEE-BLK-L"))
    receiver = Receiver()
    bench.sandbox.deliver(receiver)
    told = [(body["eventName"], body["status"]) for body in receiver.bodies]

    bench.act("returngo", "validate", rma_id=rma["id"], item_id=rma["items"][0]["id"])

    assert told == [
        ("RMA_STATUS_UPDATED", "Approved"),
        ("SHIPMENT_STATUS_UPDATED", "Shipped"),
        ("SHIPMENT_STATUS_UPDATED", "Received"),
        ("RMA_STATUS_UPDATED", "Received"),
    ]
    assert bench.sandbox.pending_callbacks() == []


def test_the_receiver_may_call_the_sandbox_before_it_answers(listening: Bench) -> None:
    order = listening.act("scayle", "place_order")
    seen = []

    def reading(url: str, headers: dict[str, str], body: bytes) -> int:
        path = f"/shops/nb/countries/DE/orders/{order['id']}"
        seen.append(listening.scayle("GET", path).json["id"])
        return 200

    listening.sandbox.deliver(reading)

    assert seen == [order["id"]]
