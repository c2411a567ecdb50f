"""Simulated business: mostly clean, with every team's trouble in it, and hard to stop."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from integrator.sandbox.stories import STORIES
from integrator.sandbox.traffic import ActRefused, SandboxAway, Traffic

if TYPE_CHECKING:
    from tests.sandbox.conftest import Bench


class Line:
    """Carries the traffic's calls to a sandbox in this process."""

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self.away = False
        self.refused: list[str] = []

    def __call__(self, path: str, body: Any) -> dict[str, Any]:
        if self.away:
            raise SandboxAway("switched off")
        answer = self._bench.client.post(path, json=body)
        if answer.status_code >= 400:
            self.refused.append(answer.text)
            raise ActRefused(path, answer.json["error"]["message"])
        return answer.json


@pytest.fixture
def line(bench: Bench) -> Line:
    return Line(bench)


def _run(bench: Bench, traffic: Traffic, seconds: int) -> None:
    """Let the traffic's time and the sandbox's go by together."""
    start = bench.clock.at
    for second in range(seconds):
        bench.clock.at = start
        bench.clock.pass_seconds(second)
        traffic.advance(second)


def test_clean_traffic_ends_in_inspected_returns_and_nothing_strange(
    bench: Bench, line: Line
) -> None:
    traffic = Traffic("", rate=1.0, mix="none", seed=3, send=line)

    _run(bench, traffic, 180)

    rmas = bench.books("returngo")["rmas"]
    assert len(bench.books("scayle")["orders"]) == 180
    statuses = Counter(rma["status"] for rma in rmas)
    assert statuses["Validated"] > 60
    locations = {item["validation"]["location"] for rma in rmas for item in rma["items"]}
    assert locations == {None, "WH-1"}
    assert not traffic.told
    assert bench.sandbox.world.switchboard.rules == []


def test_the_demo_mix_tells_every_story_while_most_returns_go_well(
    bench: Bench, line: Line
) -> None:
    traffic = Traffic("", rate=1.0, mix="demo", seed=1, send=line)

    _run(bench, traffic, 600)

    assert set(traffic.told) == set(STORIES)
    returns = len(bench.books("returngo")["rmas"])
    assert sum(traffic.told.values()) < returns / 2
    items = [item for rma in bench.books("returngo")["rmas"] for item in rma["items"]]
    assert "WH-9" in {item["validation"]["location"] for item in items}
    assert "KeepAndDonate" in {item["resolution"] for item in items}
    resolutions = Counter(item["resolution"] for item in items)
    assert resolutions["RefundToPaymentMethod"] > len(items) / 2
    assert [row for row in bench.books("scayle")["refunds"] if row["by"] == "hand"]
    assert bench.client.get("/_faults").json["rules"]


def test_the_same_seed_makes_the_same_business(bench: Bench, line: Line) -> None:
    def business() -> list[int]:
        bench.clock.at = bench.clock.at.replace(hour=9, minute=0, second=0)
        bench.sandbox.reset(seed=1)
        _run(bench, Traffic("", rate=1.0, seed=5, send=line), 60)
        return [row["total"] for row in bench.books("scayle")["orders"]]

    assert business() == business()


def test_it_goes_on_where_it_stopped_when_the_sandbox_comes_back(bench: Bench, line: Line) -> None:
    traffic = Traffic("", rate=1.0, mix="demo", seed=1, send=line)
    _run(bench, traffic, 20)
    before = len(bench.books("scayle")["orders"])

    line.away = True
    for second in range(20, 60):
        traffic.advance(second)
    line.away = False
    bench.sandbox.world.switchboard.clear()  # as after a restart
    for second in range(60, 80):
        traffic.advance(second)

    after = len(bench.books("scayle")["orders"])
    # One shop, not two: the rate is what it was.
    assert before + 15 <= after <= before + 21
    assert bench.sandbox.world.switchboard.rules


def test_what_is_sold_out_is_bought_again(bench: Bench, line: Line) -> None:
    for sku in {row["sku"] for row in bench.books("scayle")["stock"]}:
        bench.act("scayle", "change_stock", sku=sku, quantity=0)

    _run(bench, Traffic("", rate=1.0, mix="none", seed=1, send=line), 120)

    assert any("sold out" in each for each in line.refused)
    assert len(bench.books("scayle")["orders"]) > 40
