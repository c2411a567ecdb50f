"""Calls that fail, and calls whose answer is lost: every promise is kept, and kept once."""

from __future__ import annotations

import pytest

from finance.models import Refund
from integrator.models import Attempt, Job
from tests.story import Row, Stage
from tests.wire import Death

SKU = "JKT-NVY-M"
RETURN_ITEMS = "POST /fulfillment/return-items"
STOCKS = "POST /variants/{variant}/stocks"
TRANSACTION = "PUT /transaction/{transaction}"
DONE = "PUT /rma/{rma}/status"
PLATFORM = {RETURN_ITEMS: "scayle", STOCKS: "scayle", TRANSACTION: "returngo", DONE: "returngo"}
AFTER = ("drop_after", "timeout_after", "error_after", "truncated")


def ends_well(stage: Stage, order: Row, rma: Row) -> None:
    """One refund, one unit on sale, the return done, and both sides agree."""
    refunds = stage.refunds_there(order)
    assert [(row["amount"], row["executed"]) for row in refunds] == [
        (order["items"][0]["paid"], True)
    ]
    assert not [row for row in stage.books("scayle")["returns"] if row["repeat"]]
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]
    assert stage.movements(rma)[-1] == "RECEIVED>SELLABLE"
    assert stage.rma_there(rma)["status"] == "Done"
    assert [row["status"] for row in stage.transactions_there(rma)] == ["Success"]
    assert stage.returned(rma).status == "COMPLETED"
    assert stage.owed() == []
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R025")
@pytest.mark.parametrize("fault", AFTER)
@pytest.mark.parametrize("endpoint", [RETURN_ITEMS, STOCKS, TRANSACTION, DONE])
def test_a_lost_answer_is_looked_up_and_nothing_happens_twice(
    stage: Stage, endpoint: str, fault: str
) -> None:
    rule = stage.breaks(PLATFORM[endpoint], endpoint, fault, times=1)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=9, step=3)

    assert rule.struck == 1
    ends_well(stage, order, rma)


@pytest.mark.requirement("R025")
def test_while_a_refund_is_in_doubt_nothing_else_is_paid_for_the_order(stage: Stage) -> None:
    order = stage.sold(SKU, "TEE-BLK-L")
    first, second = stage.comes_back(order, 0), stage.comes_back(order, 1)
    stage.breaks("scayle", RETURN_ITEMS, "drop_after", times=1)
    stage.checks_only(first)
    stage.checks_only(second)
    stage.deliver()
    stage.work()

    assert Refund.objects.get().status == "IN_DOUBT"
    assert stage.calls("POST").count(RETURN_ITEMS) == 1
    stage.passes(minutes=20, step=4)
    assert [len(row["item_ids"]) for row in stage.refunds_there(order)] == [1, 1]
    assert "0 differences" in stage.compare()


READS = (
    ("scayle", "GET /shops/nb/countries/DE/orders/*"),
    ("scayle", "GET /variants/{variant}/stocks"),
    ("scayle", "GET /products/*"),
    ("returngo", "GET /rma/{rma}"),
    ("returngo", "GET /rmas"),
)
NO_ANSWERS: tuple[Row, ...] = (
    {"fault": "error", "status": 503, "times": 3},
    {"fault": "error", "status": 429, "retry_after": 90, "times": 1},
    {"fault": "hang", "seconds": 60, "times": 2},
    {"fault": "refused", "times": 2},
    {"fault": "truncated", "times": 2},
)


@pytest.mark.requirement("R027")
@pytest.mark.parametrize(("platform", "endpoint"), READS)
def test_a_read_that_fails_is_tried_again_whatever_goes_wrong(
    stage: Stage, platform: str, endpoint: str
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    rules = [stage.breaks(platform, endpoint, **fault) for fault in NO_ANSWERS]
    stage.warehouse_checks(rma)
    stage.passes(minutes=50, step=5)

    assert [rule.struck for rule in rules] == [rule.times for rule in rules]
    ends_well(stage, order, rma)


@pytest.mark.requirement("R027")
@pytest.mark.parametrize("endpoint", [RETURN_ITEMS, STOCKS, TRANSACTION, DONE])
def test_a_write_over_the_limit_waits_as_long_as_it_was_told(stage: Stage, endpoint: str) -> None:
    rule = stage.breaks(PLATFORM[endpoint], endpoint, "error", status=429, retry_after=240, times=1)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=10, step=1)

    assert rule.struck == 1
    tried = [one for one in stage.wire.calls if _is(one.method, one.path, endpoint)]
    assert [one.status for one in tried][:2] == [429, tried[1].status]
    assert 240 <= (tried[1].at - tried[0].at).total_seconds() < 400
    ends_well(stage, order, rma)


def _is(method: str, path: str, endpoint: str) -> bool:
    wanted_method, wanted = endpoint.split()
    parts, pattern = path.split("/"), wanted.split("/")
    return (method, len(parts)) == (wanted_method, len(pattern)) and all(
        want.startswith("{") or want == part for part, want in zip(parts, pattern, strict=True)
    )


@pytest.mark.requirement("R027")
def test_attempts_are_kept_and_a_refusal_is_not_tried_again(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=429, retry_after=30, times=1)
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma)
    stage.passes(hours=2, step=20)

    job = Job.objects.get(flow="refund", state="PARKED")
    tries = Attempt.objects.filter(job=job).order_by("id")
    assert [one.outcome for one in tries] == ["WAITING", "PARKED"]
    answered = [call["status"] for one in tries for call in one.calls if call["method"] == "POST"]
    assert answered == [429, 422]


@pytest.mark.requirement("R027")
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_write_answered_by_a_broken_server_is_looked_up_first(stage: Stage, status: int) -> None:
    """SCAYLE's 5xx may come from a proxy after the fact: only 429 proves that nothing happened."""
    stage.breaks("scayle", STOCKS, "error", status=status, times=1)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=10, step=5)

    job = Job.objects.get(flow="restock")
    outcomes = list(
        Attempt.objects.filter(job=job).order_by("id").values_list("outcome", flat=True)
    )
    assert outcomes == ["IN_DOUBT", "NOT_FOUND", "REPEAT", "DONE"]
    ends_well(stage, order, rma)


def posts_of_stock(stage: Stage) -> int:
    return sum(one.method == "POST" and "/stocks" in one.path for one in stage.wire.calls)


@pytest.mark.requirement("R025")
@pytest.mark.parametrize("fault", AFTER)
def test_a_figure_the_shop_took_is_found_there_and_not_sent_again(stage: Stage, fault: str) -> None:
    """A lost answer costs one look: the units behind it in the queue do not wait for long."""
    stage.breaks("scayle", STOCKS, fault, times=1)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=9, step=3)

    assert posts_of_stock(stage) == 1
    tries = Attempt.objects.filter(job__flow="restock").order_by("id")
    assert [one.outcome for one in tries] == ["IN_DOUBT", "DONE"]
    ends_well(stage, order, rma)


@pytest.mark.requirement("R020")
@pytest.mark.parametrize("after", [False, True], ids=["before it left", "after it arrived"])
@pytest.mark.parametrize("method, path", [("POST", "/fulfillment/return-items"), ("PUT", "status")])
def test_a_worker_killed_in_the_middle_of_a_call_loses_and_doubles_nothing(
    stage: Stage, method: str, path: str, after: bool
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.dies_at(method, f"/rma/{rma['id']}/status" if path == "status" else path, after=after)
    with pytest.raises(Death):
        stage.passes(minutes=10, step=5)
    killed_at = stage.now()

    stage.new_worker()
    stage.clock.shift(61)  # the dead worker's lease runs out
    stage.settle()
    held = Job.objects.filter(state="RUNNING")
    assert not held.exists()
    assert (stage.now() - killed_at).total_seconds() < 120
    stage.passes(minutes=16, step=2)
    if path != "status" and not after:
        # Nobody can tell whether it had left: two people look and say that it did not.
        case = stage.case("REFUND_IN_DOUBT")
        stage.decide(case, "it_did_not_happen", by=stage.fiona, second=stage.conrad)
        stage.passes(minutes=10, step=5)
    ends_well(stage, order, rma)


def test_a_sale_between_reading_and_writing_the_stock_is_not_lost(stage: Stage) -> None:
    stage.breaks("scayle", STOCKS, "drop_after", times=1)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.tick_and_work()
    stage.act("scayle", "sell_unit", sku=SKU)
    stage.passes(minutes=15, step=3)

    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]
    assert stage.movements(rma)[-1] == "RECEIVED>SELLABLE"
    assert stage.owed() == []


def test_two_units_of_one_article_are_both_put_back(stage: Stage) -> None:
    order = stage.sold(SKU, SKU, SKU)
    before = stage.sellable(SKU)
    stage.warehouse_checks(stage.comes_back(order))

    assert stage.sellable(SKU) == before + 3 == stage.stock_there(SKU)["truth"]
