"""What people decide counts for what they meant, no more and no less."""

from __future__ import annotations

import pytest
from django.utils.html import strip_tags

from integrator.engine import decisions
from integrator.engine.decisions import DECISIVE
from integrator.models import Case, Connection, Job
from tests.story import Stage

SKU = "JKT-NVY-M"
RETURN_ITEMS = "POST /fulfillment/return-items"


def test_a_refund_that_was_given_up_is_not_paid_when_a_sibling_is_ready(stage: Stage) -> None:
    """Finance settled one jacket in another way. The second one comes later: only that is paid."""
    order = stage.sold(SKU, SKU)
    rma = stage.comes_back(order)
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    stage.warehouse_checks(rma, 0)
    stage.decide(stage.case("REFUND_REFUSED"), "give_up", by=stage.fiona)
    stage.mended()

    stage.warehouse_checks(rma, 1)
    stage.passes(minutes=10, step=5)

    assert stage.unit(rma, 0).money == "WAIVED"
    assert stage.unit(rma, 1).money == "RECORDED"
    [paid] = stage.refunds_there(order)
    assert paid["item_ids"] == [order["items"][1]["id"]]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def test_what_is_held_can_be_taken_back_and_nothing_was_sent(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    rule = stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    stage.warehouse_checks(rma)
    case, tried = stage.case("REFUND_REFUSED"), rule.struck
    stage.presses(case, "try_again", by=stage.fiona)
    held = Job.objects.get(flow="try_again")

    stage.posts(stage.fiona, "case_cancel", case.pk, held.pk)
    stage.passes(minutes=5)

    held.refresh_from_db()
    assert held.state == "CANCELLED"
    assert rule.struck == tried
    assert Job.objects.filter(flow="refund", state="PARKED").count() == 1
    assert stage.case("REFUND_REFUSED").pk == case.pk


def test_what_nobody_takes_back_leaves_after_thirty_seconds_and_not_before(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    stage.warehouse_checks(rma)
    stage.mended()
    stage.presses(stage.case("REFUND_REFUSED"), "try_again", by=stage.fiona)

    stage.clock.shift(29)
    stage.settle()
    assert stage.refunds_there(order) == []
    stage.clock.shift(2)
    stage.settle()
    assert len(stage.refunds_there(order)) == 1


@pytest.mark.parametrize("resolution", ["FIXED_THERE", "NOT_AN_ERROR", "ACCEPTED_LOSS"])
def test_a_case_whose_step_still_waits_cannot_be_closed_over_it(
    stage: Stage, resolution: str
) -> None:
    """Closing would hide a refund that is still owed, and no comparison would find it again."""
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    stage.warehouse_checks(stage.comes_back(stage.sold(SKU)))
    case = stage.case("REFUND_REFUSED")

    said = stage.posts(
        stage.fiona, "case_solve", case.pk, resolution=resolution, note="enough", version=""
    )

    assert said.status_code == 409
    assert "Its step waits for this case" in said.content.decode()
    assert stage.open_cases() == ["REFUND_REFUSED"]


@pytest.mark.requirement("R025")
def test_a_unit_that_finance_is_paying_is_not_sent_along_with_its_sibling(stage: Stage) -> None:
    """Refused for the first jacket: finance pays it from the bank. The second is sent alone."""
    order = stage.sold(SKU, SKU)
    rma = stage.comes_back(order)
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    stage.warehouse_checks(rma, 0)
    case = stage.case("REFUND_REFUSED")
    stage.presses(case, "paid_by_hand", by=stage.fiona, reference="BANK-7")
    stage.agrees(case, by=stage.conrad)  # and for thirty seconds nothing of it has happened yet

    stage.checks_only(rma, 1)
    stage.passes(minutes=8, step=1)

    [sent] = stage.refunds_there(order)
    assert sent["item_ids"] == [order["items"][1]["id"]]
    assert [stage.unit(rma, place).money for place in (0, 1)] == ["RECORDED", "RECORDED"]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def test_two_stopped_refunds_of_a_return_are_two_cases(stage: Stage) -> None:
    order = stage.sold(SKU, SKU)
    rma = stage.comes_back(order)
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422)
    stage.warehouse_checks(rma, 0)
    stage.warehouse_checks(rma, 1)
    assert stage.open_cases() == ["REFUND_REFUSED", "REFUND_REFUSED"]

    stage.mended()
    for case in Case.objects.filter(kind="REFUND_REFUSED").order_by("id"):
        stage.decide(case, "try_again", by=stage.fiona)
    stage.passes(minutes=8, step=2)

    paid = [item for row in stage.refunds_there(order) for item in row["item_ids"]]
    assert sorted(paid) == [item["id"] for item in order["items"]]
    assert stage.open_cases() == []


def test_where_the_shops_call_is_switched_off_finance_pays_by_hand(stage: Stage) -> None:
    shop = stage.connection("scayle")
    off = shop.settings | {"write_return_items": "off"}
    Connection.objects.filter(pk=shop.pk).update(settings=off)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)

    case = stage.case("REFUND_BY_HAND")
    stage.decide(
        case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data={"reference": "BANK-8"}
    )
    stage.passes(minutes=6, step=3)

    assert stage.refunds_there(order) == []
    assert stage.unit(rma).money == "RECORDED"
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def paid(stage: Stage, case: Case, key: str = "paid_by_hand") -> str:
    """What the page says to somebody who presses the button now."""
    seen = case.events.filter(kind__in=DECISIVE).order_by("-id").first()
    form = {"version": seen.pk if seen else "", "reference": "BANK-1", "note": "seen"}
    answer = stage.posts(stage.fiona, "case_act", case.pk, key, **form)
    return strip_tags(answer.content.decode()) if answer.status_code == 409 else ""


@pytest.mark.requirement("R058")
def test_nobody_pays_by_hand_what_is_being_tried_again(stage: Stage) -> None:
    """Between "Try again" and its outcome the customer may be getting the money just now."""
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    case = stage.case("REFUND_REFUSED")
    stage.breaks("scayle", RETURN_ITEMS, "error", status=429, retry_after=600, times=1)
    stage.presses(case, "try_again", by=stage.fiona)
    assert "is on its way" in paid(stage, case)
    stage.clock.shift(31)
    stage.work()
    assert Job.objects.get(flow="refund", state="WAITING").attempts == 2
    assert "is being tried again" in paid(stage, case)
    stage.passes(minutes=15, step=3)

    assert [row["by"] for row in stage.refunds_there(order)] == ["return-items"]
    assert stage.open_cases() == []


@pytest.mark.requirement("R058")
def test_what_the_second_person_agrees_to_must_still_rest(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    case = stage.case("REFUND_REFUSED")
    assert paid(stage, case) == ""  # asked, and the second person thinks about it
    assert case.job is not None
    assert decisions.let_look_again([case.job], at=stage.now()) == 1  # a later fact has it tried
    stage.agrees(case, by=stage.conrad)
    stage.passes(minutes=6, step=3)

    assert [row["by"] for row in stage.refunds_there(order)] == ["return-items"]
    assert not case.events.filter(kind="DECIDED", action="paid_by_hand").exists()


@pytest.mark.requirement("R058")
def test_a_refusal_is_closed_when_the_next_try_is_in_doubt(stage: Stage) -> None:
    """Its case would offer to pay by hand what may be on its way."""
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    case = stage.case("REFUND_REFUSED")
    stage.breaks("scayle", RETURN_ITEMS, "hang", seconds=60, times=1)
    stage.decide(case, "try_again", by=stage.fiona)
    case.refresh_from_db()

    assert Job.objects.filter(flow="refund", state="IN_DOUBT").count() == 1
    assert (case.state, stage.open_cases()) == ("SOLVED", [])
