"""A sandbox with a clock that only moves when a test says so, and clients with its keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from integrator.sandbox.app import Sandbox

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SCAYLE = "/scayle/api/admin/v1"
SHOP = "/shops/nb/countries/DE"


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def pass_seconds(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Bench:
    """The sandbox as a test holds it: two API clients, the acts and the clock."""

    shop = SHOP

    def __init__(self, *, seed: int = 1, effect_delay: float | None = None) -> None:
        self.clock = Clock()
        self.sandbox = Sandbox(seed, self.clock, effect_delay=effect_delay)
        self.client = Client(self.sandbox)

    def scayle(self, method: str, path: str, **options: Any) -> TestResponse:
        options.setdefault("headers", {"X-Access-Token": "sandbox-scayle-key"})
        return self.client.open(SCAYLE + path, method=method, **options)

    def returngo(self, method: str, path: str, **options: Any) -> TestResponse:
        keys = {"x-api-key": "sandbox-returngo-key", "x-shop-name": "demo-shop"}
        options.setdefault("headers", keys)
        return self.client.open("/returngo" + path, method=method, **options)

    def act(self, platform: str, action: str, /, **values: Any) -> dict[str, Any]:
        # People need time: no two acts in the same second.
        self.clock.pass_seconds(1)
        return self.sandbox.act(platform, action, **values)

    def books(self, platform: str) -> dict[str, list[dict[str, Any]]]:
        return self.sandbox.books(platform)

    def shipped_order(self, *skus: str, **extras: Any) -> dict[str, Any]:
        items = [{"sku": sku} for sku in skus or ("JKT-NVY-M", "TEE-BLK-L")]
        order = self.act("scayle", "place_order", items=items, **extras)
        return self.act("scayle", "ship_order", order_id=order["id"])

    def received_rma(self, order: dict[str, Any], **wish: Any) -> dict[str, Any]:
        rma = self.act("returngo", "request_return", order_id=order["id"], **wish)
        for action in ("approve", "ship_parcel", "receive"):
            rma = self.act("returngo", action, rma_id=rma["id"])
        return rma

    def report_returned(self, *item_ids: int) -> TestResponse:
        body = [{"returnKey": str(each), "received": "2026-03-02 09:05:00"} for each in item_ids]
        return self.scayle("POST", "/fulfillment/return-items", json=body)

    def listen(self, platform: str, event: str) -> None:
        """Subscribe, as an integration would."""
        if platform == "scayle":
            body = {"event": event, "version": 1, "url": "http://app:secret@127.0.0.1/in/scayle"}
            answer = self.scayle("POST", "/webhooks/subscriptions", json=body)
        else:
            body = {"eventName": event, "url": "http://127.0.0.1/in/returngo/token-1"}
            answer = self.returngo("POST", "/webhook", json=body)
        assert answer.status_code in {200, 201}, answer.text


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def delayed_bench() -> Bench:
    """A sandbox whose effects come by themselves, two seconds later."""
    return Bench(effect_delay=2.0)
