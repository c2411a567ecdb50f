"""On the way back: every unit is in one stage and one age, and each number opens its units."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from returns.models import Return, ReturnItem
from returns.shapes import Method
from returns.states import Custody
from tests.desk import factories


def coming_back(
    number: str, at: datetime, stage: Custody, *, price: int = 10000, **values: object
) -> Return:
    """A unit that came to ``stage`` at ``at``."""
    steps = (Custody.AUTHORISED, Custody.IN_TRANSIT, Custody.RECEIVED, Custody.INSPECTED)
    later = timedelta(days=4) - timedelta(hours=20 * (steps.index(stage) + 1))
    order = factories.order(number, at, units=(("4068-PET-M", "Jacket", price),))
    made = factories.return_of(order, f"RMA{number}", at + later, reached=stage)
    if values:
        ReturnItem.objects.filter(return_record=made).update(**values)
    return made


def numbers(html: str) -> dict[str, int]:
    found = re.findall(r'<a href="(/figures/inbound/units/[^"]+)">([\d,]+)</a>', html)
    return {unescape(href): int(number.replace(",", "")) for href, number in found}


def listed(html: str) -> list[str]:
    return re.findall(r'href="/returns/\d+/">(RMA\w+)<', html)


@pytest.mark.requirement("R077")
def test_every_unit_on_its_way_is_counted_by_stage_and_age_and_listed(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    coming_back("1", at - timedelta(days=1), Custody.RECEIVED)
    coming_back("2", at - timedelta(days=3), Custody.RECEIVED)
    coming_back("3", at - timedelta(days=15), Custody.RECEIVED, price=2500)
    coming_back("4", at - timedelta(days=8), Custody.IN_TRANSIT)
    coming_back("5", at - timedelta(days=1), Custody.AUTHORISED)
    coming_back("6", at - timedelta(days=1), Custody.INSPECTED)  # checked: not on its way
    coming_back("7", at - timedelta(days=1), Custody.AUTHORISED, method=Method.KEPT)
    client = as_("omar")

    html = client.get("/figures/inbound/").content.decode()

    found = numbers(html)
    assert {href.partition("?")[2]: count for href, count in found.items() if count} == {
        "stage=AUTHORISED&age=new": 1,
        "stage=AUTHORISED": 1,
        "stage=IN_TRANSIT&age=over-7": 1,
        "stage=IN_TRANSIT": 1,
        "stage=RECEIVED&age=new": 1,
        "stage=RECEIVED&age=over-2": 1,
        "stage=RECEIVED&age=over-14": 1,
        "stage=RECEIVED": 3,
    }
    for href, count in found.items():
        assert len(listed(client.get(href).content.decode())) == count, href
    waiting = client.get("/figures/inbound/units/?stage=RECEIVED").content.decode()
    assert listed(waiting) == ["RMA3", "RMA2", "RMA1"]
    assert "225.00" in re.sub(r"<[^>]+>", "", waiting)


def test_a_unit_of_an_unknown_order_counts_with_what_the_platform_says(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    made = coming_back("1", at, Custody.IN_TRANSIT, order_item=None, claimed_minor=777)
    Return.objects.filter(pk=made.pk).update(order=None)

    html = as_("omar").get("/figures/inbound/units/?stage=IN_TRANSIT").content.decode()

    assert "7.77" in html
    assert "belongs to no order yet" in html


def test_an_article_we_know_leads_to_its_page(at: datetime, as_: Callable[[str], Client]) -> None:
    order = factories.order("100482913", at)
    unit = factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED).items.get()

    page = as_("omar").get("/figures/inbound/units/?stage=RECEIVED").content.decode()

    assert f'<a class="id" href="/skus/{unit.sku_id}/">{unit.sku_code}</a>' in page


def test_the_file_has_a_line_for_each_stage_age_and_currency(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    coming_back("1", at - timedelta(days=3), Custody.RECEIVED)
    coming_back("2", at - timedelta(days=3), Custody.RECEIVED, currency="CHF")

    answer = as_("otto").get("/figures/inbound/file/")

    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.reader(text.splitlines()))[1:]
    assert rows == [
        ["Received, waits to be checked", "2 to 7 days", "1", "100.00", "CHF"],
        ["Received, waits to be checked", "2 to 7 days", "1", "100.00", "EUR"],
    ]


@pytest.mark.parametrize("query", ["stage=NOWHERE", "stage=RECEIVED&age=old", "stage=CLOSED"])
def test_a_stage_that_does_not_exist_is_not_found(query: str, as_: Callable[[str], Client]) -> None:
    assert as_("omar").get(f"/figures/inbound/units/?{query}").status_code == 404


@pytest.mark.parametrize("path", ["/figures/inbound/", "/figures/inbound/units/?stage=RECEIVED"])
def test_the_number_of_queries_does_not_grow_with_the_units(
    path: str, at: datetime, as_: Callable[[str], Client]
) -> None:
    client = as_("omar")
    client.get(path)
    for number in range(6):
        coming_back(str(number), at, Custody.RECEIVED)

    with CaptureQueriesContext(database) as queries:
        assert client.get(path).status_code == 200

    assert len(queries) <= 15


def test_a_long_list_is_read_page_by_page(at: datetime, as_: Callable[[str], Client]) -> None:
    for number in range(53):
        coming_back(str(number), at, Custody.RECEIVED)
    client = as_("omar")

    first = client.get("/figures/inbound/units/?stage=RECEIVED").content.decode()
    more = re.search(r'href="(\?[^"]+)">Show more', first)
    assert more is not None
    rest = client.get("/figures/inbound/units/" + unescape(more[1])).content.decode()

    assert len({*listed(first), *listed(rest)}) == 53
