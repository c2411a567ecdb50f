"""What a callback of SCAYLE is about, and what is not worth keeping."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from integrator.engine.errors import Malformed
from integrator.platforms.scayle import webhook

Body = Callable[[str, str], Any]


def split(data: Any) -> list[Any]:
    return webhook.split(json.dumps(data).encode(), {}, {"shop_key": "nb", "country_code": "DE"})


@pytest.mark.parametrize(
    ("event", "topic", "resource_kind", "resource_id"),
    [
        ("order-confirmed", "order", "order", "70412"),
        ("order-item-returned", "order", "order", "70412"),
        ("payment-refund", "order", "order", "70412"),
        ("customer-anonymized", "customer", "customer", "551"),
    ],
)
def test_a_callback_names_what_to_read_again(
    body: Body, event: str, topic: str, resource_kind: str, resource_id: str
) -> None:
    data = body("scayle", f"event.{event}")
    (heard,) = split(data)
    assert (heard.topic, heard.resource_kind, heard.resource_id) == (
        topic,
        resource_kind,
        resource_id,
    )
    assert (heard.kind, heard.event_id) == (event, data["key"])
    assert heard.occurred_at is not None


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("order-canceled", "order-cancelled"),
        ("order-cancelled", "order-cancelled"),
        ("package-undeliverable", "order-package-undeliverable"),
    ],
)
def test_one_event_has_one_name_however_it_is_spelt(body: Body, spelling: str, kind: str) -> None:
    data = body("scayle", "event.order-cancelled")
    data["type"] = spelling
    (heard,) = split(data)
    assert (heard.kind, heard.topic, heard.understood) == (kind, "order", True)


def test_the_identity_covers_type_resource_and_time_but_not_the_rest(body: Body) -> None:
    first = body("scayle", "event.order-confirmed")
    again = {**first, "meta": {"xRequestId": "second delivery"}}
    others = [
        {**first, "type": "order-delegated"},
        {**first, "occurredAt": "2026-10-20T10:00:00+00:00"},
        {**first, "payload": {**first["payload"], "id": 70413}},
    ]
    identity = split(first)[0].identity
    assert split(again)[0].identity == identity
    assert all(split(other)[0].identity != identity for other in others)


@pytest.mark.parametrize("event", sorted(webhook.IGNORED))
def test_an_ignored_event_leaves_nothing(event: str) -> None:
    assert split({"type": event, "key": "k", "payload": {}}) == []


@pytest.mark.parametrize(
    ("data", "kind", "resource_id"),
    [
        ({"type": "order-teleported", "key": "k", "payload": {"id": 5}}, "order-teleported", "5"),
        ({"type": "order-teleported", "payload": [1]}, "order-teleported", ""),
        ({"key": "k", "payload": {"id": 5}}, "", "5"),
    ],
)
def test_an_unknown_event_is_kept_for_a_person(data: Any, kind: str, resource_id: str) -> None:
    (heard,) = split(data)
    assert not heard.understood
    assert (heard.topic, heard.kind, heard.resource_id) == ("", kind, resource_id)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b'{"type":"order-confirmed","payload":{}}', "payload.id"),
        (b'{"type":"order-confirmed"}', "payload"),
        (b'{"type":"order-item-returned","payload":{"order":{"key":1}}}', "payload.order.id"),
        (b'{"type":"customer-anonymized","payload":{"x":1}}', "payload.id"),
        (b'{"type":["order-confirmed"],"payload":{"id":1}}', "type"),
        (b'{"type":"order-confirmed","key":{},"payload":{"id":1}}', "key"),
    ],
)
def test_a_callback_that_names_nothing_is_malformed(content: bytes, field: str) -> None:
    with pytest.raises(Malformed) as error:
        webhook.split(content, {}, {})
    assert error.value.facts["field"] == field


def test_a_bad_date_does_not_cost_the_nudge(body: Body) -> None:
    (heard,) = split({**body("scayle", "event.order-confirmed"), "occurredAt": "just now"})
    assert (heard.occurred_at, heard.resource_id) == (None, "70412")


@pytest.mark.parametrize("event", ["event.order-confirmed", "event.order-item-returned"])
@pytest.mark.parametrize("elsewhere", [{"countryCode": "AT"}, {"shopKey": "outlet"}], ids=str)
def test_an_order_of_another_shop_of_the_account_is_not_ours(
    body: Body, event: str, elsewhere: dict[str, str]
) -> None:
    data = body("scayle", event)
    order = data["payload"].get("order", data["payload"])
    assert len(split(data)) == 1

    order["shopCountry"] = {"shopKey": "nb", "countryCode": "DE", **elsewhere}

    assert split(data) == []
