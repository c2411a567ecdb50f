"""SCAYLE's callbacks: which of them we know, and what each one is about.

A callback is a nudge: only its ids are read here, the facts are read from SCAYLE afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrator.engine.errors import Malformed
from integrator.engine.shapes import Heard
from integrator.platforms.scayle.wire import same_event
from integrator.platforms.tame import Field, document

# Basic credentials, on top of the token in the path: SCAYLE signs nothing.
AUTH = "basic"

TOPICS: dict[str, str] = {
    "order-confirmed": "order",
    "order-delegated": "order",
    "order-item-out-of-stock": "order",
    "order-item-unshippable": "order",
    "order-package-shipped": "order",
    "order-package-undeliverable": "order",
    "order-partially-invoiced": "order",
    "order-invoiced": "order",
    "order-corrective-invoiced": "order",
    "order-item-cancelled": "order",
    "order-cancelled": "order",
    "order-item-returned": "order",
    "payment-capture": "order",
    "payment-refund": "order",
    "customer-anonymized": "customer",
}

# Known, and none of our business: prices and customers are read with the order, articles and
# stock when a unit goes back on sale.
IGNORED: frozenset[str] = frozenset(
    {
        "product-updated",
        "product-master-updated",
        "product-deleted",
        "product-variant-deleted",
        "product-variant-availability-updated",
        "product-variant-stock-updated",
        "product-variant-prices-updated",
        "customer-created",
        "customer-updated",
        "customer-address-created",
        "customer-address-updated",
        "customer-address-deleted",
        "newsletter-subscribed",
    }
)

# What we subscribe to.
EVENTS: tuple[str, ...] = tuple(TOPICS)

_JSON = {"Content-Type": "application/json"}
REPLIES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "stored": (200, _JSON, b'{"result":"stored"}'),
    "known": (200, _JSON, b'{"result":"known"}'),
    "quarantined": (200, _JSON, b'{"result":"quarantined"}'),
    "malformed": (400, _JSON, b'{"result":"malformed"}'),
    "unauthenticated": (
        401,
        {**_JSON, "WWW-Authenticate": 'Basic realm="callbacks"'},
        b'{"result":"unauthenticated"}',
    ),
    "unavailable": (503, {**_JSON, "Retry-After": "30"}, b'{"result":"unavailable"}'),
}


def split(body: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]) -> list[Heard]:
    """The one thing a callback says; none for an ignored event, or for another shop's order.

    A subscription is for the whole account: it tells of every shop and country in it.

    An event we do not know, or an older envelope without a type, is kept as not understood.
    """
    envelope = document(body)
    payload = envelope["payload"]
    kind = same_event(envelope["type"].text_or_empty())
    if kind in IGNORED:
        return []
    topic = TOPICS.get(kind, "")
    if topic == "order" and _is_elsewhere(_order(payload)["shopCountry"], settings):
        return []
    if topic:
        resource_kind, resource_id = _resource(topic, payload)
    else:
        resource_kind, resource_id = "", _id_or_empty(payload)
    occurred = envelope["occurredAt"]
    return [
        Heard(
            topic=topic,
            kind=kind,
            resource_kind=resource_kind,
            resource_id=resource_id,
            event_id=envelope["key"].text_or_empty(),
            identity=json.dumps([kind, resource_id, str(occurred.value)]).encode(),
            occurred_at=_moment_or_none(occurred),
            understood=bool(topic),
        )
    ]


def _resource(topic: str, payload: Field) -> tuple[str, str]:
    payload.require_object()
    if topic == "order":
        return "order", _order(payload)["id"].text()
    return topic, payload["id"].text()


def _order(payload: Field) -> Field:
    """Item events wrap the order; the others are the order."""
    inside = payload["order"]
    return payload if inside.absent else inside


def _is_elsewhere(shop: Field, settings: Mapping[str, Any]) -> bool:
    """Only what names another shop or country is: an order that names none is looked at."""
    named = (
        (shop["shopKey"].text_or_empty(), str(settings.get("shop_key", ""))),
        (
            shop["countryCode"].text_or_empty().upper(),
            str(settings.get("country_code", "")).upper(),
        ),
    )
    return any(theirs and ours and theirs != ours for theirs, ours in named)


def _id_or_empty(payload: Field) -> str:
    try:
        return payload["id"].text_or_empty()
    except Malformed:
        return ""  # not understood anyway: a person will look at the whole body


def _moment_or_none(occurred: Field) -> datetime | None:
    try:
        return occurred.when_or_none()
    except Malformed:
        return None  # a nudge works without its date
