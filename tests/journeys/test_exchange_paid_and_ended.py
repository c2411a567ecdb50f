"""The customer paid more for a replacement, and it is not sent: finance pays that back, once."""

from __future__ import annotations

import pytest

from tests.journeys.exchanges import OTHER, SKU, approved, exchange, orders_there
from tests.journeys.test_money_instead import paid_once
from tests.story import Row, Stage

MORE, DEARER = 2500, "JKT-NVY-S"


@pytest.fixture
def sale(stage: Stage) -> Row:
    order = stage.sold(SKU)
    stage.act("scayle", "change_stock", sku=OTHER, quantity=0)
    return order


def sold_out(stage: Stage, sale: Row) -> Row:
    return approved(stage, sale, exchange_price=sale["items"][0]["paid"] + MORE)


def pays(stage: Stage, rma: Row) -> None:
    stage.act("returngo", "pay_difference", rma_id=rma["id"])
    stage.passes(minutes=6, step=2)


def checked(stage: Stage, rma: Row) -> None:
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)


def finance_pays_back(stage: Stage, rma: Row, amount: int = MORE) -> None:
    case, data = stage.case("EXCHANGE_PAYMENT_OWED"), {"reference": "BANK-9"}
    assert (case.money_minor, case.owner) == (amount, "FINANCE")
    stage.decide(case, "difference_paid", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(minutes=12, step=4)
    assert "EXCHANGE_PAYMENT_OWED" not in stage.open_cases()


def test_money_is_chosen_instead(stage: Stage, sale: Row) -> None:
    rma = sold_out(stage, sale)
    pays(stage, rma)
    assert exchange(rma).difference == "PAID"
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    checked(stage, rma)

    finance_pays_back(stage, rma)
    paid_once(stage, sale, rma)
    assert exchange(rma).difference == "SETTLED"


def test_the_bill_is_paid_after_money_was_chosen(stage: Stage, sale: Row) -> None:
    rma = sold_out(stage, sale)
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    stage.passes(minutes=6, step=2)
    assert stage.open_cases() == []
    pays(stage, rma)
    checked(stage, rma)

    finance_pays_back(stage, rma)
    paid_once(stage, sale, rma)


def test_customer_service_ends_it(stage: Stage, sale: Row) -> None:
    rma = sold_out(stage, sale)
    pays(stage, rma)
    stage.decide(stage.case("EXCHANGE_NO_STOCK"), "exchange_refuse", by=stage.carla)
    stage.passes(minutes=6, step=2)

    assert stage.open_cases() == ["EXCHANGE_PAYMENT_OWED", "RESOLUTION_BY_HAND"]
    finance_pays_back(stage, rma)


@pytest.mark.parametrize("less", [0, 1000])
def test_another_piece_is_chosen_and_takes_what_it_needs_of_the_payment(
    stage: Stage, sale: Row, less: int
) -> None:
    rma = sold_out(stage, sale)
    pays(stage, rma)
    price = sale["items"][0]["paid"] + MORE - less
    stage.act(
        "returngo", "change_wish", rma_id=rma["id"], exchange_sku=DEARER, exchange_price=price
    )
    stage.passes(minutes=12, step=4)

    assert exchange(rma).difference == "PAID"
    assert [row["total"] for row in orders_there(stage)] == [MORE - less]
    if less:
        finance_pays_back(stage, rma, less)
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]
