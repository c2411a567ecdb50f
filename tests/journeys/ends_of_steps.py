"""How cases about steps end."""

from __future__ import annotations

from integrator.models import Case, Cursor
from tests.journeys.causes_in_steps import switch
from tests.journeys.causing import Story
from tests.journeys.ending import done, paid_once, press
from tests.story import Stage


def switched_on(stage: Stage, story: Story, case: Case, key: str) -> None:
    switch(stage, "on")
    press(stage, case, key)
    done(stage, story)


def told_the_shop(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key)
    stage.passes(minutes=16, step=4)  # who stops trying leaves it to the next batch
    kept = stage.order_there(story.order)["custom_data"]["integrator"]
    assert kept["returns"][str(story.rma["id"])]["status"] == "COMPLETED"
    done(stage, story)


def left_out(stage: Stage, story: Story, case: Case, key: str) -> None:
    """The sweep goes on past it. Only when it looks otherwise is anybody asked again."""
    press(stage, case, key)
    before = Cursor.objects.get(stream="order").swept_at
    stage.passes(minutes=12, step=4)
    after = Cursor.objects.get(stream="order").swept_at
    assert after is not None
    assert before is None or after > before
    stage.mended()


def more_allowed(stage: Stage, story: Story, case: Case, key: str) -> None:
    press(stage, case, key, calls="5000")
    assert stage.connection("returngo").settings["daily_call_limit"] == 5000
    story.rma = stage.comes_back(story.order)
    stage.warehouse_checks(story.rma)
    paid_once(stage, story)
    done(stage, story)
