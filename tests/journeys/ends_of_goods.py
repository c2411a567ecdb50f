"""How cases about orders, bundles and stock end."""

from __future__ import annotations

from integrator.models import Case
from tests.journeys.causing import SKU, Story
from tests.journeys.ending import done, goes_on, paid_once, press
from tests.story import Stage


def order_goes_on(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=8, step=4)
    assert stage.order(story.order).paid_minor == story.order["total"]
    story.rma = stage.comes_back(story.order)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)


def read_again(stage: Stage, story: Story, case: Case, key: str) -> None:
    """It is mended in the catalogue: the order is read again, and its returns go their way."""
    stage.act("scayle", "restore_sku", sku=SKU)
    press(stage, case, key)
    comes_back_whole(stage, story)


def one_piece(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.act("scayle", "restore_sku", sku=SKU)
    comes_back_whole(stage, story)


def comes_back_whole(stage: Stage, story: Story) -> None:
    assert not stage.sold_unit(story.order).is_bundle
    story.rma = stage.comes_back(story.order)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)


def priced_there(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.act("scayle", "price_sku", sku="HOD-GRY-M", priced=True)
    press(stage, case, key)
    assert stage.shares(story.order) == {"TEE-BLK-M": [2199], "HOD-GRY-M": [5291]}


def equal_parts(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    assert stage.shares(story.order) == {"TEE-BLK-M": [3745], "HOD-GRY-M": [3745]}


def counted_and_missing(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    assert stage.sellable(SKU) == 51
    assert stage.movements(story.rma)[-1] == "RECEIVED>SELLABLE"


def stays_off_sale(stage: Stage, story: Story, case: Case, key: str) -> None:
    before = stage.sellable(SKU)
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    assert stage.sellable(SKU) == before
    assert stage.movements(story.rma)[-1] == "IN_TRANSIT>RECEIVED"
    paid_once(stage, story)


def discontinued(stage: Stage, story: Story, case: Case, key: str, **data: str) -> None:
    """The unit leaves the units nobody can buy; the customer had the money all along."""
    press(stage, case, key, **data)
    paid_once(stage, story)
    done(stage, story)
    bucket = {"write_off_unit": "WRITTEN_OFF", "quarantine_unit": "QUARANTINE"}.get(key, "SELLABLE")
    assert stage.movements(story.rma)[-1] == f"RECEIVED>{bucket}"


def sold_again(stage: Stage, story: Story, case: Case, key: str) -> None:
    found = stage.sandbox.world.catalogue.by_sku(SKU)
    assert found is not None
    found[0].state = "live"
    goes_on(stage, story, case, key)


def counted_by_the_shop(stage: Stage, story: Story, case: Case, key: str) -> None:
    stage.configure()
    goes_on(stage, story, case, key)


def sale_cancelled(stage: Stage, story: Story, case: Case, key: str) -> None:
    """Nobody can fill the order, so it is cancelled: nothing is missing any more."""
    stage.act("scayle", "cancel_order", order_id=story.order["id"])
    press(stage, case, key)
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == []
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"] == 0
