"""The list of returns: what it counts is what it lists, and every number leads to its page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from finance.states import RefundStatus
from fulfilment.models import Order
from integrator.models import Connection
from returns.models import Return
from returns.stages import NOBODY
from returns.states import Custody, ReturnStatus
from tests.desk import factories
from tests.desk.test_return import words

REACHED = (Custody.AUTHORISED, Custody.IN_TRANSIT, Custody.RECEIVED, Custody.INSPECTED)


@pytest.fixture
def house(db: None, at: datetime) -> list[Return]:
    """Two returns in each stage a unit passes, the older ones first."""
    made = []
    for number in range(8):
        order = factories.order(f"10048291{number}", at)
        rma = factories.return_of(order, f"RMA{number}", at, reached=REACHED[number % 4])
        Return.objects.filter(pk=rma.pk).update(requested_at=at - timedelta(days=30 - number))
        made.append(rma)
    return made


def listed(html: str) -> list[str]:
    return re.findall(r'<th scope="row"><a class="id" href="/returns/\d+/">(\w+)</a>', html)


def chips(html: str) -> Iterator[tuple[str, int, str]]:
    """Every way to narrow the list: its words, its count and its address."""
    for href, text in re.findall(r'<a class="chip[^"]*" href="([^"]*)"[^>]*>([^<]+)</a>', html):
        label, _, count = text.rpartition(" ")
        yield label, int(count.replace(",", "")), unescape(href)


@pytest.mark.requirement("R063")
@pytest.mark.parametrize(
    "query", ["", "?stage=RECEIVED", "?team=OPERATIONS", "?team=CX&stage=IN_TRANSIT"]
)
def test_every_count_is_the_length_of_the_list_behind_it(
    query: str, house: list[Return], as_: Callable[[str], Client]
) -> None:
    client = as_("carla")
    html = client.get(f"/returns/{query}").content.decode()

    found = list(chips(html))
    for label, count, href in found:
        behind = client.get(f"/returns/{href}").content.decode()
        assert len(listed(behind)) == count, label
    here = [count for label, count, href in found if f'"{href}" aria-current' in unescape(html)]
    assert set(here) == {len(listed(html))}
    assert f"{len(listed(html))} return" in words(html)


def test_it_is_narrowed_by_stage_team_and_platform_and_by_nothing_unknown(
    house: list[Return], at: datetime, as_: Callable[[str], Client]
) -> None:
    other = factories.connection("reveni", "Reveni")
    Return.objects.filter(pk=house[2].pk).update(connection=other)
    client = as_("omar")

    def narrowed(query: str) -> list[str]:
        return listed(client.get(f"/returns/?{query}").content.decode())

    assert narrowed("stage=RECEIVED") == ["RMA6", "RMA2"]
    assert narrowed("team=OPERATIONS") == ["RMA6", "RMA2"]
    assert narrowed("team=FINANCE") == ["RMA7", "RMA3"]
    assert narrowed(f"platform={other.pk}") == ["RMA2"]
    assert narrowed(f"stage=AUTHORISED&platform={other.pk}") == []
    for nonsense in ("stage=HERE", "team=ADMIN", "platform=999", "platform=x", "after=soon"):
        assert len(narrowed(nonsense)) == 8, nonsense


def test_every_return_is_counted_with_one_of_those_who_answer_for_it(
    house: list[Return], as_: Callable[[str], Client]
) -> None:
    """Also one that has ended: its page says the same of it as the count."""
    Return.objects.filter(pk=house[0].pk).update(status=ReturnStatus.COMPLETED)
    client = as_("carla")

    teams = {
        label: count
        for label, count, href in chips(client.get("/returns/").content.decode())
        if "team=" in href or label == "Any team"
    }

    assert teams.pop("Any team") == sum(teams.values()) == 8
    assert teams["Ended"] == 1
    page = words(client.get(f"/returns/{house[0].pk}/").content.decode())
    assert f"Answers for it {NOBODY}" in page


def test_a_row_names_its_stage_as_the_way_to_narrow_does(
    house: list[Return], as_: Callable[[str], Client]
) -> None:
    html = as_("carla").get("/returns/?stage=AUTHORISED").content.decode()

    assert "Agreed" in {label for label, _, _ in chips(html)}
    assert re.search(r"RMA4 .+ Agreed .+ RMA0 .+ Agreed", words(html[html.index("<tbody>") :]))


def test_a_return_that_has_ended_waits_for_no_team(
    house: list[Return], as_: Callable[[str], Client]
) -> None:
    Return.objects.filter(pk=house[0].pk).update(status=ReturnStatus.COMPLETED)

    html = as_("carla").get("/returns/?team=CX").content.decode()

    assert "RMA0" not in listed(html)
    assert "RMA0" in listed(as_("carla").get("/returns/?stage=COMPLETED").content.decode())


def test_the_pages_show_every_return_once_and_keep_what_narrows_them(
    house: list[Return], at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    Return.objects.bulk_create(
        Return(
            connection=returngo,
            external_id=f"MANY{number}",
            platform_status="REQUESTED",
            platform_word="Pending",
            requested_at=at,
            read_at=at,
        )
        for number in range(53)
    )
    client = as_("carla")

    first = client.get("/returns/?stage=REQUESTED&team=CX").content.decode()
    older = re.search(r'href="(\?[^"]+)">Show more', first)
    assert older is not None
    second = client.get(f"/returns/{unescape(older[1])}").content.decode()

    numbers = listed(first + second)
    assert len(numbers) == len(set(numbers)) == 53
    assert '<a class="btn" href="?stage=REQUESTED&amp;team=CX">First page' in second


def test_a_row_says_stage_units_money_and_open_cases(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    order = factories.order("100482913", at)
    rma = factories.return_of(order, "RMA1", at)
    refund = factories.refund_of(rma, at, status=RefundStatus.IN_DOUBT)
    one = factories.case("REFUND_IN_DOUBT", at, record=("refund", refund.pk))
    client = as_("fiona")

    row = words(client.get("/returns/").content.decode())
    assert re.search(r"RMA1 ReturnGO, asked for .+ 100482913 Checked", row)
    assert "1 4068-PET-M in doubt 1 case" in row
    assert f'href="/cases/{one.pk}/">1 case' in client.get("/returns/").content.decode()

    factories.case("REFUND_REFUSED", at, record=("return", rma.pk))
    html = client.get("/returns/").content.decode()
    assert f'href="/returns/{rma.pk}/#oc-h">2 cases' in html
    assert "2 cases, the next due first" in words(
        client.get(f"/returns/{rma.pk}/").content.decode()
    )


def test_an_empty_list_says_so(db: None, as_: Callable[[str], Client]) -> None:
    assert "No return yet" in as_("carla").get("/returns/").content.decode()
    narrowed = as_("carla").get("/returns/?stage=CLOSED").content.decode()
    assert "No return of this kind" in narrowed
    assert 'href="/returns/">Show all returns' in narrowed


@pytest.mark.parametrize("rows", [1, 40])
def test_the_list_asks_no_more_often_for_more_rows(
    rows: int, at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(rows):
        rma = factories.return_of(factories.order(f"1004829{number}", at), f"RMA{number}", at)
        factories.refund_of(rma, at)
        factories.case("REFUND_REFUSED", at, record=("return", rma.pk))
    client = as_("fiona")
    client.get("/")

    with CaptureQueriesContext(database) as asked:
        assert len(listed(client.get("/returns/").content.decode())) == rows

    assert len(asked) <= 15


# --- Ways to it -----------------------------------------------------------------------------------


@pytest.fixture
def rma(db: None, at: datetime) -> Return:
    order = factories.order("100482913", at)
    made = factories.return_of(order, "RMA3271840", at, reached=Custody.RECEIVED)
    factories.refund_of(made, at)
    return made


@pytest.mark.requirement("R063")
def test_wherever_its_number_stands_it_leads_to_its_page(
    rma: Return, at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case(
        "REFUND_REFUSED", at, record=("return", rma.pk), facts={"rma": rma.external_id}
    )
    order = rma.order
    assert isinstance(order, Order)
    places = {
        f"/orders/{order.pk}/": 1,
        f"/customers/{order.customer_id}/": 2,  # the return itself, and its refund
        f"/cases/{case.pk}/": 2,  # beside the order, and among what is known
        "/figures/inbound/units/?stage=RECEIVED": 1,
        "/figures/rows/returns-asked/": 1,
        "/monitors/": 1,
        "/returns/": 1,
    }
    for path, times in places.items():
        html = as_("fiona").get(path).content.decode()
        assert html.count(f'href="/returns/{rma.pk}/"') >= times, path
    listed_once = as_("fiona").get("/queue/finance/").content.decode()
    assert f"case={case.pk}" in listed_once, "a line of a queue leads to its case as a whole"


@pytest.mark.parametrize("roles", ["carla", "otto"])
def test_the_navigation_and_the_palette_have_it(
    roles: str, db: None, as_: Callable[[str], Client]
) -> None:
    client = as_(roles)

    side = client.get("/orders/").content.decode()
    assert re.search(r'<a href="/returns/" data-go="r">', side)
    assert re.search(r'<a href="/monitors/" data-go="w">', side)
    assert 'data-href="/returns/"' in client.get("/shortcuts/").content.decode()
