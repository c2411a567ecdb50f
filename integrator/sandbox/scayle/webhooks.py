"""SCAYLE's webhook subscriptions. Credentials travel in the URL and are masked when read."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from integrator.sandbox.callbacks import Subscription
from integrator.sandbox.calls import Call, Refusal, Reply, Route, text
from integrator.sandbox.scayle.events import EVENTS
from integrator.sandbox.world import World


def list_events(world: World, call: Call) -> Reply:
    rows = [
        {
            "event": event,
            "version": 1,
            "description": event.replace("-", " "),
            "isDeprecated": False,
            "isBlocking": False,
            "supportedFilters": {"merchants": True},
        }
        for event in EVENTS
    ]
    return Reply(body={"entities": rows})


def _shown(row: Subscription) -> dict[str, Any]:
    masked = re.sub(r"//[^/@]*@", "//***:***@", row.url)
    return {
        "id": row.id,
        "event": row.event,
        "version": row.version,
        "url": masked,
        "filters": row.filters,
    }


def _url(body: dict[str, Any]) -> str:
    url = text(body, "url")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise Refusal(400, "INVALID_PARAMETER", "url must be an absolute address.")
    return url


def subscribe(world: World, call: Call) -> Reply:
    body = call.object()
    event = text(body, "event")
    if event not in EVENTS:
        raise Refusal(400, "INVALID_PARAMETER", f"event is not known: {event}")
    row = Subscription(
        id=world.next_id("subscription"),
        event=event,
        url=_url(body),
        version=body.get("version") or 1,
        filters=body.get("filters") or [],
        created_at=call.at,
    )
    world.outbox.subscriptions["scayle", row.id] = row
    return Reply(201, _shown(row))


def _find(world: World, number: int) -> Subscription:
    row = world.outbox.subscriptions.get(("scayle", number))
    if row is None:
        raise Refusal(404, "SUBSCRIPTION_NOT_FOUND", f"No subscription {number}.")
    return row


def list_subscriptions(world: World, call: Call) -> Reply:
    rows = [_shown(row) for row in world.outbox.subscribed("scayle")]
    return Reply(body={"entities": rows})


def get_subscription(world: World, call: Call, number: int) -> Reply:
    return Reply(body=_shown(_find(world, number)))


def change_subscription(world: World, call: Call, number: int) -> Reply:
    row = _find(world, number)
    body = call.object()
    if "url" in body:
        row.url = _url(body)
    if "filters" in body:
        row.filters = body["filters"]
    return Reply(body=_shown(row))


def unsubscribe(world: World, call: Call, number: int) -> Reply:
    _find(world, number)
    del world.outbox.subscriptions["scayle", number]
    return Reply(204)


_BASE = "/webhooks/subscriptions"

ROUTES = (
    Route("GET", "/webhooks/events", list_events, "globalRead"),
    Route("GET", _BASE, list_subscriptions, "globalRead"),
    Route("POST", _BASE, subscribe, "globalWrite"),
    Route("GET", f"{_BASE}/<int:number>", get_subscription, "globalRead"),
    Route("PATCH", f"{_BASE}/<int:number>", change_subscription, "globalWrite"),
    Route("DELETE", f"{_BASE}/<int:number>", unsubscribe, "globalWrite"),
)
