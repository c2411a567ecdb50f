"""How cases about returns and their units end."""

from __future__ import annotations

from dataclasses import replace

from integrator.models import Case
from tests.journeys.causing import SKU, Story
from tests.journeys.ending import done, goes_on, paid_once, press
from tests.story import Stage


def mapped(stage: Stage, story: Story, case: Case, key: str, *, ours: str) -> None:
    press(stage, case, key, ours=ours)
    paid_once(stage, story)
    done(stage, story)
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]


def done_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("returngo", "done", rma_id=story.rma["id"])
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    done(stage, story)


def unit_is(stage: Stage, story: Story, case: Case, key: str, *, way: str) -> None:
    """Operations decides what becomes of a unit that is here; nobody is paid for it."""
    place = {"location": "hamburg"} if key == "quarantine_unit" else {}
    press(stage, case, key, **place)
    assert stage.movements(story.rma)[-1] == way
    assert stage.refunds_there(story.order) == []
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]


def matched(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, order_number=story.order["public_key"])
    assert stage.returned(story.rma).order == stage.order(story.order)
    goes = {"order": story.order, "rma": story.rma}
    stage.approves(goes["rma"])
    stage.hands_in(goes["rma"])
    stage.arrives(goes["rma"])
    stage.warehouse_checks(goes["rma"])
    paid_once(stage, story)
    done(stage, story)


def cancelled_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("returngo", "cancel", rma_id=story.rma["id"])
    press(stage, case, key)
    assert stage.returned(story.rma).status == "CLOSED"
    assert stage.refunds_there(story.order) == []


def shipped_meanwhile(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.ships(story.order)
    goes_on(stage, story, case, key)


def accepted(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    assert stage.unit(story.rma).blocked_by == ""
    if stage.order_there(story.order)["packages"]:
        stage.approves(story.rma)
        stage.hands_in(story.rma)
        stage.arrives(story.rma)
        stage.warehouse_checks(story.rma)
        paid_once(stage, story)
        done(stage, story)


def right_address(stage: Stage, story: Story, case: Case, key: str) -> None:
    rma = stage.sandbox.world.returngo.rmas[story.rma["id"]]
    rma.address = replace(rma.address, email=story.order["customer_email"])
    goes_on(stage, story, case, key)


def right_price(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.sandbox.world.returngo.rmas[story.rma["id"]].items[0].paid_price -= 2000
    press(stage, case, key)


def wrong_price_explained(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.hands_in(story.rma)
    stage.arrives(story.rma)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)  # at the shop's price
    done(stage, story)


def checked_after_all(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.checks_only(story.rma)
    goes_on(stage, story, case, key)


def done_again_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    if key == "fixed_there":
        stage.act("returngo", "done", rma_id=story.rma["id"])
    press(stage, case, key)
    if key == "not_an_error":
        stage.act("returngo", "done", rma_id=story.rma["id"])
    stage.passes(minutes=6, step=6)
    paid_once(stage, story)
    done(stage, story)


def stood_still(stage: Stage, story: Story, case: Case, key: str) -> None:
    """It moves, with the button pressed before or after, and ends like any other."""
    steps = [Stage.approves, Stage.hands_in, Stage.arrives, Stage.warehouse_checks]
    kinds = ("RETURN_NOT_ANSWERED", "RETURN_NOT_SENT", "RETURN_NOT_ARRIVED", "RETURN_NOT_CHECKED")
    left = steps[kinds.index(case.kind) :]
    if key == "fixed_there":
        left.pop(0)(stage, story.rma)
    press(stage, case, key)
    for step in left:
        step(stage, story.rma)
    paid_once(stage, story)
    done(stage, story)
