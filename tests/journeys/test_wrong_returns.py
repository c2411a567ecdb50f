"""Returns that do not fit what was bought (R006): each is held by name, nothing moves."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied

from finance.models import Refund
from fulfilment.models import StockMovement
from tests.journeys.causes import CAUSES
from tests.journeys.exchanges import leaves, wants
from tests.story import Row, Stage

SKU = "JKT-NVY-M"


def everything_done_at_the_warehouse(stage: Stage, rma: Row) -> None:
    stage.approves(rma)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)


def nothing_moved(stage: Stage) -> None:
    assert not Refund.objects.exists()
    assert not StockMovement.objects.exists()
    assert not stage.books("scayle")["refunds"]
    assert not stage.books("scayle")["returns"]
    assert not [one for one in stage.calls() if not one.startswith("GET")]


@pytest.mark.requirement("R006")
def test_an_order_the_shop_never_had(stage: Stage) -> None:
    stage.sold(SKU)
    rma = stage.act("returngo", "unknown_order")
    stage.settle()
    everything_done_at_the_warehouse(stage, rma)

    assert stage.open_cases() == ["RETURN_ORDER_UNKNOWN"]
    unit, case = stage.unit(rma), stage.case("RETURN_ORDER_UNKNOWN")
    assert unit.blocked_by == "RETURN_ORDER_UNKNOWN"
    assert (case.money_minor, case.currency) == (unit.claimed_minor, unit.currency)
    assert case.money_minor > 0
    nothing_moved(stage)


@pytest.mark.requirement("R006")
def test_a_unit_that_was_never_shipped(stage: Stage) -> None:
    order = stage.shop_sells(SKU)
    rma = stage.shopper_returns(order, 0, unchecked=True)
    everything_done_at_the_warehouse(stage, rma)

    assert stage.open_cases() == ["UNIT_NOT_SHIPPED"]
    nothing_moved(stage)


@pytest.mark.requirement("R006")
def test_more_units_than_were_shipped(stage: Stage) -> None:
    order = stage.sold(SKU)
    first = stage.shopper_returns(order, 0)
    second = stage.shopper_returns(order, 0, unchecked=True)
    everything_done_at_the_warehouse(stage, second)

    assert stage.open_cases() == ["UNIT_RETURNED_TWICE"]
    assert stage.unit(second).blocked_by == "UNIT_RETURNED_TWICE"
    assert stage.unit(first).blocked_by == ""
    nothing_moved(stage)
    facts = stage.case("UNIT_RETURNED_TWICE").facts
    other = stage.unit(first).return_record.external_id
    assert (facts["other"], facts["other_rmas"]) == (f"return {other}", [other])


@pytest.mark.requirement("R006")
def test_a_unit_that_was_paid_back_already(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    again = stage.shopper_returns(order, 0, unchecked=True)
    everything_done_at_the_warehouse(stage, again)

    assert stage.open_cases() == ["UNIT_RETURNED_TWICE"]
    assert len(stage.refunds_there(order)) == 1
    assert stage.movements(again) == []


@pytest.mark.requirement("R006")
def test_a_unit_the_customer_kept_and_got_another_one_for(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.approves(stage.shopper_returns(order, method="No shipment required", **wants(order)))
    leaves(stage)
    stage.passes(minutes=20, step=5)
    again = stage.comes_back(order, 0, unchecked=True)
    stage.warehouse_checks(again)

    assert stage.open_cases() == ["UNIT_RETURNED_TWICE"]
    assert stage.refunds_there(order) == []
    assert stage.movements(again) == []


@pytest.mark.requirement("R006")
def test_somebody_elses_order(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.act("returngo", "wrong_customer", order_id=order["id"])
    stage.settle()
    everything_done_at_the_warehouse(stage, rma)

    assert stage.open_cases() == ["SOT_VIOLATION", "WRONG_CUSTOMER"]
    nothing_moved(stage)


@pytest.mark.requirement("R006")
def test_an_article_the_order_does_not_have(stage: Stage) -> None:
    order = stage.sold("SET-WEEKEND")
    unit = {"item_id": order["items"][0]["id"], "sku": "TEE-BLK-L"}
    rma = stage.shopper_returns(order, units=[unit])
    everything_done_at_the_warehouse(stage, rma)

    assert stage.open_cases() == ["UNIT_NOT_BOUGHT"]
    nothing_moved(stage)


@pytest.mark.requirement("R006")
def test_one_wrong_unit_does_not_hold_up_the_others(stage: Stage) -> None:
    order = stage.sold(SKU, "TEE-BLK-L")
    stage.shopper_returns(order, 0)
    rma = stage.shopper_returns(order, 0, 1, unchecked=True)
    everything_done_at_the_warehouse(stage, rma)

    assert [row["item_ids"] for row in stage.refunds_there(order)] == [[order["items"][1]["id"]]]
    assert stage.rma_there(rma)["status"] == "Validated"  # not done: one unit is held


@pytest.mark.requirement("R006")
def test_an_order_that_becomes_known_later_lets_its_return_go_on_by_itself(stage: Stage) -> None:
    stage.breaks("scayle", "*", "callback_suppress")
    stage.breaks("scayle", "GET /shops/nb/countries/DE/orders", "error", status=503)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.settle()
    assert stage.open_cases() == ["RETURN_ORDER_UNKNOWN"]
    nothing_moved(stage)

    stage.mended()
    stage.passes(minutes=20, step=5)

    assert "RETURN_ORDER_UNKNOWN" not in stage.open_cases()
    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.rma_there(rma)["status"] == "Done"
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R006")
def test_a_unit_that_ships_later_lets_its_return_go_on_by_itself(stage: Stage) -> None:
    order = stage.shop_sells(SKU)
    rma = stage.shopper_returns(order, 0, unchecked=True)
    stage.approves(rma)
    assert stage.open_cases() == ["UNIT_NOT_SHIPPED"]

    stage.ships(order)
    stage.settle()

    assert stage.open_cases() == []
    assert stage.unit(rma).custody == "AUTHORISED"


@pytest.mark.requirement("R006")
def test_only_customer_service_lets_a_held_return_pass(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.act("returngo", "wrong_customer", order_id=order["id"])
    stage.settle()
    case = stage.case("WRONG_CUSTOMER")

    for person in (stage.omar, stage.fiona, stage.conrad, stage.ada, stage.nobody):
        with pytest.raises(PermissionDenied):
            stage.decide(case, "accept_unit", by=person)
    stage.decide(case, "accept_unit", by=stage.carla)

    unit = stage.unit(rma)
    assert (unit.blocked_by, unit.accepted_by) == ("", "user:carla")


def test_a_unit_found_after_all_is_refunded_and_put_back(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, returned=False)
    assert stage.open_cases() == ["NOT_IN_PARCEL"]
    assert stage.refunds_there(order) == []

    item = rma["items"][0]["id"]
    stage.act("returngo", "correct_validation", rma_id=rma["id"], item_id=item)
    stage.passes(minutes=12, step=4)

    assert stage.open_cases() == []
    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.movements(rma) == [
        "OUTSIDE>IN_TRANSIT",
        "IN_TRANSIT>RECEIVED",
        "RECEIVED>OUTSIDE",
        "OUTSIDE>RECEIVED",
        "RECEIVED>SELLABLE",
    ]
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]
    assert stage.rma_there(rma)["status"] == "Done"
    assert "\n0 differences" in stage.compare()


@pytest.mark.parametrize("kind", ["NOT_IN_PARCEL", "RESOLUTION_BY_HAND", "UNIT_RETURNED_TWICE"])
def test_what_was_said_to_be_fixed_and_is_not_comes_back(stage: Stage, kind: str) -> None:
    CAUSES[kind](stage)
    case = stage.case(kind)
    person = stage.carla if case.owner == "CX" else stage.omar

    stage.decide(case, "fixed_there", by=person)

    case = stage.case(kind)
    assert case.regressions == 1


def test_a_unit_taken_out_of_its_return_is_not_waited_for_and_not_paid(stage: Stage) -> None:
    order = stage.sold(SKU, SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    stage.act("returngo", "drop_item", rma_id=rma["id"], item_id=rma["items"][1]["id"])
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma, 0)

    assert [row["item_ids"] for row in stage.refunds_there(order)] == [[order["items"][0]["id"]]]
    assert (stage.unit(rma, 1).custody, stage.unit(rma, 1).money) == ("CLOSED", "NONE")
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []
    # The unit is free again: another return may name it.
    again = stage.comes_back(order, 1)
    stage.warehouse_checks(again)
    assert len(stage.refunds_there(order)) == 2
    assert "0 differences" in stage.compare()


def test_a_held_unit_that_was_taken_out_does_not_keep_the_return_open(stage: Stage) -> None:
    order = stage.sold(SKU, "TEE-BLK-L")
    first, second = (item["id"] for item in order["items"])
    rma = stage.comes_back(order, units=[first, {"item_id": second, "sku": "JKT-NVY-L"}])
    stage.act("returngo", "drop_item", rma_id=rma["id"], item_id=rma["items"][1]["id"])
    stage.decide(stage.case("UNIT_NOT_BOUGHT"), "fixed_there", by=stage.carla)
    stage.warehouse_checks(rma, 0)
    stage.passes(hours=3, step=20)

    assert len(stage.refunds_there(order)) == 1
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def test_a_unit_taken_out_after_it_was_paid_needs_a_person(stage: Stage) -> None:
    order = stage.sold(SKU, SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, 0)
    assert stage.unit(rma, 0).money == "RECORDED"
    stage.act("returngo", "drop_item", rma_id=rma["id"], item_id=rma["items"][0]["id"])
    stage.passes(minutes=6, step=6)

    assert "RETURN_WENT_BACK" in stage.open_cases()
    assert stage.case("RETURN_WENT_BACK").facts["theirs"] == "not listed any more"


@pytest.mark.parametrize("is_shipped", [False, True])
def test_a_return_that_was_ended_and_opened_again_unseen_starts_over(
    stage: Stage, is_shipped: bool
) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    if is_shipped:
        stage.hands_in(rma)
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Pending")
    stage.settle()

    assert (stage.unit(rma).custody, stage.returned(rma).status) == ("REQUESTED", "REQUESTED")
    assert stage.open_cases() == []
    if is_shipped:
        assert stage.movements(rma) == ["OUTSIDE>IN_TRANSIT", "IN_TRANSIT>OUTSIDE"]
    stage.approves(rma)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    assert stage.rma_there(rma)["status"] == "Done"
    assert len(stage.refunds_there(order)) == 1
    assert (stage.open_cases(), stage.owed()) == ([], [])


@pytest.mark.parametrize(
    ("button", "data"),
    [("send_back_unit", {}), ("quarantine_unit", {"location": "hamburg"})],
)
def test_a_decision_about_goods_of_a_cancelled_return_ends_when_it_is_opened_again(
    stage: Stage, button: str, data: dict[str, str]
) -> None:
    """It was opened again in the moment for which a decision is held: it is checked and paid."""
    order = stage.sold(SKU)
    before = stage.sellable(SKU)
    rma = stage.comes_back(order)
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    case = stage.case("CANCELLED_WITH_GOODS")
    stage.presses(case, button, by=stage.omar, **data)
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.settle()
    stage.passes(minutes=4, step=1)

    assert stage.movements(rma)[-1] == "IN_TRANSIT>RECEIVED"
    assert stage.unit(rma).inspections.count() == 0
    assert "CANCELLED_WITH_GOODS" not in stage.open_cases()
    said = case.events.filter(kind="NOTED").latest("id").note
    assert said is not None and said.text.startswith("Nothing was booked")
    stage.warehouse_checks(rma)
    assert stage.sellable(SKU) == before + 1
    assert len(stage.refunds_there(order)) == 1


@pytest.mark.requirement("R006")
def test_a_return_opened_again_beside_the_next_one_of_its_unit_is_held(stage: Stage) -> None:
    order = stage.sold(SKU)
    first = stage.shopper_returns(order)
    stage.act("returngo", "cancel", rma_id=first["id"])
    stage.settle()
    second = stage.comes_back(order)
    stage.act("returngo", "reopen", rma_id=first["id"], status="Approved")
    stage.settle()
    stage.passes(hours=2, step=20)
    assert stage.open_cases() == ["UNIT_RETURNED_TWICE"]
    assert str(second["id"]) in stage.case("UNIT_RETURNED_TWICE").facts["other"]

    stage.act("returngo", "cancel", rma_id=first["id"])
    stage.warehouse_checks(second)
    assert len(stage.refunds_there(order)) == 1
    assert stage.rma_there(second)["status"] == "Done"
    assert stage.open_cases() == []


def test_a_unit_on_our_shelf_cannot_come_back_once_more(stage: Stage) -> None:
    """Its first return was cancelled after it had gone back on sale; an agent opens another one."""
    order = stage.sold(SKU)
    before = stage.sellable(SKU)
    first = stage.comes_back(order, resolution="SomethingNew")
    stage.warehouse_checks(first)
    stage.act("returngo", "cancel", rma_id=first["id"])
    stage.settle()
    assert (stage.sellable(SKU), stage.unit(first).money) == (before + 1, "NONE")
    again = stage.comes_back(order, unchecked=True)
    stage.warehouse_checks(again)
    assert stage.sellable(SKU) == before + 1  # one piece is one piece
    assert stage.refunds_there(order) == []
    assert "UNIT_RETURNED_TWICE" in stage.open_cases()

    # It had been sent back to the customer in fact: then it may come back.
    stage.decide(stage.case("CANCELLED_WITH_GOODS"), "send_back_unit", by=stage.omar)
    stage.passes(hours=2, step=10)
    assert "UNIT_RETURNED_TWICE" not in stage.open_cases()
    assert stage.movements(first)[-1].endswith(">OUTSIDE")
    assert stage.sellable(SKU) == before + 1
    assert len(stage.refunds_there(order)) == 1
