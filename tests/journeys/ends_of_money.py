"""How cases about refunds and goodwill end."""

from __future__ import annotations

from finance.models import Refund
from integrator.models import Case
from tests.journeys.causing import Story
from tests.journeys.ending import done, goes_on, paid_once, press
from tests.story import Stage


def paid_outside(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, reference="BANK-9")
    stage.passes(minutes=6, step=3)
    assert Refund.objects.get(status="RECORDED").reference == "BANK-9"
    done(stage, story)


def nothing_paid(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    assert stage.refunds_there(story.order) == []
    assert stage.order(story.order).refunded_minor == 0


def seen_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    """It had arrived after all: the person saw it in the shop before our next look."""
    unit = story.order["items"][0]["id"]
    row = {"returnKey": str(unit), "received": "2026-03-02 09:05:00"}
    headers = {"X-Access-Token": "sandbox-scayle-key"}
    answer = stage.api.post(
        "/scayle/api/admin/v1/fulfillment/return-items", json=[row], headers=headers
    )
    assert answer.status_code == 204
    press(stage, case, key, reference="SEEN-1")
    stage.passes(minutes=6, step=3)
    paid_once(stage, story)
    done(stage, story)


def paid_again_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("scayle", "refund_by_hand", order_id=story.order["id"])
    press(stage, case, key)
    stage.passes(minutes=6, step=3)
    paid_once(stage, story)
    done(stage, story)


def money_seen_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.breaks("scayle", "*", "callback_suppress")
    stage.sandbox.settle()
    stage.mended()
    paid_outside(stage, story, case, key)
    paid_once(stage, story)


def adds_up_again(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, stage.case("ORDER_DOES_NOT_ADD_UP"), "fixed_there")
    goes_on(stage, story, case, key)


def payer_named(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.configure()
    goes_on(stage, story, case, key)


def paid_all_the_same(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=6, step=3)
    assert [row["by"] for row in stage.refunds_there(story.order)] == ["hand", "return-items"]
    done(stage, story)


def billing_mended(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.sandbox.world.scayle.orders[story.order["id"]].billing_code = ""
    press(stage, case, key)


def booked_for_goods(stage: Stage, story: Story, case: Case, key: str) -> None:
    paid = story.order["items"][0]["paid"]
    press(stage, case, key, amount=f"{paid / 100:.2f}")
    assert stage.order(story.order).refunded_minor == paid


def tied_to_nothing(stage: Stage, story: Story, case: Case, key: str) -> None:
    """Nothing was recorded by hand for this order: the case says so, and another button ends it."""
    press(stage, case, key, reference="BANK-3")
    assert "under BANK-3" in [one.note.text for one in case.events.all() if one.note][-1]
    assert not Refund.objects.exists()
    booked_as_gift(stage, story, case, "paid_something_else")


def booked_as_gift(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, amount="10.00")
    assert stage.order(story.order).refunded_minor == 0
    assert Refund.objects.get().subject == "goodwill"


def gift_paid(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, reference="GIFT-1")
    refund = Refund.objects.get()
    assert (refund.subject, refund.executed_minor) == ("goodwill", case.money_minor)


def difference_settled(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, reference="BANK-9")
    assert stage.order(story.order).refunded_minor == story.order["items"][0]["paid"] - 250


def shown_in_the_shop(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=4, step=2)
    (told,) = stage.order_there(story.order)["billing_log"]
    assert str(story.rma["id"]) in told["reason"]
