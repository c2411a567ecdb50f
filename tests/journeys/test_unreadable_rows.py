"""A list with a row that nobody can read: the rest is read, and somebody is told which it is."""

from __future__ import annotations

from integrator.models import Cursor
from tests.journeys.causes import CAUSES, ORDERS, SKU
from tests.story import Stage


def test_a_row_that_can_be_read_again_closes_its_case(stage: Stage) -> None:
    story = CAUSES["ROW_NOT_READ"](stage)
    case = stage.case("ROW_NOT_READ")
    assert case.facts["row"] == str(story.order["id"])
    assert "updatedAt" in case.facts["error"]

    stage.mended()
    stage.passes(minutes=6, step=3)

    assert stage.open_cases() == []


def test_what_stands_behind_an_unreadable_return_is_found(stage: Stage) -> None:
    """No callback comes. The list of what changed has a bad row, so has the list of open ones."""
    first = stage.shopper_returns(stage.sold(SKU))
    stage.approves(first)
    stage.breaks("returngo", "*", "callback_suppress")
    stage.breaks("returngo", "GET /rmas", "missing_field", field="rmas.status")
    order = stage.sold(SKU)
    second = stage.shopper_returns(order)
    stage.approves(second)
    before = Cursor.objects.get(stream="rma").position
    stage.passes(minutes=8, step=4)

    assert stage.returned(second).platform_status == "AUTHORISED"
    assert stage.case("ROW_NOT_READ").facts["row"] == str(first["id"])
    assert Cursor.objects.get(stream="rma").position == before  # it is read again from there

    stage.mended()
    stage.passes(minutes=6, step=3)
    assert stage.open_cases() == []
    assert Cursor.objects.get(stream="rma").position > before


def test_a_row_that_was_left_out_is_asked_about_again_when_it_changes(stage: Stage) -> None:
    CAUSES["ROW_NOT_READ"](stage)
    stage.decide(stage.case("ROW_NOT_READ"), "not_an_error", by=stage.ada)
    stage.passes(minutes=6, step=3)
    assert stage.open_cases() == []

    stage.mended()
    stage.breaks("scayle", ORDERS, "wrong_type", field="entities.items")
    stage.passes(minutes=6, step=3)

    assert stage.open_cases() == ["ROW_NOT_READ"]
