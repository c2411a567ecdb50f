"""What do we still owe? A return that no callback told us of is on the list within 15 minutes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from finance.owed import missing, returns_owed
from integrator.models import Message
from tests.story import Row, Stage

SKU = "JKT-NVY-M"


def owed(stage: Stage) -> dict[str, list[str]]:
    return {row.external_id: missing(row) for row in returns_owed()}


def page(stage: Stage, show: str, one_stage: str = "") -> str:
    browser = Client()
    browser.force_login(stage.fiona)
    answer = browser.get("/monitors/", {"show": show, "stage": one_stage})
    assert answer.status_code == 200
    # Numbers stand in the face of ids: what is read is the same without it.
    return re.sub(r'<span class="id">([^<]*)</span>', r"\1", answer.content.decode())


def counts(html: str) -> dict[str, int]:
    found = re.findall(r"show=(\w+)[^>]*>[^<]*<span class=.n.>([\d,]+)", html)
    return {name: int(number) for name, number in found}


def ids(*rmas: Row) -> set[str]:
    return {str(rma["id"]) for rma in rmas}


@pytest.mark.requirement("R009")
def test_a_return_whose_callback_was_dropped_is_listed_within_one_sweep(stage: Stage) -> None:
    order = stage.sold(SKU)
    rule = stage.breaks("returngo", "*", "callback_suppress")
    rma = stage.shopper_returns(order)
    dropped_at = stage.now()
    assert rule.struck > 0
    assert owed(stage) == {}
    stage.mended()

    while not owed(stage):
        stage.passes(minutes=1)
        assert stage.now() - dropped_at <= timedelta(minutes=15)

    assert owed(stage)[str(rma["id"])][0:1] != []
    found = Message.objects.get(origin="SWEEP", kind="missed", topic="rma")
    assert found.resource_id == str(rma["id"])
    html = page(stage, "found")
    assert f"Return {rma['id']}" in html
    assert "missed by callback" in html
    assert f"Return {rma['id']}" in page(stage, "owed")


@pytest.mark.requirement("R009")
def test_each_promise_is_listed_until_it_is_kept_and_no_longer(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    number = str(rma["id"])
    stage.passes(minutes=16, step=4)
    assert owed(stage) == {number: ["refund recorded", "return completed"]}

    stage.breaks("scayle", "POST /variants/{variant}/stocks", "error", status=422, times=1)
    stage.warehouse_checks(rma)
    stage.passes(minutes=30, step=5)
    assert stage.rma_there(rma)["status"] == "Done"
    assert owed(stage) == {number: ["stock posted"]}, "completed, and still a unit is not on sale"
    assert "Operations" in page(stage, "owed")

    stage.decide(stage.case("RESTOCK_FAILED"), "try_again", by=stage.omar)
    stage.passes(minutes=20, step=5)
    assert owed(stage) == {}


def test_every_number_is_the_length_of_its_list(stage: Stage) -> None:
    stage.configure(stage_hours={"RECEIVED": 1, "AUTHORISED": 336})
    old = stage.comes_back(stage.sold(SKU))
    stage.passes(hours=2, step=20)
    new = stage.comes_back(stage.sold(SKU))
    stage.breaks("returngo", "*", "callback_suppress")
    missed = stage.shopper_returns(stage.sold(SKU))
    stage.passes(minutes=12, step=4)

    numbers = counts(page(stage, "owed"))
    assert set(numbers) == {"owed", "stalled", "overdue", "found", "differ"}
    for show, number in numbers.items():
        assert page(stage, show).count('<tr><th scope="row">') == number, show
    assert ids(old, new, missed) == set(owed(stage))
    assert (numbers["owed"], numbers["stalled"]) == (3, 1)
    assert f"Return {old['id']}" in page(stage, "stalled")


@pytest.mark.requirement("R048")
def test_what_stands_still_is_shown_by_its_stage(stage: Stage) -> None:
    stage.configure(stage_hours={"RECEIVED": 1, "AUTHORISED": 2, "INSPECTED": 24})
    here = [stage.comes_back(stage.sold(SKU)) for _ in range(2)]
    asked = stage.shopper_returns(stage.sold(SKU))
    stage.approves(asked)
    stage.passes(minutes=90, step=15)
    assert "Received (2)" in page(stage, "stalled")
    assert "Agreed" not in page(stage, "stalled")  # it may take longer

    stage.passes(minutes=60, step=15)
    html = page(stage, "stalled", "AUTHORISED")
    assert "Received (2)" in html and "Agreed (1)" in html
    assert f"Return {asked['id']}" in html
    assert not any(f"Return {one['id']}" in html for one in here)

    stage.warehouse_checks(here[0])
    assert "Received (1)" in page(stage, "stalled")
    assert page(stage, "stalled", "no such stage").count('<tr><th scope="row">') == 2
