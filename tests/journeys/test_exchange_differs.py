"""An exchange that costs more or less, or is wished otherwise on its way."""

from __future__ import annotations

from typing import Any

import pytest

from integrator.models import MappingKind
from integrator.sandbox.returngo import bodies, process
from returns.models import Exchange
from tests.journeys.exchanges import (
    OTHER,
    SKU,
    approved,
    ends_well,
    exchange,
    leaves,
    means,
    orders_there,
    wants,
)
from tests.journeys.test_unfulfilled_exchange import to_the_end
from tests.story import Row, Stage

# --- price differences ---------------------------------------------------------------------------


def test_an_open_difference_holds_the_parcel_until_it_is_paid(stage: Stage) -> None:
    order = stage.sold(SKU)
    price = order["items"][0]["paid"] + 2500
    rma = approved(stage, order, exchange_price=price)
    stage.passes(hours=1, step=10)

    (made,) = orders_there(stage)
    assert (made["items"][0]["price"], made["sent"]["payment"][0]["amount"]) == (2500, 2500)
    assert exchange(rma).difference == "OPEN"
    assert stage.open_cases() == []
    stage.passes(hours=72, step=240)
    assert stage.case("EXCHANGE_UNPAID").facts["amount"] == "EUR 25.00"
    stage.act("returngo", "pay_difference", rma_id=rma["id"])
    stage.passes(minutes=20, step=5)
    assert exchange(rma).difference == "PAID"
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]
    to_the_end(stage, rma)


def test_a_difference_that_is_let_pass_needs_a_second_person(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = approved(stage, order, exchange_price=order["items"][0]["paid"] + 100)
    stage.passes(hours=73, step=240)
    case = stage.case("EXCHANGE_UNPAID")
    stage.decide(case, "exchange_waive", by=stage.carla, second=stage.conrad)

    assert exchange(rma).difference == "WAIVED"
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]


def test_what_a_cheaper_piece_leaves_over_is_owed_and_booked_once(stage: Stage) -> None:
    order = stage.sold(SKU)
    paid = order["items"][0]["paid"]
    rma = approved(stage, order, exchange_price=paid - 1500)
    leaves(stage)
    assert stage.open_cases() == [], "nothing is paid before the goods were seen"
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.passes(minutes=6, step=6)

    case = stage.case("EXCHANGE_DIFFERENCE_OWED")
    assert (case.money_minor, case.owner) == (1500, "FINANCE")
    data = {"reference": "BANK-77"}
    stage.decide(case, "difference_paid", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(minutes=9, step=3)
    assert exchange(rma).difference == "SETTLED"
    assert stage.order(order).refunded_minor == 1500
    assert stage.rma_there(rma)["status"] == "Done"
    ends_well(stage, rma)


def test_it_is_owed_too_where_a_person_has_said_how_the_unit_comes_back(stage: Stage) -> None:
    means(stage, MappingKind.METHOD, "Drop-off point", "SHIPPED")
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, **wants(order, exchange_price=order["items"][0]["paid"] - 5))
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].method = "Drop-off point"
    stage.approves(rma)
    leaves(stage)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma, 0)
    stage.passes(minutes=12, step=6)

    case, data = stage.case("EXCHANGE_DIFFERENCE_OWED"), {"reference": "BANK-79"}
    stage.decide(case, "difference_paid", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(minutes=12, step=6)
    ends_well(stage, rma)


@pytest.mark.parametrize("amount", [3000, 500])
def test_what_a_cheaper_piece_leaves_over_is_paid_by_the_returns_platform(
    stage: Stage, amount: int
) -> None:
    """All of it settles the difference. Of a part, finance is asked to pay the rest."""
    order = stage.sold(SKU)
    rma = approved(stage, order, exchange_price=order["items"][0]["paid"] - 3000)
    leaves(stage)
    stage.hands_in(rma)
    stage.arrives(rma)
    row = stage.act("returngo", "request_refund_transaction", rma_id=rma["id"], amount=amount)
    stage.act("returngo", "mark_transaction", transaction_id=row["id"], status="Success")
    stage.warehouse_checks(rma)
    stage.passes(minutes=30, step=5)

    if amount < 3000:
        assert exchange(rma).difference == "OWED"
        assert stage.open_cases() == ["EXCHANGE_DIFFERENCE_OWED"]
        case, data = stage.case("EXCHANGE_DIFFERENCE_OWED"), {"reference": "BANK-78"}
        assert (case.money_minor, case.facts["amount"]) == (2500, "EUR 25.00")
        stage.decide(case, "difference_paid", by=stage.fiona, second=stage.conrad, data=data)
        stage.passes(minutes=20, step=5)
    assert exchange(rma).difference == "SETTLED"
    assert stage.order(order).refunded_minor == 3000
    ends_well(stage, rma)


def test_a_payment_after_one_that_failed_is_enough(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = approved(stage, order, exchange_price=order["items"][0]["paid"] + 2500)
    (first,) = stage.transactions_there(rma)
    stage.act("returngo", "mark_transaction", transaction_id=first["id"], status="Failed")
    stage.passes(minutes=20, step=5)
    assert exchange(rma).difference == "OPEN"
    world = stage.sandbox.world
    there = world.returngo.rmas[rma["id"]]
    second = process.add_transaction(world, there, "InvoicePayment", 2500, [], stage.now())
    stage.act("returngo", "mark_transaction", transaction_id=second.id, status="Success")
    stage.passes(hours=80, step=240)

    assert exchange(rma).difference == "PAID"
    assert "EXCHANGE_UNPAID" not in stage.open_cases()


def test_a_difference_billed_in_another_currency_is_not_paid(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = bodies.transaction

    def in_francs(row: Any) -> Any:
        body = written(row)
        return body | {"amount": body["amount"] | {"currency": "CHF"}}

    monkeypatch.setattr(bodies, "transaction", in_francs)
    order = stage.sold(SKU)
    rma = approved(stage, order, exchange_price=order["items"][0]["paid"] + 2500)
    stage.act("returngo", "pay_difference", rma_id=rma["id"])
    stage.passes(minutes=10, step=2)
    assert exchange(rma).difference == "OPEN"
    stage.passes(hours=73, step=240)
    assert stage.open_cases() == ["EXCHANGE_UNPAID"]


def one_piece_for_the_second(stage: Stage, order: Row, *, seen_before: bool) -> Row:
    """A piece for the whole return, that costs less than its second unit; money for the first."""
    wish = {"exchange_sku": OTHER, "exchange_price": order["items"][1]["paid"] - 1500}
    wish |= {"resolution": "InstantVariantExchange", "order_id": order["id"]}
    rma = stage.act("returngo", "request_return", **wish)
    if seen_before:
        stage.settle()
    returned = stage.sandbox.world.returngo.rmas[rma["id"]]
    returned.items[0].resolution = "RefundToPaymentMethod"
    stage.settle()
    stage.approves(rma)
    return rma


def test_a_difference_is_not_booked_on_a_unit_that_waits_for_money(stage: Stage) -> None:
    order = stage.sold(SKU, SKU)
    rma = one_piece_for_the_second(stage, order, seen_before=False)
    leaves(stage)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma, 1)
    stage.passes(minutes=20, step=5)
    case = stage.case("EXCHANGE_DIFFERENCE_OWED")
    data = {"reference": "BANK-77"}
    stage.decide(case, "difference_paid", by=stage.fiona, second=stage.conrad, data=data)
    stage.warehouse_checks(rma, 0)
    stage.passes(hours=3, step=30)

    assert [row["amount"] for row in stage.refunds_there(order)] == [order["items"][0]["paid"]]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def test_money_after_a_cheaper_piece_whose_difference_was_paid_is_the_rest(stage: Stage) -> None:
    order = stage.sold(SKU)
    paid = order["items"][0]["paid"]
    rma = approved(stage, order, exchange_price=paid - 1500)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.passes(minutes=20, step=5)
    data = {"reference": "BANK-77"}
    case = stage.case("EXCHANGE_DIFFERENCE_OWED")
    stage.decide(case, "difference_paid", by=stage.fiona, second=stage.conrad, data=data)
    (made,) = orders_there(stage)
    stage.act("scayle", "cancel_order", order_id=made["id"])
    stage.settle()
    stage.decide(stage.case("EXCHANGE_ORDER_CANCELLED"), "exchange_refuse", by=stage.carla)
    stage.passes(minutes=6, step=3)
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.passes(hours=3, step=30)

    case = stage.case("CORRECTION_AFTER_REFUND")
    assert (case.facts["paid_minor"], case.facts["due_minor"]) == (1500, paid)
    data = {"reference": "BANK-78"}
    stage.decide(case, "settle_difference", by=stage.fiona, second=stage.conrad, data=data)
    stage.passes(hours=1, step=10)
    assert stage.order(order).refunded_minor == paid
    assert stage.open_cases() == []


def test_a_unit_that_becomes_money_is_not_replaced_by_the_piece_for_the_whole(
    stage: Stage,
) -> None:
    order = stage.sold(SKU, SKU)
    rma = one_piece_for_the_second(stage, order, seen_before=True)
    leaves(stage)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.passes(minutes=20, step=5)

    assert len(stage.refunds_there(order)) == 1
    assert stage.case("EXCHANGE_DIFFERENCE_OWED").money_minor == 1500


# --- changed wishes ------------------------------------------------------------------------------


def test_a_wish_changed_before_it_is_placed_replaces_the_former_one(stage: Stage) -> None:
    stage.act("scayle", "change_stock", sku=OTHER, quantity=0)
    rma = approved(stage, stage.sold(SKU))
    assert stage.open_cases() == ["EXCHANGE_NO_STOCK"]
    stage.act("returngo", "change_wish", rma_id=rma["id"], exchange_sku="JKT-NVY-S")
    stage.passes(minutes=12, step=4)

    (made,) = orders_there(stage)
    assert (made["reference_key"], made["items"][0]["sku"]) == (f"EXC-{rma['id']}-2", "JKT-NVY-S")
    statuses = Exchange.objects.order_by("number").values_list("status", flat=True)
    assert list(statuses) == ["CANCELLED", "ORDERED"]
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]
    to_the_end(stage, rma, "JKT-NVY-S")


def test_a_wish_changed_after_it_is_placed_changes_nothing_and_is_a_case(stage: Stage) -> None:
    rma = approved(stage, stage.sold(SKU))
    stage.act("returngo", "change_wish", rma_id=rma["id"], exchange_sku="JKT-NVY-S")
    stage.passes(minutes=12, step=4)

    assert stage.case("EXCHANGE_CHANGED_LATE").facts["wanted"] == "JKT-NVY-S"
    assert len(orders_there(stage)) == 1
    stage.act("returngo", "change_wish", rma_id=rma["id"], exchange_sku=OTHER)
    stage.passes(minutes=12, step=4)
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]


def test_money_instead_after_it_is_placed_is_not_paid_on_top_of_the_goods(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = approved(stage, order)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.act("returngo", "change_wish", rma_id=rma["id"])
    stage.warehouse_checks(rma)
    stage.passes(minutes=12, step=4)

    assert "EXCHANGE_CHANGED_LATE" in stage.open_cases()
    assert stage.refunds_there(order) == []
    assert stage.rma_there(rma)["status"] != "Done"


def test_a_return_cancelled_before_it_is_placed_withdraws_the_wish(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, **wants(order))
    stage.act("returngo", "reject", rma_id=rma["id"])
    stage.settle()

    assert exchange(rma).status == "CANCELLED"
    assert orders_there(stage) == []
    assert stage.open_cases() == []


def test_a_return_cancelled_after_it_is_placed_is_a_case(stage: Stage) -> None:
    rma = approved(stage, stage.sold(SKU))
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()

    assert "Canceled" in stage.case("EXCHANGE_CHANGED_LATE").facts["wanted"]
    assert len(orders_there(stage)) == 1


def test_a_wish_for_the_whole_return_goes_out_as_well(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(
        order, resolution="InstantVariantExchange", exchange_sku=OTHER, exchange_quantity=2
    )
    stage.approves(rma)

    assert exchange(rma).return_item is None
    assert exchange(rma).difference_minor == order["items"][0]["paid"]
    stage.act("returngo", "pay_difference", rma_id=rma["id"])
    stage.passes(minutes=12, step=4)
    to_the_end(stage, rma, OTHER, OTHER)
