"""What a button says beforehand is what pressing it does, figure by figure."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client as Browser

from fulfilment.models import Order
from fulfilment.services import unit_places
from fulfilment.states import Bucket
from integrator.engine.money import money_text
from integrator.flows import CASE_KINDS
from integrator.models import Case
from tests.journeys.causes import CAUSES
from tests.story import Stage

_CHANGE = re.compile(
    r'class="change"><span class="mute">(.*?)</span>\s*<span class="was">(.*?)</span>'
    r'.*?<span class="now">(.*?)</span>',
    re.DOTALL,
)


def promised(stage: Stage, case: Case, key: str) -> dict[str, tuple[str, str]]:
    """Every figure and state of the preview: before and after."""
    found = _CHANGE.findall(opened(stage, case, key))
    return {words(what): (words(was), words(now)) for what, was, now in found}


def words(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def opened(stage: Stage, case: Case, key: str) -> str:
    """The case's page with this button's form open, as its owner sees it."""
    browser = Browser()
    browser.force_login(stage.people[owner(case)])
    return browser.get(f"/cases/{case.pk}/?do={key}").content.decode()


def owner(case: Case) -> str:
    return {"FINANCE": "fiona", "OPERATIONS": "omar", "CX": "carla", "ADMIN": "ada"}[
        CASE_KINDS[case.kind].owner
    ]


def refunded(case: Case) -> str:
    return f"EUR {Order.objects.get(pk=case.order_id).refunded_minor / 100:,.2f}"


@pytest.mark.requirement("R015")
def test_paying_by_hand_counts_what_was_promised(stage: Stage) -> None:
    CAUSES["REFUND_REFUSED"](stage)
    case = stage.case("REFUND_REFUSED")
    order = Order.objects.get(pk=case.order_id)
    what = f"Refunded or set aside of order {order.number}"

    said = promised(stage, case, "paid_by_hand")

    assert opened(stage, case, "paid_by_hand").count("the reference as proof") == 1  # said once
    assert said[what][0] == refunded(case)
    assert said["In the books"] == ("Refunds owed (clearing)", "Paid out to customers")
    stage.decide(
        case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data={"reference": "B-7"}
    )
    assert said[what][1] == refunded(case) != said[what][0]


@pytest.mark.requirement("R015")
def test_trying_again_shows_what_the_step_itself_would_do(stage: Stage) -> None:
    CAUSES["REFUND_REFUSED"](stage)
    case = stage.case("REFUND_REFUSED")
    stage.mended()
    what = f"Refunded or set aside of order {Order.objects.get(pk=case.order_id).number}"

    said = promised(stage, case, "try_again")
    stage.decide(case, "try_again", by=stage.fiona)
    stage.passes(minutes=10)

    assert said[what][1] == refunded(case) != said[what][0]


@pytest.mark.requirement("R015")
@pytest.mark.parametrize(
    "kind, key, typed",
    [
        ("CANCELLED_WITH_GOODS", "quarantine_unit", {"location": "hamburg"}),
        ("CANCELLED_WITH_GOODS", "send_back_unit", {}),
        ("SKU_DISCONTINUED", "write_off_unit", {}),
    ],
)
def test_a_verdict_of_a_person_is_counted_where_it_said(
    stage: Stage, kind: str, key: str, typed: dict[str, str]
) -> None:
    CAUSES[kind](stage)
    case = stage.case(kind)

    ((was, now),) = promised(stage, case, key).values()
    (before,) = unit_places(case.record_id).values()
    stage.decide(case, key, by=stage.omar, second=stage.conrad, data=typed)
    stage.passes(minutes=10)

    (after,) = unit_places(case.record_id).values()
    assert (was, now) == (Bucket(before.bucket).label, Bucket(after.bucket).label)


@pytest.mark.requirement("R015")
def test_giving_up_says_that_nobody_of_us_pays_the_unit(stage: Stage) -> None:
    story = CAUSES["REFUND_REFUSED"](stage)
    case = stage.case("REFUND_REFUSED")
    unit = stage.unit(story.rma)

    said = promised(stage, case, "give_up")
    stage.decide(case, "give_up", by=stage.fiona)
    unit.refresh_from_db()

    assert said[f"Money of {unit.sku_code}"][1] == unit.get_money_display()
    assert said["The step"][1] == "Cancelled"


def test_goodwill_says_how_much_and_what_was_given_before(stage: Stage) -> None:
    CAUSES["GOODWILL"](stage)
    case = stage.case("GOODWILL")
    before = f"{case.currency} 0.00"

    said = promised(stage, case, "goodwill_paid")

    assert said["Goodwill of this order"] == (before, money_text(case.money_minor, case.currency))


def test_each_button_of_cases_of_each_sort_can_be_opened_before_it_is_pressed(stage: Stage) -> None:
    """A record that is gone, or a setting that is missing, must not break the page."""
    for code in ("REFUND_IN_DOUBT", "MAPPING_MISSING", "REFUND_EXECUTOR_MISSING", "GOODWILL"):
        CAUSES[code](stage)
        case = stage.case(code)
        for action in CASE_KINDS[code].actions:
            assert "What will happen" in opened(stage, case, action.key), (code, action.key)
        stage.mended()
