"""A verdict corrected later ends as if it had been right from the start: it moves what differs.

"The same end" is what the shop may sell, what is really there, where the unit is counted, what was
paid and which cases are open.
"""

from __future__ import annotations

from typing import Any

import pytest

from fulfilment.models import Location
from integrator.engine import mappings
from integrator.models import Connection, MappingKind
from tests.story import Row, Stage
from tests.wire import Death, Trap

SKU = "JKT-NVY-M"
STOCKS = "POST /variants/{variant}/stocks"
VERDICTS: dict[str, Row] = {
    "fine": {},
    "damaged": {"restockable": False},
    "missing": {"returned": False},
}


def corrects(stage: Stage, rma: Row, verdict: str, **more: Any) -> None:
    wish = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"]}
    stage.act("returngo", "correct_validation", **wish, **VERDICTS[verdict], **more)


def seen_again(stage: Stage, rma: Row) -> None:
    """Something happens to the finished return, so that we read it."""
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.act("returngo", "done", rma_id=rma["id"])


@pytest.mark.parametrize("last", ["fine", "damaged"])
@pytest.mark.parametrize("first", ["fine", "damaged"])
def test_a_verdict_corrected_after_completion_moves_the_unit(
    stage: Stage, first: str, last: str
) -> None:
    order = stage.sold(SKU)
    before = stage.sellable(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, **VERDICTS[first])
    assert stage.returned(rma).status == "COMPLETED"

    corrects(stage, rma, last)
    seen_again(stage, rma)
    stage.settle()
    stage.passes(minutes=6, step=6)

    on_sale = last == "fine"
    assert stage.sellable(SKU) == before + on_sale == stage.stock_there(SKU)["truth"]
    bucket = "SELLABLE" if on_sale else "QUARANTINE"
    assert stage.movements(rma)[-1] == f"RECEIVED>{bucket}"
    assert len(stage.refunds_there(order)) == 1
    assert (stage.open_cases(), stage.owed()) == ([], [])
    assert "\n0 differences" in stage.compare()


def test_a_verdict_corrected_days_after_the_end_is_found_without_being_told(stage: Stage) -> None:
    """What is done is read again once a day for two weeks, and then no more."""
    returngo = stage.connection("returngo")
    pauses = ("reread_minutes", "reread_ours_minutes", "reread_done_minutes")
    kept = {key: value for key, value in returngo.settings.items() if key not in pauses}
    Connection.objects.filter(pk=returngo.pk).update(settings=kept)
    before = stage.sellable(SKU)
    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma)
    stage.passes(hours=1, step=10)  # verdicts are looked for every half hour
    assert (stage.returned(rma).status, stage.sellable(SKU)) == ("COMPLETED", before)

    stage.passes(days=3, step=12 * 60)
    corrects(stage, rma, "damaged")
    stage.passes(hours=25, step=360)

    assert stage.sellable(SKU) == before - 1 == stage.stock_there(SKU)["truth"]
    assert stage.movements(rma)[-1] == "RECEIVED>QUARANTINE"
    assert stage.open_cases() == []
    stage.passes(days=11, step=12 * 60)
    read_at = stage.returned(rma).read_at
    stage.passes(days=2, step=12 * 60)
    assert stage.returned(rma).read_at == read_at


@pytest.mark.parametrize("way", [("missing", "fine"), ("missing", "damaged", "fine", "damaged")])
def test_a_verdict_corrected_before_the_money_ends_as_if_right_from_the_start(
    stage: Stage, way: tuple[str, ...]
) -> None:
    order = stage.sold(SKU)
    before = stage.sellable(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, **VERDICTS[way[0]])
    for verdict in way[1:]:
        corrects(stage, rma, verdict)
        stage.passes(minutes=6, step=6)

    on_sale = way[-1] == "fine"
    assert stage.sellable(SKU) == before + on_sale == stage.stock_there(SKU)["truth"]
    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.open_cases() == []


def test_a_unit_said_to_be_missing_after_it_was_put_on_sale_is_taken_off_again(
    stage: Stage,
) -> None:
    order = stage.sold(SKU)
    before = stage.sellable(SKU)
    stage.configure(refund_executor=None)  # nobody pays for now
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    assert stage.sellable(SKU) == before + 1

    corrects(stage, rma, "missing")
    stage.passes(minutes=6, step=6)

    assert stage.sellable(SKU) == before == stage.stock_there(SKU)["truth"]
    assert stage.movements(rma)[-4:][-2:] == ["SELLABLE>RECEIVED", "RECEIVED>OUTSIDE"]
    assert stage.unit(rma).custody == "RECEIVED"
    assert "NOT_IN_PARCEL" in stage.open_cases()


def test_a_paid_unit_that_is_missing_after_all_holds_up_nobody(stage: Stage) -> None:
    rma = stage.comes_back(stage.sold(SKU, "TEE-BLK-L"))
    before = stage.sellable(SKU)
    stage.warehouse_checks(rma, 0)
    assert stage.unit(rma, 0).money == "RECORDED"
    corrects(stage, rma, "missing")
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == ["CORRECTION_AFTER_REFUND"]

    stage.warehouse_checks(rma, 1)
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.returned(rma).status == "COMPLETED"
    assert stage.open_cases() == ["CORRECTION_AFTER_REFUND"]  # it is finance's question alone

    corrects(stage, rma, "fine")  # it is found
    seen_again(stage, rma)
    stage.settle()
    stage.passes(minutes=6, step=6)
    assert stage.sellable(SKU) == before + 1 == stage.stock_there(SKU)["truth"]
    assert (stage.open_cases(), stage.owed()) == ([], [])


def second_warehouse(stage: Stage) -> None:
    """Berlin, as the shop and as the returns platform call it."""
    Location.objects.create(
        retailer=stage.retailer, code="berlin", name="Warehouse Berlin", authority="scayle"
    )
    for platform, theirs in (("scayle", "WH-BER"), ("returngo", "WH-2")):
        mappings.save(
            connection=stage.connection(platform),
            kind=MappingKind.LOCATION,
            theirs=theirs,
            ours="berlin",
            trace=stage.trace("test"),
        )


@pytest.mark.parametrize("die", [None, (1, False), (1, True), (2, False), (2, True)])
def test_a_unit_that_lies_in_the_other_warehouse_moves_there(
    stage: Stage, die: tuple[int, bool] | None
) -> None:
    """One less here, one more there, and a worker that dies before or after either call."""
    second_warehouse(stage)
    rma = stage.comes_back(stage.sold(SKU))
    before = stage.sellable(SKU)
    stage.warehouse_checks(rma)
    path = next(one.path for one in stage.wire.calls if one.path.endswith("/stocks"))
    corrects(stage, rma, "fine", location="WH-2")
    seen_again(stage, rma)
    if die is not None:
        nth, after = die
        stage.wire.traps.append(Trap("POST", path, after, skips=nth - 1))
        with pytest.raises(Death):
            stage.settle()
        stage.new_worker()
        stage.clock.shift(61)
    stage.passes(minutes=10, step=5)

    here, there = stage.stock_there(SKU), stage.stock_there(SKU, "WH-BER")
    assert here["sellable"] == before == here["truth"]
    assert there["sellable"] == 1 == there["truth"]
    assert stage.movements(rma)[-2:] == ["SELLABLE>RECEIVED", "RECEIVED>SELLABLE"]
    assert (stage.open_cases(), stage.owed()) == ([], [])


def test_a_unit_moves_to_the_other_warehouse_though_both_answers_are_lost(stage: Stage) -> None:
    """The first look-up finds the unit off sale; the job goes on from there."""
    second_warehouse(stage)
    rma = stage.comes_back(stage.sold(SKU))
    before = stage.sellable(SKU)
    stage.warehouse_checks(rma)
    corrects(stage, rma, "fine", location="WH-2")
    lost = stage.breaks("scayle", "POST /variants/{variant}/stocks", "drop_after", times=2)
    seen_again(stage, rma)
    stage.passes(minutes=15, step=3)

    assert lost.struck == 2
    here, there = stage.stock_there(SKU), stage.stock_there(SKU, "WH-BER")
    assert here["sellable"] == before == here["truth"]
    assert there["sellable"] == 1 == there["truth"]
    assert stage.movements(rma)[-2:] == ["SELLABLE>RECEIVED", "RECEIVED>SELLABLE"]
    assert (stage.open_cases(), stage.owed()) == ([], [])


@pytest.mark.parametrize("after", [False, True], ids=["before it left", "after it arrived"])
def test_a_worker_killed_while_taking_a_unit_off_sale_loses_and_doubles_nothing(
    stage: Stage, after: bool
) -> None:
    rma = stage.comes_back(stage.sold(SKU))
    before = stage.sellable(SKU)
    stage.warehouse_checks(rma)
    path = next(one.path for one in stage.wire.calls if one.path.endswith("/stocks"))
    corrects(stage, rma, "damaged")
    seen_again(stage, rma)
    stage.dies_at("POST", path, after=after)
    with pytest.raises(Death):
        stage.settle()
    stage.new_worker()
    stage.clock.shift(61)
    stage.passes(minutes=10, step=5)

    assert stage.sellable(SKU) == before == stage.stock_there(SKU)["truth"]
    assert stage.movements(rma)[-2:] == ["SELLABLE>RECEIVED", "RECEIVED>QUARANTINE"]
    assert stage.owed() == []


def test_a_verdict_corrected_while_its_first_post_is_in_doubt_ends_what_was_begun(
    stage: Stage,
) -> None:
    """The answer to "one more" is lost, and meanwhile the unit turns out to be damaged."""
    stage.breaks("scayle", STOCKS, "drop_after", times=1)
    rma = stage.comes_back(stage.sold(SKU))
    before = stage.sellable(SKU)
    stage.checks_only(rma)
    stage.tick_and_work()
    corrects(stage, rma, "damaged")
    stage.passes(minutes=10, step=5)
    seen_again(stage, rma)
    stage.passes(minutes=10, step=5)

    assert stage.sellable(SKU) == before == stage.stock_there(SKU)["truth"]
    assert stage.movements(rma)[-1] == "RECEIVED>QUARANTINE"
    assert stage.owed() == []
