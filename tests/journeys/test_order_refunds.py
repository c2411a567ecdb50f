"""Refunds of an order as a whole: shipping, goodwill, and what the shop paid by hand itself."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from finance.models import LedgerEntry, Refund
from integrator.models import Case
from tests.story import Row, Stage

SKU = "TEE-BLK-L"
OTHER = "JKT-NVY-M"
RETURN_ITEMS = "POST /fulfillment/return-items"


def decide(stage: Stage, kind: str, key: str, **data: Any) -> None:
    stage.decide(stage.case(kind), key, by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(minutes=4, step=2)


def account(name: str) -> int:
    rows = LedgerEntry.objects.filter(from_account=name).values_list("amount_minor", flat=True)
    return sum(rows)


def notes() -> str:
    rows = Case.objects.get(kind="PAID_IN_SHOP").events.filter(kind="NOTED")
    return "\n".join(one.note.text for one in rows.order_by("id") if one.note)


# --- shipping ------------------------------------------------------------------------------------


def test_shipping_goes_back_when_everything_came_back(stage: Stage) -> None:
    stage.configure(shipping_refund="full_returns")
    order = stage.sold(SKU)
    shipping = order["total"] - order["items"][0]["paid"]
    assert shipping > 0
    stage.warehouse_checks(stage.comes_back(order))
    stage.passes(minutes=4, step=2)

    case = stage.case("REFUND_BY_HAND")
    assert (case.money_minor, case.facts["what"]) == (shipping, "shipping")
    decide(stage, "REFUND_BY_HAND", "paid_by_hand", reference="BANK-4")

    subjects = Refund.objects.filter(status="RECORDED").values_list("subject", "number")
    assert sorted(subjects) == [("item", 1), ("shipping", 1)]
    assert stage.order(order).refunded_minor == order["total"]
    assert stage.order_there(order)["billing_log"][-1]["code"] == "billing_refunded"
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def test_shipping_goes_back_though_the_unit_was_paid_in_the_shop_before_it_came(
    stage: Stage,
) -> None:
    stage.configure(shipping_refund="full_returns")
    order = stage.sold(SKU)
    unit = order["items"][0]
    by_hand = {"order_id": order["id"], "item_ids": [unit["id"]], "amount": unit["paid"]}
    stage.act("scayle", "refund_by_hand", **by_hand)
    stage.settle()
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount=f"{unit['paid'] / 100:.2f}", skus=SKU)
    assert stage.open_cases() == []
    stage.warehouse_checks(stage.comes_back(order, 0))
    stage.passes(minutes=4, step=2)

    assert stage.case("REFUND_BY_HAND").money_minor == order["total"] - unit["paid"]


@pytest.mark.parametrize(
    ("rule", "units"), [("never", (SKU,)), ("full_returns", (SKU, SKU))], ids=["never", "in part"]
)
def test_shipping_stays_paid_otherwise(stage: Stage, rule: str, units: tuple[str, ...]) -> None:
    stage.configure(shipping_refund=rule)
    order = stage.sold(*units)
    stage.warehouse_checks(stage.comes_back(order, 0))
    stage.passes(minutes=4, step=2)
    assert [one.subject for one in Refund.objects.all()] == ["item"]
    assert stage.open_cases() == []


def test_shipping_waits_for_a_choice_that_nobody_has_made(stage: Stage) -> None:
    stage.configure(shipping_refund=None)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    stage.passes(minutes=4, step=2)
    assert stage.open_cases() == ["REFUND_EXECUTOR_MISSING"]
    assert "shipping refund" in stage.case("REFUND_EXECUTOR_MISSING").facts["error"]


# --- goodwill ------------------------------------------------------------------------------------


def asks(
    stage: Stage, order: Row, amount: str, *, by: str = "carla", why: str = "Late parcel"
) -> None:
    person = getattr(stage, by)
    stage.posts(person, "order_goodwill", stage.order(order).pk, amount=amount, note=why)


@pytest.mark.requirement("R015")
def test_goodwill_is_asked_by_service_and_paid_by_finance(stage: Stage) -> None:
    order = stage.sold(SKU)
    for person in ("omar", "ada", "nobody"):
        with pytest.raises(PermissionDenied):
            asks(stage, order, "5.00", by=person)
    asks(stage, order, "5.00")
    case = stage.case("GOODWILL")
    with pytest.raises(PermissionDenied):
        stage.decide(case, "goodwill_paid", by=stage.carla, data={"reference": "G-1"})
    stage.decide(case, "goodwill_paid", by=stage.fiona, data={"reference": "G-1"})
    stage.passes(minutes=4, step=2)

    refund = Refund.objects.get()
    assert (refund.subject, refund.number, refund.executed_minor) == ("goodwill", 1, 500)
    assert account("GOODWILL") == 500
    assert stage.order(order).refunded_minor == 0  # a gift never stands in the way of a refund
    assert "G-1" not in stage.order_there(order)["billing_log"][0]["reason"]
    assert refund.key in stage.order_there(order)["billing_log"][0]["reason"]
    stage.warehouse_checks(stage.comes_back(order))
    assert len(stage.refunds_there(order)) == 1


def test_goodwill_above_the_limit_or_above_what_was_paid_takes_two(stage: Stage) -> None:
    order = stage.sold(SKU)
    asks(stage, order, "10.01")
    case = stage.case("GOODWILL_OVER_LIMIT")
    stage.decide(case, "goodwill_paid", by=stage.fiona, data={"reference": "G-2"})
    assert not Refund.objects.exists()  # asked, and nobody has agreed
    decide(stage, "GOODWILL_OVER_LIMIT", "goodwill_paid", reference="G-2")
    assert Refund.objects.get().executed_minor == 1001

    stage.warehouse_checks(stage.comes_back(order))
    stage.passes(minutes=4, step=2)
    asks(stage, order, "9.00")  # within the limit, but more than was ever paid would go back
    assert stage.case("GOODWILL_OVER_LIMIT").money_minor == 900


def test_goodwill_that_is_asked_for_twice_counts_together(stage: Stage) -> None:
    """Each alone is small, and none is paid yet. Both would be more than was ever paid."""
    order = stage.sold(SKU)
    paid = stage.order(order).paid_minor
    stage.configure(goodwill_limit_minor={"EUR": paid})
    asks(stage, order, f"{(paid - 100) / 100:.2f}")
    asks(stage, order, "1.01")
    assert stage.open_cases() == ["GOODWILL", "GOODWILL_OVER_LIMIT"]
    stage.decide(stage.case("GOODWILL"), "not_an_error", by=stage.fiona)
    asks(stage, order, "1.02")  # the other was refused: nothing of it counts
    assert stage.open_cases() == ["GOODWILL", "GOODWILL_OVER_LIMIT"]


def test_goodwill_takes_two_when_so_much_went_back_since_it_was_asked(stage: Stage) -> None:
    """One person of finance was enough; the order came back before they pressed the button."""
    order = stage.sold(SKU)
    asks(stage, order, "5.00")
    case = stage.case("GOODWILL")
    stage.warehouse_checks(stage.comes_back(order))
    stage.passes(minutes=4, step=2)
    stage.decide(case, "goodwill_paid", by=stage.fiona, data={"reference": "G-1"})
    stage.passes(minutes=4, step=2)

    assert not Refund.objects.filter(subject="goodwill").exists()
    assert stage.open_cases() == ["GOODWILL_OVER_LIMIT"]
    for_two = stage.case("GOODWILL_OVER_LIMIT")
    told = [one.note.text for one in for_two.events.filter(kind="NOTED").order_by("id") if one.note]
    assert told == [
        "Late parcel",
        "fiona said that it was paid: G-1. More has gone back meanwhile",
    ]
    decide(stage, "GOODWILL_OVER_LIMIT", "goodwill_paid", reference="G-1")
    assert Refund.objects.get(subject="goodwill").executed_minor == 500
    assert stage.open_cases() == []


def test_goodwill_that_is_pressed_twice_is_asked_once(stage: Stage) -> None:
    order = stage.sold(SKU)
    asks(stage, order, "5.00")
    asks(stage, order, "5.00")
    assert stage.open_cases() == ["GOODWILL"]
    asks(stage, order, "5.00", why="And a scratch")  # another reason is another question
    asks(stage, order, "4.00")
    asks(stage, order, "5.00", by="fiona")
    assert len(stage.open_cases()) == 4


def test_a_reason_that_is_too_long_is_said_to_be_and_not_cut(stage: Stage) -> None:
    order = stage.sold(SKU)
    asks(stage, order, "5.00", why="a" * 4001)
    assert stage.open_cases() == []


# --- refunded by hand in the shop ----------------------------------------------------------------


@pytest.mark.requirement("R058")
def test_a_refund_by_hand_in_the_shop_is_found_and_its_return_is_not_paid_again(
    stage: Stage,
) -> None:
    order = stage.sold(SKU, OTHER)
    unit = order["items"][0]
    stage.act("scayle", "refund_by_hand", order_id=order["id"], item_ids=[unit["id"]])
    stage.settle()
    assert stage.open_cases() == ["PAID_IN_SHOP"]

    decide(stage, "PAID_IN_SHOP", "paid_goods", amount=f"{unit['paid'] / 100:.2f}", skus=SKU)
    assert stage.open_cases() == []
    rma = stage.comes_back(order, 0)
    stage.warehouse_checks(rma)

    assert [row["by"] for row in stage.refunds_there(order)] == ["hand"]
    assert RETURN_ITEMS not in stage.calls()
    assert stage.unit(rma).money == "RECORDED"
    assert stage.rma_there(rma)["status"] == "Done"
    # The other unit was not paid: its return takes the usual way, and asks nobody.
    stage.warehouse_checks(stage.comes_back(order, 1))
    assert [row["by"] for row in stage.refunds_there(order)] == ["hand", "return-items"]
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def test_one_with_a_return_under_way_is_tied_to_it(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.settle()
    paid = order["items"][0]["paid"]
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount=f"{paid / 100:.2f}")
    stage.warehouse_checks(rma)

    assert Refund.objects.get().return_record == stage.returned(rma)
    assert RETURN_ITEMS not in stage.calls()
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def test_one_with_a_cancelled_return_is_tied_to_the_one_that_goes_on(stage: Stage) -> None:
    """The first return was cancelled: nothing comes of it, and it cannot be done there any more."""
    order = stage.sold(SKU)
    first = stage.shopper_returns(order)
    stage.act("returngo", "cancel", rma_id=first["id"])
    stage.settle()
    second = stage.comes_back(order)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.settle()
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount=f"{order['items'][0]['paid'] / 100:.2f}")
    stage.warehouse_checks(second)

    assert Refund.objects.get().return_record == stage.returned(second)
    assert [stage.unit(rma).money for rma in (first, second)] == ["NONE", "RECORDED"]
    assert stage.rma_there(second)["status"] == "Done"
    assert (stage.open_cases(), stage.owed()) == ([], [])


@pytest.mark.parametrize("when", ["before it comes", "on its way"])
def test_a_part_paid_in_the_shop_leaves_the_rest_owed(stage: Stage, when: str) -> None:
    order = stage.sold(SKU, OTHER)
    rma = stage.comes_back(order, 0) if when == "on its way" else None
    stage.act("scayle", "refund_by_hand", order_id=order["id"], amount=1000)
    stage.settle()
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount="10.00", skus=SKU)
    assert stage.open_cases() == []  # it has not come back yet, for all we know
    stage.warehouse_checks(rma or stage.comes_back(order, 0))

    paid = order["items"][0]["paid"]
    assert stage.case("CORRECTION_AFTER_REFUND").money_minor == paid - 1000
    decide(stage, "CORRECTION_AFTER_REFUND", "settle_difference", reference="BANK-6")
    stage.passes(hours=1, step=10)
    assert stage.order(order).refunded_minor == paid
    assert stage.open_cases() == []


def test_less_than_a_cent_of_a_payment_is_no_units(stage: Stage) -> None:
    order = stage.sold(SKU, OTHER)
    stage.comes_back(order, 0)
    stage.act("scayle", "refund_by_hand", order_id=order["id"], amount=1)
    stage.settle()
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount="0.01")
    assert Refund.objects.get().executed_minor == 1
    assert "JOB_FAILED" not in stage.open_cases()


@pytest.mark.requirement("R058")
def test_an_article_bought_twice_is_named_by_its_line(stage: Stage) -> None:
    """The article number alone could mean the unit that was not paid, which is then paid twice."""
    order = stage.sold(SKU, SKU)
    unit = order["items"][1]
    stage.act("scayle", "refund_by_hand", order_id=order["id"], item_ids=[unit["id"]])
    stage.settle()
    paid = f"{unit['paid'] / 100:.2f}"
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount=paid, skus=SKU)
    assert stage.open_cases() == ["PAID_IN_SHOP"]
    assert f"give the line number of one: {order['items'][0]['id']}, {unit['id']}" in notes()

    decide(stage, "PAID_IN_SHOP", "paid_goods", amount=paid, skus=str(unit["id"]))
    assert stage.open_cases() == []
    for place in (1, 0):
        stage.warehouse_checks(stage.comes_back(order, place))
    rows = [(row["by"], row["item_ids"]) for row in stage.refunds_there(order)]
    assert rows == [("hand", [unit["id"]]), ("return-items", [order["items"][0]["id"]])]
    assert stage.open_cases() == []


def test_what_comes_to_light_after_it_was_asked_is_asked_about_by_itself(stage: Stage) -> None:
    order = stage.sold(SKU, OTHER)
    first, second = (item["id"] for item in order["items"])
    stage.act("scayle", "refund_by_hand", order_id=order["id"], item_ids=[first])
    stage.settle()
    case = stage.case("PAID_IN_SHOP")
    amount = f"{order['items'][0]['paid'] / 100:.2f}"
    stage.presses(case, "paid_goods", by=stage.fiona, amount=amount, skus=SKU)
    stage.act("scayle", "refund_by_hand", order_id=order["id"], item_ids=[second])
    stage.settle()
    stage.agrees(case, by=stage.conrad)
    stage.passes(minutes=3, step=1)

    assert stage.open_cases() == ["PAID_IN_SHOP"]
    assert "came to light since" in notes()
    amount = f"{order['items'][1]['paid'] / 100:.2f}"
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount=amount, skus=OTHER)
    assert stage.open_cases() == []
    assert account("REFUNDS_OWED") == sum(item["paid"] for item in order["items"])


def test_one_that_was_recorded_by_hand_before_it_was_seen_is_tied_to_it(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    stage.breaks("scayle", "*", "callback_suppress")
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    decide(stage, "REFUND_REFUSED", "paid_by_hand", reference="PANEL-3")
    stage.mended()
    stage.passes(minutes=70, step=10)

    decide(stage, "PAID_IN_SHOP", "paid_already", reference="PANEL-4")
    assert "under PANEL-4" in notes()
    decide(stage, "PAID_IN_SHOP", "paid_already", reference="PANEL-3")
    stage.passes(minutes=70, step=10)
    assert stage.open_cases() == []
    paid = LedgerEntry.objects.filter(to_account="PAYER").values_list("amount_minor", flat=True)
    assert list(paid) == [order["items"][0]["paid"]]


def test_one_for_something_else_does_not_stop_the_return(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.act("scayle", "refund_by_hand", order_id=order["id"], amount=100)
    stage.settle()
    decide(stage, "PAID_IN_SHOP", "paid_something_else", amount="1.00")
    stage.warehouse_checks(stage.comes_back(order))

    assert [row["by"] for row in stage.refunds_there(order)] == ["hand", "return-items"]
    assert stage.open_cases() == []
    assert account("GOODWILL") == 100


def test_the_sweep_finds_one_whose_callback_was_lost(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.breaks("scayle", "*", "callback_suppress")
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.sandbox.world.scayle.orders[order["id"]].updated_at = stage.now()
    stage.settle()
    stage.mended()
    stage.passes(minutes=12, step=4)
    assert stage.open_cases() == ["PAID_IN_SHOP"]


def test_an_amount_that_cannot_be_is_not_booked_and_the_case_says_so(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.act("scayle", "refund_by_hand", order_id=order["id"])
    stage.settle()
    decide(stage, "PAID_IN_SHOP", "paid_goods", amount="9999.00")
    assert stage.open_cases() == ["PAID_IN_SHOP"]
    assert not Refund.objects.exists()
    assert "Not booked" in notes()
