"""The real server: this machine only, connections that break, callbacks that arrive."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from integrator.sandbox.server import Server, UnableToServe, serve
from integrator.sandbox.traffic import ActRefused, SandboxAway, Traffic, sender

KEYS = {"X-Access-Token": "sandbox-scayle-key", "Content-Type": "application/json"}
SCAYLE = "/scayle/api/admin/v1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("DEMO", "1")
    started = serve("127.0.0.1", 0, 1)
    yield started
    started.stop()


def _call(server: Server, method: str, path: str, body: Any = None, timeout: float = 5.0) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, KEYS)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def _fault(server: Server, fault: str, **more: Any) -> None:
    rule = {"platform": "scayle", "endpoint": "GET /warehouses", "fault": fault, "times": 1}
    _call(server, "POST", "/_faults", [rule | more])


@pytest.mark.parametrize("demo", ["", "0", "true"])
def test_it_does_not_start_without_demo(monkeypatch: pytest.MonkeyPatch, demo: str) -> None:
    monkeypatch.setenv("DEMO", demo)

    with pytest.raises(UnableToServe, match="DEMO=1"):
        serve("127.0.0.1", 0, 1)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_it_listens_on_this_machine_only(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DEMO", "1")

    with pytest.raises(UnableToServe, match=r"127\.0\.0\.1"):
        serve(host, 0, 1)


def test_it_answers_and_a_dropped_connection_is_really_dropped(server: Server) -> None:
    _fault(server, "drop_after")

    with pytest.raises(http.client.RemoteDisconnected):
        _call(server, "GET", f"{SCAYLE}/warehouses")

    status, body = _call(server, "GET", f"{SCAYLE}/warehouses")
    assert (status, body["entities"][0]["referenceKey"]) == (200, "WH-HAM")


def test_a_hang_outlives_the_callers_patience_and_holds_nobody_else_up(server: Server) -> None:
    _fault(server, "hang", seconds=30)

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        _call(server, "GET", f"{SCAYLE}/warehouses", timeout=0.3)
    status, _ = _call(server, "GET", f"{SCAYLE}/warehouses")

    assert status == 200
    assert time.monotonic() - started < 25


def test_a_slow_answer_is_held_back(server: Server) -> None:
    _fault(server, "slow", seconds=0.4)

    started = time.monotonic()
    status, _ = _call(server, "GET", f"{SCAYLE}/warehouses")

    assert status == 200
    assert time.monotonic() - started >= 0.4


def test_effects_come_and_callbacks_are_posted_by_themselves(server: Server) -> None:
    received: list[dict[str, Any]] = []
    arrived = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            received.append(body | {"authorization": self.headers["Authorization"]})
            self.send_response(200)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    receiver = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    try:
        url = f"http://app:secret@127.0.0.1:{receiver.server_port}/in"
        subscription = {"event": "payment-refund", "version": 1, "url": url}
        _call(server, "POST", f"{SCAYLE}/webhooks/subscriptions", subscription)
        _, order = _call(server, "POST", "/_act/scayle/place_order", {"items": ["JKT-NVY-M"]})
        _call(server, "POST", "/_act/scayle/ship_order", {"order_id": order["id"]})
        unit = {"returnKey": str(order["items"][0]["id"]), "received": "2026-03-02 09:00:00"}
        _call(server, "POST", f"{SCAYLE}/fulfillment/return-items", [unit])

        assert arrived.wait(10)
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()
    assert received[0]["payload"]["id"] == order["id"]
    assert received[0]["authorization"].startswith("Basic ")


def test_traffic_runs_over_http_and_tells_a_refusal_from_an_absence(server: Server) -> None:
    traffic = Traffic(server.url, rate=2.0, mix="none", seed=1)
    traffic.advance(60)
    send = sender(server.url)

    _, books = _call(server, "GET", "/_books/returngo")
    with pytest.raises(ActRefused, match="no such order"):
        send("/_act/scayle/ship_order", {"order_id": 1})
    server.stop()
    with pytest.raises(SandboxAway):
        send("/_act/scayle/place_order", {})

    assert "Validated" in {rma["status"] for rma in books["rmas"]}
