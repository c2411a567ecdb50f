"""A set is bought and comes back in parts, in turns, or whole: judged by the platforms' books."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from finance.models import Refund
from fulfilment.models import OrderItem
from returns.models import ReturnItem
from tests.story import Row, Stage

RETURN_ITEMS = "POST /fulfillment/return-items"
TEES = "SET-TEES"  # two TEE-WHT-M and one TEE-BLK-L


TURNS = sorted(set(permutations(("TEE-WHT-M", "TEE-WHT-M", "TEE-BLK-L"))))


def component(order: Row, sku: str) -> Row:
    return {"item_id": order["items"][0]["id"], "component": sku}


def comes_back_checked(stage: Stage, order: Row, *skus: str) -> Row:
    units = [component(order, sku) for sku in skus]
    rma = stage.comes_back(order, units=units)
    stage.warehouse_checks(rma)
    return rma


def finance_pays(stage: Stage) -> None:
    """Every refund that waits for a person is paid outside, and a second person agrees."""
    while "REFUND_BY_HAND" in stage.open_cases():
        case = stage.some_case("REFUND_BY_HAND")
        data = {"reference": f"BANK-{case.pk}"}
        stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=data)


def refunded(order: Row) -> list[int]:
    """What went back per refund, as it was proved."""
    rows = Refund.objects.filter(order__external_id=str(order["id"])).order_by("id")
    return [row.executed_minor or 0 for row in rows if row.status in ("RECORDED", "SETTLED")]


@pytest.mark.requirement("R033")
@pytest.mark.requirement("R035")
def test_one_of_three_comes_back_and_later_the_rest(stage: Stage) -> None:
    order = stage.sold(TEES)
    before = {sku: stage.sellable(sku) for sku in ("TEE-WHT-M", "TEE-BLK-L")}
    paid = order["items"][0]["paid"]
    shares = stage.shares(order)
    assert sum(sum(one) for one in shares.values()) == paid

    first = comes_back_checked(stage, order, "TEE-BLK-L")
    finance_pays(stage)

    assert refunded(order) == shares["TEE-BLK-L"]
    assert stage.sellable("TEE-BLK-L") == before["TEE-BLK-L"] + 1
    assert stage.sellable("TEE-WHT-M") == before["TEE-WHT-M"]
    assert RETURN_ITEMS not in stage.calls("POST")
    assert stage.refunds_there(order) == []
    assert stage.rma_there(first)["status"] == "Done"

    rest = comes_back_checked(stage, order, "TEE-WHT-M", "TEE-WHT-M")
    finance_pays(stage)

    assert sum(refunded(order)) == paid
    assert stage.sellable("TEE-WHT-M") == before["TEE-WHT-M"] + 2
    assert RETURN_ITEMS not in stage.calls("POST")
    assert stage.rma_there(rest)["status"] == "Done"
    assert stage.sold_unit(order).bundle_refund == "PARTS"
    assert not [row for row in stage.books("scayle")["stock"] if row["sku"] == TEES]
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R033")
def test_every_component_at_once_is_the_whole_set_and_the_shop_pays_it(stage: Stage) -> None:
    order = stage.sold(TEES)
    before = {sku: stage.sellable(sku) for sku in ("TEE-WHT-M", "TEE-BLK-L")}
    rma = comes_back_checked(stage, order, "TEE-WHT-M", "TEE-BLK-L", "TEE-WHT-M")

    line = order["items"][0]
    there = stage.refunds_there(order)
    assert [(row["item_ids"], row["amount"]) for row in there] == [([line["id"]], line["paid"])]
    assert stage.calls("POST").count(RETURN_ITEMS) == 1
    assert stage.sold_unit(order).bundle_refund == "WHOLE"
    assert stage.sellable("TEE-WHT-M") == before["TEE-WHT-M"] + 2
    assert stage.sellable("TEE-BLK-L") == before["TEE-BLK-L"] + 1
    assert stage.rma_there(rma)["status"] == "Done"
    assert refunded(order) == [line["paid"]]
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R033")
def test_the_set_as_one_returned_unit_is_paid_whole(stage: Stage) -> None:
    order = stage.sold(TEES)
    before = {sku: stage.sellable(sku) for sku in ("TEE-WHT-M", "TEE-BLK-L")}
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)

    assert stage.sellable("TEE-WHT-M") == before["TEE-WHT-M"] + 2
    assert stage.sellable("TEE-BLK-L") == before["TEE-BLK-L"] + 1
    assert stage.movements(rma)[-2:] == ["RECEIVED>SELLABLE"] * 2  # once for each article
    line = order["items"][0]
    there = stage.refunds_there(order)
    assert [(row["item_ids"], row["amount"]) for row in there] == [([line["id"]], line["paid"])]
    assert stage.sold_unit(order).bundle_refund == "WHOLE"
    assert stage.rma_there(rma)["status"] == "Done"


@pytest.mark.requirement("R033", "R035")
@pytest.mark.parametrize("turns", [[["TEE-BLK-L", "TEE-WHT-M", "TEE-WHT-M"]], TURNS[0]])
def test_shipping_goes_back_once_and_only_with_the_last_of_the_set(
    stage: Stage, turns: Sequence[str | list[str]]
) -> None:
    stage.configure(shipping_refund="full_returns")
    order = stage.sold(TEES)
    shipping = order["total"] - order["items"][0]["paid"]
    assert shipping > 0
    for place, skus in enumerate(turns):
        comes_back_checked(stage, order, *([skus] if isinstance(skus, str) else skus))
        finance_pays(stage)
        stage.passes(minutes=4, step=2)
        finance_pays(stage)
        subjects = list(Refund.objects.values_list("subject", flat=True))
        assert subjects.count("shipping") == (place == len(turns) - 1)

    assert sum(refunded(order)) == order["total"]
    assert stage.order(order).refunded_minor == order["total"]
    assert stage.order_there(order)["billing_log"][-1]["code"] == "billing_refunded"
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def test_a_refused_set_may_be_asked_for_again(stage: Stage) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    order = stage.sold(TEES)
    comes_back_checked(stage, order, "TEE-WHT-M", "TEE-BLK-L", "TEE-WHT-M")
    assert stage.sold_unit(order).bundle_refund == "NONE"

    stage.decide(stage.case("REFUND_REFUSED"), "try_again", by=stage.fiona)
    stage.passes(minutes=6, step=6)

    assert stage.sold_unit(order).bundle_refund == "WHOLE"
    assert [row["executed"] for row in stage.refunds_there(order)] == [True]


def test_more_than_the_set_had_is_held(stage: Stage) -> None:
    order = stage.sold(TEES)
    comes_back_checked(stage, order, "TEE-BLK-L")
    finance_pays(stage)
    again = stage.shopper_returns(order, units=[component(order, "TEE-BLK-L")])
    whole = stage.shopper_returns(order, 0, unchecked=True)

    assert stage.open_cases() == ["UNIT_RETURNED_TWICE", "UNIT_RETURNED_TWICE"]
    for rma in (again, whole):
        assert stage.unit(rma).blocked_by == "UNIT_RETURNED_TWICE"


@pytest.mark.requirement("R034")
def test_components_are_read_from_the_catalogue_where_the_order_does_not_say(
    stage: Stage,
) -> None:
    path = "GET /shops/nb/countries/DE/orders/{order}"
    stage.breaks("scayle", path, "missing_field", field="items.merchantAdditionalData")
    order = stage.sold("SET-WEEKEND")

    assert stage.shares(order) == {"TEE-BLK-M": [2199], "HOD-GRY-M": [5291]}
    assert set(OrderItem.objects.exclude(parent=None).values_list("share_basis", flat=True)) == {
        "CATALOGUE"
    }


@pytest.mark.requirement("R035")
@pytest.mark.parametrize("turns", TURNS)
def test_in_any_order_and_with_any_discount_all_of_it_goes_back(
    stage: Stage, turns: tuple[str, ...]
) -> None:
    order = stage.sold(TEES, voucher=777, gift_card=1000)
    for sku in turns:
        comes_back_checked(stage, order, sku)
    finance_pays(stage)

    assert sum(refunded(order)) == order["items"][0]["paid"]
    assert all(amount > 0 for amount in refunded(order))
    assert RETURN_ITEMS not in stage.calls("POST")
    assert ReturnItem.objects.filter(money="RECORDED").count() == 3
    assert "0 differences" in stage.compare()
