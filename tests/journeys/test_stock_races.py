"""Sales, corrections and lost answers at every moment: nothing is sold that is not there.

The shop's books say what could really be sold (``truth``); its figure may never end above it, and
ends equal to it once everybody has come to rest.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.story import Row, Stage

SKU = "JKT-NVY-M"
STOCKS = "POST /variants/{variant}/stocks"


class Sales:
    """Sells a unit right before the n-th call about stock, for each n that is named."""

    def __init__(self, stage: Stage, moments: list[int]) -> None:
        self.stage, self.moments, self.seen = stage, sorted(moments), 0
        self.send = stage.wire.send

    def __enter__(self) -> Sales:
        self.stage.wire.send = self._send  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.wire.send = self.send  # type: ignore[method-assign]

    def _send(self, request, *rest, **more):  # type: ignore[no-untyped-def]
        if "/stocks" in request.url:
            self.seen += 1
            while self.moments and self.moments[0] <= self.seen:
                self.moments.pop(0)
                self.stage.sandbox.act("scayle", "sell_unit", sku=SKU)
        return self.send(request, *rest, **more)


def figure(stage: Stage) -> tuple[int, int]:
    row = stage.stock_there(SKU)
    return row["sellable"], row["truth"]


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_sale_at_any_moment_of_a_restock_is_neither_lost_nor_counted_twice(
    stage: Stage, moment: int
) -> None:
    """Before the first look, between both, and between the second look and the post."""
    rma = stage.comes_back(stage.sold(SKU))
    with Sales(stage, [moment]) as sales:
        stage.warehouse_checks(rma)
        stage.passes(minutes=4, step=2)

    assert sales.moments == []
    assert figure(stage)[0] == figure(stage)[1]
    assert stage.movements(rma)[-1] == "RECEIVED>SELLABLE"
    assert stage.owed() == []


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    moments=some.lists(some.integers(1, 9), max_size=4),
    verdicts=some.lists(some.booleans(), min_size=1, max_size=3),
    fault=some.sampled_from(["", "drop_after", "refused", "timeout_after"]),
)
def test_the_figure_never_says_more_than_is_there(
    stage: Stage, moments: list[int], verdicts: list[bool], fault: str
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    if fault:
        stage.breaks("scayle", STOCKS, fault, times=1)
    with Sales(stage, moments):
        for number, is_fine in enumerate(verdicts):
            _judge(stage, rma, is_fine, first=not number)
            stage.passes(minutes=9, step=3)
            assert figure(stage)[0] <= figure(stage)[1]
    stage.mended()
    stage.passes(minutes=12, step=4)

    if stage.open_cases() == []:
        assert figure(stage)[0] == figure(stage)[1]
    assert set(stage.open_cases()) <= {"RESTOCK_IN_DOUBT"}


def _judge(stage: Stage, rma: Row, is_fine: bool, *, first: bool) -> None:
    wish = {"rma_id": rma["id"], "restockable": is_fine}
    if first:
        stage.act("returngo", "validate_all", **wish)
        return
    stage.act("returngo", "correct_validation", item_id=rma["items"][0]["id"], **wish)
    if stage.rma_there(rma)["status"] == "Done":
        stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
        stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()


def test_an_older_figure_shown_to_us_is_not_believed(stage: Stage) -> None:
    """The shop takes a post and shows the former figure for a while (read replicas do)."""
    stage.breaks("scayle", STOCKS, "visible_after", seconds=120, times=1)
    order = stage.sold(SKU, SKU)
    rmas = [stage.comes_back(order, place) for place in (0, 1)]
    for rma in rmas:
        stage.warehouse_checks(rma)
    stage.passes(minutes=10, step=5)

    assert figure(stage)[0] == figure(stage)[1]
    assert stage.owed() == []
