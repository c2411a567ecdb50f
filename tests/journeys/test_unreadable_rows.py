"""What nobody can read: all the rest is read, and somebody is told which one it is."""

from __future__ import annotations

import pytest

from integrator.desk.catalogue import said_of
from integrator.models import Cursor
from tests.journeys.causes import CAUSES
from tests.journeys.causing import ORDERS, SKU
from tests.story import Stage


def test_a_row_that_can_be_read_again_closes_its_case(stage: Stage) -> None:
    story = CAUSES["ROW_NOT_READ"](stage)
    case = stage.case("ROW_NOT_READ")
    assert case.facts["row"] == str(story.order["id"])
    assert "updatedAt" in case.facts["error"]

    stage.mended()
    stage.passes(minutes=6, step=6)

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
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == []
    assert Cursor.objects.get(stream="rma").position > before


def test_a_row_that_was_left_out_is_asked_about_again_when_it_changes(stage: Stage) -> None:
    CAUSES["ROW_NOT_READ"](stage)
    stage.decide(stage.case("ROW_NOT_READ"), "not_an_error", by=stage.ada)
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == []

    stage.mended()
    stage.breaks("scayle", ORDERS, "wrong_type", field="entities.items")
    stage.passes(minutes=6, step=6)

    assert stage.open_cases() == ["ROW_NOT_READ"]


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_return_that_cannot_be_read_is_named(stage: Stage, known: bool) -> None:
    """One we know has its own page behind it, where both sides can be seen."""
    order = stage.sold("JKT-NVY-M")
    rma = stage.shopper_returns(order) if known else {}
    stage.breaks("returngo", "GET /rma/{rma}", "error", status=422, times=1)
    if known:
        stage.approves(rma)
    else:
        rma = stage.shopper_returns(order)

    case = stage.case("RETURN_NOT_READ")
    assert said_of(case).title == f"Return {rma['id']} could not be read from ReturnGO"
    assert (case.record_kind == "return") == known

    stage.decide(case, "try_again", by=stage.carla)
    assert stage.open_cases() == []
    assert stage.returned(rma).platform_status == ("AUTHORISED" if known else "REQUESTED")


def test_an_order_that_cannot_be_read_is_named_as_people_know_it(stage: Stage) -> None:
    order = stage.shop_sells("JKT-NVY-M")
    stage.settle()
    path = "GET /shops/nb/countries/DE/orders/{order}"
    stage.breaks("scayle", path, "error", status=422, times=1)
    stage.ships(order)
    stage.settle()

    case = stage.case("ORDER_NOT_READ")
    known = stage.order(order)
    assert said_of(case).title == f"Order {known.number} could not be read from SCAYLE"
    assert (case.record_kind, case.record_id) == ("order", known.pk)


def test_a_return_that_could_be_read_later_is_asked_about_no_more(stage: Stage) -> None:
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.breaks("returngo", "GET /rma/{rma}", "error", status=422, times=1)
    stage.approves(rma)
    assert stage.open_cases() == ["RETURN_NOT_READ"]

    stage.hands_in(rma)
    stage.settle()

    assert stage.open_cases() == []
    assert stage.owed() == []


def test_an_order_that_could_be_read_later_is_asked_about_no_more(stage: Stage) -> None:
    order = stage.shop_sells(SKU)
    stage.breaks("scayle", "GET /shops/nb/countries/DE/orders/*", "error", status=422, times=1)
    stage.settle()
    assert stage.open_cases() == ["ORDER_NOT_READ"]

    stage.ships(order)
    stage.settle()

    assert stage.open_cases() == []
    assert stage.owed() == []
