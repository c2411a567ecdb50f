"""How cases about replacements end."""

from __future__ import annotations

from integrator.models import Case
from tests.journeys.causing import OTHER, Story
from tests.journeys.ending import done, paid_once, press
from tests.story import Stage


def _goods_follow(stage: Stage, story: Story) -> None:
    """The warehouse sends the replacement, the unit comes back, the return is done."""
    (made,) = [row for row in stage.books("scayle")["orders"] if row["imported"]]
    if not made["packages"]:
        stage.act("scayle", "send_imported", order_id=made["id"])
        stage.settle()
    if stage.rma_there(story.rma)["status"] == "Approved":
        stage.hands_in(story.rma)
        stage.arrives(story.rma)
        stage.warehouse_checks(story.rma)
    stage.passes(minutes=6, step=6)
    assert stage.books("scayle")["refunds"] == []
    done(stage, story)


def exchanged(stage: Stage, story: Story, case: Case, key: str, **data: str) -> None:
    if key == "fixed_there" and case.kind == "EXCHANGE_UNPAID":
        stage.act("returngo", "pay_difference", rma_id=story.rma["id"])
    if key == "fixed_there" and case.kind == "EXCHANGE_CHANGED_LATE":
        stage.act("returngo", "change_wish", rma_id=story.rma["id"], exchange_sku=OTHER)
    if case.kind == "EXCHANGE_NO_STOCK":
        stage.act("scayle", "change_stock", sku=OTHER, quantity=9)
    if case.kind == "EXCHANGE_LOCATION_MISSING":
        stage.configure()
    if key == "fixed_there" and case.kind == "EXCHANGE_STALLED":
        (made,) = [row for row in stage.books("scayle")["orders"] if row["imported"]]
        stage.act("scayle", "send_imported", order_id=made["id"])
    press(stage, case, key, **data)
    if case.kind != "EXCHANGE_CHANGED_LATE" or key == "fixed_there":
        _goods_follow(stage, story)


def not_sent(stage: Stage, story: Story, case: Case, key: str) -> None:
    """The customer takes the money instead: once, and nothing stays reserved."""
    press(stage, case, key)
    assert stage.books("scayle")["reservations"] == []
    assert stage.sellable(OTHER) == stage.stock_there(OTHER)["truth"]
    stage.act("returngo", "change_wish", rma_id=story.rma["id"])
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)


def given_back(stage: Stage, story: Story, case: Case, key: str) -> None:
    """Nothing is reserved any more, and nobody was paid or sent anything."""
    assert len(stage.books("scayle")["reservations"]) == 1
    press(stage, case, key)
    assert stage.books("scayle")["reservations"] == []
    assert stage.sellable(OTHER) == stage.stock_there(OTHER)["truth"]
    assert stage.books("scayle")["refunds"] == []
    assert (stage.owed(), stage.open_cases()) == ([], [])


def payment_back(stage: Stage, story: Story, case: Case, key: str) -> None:
    """What was paid on top goes back, and the unit is paid by the shop: neither twice."""
    owed = 99_900 - story.order["items"][0]["paid"]
    assert case.money_minor == owed
    press(stage, case, key, reference="BANK-7")
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)
    stage.passes(minutes=12, step=4)
    assert case.kind not in stage.open_cases()
    paid_once(stage, story)
    done(stage, story)


def replacement_paid(stage: Stage, story: Story, case: Case, key: str) -> None:
    """Worth what it replaced, booked on the original order, and never paid by the shop."""
    price = story.order["items"][0]["paid"]
    assert case.facts["amount"] == f"EUR {price / 100:.2f}"
    assert (case.money_minor, case.currency) == (price, "EUR")
    press(stage, case, key, reference="BANK-5")
    stage.passes(minutes=6, step=6)
    assert stage.order(story.order).refunded_minor == price
    assert stage.books("scayle")["refunds"] == []
    assert stage.books("scayle")["returns"] == []
    done(stage, story)
