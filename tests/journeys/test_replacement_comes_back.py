"""A replacement came back for money: whoever pays it, it is booked once, and for what was paid."""

from __future__ import annotations

import pytest

from finance.models import Refund
from integrator.models import MappingKind
from returns.models import ReturnItem
from tests.journeys import causes
from tests.journeys.causes import Story
from tests.journeys.exchanges import SKU, approved, leaves, means, orders_there
from tests.story import Row, Stage


@pytest.fixture
def story(stage: Stage) -> Story:
    return causes.exchange_returned(stage)


def executed() -> list[tuple[str, int | None]]:
    return [(one.executor, one.executed_minor) for one in Refund.objects.order_by("id")]


def returngo_pays(stage: Stage, rma: Row, amount: int) -> Row:
    """It asked for nothing, for that is what the replacement cost; an agent pays all the same."""
    (asked,) = stage.transactions_there(rma)
    stage.sandbox.world.returngo.transactions[asked["id"]].amount = amount
    paid = stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=12, step=6)
    return paid


def finance_pays(stage: Stage, **typed: str) -> None:
    case = stage.case("EXCHANGE_RETURNED")
    told = {"reference": "BANK-5", **typed}
    stage.decide(case, "replacement_paid", by=stage.fiona, second=stage.conrad, data=told)
    stage.passes(minutes=12, step=6)


@pytest.mark.requirement("R058")
def test_the_returns_platform_has_paid_it(stage: Stage, story: Story) -> None:
    price = story.order["items"][0]["paid"]
    returngo_pays(stage, story.rma, price)
    assert executed() == [("returns_platform", price)]
    assert stage.order(story.order).refunded_minor == price
    assert (stage.open_cases(), stage.owed()) == ([], [])  # nobody is asked to pay it once more
    assert stage.rma_there(story.rma)["status"] == "Done"


def test_one_that_finance_has_paid_is_shown_as_paid_there(stage: Stage, story: Story) -> None:
    finance_pays(stage)
    (shown,) = stage.transactions_there(story.rma)
    assert (shown["status"], shown["reference"]) == ("Success", "BANK-5")
    assert (stage.open_cases(), stage.owed()) == ([], [])


@pytest.mark.requirement("R058")
def test_both_have_paid_it(stage: Stage, story: Story) -> None:
    price = story.order["items"][0]["paid"]
    stage.breaks("returngo", "PUT /transaction/{id}", "error", status=503)
    finance_pays(stage)
    stage.mended()
    returngo_pays(stage, story.rma, price)
    case = stage.case("CORRECTION_AFTER_REFUND")
    assert case.money_minor == price
    stage.decide(case, "leave_as_paid", by=stage.fiona, second=stage.conrad)
    stage.passes(hours=1, step=20)
    assert stage.open_cases() == []


def test_a_fee_is_taken_after_it_was_asked(stage: Stage, story: Story) -> None:
    """What finance reads is what is booked: the case follows the return."""
    price = story.order["items"][0]["paid"]
    case = stage.case("EXCHANGE_RETURNED")
    stage.presses(case, "replacement_paid", by=stage.fiona, reference="BANK-4")
    stage.sandbox.world.returngo.rmas[story.rma["id"]].items[0].return_fee = 250
    stage.passes(minutes=12, step=6)
    assert stage.case("EXCHANGE_RETURNED").money_minor == price - 250
    stage.agrees(case, by=stage.conrad)
    stage.work()
    assert not Refund.objects.exists()  # they were asked about another amount

    stage.presses(case, "replacement_paid", by=stage.fiona, reference="BANK-5")
    stage.agrees(case, by=stage.conrad)
    stage.work()
    assert executed() == [("manual", price - 250)]
    assert stage.open_cases() == []


def test_what_changes_after_both_have_agreed_is_asked_about_once_more(
    stage: Stage, story: Story
) -> None:
    price = story.order["items"][0]["paid"]
    case = stage.case("EXCHANGE_RETURNED")
    stage.presses(case, "replacement_paid", by=stage.fiona, reference="BANK-4")
    stage.agrees(case, by=stage.conrad)
    fee = [{"key": "returnFee", "amount_minor": 250}]
    ReturnItem.objects.filter(pk=case.record_id).update(deductions=fee)
    stage.work()
    assert not Refund.objects.exists()
    assert stage.case("EXCHANGE_RETURNED").money_minor == price - 250

    finance_pays(stage, amount=f"{price / 100:.2f}")  # the whole price had left the bank
    assert executed() == [("manual", price)]
    assert stage.order(story.order).refunded_minor == price


def test_one_that_is_swapped_again_is_not_to_be_paid(stage: Stage, story: Story) -> None:
    item = stage.sandbox.world.returngo.rmas[story.rma["id"]].items[0]
    item.resolution = "InstantVariantExchange"
    stage.passes(minutes=12, step=6)
    assert "EXCHANGE_RETURNED" not in stage.open_cases()


def test_what_is_promised_for_it_is_a_word_that_a_person_has_explained(stage: Stage) -> None:
    means(stage, MappingKind.RESOLUTION, "RefundToBank", "REFUND")
    rma = approved(stage, stage.sold(SKU))
    leaves(stage)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    (made,) = orders_there(stage)
    again = stage.comes_back(made, resolution="RefundToBank")
    stage.warehouse_checks(again)

    finance_pays(stage)
    assert (stage.open_cases(), stage.owed()) == ([], [])
