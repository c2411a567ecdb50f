"""A replacement is not wanted any more while its steps are under way: nothing of it is left."""

from __future__ import annotations

import pytest

from tests.journeys.exchanges import (
    FREE,
    ORDERS,
    OTHER,
    RESERVE,
    SKU,
    approved,
    exchange,
    orders_there,
    reserved_there,
)
from tests.journeys.test_money_instead import paid_once
from tests.story import Stage


def nothing_is_left(stage: Stage) -> None:
    assert (orders_there(stage), reserved_there(stage)) == ([], [])
    assert stage.sellable(OTHER) == stage.stock_there(OTHER)["truth"]
    assert (stage.owed(), stage.open_cases()) == ([], [])


def test_one_that_may_have_been_ordered_is_withdrawn_once_it_is_proved_that_it_was_not(
    stage: Stage,
) -> None:
    order = stage.sold(SKU)
    stage.breaks("scayle", ORDERS, "error", status=503, times=1)
    rma = approved(stage, order)
    stage.act("returngo", "change_wish", rma_id=rma["id"])  # money instead
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.passes(minutes=30, step=2)

    assert (exchange(rma).status, orders_there(stage), reserved_there(stage)) == (
        "CANCELLED",
        [],
        [],
    )
    before = len(stage.calls("GET"))
    stage.passes(minutes=30, step=1)
    assert len([one for one in stage.calls("GET")[before:] if "/rma/" in one]) <= 2
    paid_once(stage, order, rma)


@pytest.mark.parametrize("fault", ["drop_after", "timeout_after", "error_after", "truncated"])
def test_what_was_reserved_by_a_lost_answer_is_given_back(stage: Stage, fault: str) -> None:
    rule = stage.breaks("scayle", RESERVE, fault, times=1)
    rma = approved(stage, stage.sold(SKU))
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    stage.passes(minutes=40, step=2)

    assert (rule.struck, exchange(rma).status) == (1, "CANCELLED")
    nothing_is_left(stage)


def test_giving_back_that_had_to_wait_is_finished(stage: Stage) -> None:
    stage.breaks("scayle", ORDERS, "error", status=400, times=1)
    stage.breaks("scayle", FREE, "error", status=429)
    rma = approved(stage, stage.sold(SKU))
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    stage.mended()
    stage.passes(minutes=60, step=2)

    assert exchange(rma).status == "CANCELLED"
    nothing_is_left(stage)


def test_giving_back_that_was_refused_is_somebodys_until_it_is_done(stage: Stage) -> None:
    stage.breaks("scayle", ORDERS, "error", status=400, times=1)
    stage.breaks("scayle", FREE, "error", status=400)
    rma = approved(stage, stage.sold(SKU))
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    stage.passes(minutes=12, step=2)
    assert (exchange(rma).status, stage.open_cases()) == ("CANCELLED", ["EXCHANGE_STILL_RESERVED"])
    case = stage.case("EXCHANGE_STILL_RESERVED")
    assert (case.owner, case.facts["sku"]) == ("OPERATIONS", OTHER)
    stage.mended()
    stage.decide(case, "try_again", by=stage.omar)
    stage.passes(minutes=12, step=2)

    nothing_is_left(stage)


def test_a_refusal_to_reserve_leaves_nothing_to_give_back(stage: Stage) -> None:
    stage.breaks("scayle", RESERVE, "error", status=400)
    rma = approved(stage, stage.sold(SKU))
    assert stage.open_cases() == ["EXCHANGE_REFUSED"]
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.passes(minutes=12, step=2)

    assert exchange(rma).status == "CANCELLED"
    nothing_is_left(stage)
