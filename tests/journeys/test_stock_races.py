"""Sales, corrections and lost answers at every moment: nothing is sold that is not there.

The shop's books say what could really be sold (``truth``); its figure may never end above it, and
ends equal to it once everybody has come to rest.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fulfilment.models import Order
from fulfilment.shapes import StockSeen
from integrator.engine import mappings
from integrator.flows import QUEUES
from integrator.models import Connection, MappingKind
from integrator.platforms.scayle.client import Scayle
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


def test_a_figure_that_was_confirmed_and_is_missing_now_is_not_taken_for_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shop lists no row of the warehouse any more: what is there is not known."""
    first, second = stage.sold(SKU), stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(first))
    before = stage.sellable(SKU)
    rma = stage.comes_back(second)
    monkeypatch.setattr(Scayle, "stock", lambda *_: ())
    stage.warehouse_checks(rma)
    stage.passes(minutes=10, step=2)

    assert (stage.sellable(SKU), stage.movements(rma)[-1]) == (before, "IN_TRANSIT>RECEIVED")
    assert "shows no figure" in stage.case("RESTOCK_FAILED").facts["error"]
    monkeypatch.undo()
    stage.decide(stage.case("RESTOCK_FAILED"), "try_again", by=stage.omar)
    stage.passes(minutes=4, step=2)
    assert figure(stage) == (before + 1, before + 1)
    assert (stage.owed(), stage.open_cases()) == ([], [])


def another_country(stage: Stage) -> Connection:
    """A second shop of the same tenant: other customers, the same articles and stock."""
    other = stage.connection("scayle")
    other.pk, other.slug, other.name = None, "scayle-at", "SCAYLE Austria"
    other._state.adding, other.callback_token_hash = True, "f" * 64
    other.save()
    mappings.save(
        connection=other,
        kind=MappingKind.LOCATION,
        theirs="WH-HAM",
        ours="hamburg",
        trace=stage.trace("test"),
    )
    return other


def sold_in(stage: Stage, where: Connection) -> Row:
    order = stage.sold(SKU)
    Order.objects.filter(external_id=str(order["id"])).update(connection=where)
    return order


class SlowPost:
    """The first post is slow: others work meanwhile, and it arrives right before one of theirs."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.post = stage, Scayle.post_stock
        self.answers: list[StockSeen] = []
        self.on_its_way: tuple[Any, ...] = ()

    def __call__(self, *call: Any) -> StockSeen:
        if self.answers:
            return self.post(*call)
        if self.on_its_way:
            self.answers.append(self.post(*self.on_its_way))
            return self.post(*call)
        self.on_its_way = call
        while not self.answers and self.stage.worker.round(list(QUEUES)):
            pass
        if not self.answers:
            self.answers.append(self.post(*call))
        return self.answers[0]


def test_two_shops_of_one_tenant_change_an_article_one_after_the_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure is the tenant's: both would look, and the later post would lose the other's."""
    here = stage.sold(SKU)
    there = sold_in(stage, another_country(stage))
    rmas = [stage.comes_back(order) for order in (here, there)]
    before = stage.sellable(SKU)
    slow = SlowPost(stage)
    monkeypatch.setattr(Scayle, "post_stock", lambda *call: slow(*call))
    stage.worker.threads = 0  # one job at a time: the two meet only where the post is slow
    for rma in rmas:
        stage.checks_only(rma, restockable=True)
    stage.clock.shift(360)
    stage.tick_and_work()
    stage.clock.shift(60)
    stage.tick_and_work()

    assert slow.answers, "it was slow once"
    assert [stage.movements(rma)[-1] for rma in rmas] == ["RECEIVED>SELLABLE"] * 2
    assert stage.sellable(SKU) == before + 2


def test_an_older_figure_is_not_believed_whichever_shop_of_the_tenant_is_shown_it(
    stage: Stage,
) -> None:
    here = stage.sold(SKU)
    there = sold_in(stage, another_country(stage))
    rmas = [stage.comes_back(order) for order in (here, there)]
    stage.breaks("scayle", STOCKS, "visible_after", seconds=120, times=1)
    for rma in rmas:
        stage.checks_only(rma, restockable=True)
    stage.passes(minutes=16, step=1)

    assert [stage.movements(rma)[-1] for rma in rmas] == ["RECEIVED>SELLABLE"] * 2
    assert figure(stage)[0] == figure(stage)[1]


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
