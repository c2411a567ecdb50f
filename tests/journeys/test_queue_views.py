"""The two queues that were asked for by name: each trouble is in its view, and leaves it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from integrator.desk import directory
from tests.journeys.causes import CAUSES
from tests.journeys.causing import SKU
from tests.story import Stage

NOT_ON_SALE = "/queue/operations/?tab=not-on-sale"
NOT_RECONCILED = "/queue/finance/?tab=not-reconciled"


def lines(stage: Stage, name: str, path: str) -> list[str]:
    """Each line of the list as one text; their number must be the one on the tab."""
    directory.forget()
    client = Client()
    client.force_login(stage.people[name])
    html = client.get(path).content.decode()
    found = re.findall(r'class="q-row.*?</a>', html, re.DOTALL)
    tab = re.search(r'aria-current="page">[^<]*<span class="n">(\d+)', html.split("Views")[1])
    assert tab is not None
    assert int(tab[1]) == len(found)
    return [" ".join(unescape(re.sub("<.*?>", " ", f"<a {line}")).split()) for line in found]


@pytest.mark.requirement("R011")
@pytest.mark.parametrize(
    ("kind", "says", "step"),
    [
        ("RESTOCK_FAILED", "the shop's stock does not show it yet", "The unit is checked"),
        ("RESTOCK_IN_DOUBT", "not sure whether the shop's stock", "The unit is checked"),
        ("SKU_DISCONTINUED", "is no longer sold", "The unit is checked"),
        ("MAPPING_MISSING", "we do not know this location", "The unit is checked"),
        ("VALIDATED_WITHOUT_DISPOSITION", "has no verdict", "The unit is received"),
    ],
)
def test_what_came_back_and_is_not_on_sale_is_listed_with_age_value_and_last_step(
    stage: Stage, kind: str, says: str, step: str
) -> None:
    CAUSES[kind](stage)
    stage.passes(hours=1, minutes=1, step=61)

    (line,) = lines(stage, "omar", NOT_ON_SALE)

    assert says in line
    assert "EUR 89.25" in line
    assert re.search(r"\b1\sh(\s\d+\smin)?\sold, last step: ", line)
    assert step in line


@pytest.mark.requirement("R011")
def test_putting_it_on_sale_clears_it(stage: Stage) -> None:
    CAUSES["RESTOCK_FAILED"](stage)
    on_sale = stage.sellable(SKU)
    assert len(lines(stage, "omar", NOT_ON_SALE)) == 1

    stage.decide(stage.case("RESTOCK_FAILED"), "try_again", by=stage.omar)

    assert stage.sellable(SKU) == on_sale + 1
    assert lines(stage, "omar", NOT_ON_SALE) == []


@pytest.mark.requirement("R011")
@pytest.mark.parametrize(
    "kind",
    [
        "REFUND_IN_DOUBT",
        "REFUND_NOT_RECORDED",
        "REFUNDED_PAST_US",
        "PAID_IN_SHOP",
        "CORRECTION_AFTER_REFUND",
        "REFUND_NOT_MIRRORED",
        "SYSTEMS_DIFFER",
    ],
)
def test_a_refund_that_does_not_reconcile_is_listed_with_age_value_and_last_step(
    stage: Stage, kind: str
) -> None:
    CAUSES[kind](stage)
    case = stage.case(kind)

    listed = lines(stage, "fiona", NOT_RECONCILED)

    (line,) = [one for one in listed if f"C-{case.pk}" in one]
    assert re.search(r"EUR [1-9]\d*\.\d\d|EUR 0\.\d*[1-9]", line), line
    assert re.search(r"(\d+\s(min|h|d)\b[^,]*|less\sthan\sa\sminute)\sold, last step: ", line), line
    assert "last step: “" in line


@pytest.mark.requirement("R011")
def test_a_refund_that_reconciles_again_leaves_the_view(stage: Stage) -> None:
    story = CAUSES["SYSTEMS_DIFFER"](stage)
    assert len(lines(stage, "fiona", NOT_RECONCILED)) == 1

    shop = stage.sandbox.world.scayle.orders[story.order["id"]]
    shop.billing_code = ""
    stage.passes(minutes=122, step=61)

    assert stage.open_cases() == []
    assert lines(stage, "fiona", NOT_RECONCILED) == []


@pytest.mark.requirement("R140")
def test_each_team_has_its_own_views_and_none_of_another(stage: Stage) -> None:
    """Finance works on what does not reconcile, operations on stock."""
    CAUSES["RESTOCK_FAILED"](stage)
    for name, own, others in (
        ("omar", "Came back, not on sale", "Refunds that do not reconcile"),
        ("fiona", "Refunds that do not reconcile", "Came back, not on sale"),
    ):
        client = Client()
        client.force_login(stage.people[name])
        html = client.get("/queue/").content.decode()
        assert own in html
        assert others not in html
    client.force_login(stage.fiona)
    assert client.get(NOT_ON_SALE).status_code == 403
