"""Callbacks are nudges: lost, twice, late or in another order, the end is the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrator.flows import sweep_returngo, sweep_scayle
from integrator.models import Case, CaseState, Cursor, Job, Message
from tests.journeys.causing import ORDERS
from tests.story import Stage

SKU = "JKT-NVY-M"


@pytest.mark.requirement("R010")
@pytest.mark.requirement("R009")
def test_an_hour_without_callbacks_loses_nothing(stage: Stage) -> None:
    stage.breaks("*", "*", "callback_suppress")
    start = stage.now()
    orders = [stage.ships(stage.shop_sells(SKU)) for _ in range(3)]
    rmas = [stage.act("returngo", "request_return", order_id=order["id"]) for order in orders]
    for action in ("approve", "ship_parcel", "receive"):
        stage.clock.shift(600)
        for rma in rmas:
            stage.act("returngo", action, rma_id=rma["id"])
    for rma in rmas:
        stage.checks_only(rma)
    stage.clock.move_to(start + timedelta(hours=1))
    assert not Message.objects.filter(origin="CALLBACK").exists()

    stage.mended()
    stage.passes(minutes=30, step=5)

    assert [len(stage.refunds_there(order)) for order in orders] == [1, 1, 1]
    assert [stage.rma_there(rma)["status"] for rma in rmas] == ["Done"] * 3
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]
    stage.passes(hours=1, step=30)  # what a comparison found meanwhile closes with the next one
    assert stage.open_cases() == []
    assert sum(Cursor.objects.values_list("missed_total", flat=True)) >= 6
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R010")
@pytest.mark.parametrize(
    "fault", ["callback_duplicate", "callback_reorder", "callback_delay", "callback_suppress"]
)
def test_the_end_is_the_same_however_callbacks_come(stage: Stage, fault: str) -> None:
    rule = stage.breaks("*", "*", fault, seconds=120)
    order = stage.sold(SKU, SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=30, step=5)

    assert rule.struck > 5
    assert [len(row["item_ids"]) for row in stage.refunds_there(order)] in ([2], [1, 1])
    assert sum(row["amount"] for row in stage.refunds_there(order)) == sum(
        item["paid"] for item in order["items"]
    )
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]
    assert stage.owed() == []
    assert "0 differences" in stage.compare()


def test_a_known_id_with_another_body_is_kept_aside_and_shown(stage: Stage) -> None:
    stage.breaks("scayle", "order-delegated", "callback_same_id_other_body", times=1)
    order = stage.sold(SKU)

    assert Message.objects.filter(verdict="QUARANTINED").count() == 1
    assert stage.open_cases() == ["MESSAGE_CHANGED"]
    assert stage.order(order).status == "COMPLETED"


def test_a_callback_with_an_old_secret_is_refused_and_the_sweep_finds_its_news(
    stage: Stage,
) -> None:
    rule = stage.breaks("returngo", "*", "callback_old_secret")
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    assert rule.struck > 0
    assert not Message.objects.filter(topic="rma").exists()
    stage.warehouse_checks(rma)
    stage.passes(minutes=20, step=5)

    assert Message.objects.filter(topic="rma", origin="SWEEP", kind="missed").exists()
    assert stage.rma_there(rma)["status"] == "Done"


@pytest.mark.requirement("R010")
def test_one_order_dated_in_the_future_hides_no_other_one(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.sandbox.world.scayle.orders[order["id"]].updated_at = stage.now() + timedelta(days=2)
    stage.passes(minutes=12, step=6)
    stage.breaks("scayle", "*", "callback_suppress")
    late = stage.ships(stage.shop_sells(SKU))
    stage.passes(minutes=20, step=5)
    assert stage.order(late).status in ("SHIPPED", "COMPLETED")


@pytest.mark.requirement("R025")
def test_however_many_refunds_wait_each_is_told_when_it_is_late(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep has room for one; the oldest of them must not keep that place for ever."""
    monkeypatch.setattr(sweep_scayle, "CHASED_MOST", 1)
    orders = [stage.sold(SKU) for _ in range(3)]
    rmas = [stage.comes_back(order) for order in orders]
    for rma in rmas:
        stage.checks_only(rma)
    stage.deliver()
    for _ in range(30):
        stage.clock.shift(900)
        stage.tick_and_work()  # the shop accepted them and does nothing

    late = Case.objects.filter(kind="REFUND_NOT_RECORDED").exclude(state=CaseState.SOLVED)
    assert {one.order_id for one in late} == {stage.order(order).pk for order in orders}


def test_however_many_payments_they_owe_each_is_told_when_it_is_late(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where the returns platform pays."""
    monkeypatch.setattr(sweep_returngo, "REREAD_MOST", 1)
    stage.configure(refund_executor="returns_platform")
    orders = [stage.sold(SKU) for _ in range(3)]
    rmas = [stage.comes_back(order) for order in orders]
    for rma in rmas:
        stage.warehouse_checks(rma)
    stage.passes(hours=30, step=240)

    late = Case.objects.filter(kind="REFUND_NOT_RECORDED").exclude(state=CaseState.SOLVED)
    assert {one.order_id for one in late} == {stage.order(order).pk for order in orders}


@pytest.mark.requirement("R010")
@pytest.mark.parametrize(("platform", "endpoint"), [("scayle", ORDERS), ("returngo", "GET /rmas")])
def test_a_later_look_ends_what_an_earlier_one_could_not(
    stage: Stage, platform: str, endpoint: str
) -> None:
    """It saw what the stopped one would have: nobody has to look at that any more."""
    stage.breaks(platform, endpoint, "error", status=403)
    stage.passes(minutes=6, step=6)
    assert "JOB_FAILED" in stage.open_cases()
    stopped = Job.objects.get(state="PARKED")
    assert stopped.flow == f"sweep_{platform}"
    stage.mended()

    stage.passes(minutes=12, step=6)

    stopped.refresh_from_db()
    assert (stopped.state, stopped.evidence) == (
        "CANCELLED",
        {"cancelled": "A later look has seen everything"},
    )
    case = Case.objects.get(kind="JOB_FAILED")
    assert (case.state, case.resolution) == (CaseState.SOLVED, "BY_ITSELF")
