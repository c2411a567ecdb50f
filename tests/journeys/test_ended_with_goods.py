"""A return ends, and its goods are here all the same: operations say what becomes of them."""

from __future__ import annotations

import pytest

from integrator.sandbox.returngo import process
from tests.story import Row, Stage

SKU = "JKT-NVY-M"


def on_its_way(stage: Stage) -> Row:
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.approves(rma)
    stage.hands_in(rma)
    return rma


def parcel_arrives(stage: Stage, rma: Row) -> None:
    """Carriers deliver whatever the return's status is."""
    world = stage.sandbox.world
    there = world.returngo.rmas[rma["id"]]
    process.move_parcel(world, there, there.parcels[0], "Received", stage.now())
    stage.settle()


def operations_are_told_once(stage: Stage, rma: Row) -> None:
    stage.passes(hours=30, step=120)
    assert stage.open_cases() == ["CANCELLED_WITH_GOODS"]
    assert stage.unit(rma).custody == "CLOSED"
    stage.decide(stage.case("CANCELLED_WITH_GOODS"), "send_back_unit", by=stage.omar)
    stage.passes(hours=30, step=120)
    assert stage.movements(rma)[-1].endswith(">OUTSIDE")
    assert (stage.open_cases(), stage.owed()) == ([], [])
    assert stage.books("scayle")["refunds"] == []
    assert "\n0 differences" in stage.compare()


@pytest.mark.requirement("R006")
def test_the_unit_was_checked_before_we_read_that_its_return_has_ended(stage: Stage) -> None:
    rma = on_its_way(stage)
    for act in ("receive", "validate_all", "cancel"):
        stage.act("returngo", act, rma_id=rma["id"])
    stage.settle()

    assert stage.case("CANCELLED_WITH_GOODS").facts["where"] == "may be sold again"
    operations_are_told_once(stage, rma)


@pytest.mark.requirement("R006")
def test_its_parcel_arrives_after_the_return_has_ended(stage: Stage) -> None:
    rma = on_its_way(stage)
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    assert (stage.unit(rma).custody, stage.open_cases()) == ("CLOSED", [])
    parcel_arrives(stage, rma)

    assert stage.movements(rma)[-1].endswith(">RECEIVED")
    operations_are_told_once(stage, rma)


def test_a_return_that_is_opened_again_after_its_goods_had_come_goes_on(stage: Stage) -> None:
    rma = on_its_way(stage)
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    parcel_arrives(stage, rma)
    assert stage.open_cases() == ["CANCELLED_WITH_GOODS"]
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.settle()
    assert stage.open_cases() == []
    stage.warehouse_checks(rma)

    assert stage.rma_there(rma)["status"] == "Done"
    assert len(stage.books("scayle")["refunds"]) == 1
    assert (stage.open_cases(), stage.owed()) == ([], [])
