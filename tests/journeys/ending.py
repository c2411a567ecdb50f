"""What ends have in common: pressing a button, and what is true of a return that is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrator.models import Case
from integrator.roles import Role
from tests.journeys.causing import SKU, Story
from tests.story import Stage

TEAM = {
    Role.CX: "carla",
    Role.OPERATIONS: "omar",
    Role.FINANCE: "fiona",
    Role.ADMIN: "ada",
}


End = Callable[[Stage, Story, Case, str], None]


def press(stage: Stage, case: Case, key: str, **data: Any) -> None:
    """The owner presses the button; where four eyes are needed, the controller agrees."""
    owner = getattr(stage, TEAM[Role(case.owner)])
    stage.decide(case, key, by=owner, second=stage.conrad, data=data)


def paid_once(stage: Stage, story: Story) -> None:
    rows = [row for row in stage.refunds_there(story.order) if row["executed"]]
    assert [row["amount"] for row in rows] == [story.order["items"][0]["paid"]]


def done(stage: Stage, story: Story) -> None:
    assert stage.rma_there(story.rma)["status"] == "Done"
    assert stage.returned(story.rma).status == "COMPLETED"


def just_close(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)


def goes_on(stage: Stage, story: Story, case: Case, key: str) -> None:
    """What stopped is mended: the rest of the return takes its usual way."""
    press(stage, case, key)
    stage.passes(minutes=6, step=3)
    if stage.rma_there(story.rma)["status"] == "Pending":
        stage.approves(story.rma)
        stage.hands_in(story.rma)
        stage.arrives(story.rma)
        stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]
