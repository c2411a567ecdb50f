"""Figures: every number is the length of its list, a day is a day where the retailer is."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from finance.states import RefundStatus
from fulfilment.models import Order, OrderItem, StockMovement
from fulfilment.shapes import OrderKind
from fulfilment.states import Bucket
from integrator.desk import charts, figure_rows
from integrator.desk.figure_rows import FIGURES, GROUPS, Sums
from integrator.desk.paging import PAGE
from integrator.desk.periods import Period
from integrator.engine import cases
from integrator.engine.states import move
from integrator.models import Case, Export
from tests.desk import factories

BERLIN = ZoneInfo("Europe/Berlin")
# The clock goes back in the night to the 25th: that day has 25 hours.
SHORT = Period(date(2026, 10, 24), date(2026, 10, 26), BERLIN)


def cells(html: str) -> Iterator[tuple[str, int]]:
    """Every number of a page that leads to its rows."""
    for href, number in re.findall(r'<a href="(/figures/rows/[^"]+)">([\d,]+)</a>', html):
        yield unescape(href), int(number.replace(",", ""))


def listed(client: Client, href: str) -> int:
    """How many pieces a list shows on all its pages together, counted as a reader would."""
    found = 0
    while href:
        html = client.get(href).content.decode()
        rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", html, re.S)
        for row in rows:
            units = re.search(r'data-l="Units">(\d+)<', row)
            found += int(units[1]) if units else 1
        more = re.search(r'href="(\?[^"]+)">Show more', html)
        href = href.partition("?")[0] + unescape(more[1]) if more else ""
    return found


def ordered(number: str, placed_at: datetime, **values: object) -> Order:
    """An order placed at exactly this moment."""
    made = factories.order(number, placed_at + timedelta(days=6))
    if values:
        Order.objects.filter(pk=made.pk).update(**values)
    return made


def solved(case: Case, at: datetime, resolution: str) -> None:
    cases.solve(case, resolution=resolution, trace=factories.trace(at), reason="done")


def busy_days(at: datetime) -> None:
    """Something for every figure, on several days."""
    for number in range(6):
        when = at - timedelta(days=number)
        order = factories.order(f"10{number}", when)
        made = factories.return_of(order, f"RMA{number}", when)
        factories.refund_of(made, when, status=RefundStatus.RECORDED)
        factories.case("SYSTEMS_DIFFER", when, record=("order", order.pk))
    type(made).objects.filter(pk=made.pk).update(completed_at=at - timedelta(days=2))
    OrderItem.objects.filter(order=order).update(cancelled_at=at - timedelta(days=1))
    unit = StockMovement.objects.filter(to_bucket=Bucket.SELLABLE).latest("pk")
    StockMovement.objects.create(
        key="back",
        sku=unit.sku,
        location=unit.location,
        quantity=1,
        from_bucket=Bucket.SELLABLE,
        to_bucket=Bucket.QUARANTINE,
        return_item_id=unit.return_item_id,
        actor="worker",
        reason="The check was corrected",
        at=at,
    )
    by_itself, by_people = Case.objects.order_by("pk")[:2]
    solved(by_itself, at, Case.Resolution.BY_ITSELF)
    solved(by_people, at, Case.Resolution.FIXED_THERE)


@pytest.mark.requirement("R077")
def test_every_number_is_the_length_of_the_list_it_opens(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    busy_days(at)
    client = as_("otto")

    found = list(cells(client.get("/figures/").content.decode()))

    shown = {href.split("/")[3] for href, number in found if number}
    assert shown == set(FIGURES), "plant something for every figure"
    for href, number in set(found):
        assert listed(client, href) == number, href


@pytest.mark.requirement("R077")
def test_a_day_begins_at_midnight_where_the_retailer_is(as_: Callable[[str], Client]) -> None:
    moments = {
        "1": datetime(2026, 10, 24, 21, 59, 59, tzinfo=UTC),  # 23:59:59 on the 24th
        "2": datetime(2026, 10, 24, 22, 0, tzinfo=UTC),  # midnight: the 25th
        "3": datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC),  # still the 25th, its 25th hour
        "4": datetime(2026, 10, 25, 23, 0, tzinfo=UTC),  # the 26th
    }
    for number, moment in moments.items():
        ordered(number, moment)
    client = as_("otto")

    html = client.get(f"/figures/?{SHORT.query}").content.decode()

    found = dict(cells(html))
    for day, count in ((24, 1), (25, 2), (26, 1)):
        href = f"/figures/rows/orders-placed/?from=2026-10-{day}&to=2026-10-{day}"
        assert found[href] == count
        assert listed(client, href) == count
    assert found[f"/figures/rows/orders-placed/?{SHORT.query}"] == 4


def test_a_replacement_is_no_sale(as_: Callable[[str], Client]) -> None:
    ordered("1", SHORT.start)
    ordered("2", SHORT.start, kind=OrderKind.EXCHANGE)

    assert figure_rows.total(FIGURES["orders-placed"], SHORT) == Sums(1, {"EUR": 12995})


def test_amounts_of_different_currencies_are_never_added(as_: Callable[[str], Client]) -> None:
    ordered("1", SHORT.start)
    ordered("2", SHORT.start, currency="CHF", paid_minor=5000)

    html = as_("fiona").get(f"/figures/rows/orders-placed/?{SHORT.query}").content.decode()

    assert figure_rows.total(FIGURES["orders-placed"], SHORT).money == {"CHF": 5000, "EUR": 12995}
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "CHF 50.00 , EUR 129.95 in all" in text


def test_the_parts_of_the_exceptions_add_up_to_what_came_up(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    busy_days(at)
    period = Period(at.date() - timedelta(days=20), at.date() + timedelta(days=1), BERLIN)

    sums = {key: figure_rows.total(one, period).number for key, one in FIGURES.items()}

    assert sums["cases-opened"] == 6
    assert (sums["cases-by-itself"], sums["cases-by-people"], sums["cases-open"]) == (1, 1, 4)


def test_a_refund_that_failed_after_all_is_not_paid(db: None, at: datetime) -> None:
    made = factories.return_of(factories.order("1", at), "RMA1", at)
    refund = factories.refund_of(made, at, status=RefundStatus.RECORDED)
    period = Period(at.date() - timedelta(days=2), at.date() + timedelta(days=1), BERLIN)
    paid = FIGURES["refunds-paid"]
    assert figure_rows.total(paid, period).number == 1

    trace = factories.trace(at)
    move(refund, "status", RefundStatus.IN_DOUBT, reason="It failed", trace=trace)

    assert figure_rows.total(paid, period).number == 0


def test_a_long_list_is_read_page_by_page_and_no_row_is_lost(as_: Callable[[str], Client]) -> None:
    for number in range(PAGE + 3):  # all at the same moment: only the number tells them apart
        ordered(str(number), SHORT.start)

    href = f"/figures/rows/orders-placed/?{SHORT.query}"

    assert listed(as_("otto"), href) == PAGE + 3


@pytest.mark.parametrize("path", ["/figures/", "/figures/rows/cases-opened/"])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    path: str, at: datetime, as_: Callable[[str], Client]
) -> None:
    client = as_("carla")
    busy_days(at)
    client.get(path)

    with CaptureQueriesContext(database) as queries:
        assert client.get(path).status_code == 200

    assert len(queries) <= 15


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=2026-13-01", "Choose a day from the calendar"),
        ("from=x&to=y", "Choose a day from the calendar"),
        ("from=2026-11-03&to=2026-11-02", "The first day must not be after the last one"),
        ("from=2025-01-01&to=2026-11-02", "Choose at most 92 days at a time"),
        ("to=9999-12-31", "Choose days of this century"),
        ("from=0001-01-01&to=0001-01-02", "Choose days of this century"),
    ],
)
def test_days_that_make_no_period_are_said_in_words(
    query: str, says: str, as_: Callable[[str], Client]
) -> None:
    client = as_("carla")
    for path in ("/figures/", "/figures/rows/orders-placed/"):
        answer = client.get(f"{path}?{query}")

        assert answer.status_code == 200
        assert says in answer.content.decode()
    assert client.get(f"/figures/orders.csv?{query}").status_code == 404


@pytest.mark.parametrize(
    "after",
    ["x", "2026-10-24T10:00:00", "0001-01-01T00:00:00+00:00_1", "_", "2026-10-24_" + "9" * 40],
)
def test_a_place_in_a_list_that_means_nothing_begins_anew(
    after: str, as_: Callable[[str], Client]
) -> None:
    ordered("1", SHORT.start)
    client = as_("carla")

    answer = client.get(f"/figures/rows/orders-placed/?{SHORT.query}", {"after": after})

    assert answer.status_code == 200


def test_an_unknown_figure_is_not_found(as_: Callable[[str], Client]) -> None:
    assert as_("carla").get("/figures/rows/secrets/").status_code == 404
    assert as_("carla").get("/figures/secrets.csv").status_code == 404


def test_names_of_customers_are_in_no_figure(at: datetime, as_: Callable[[str], Client]) -> None:
    busy_days(at)
    client = as_("fiona")
    for key in FIGURES:
        html = client.get(f"/figures/rows/{key}/").content.decode()
        assert "Berg" not in html
        assert "example.com" not in html


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.requirement("R077")
@pytest.mark.parametrize("group", [one.key for one in GROUPS])
def test_a_file_says_what_the_table_says(
    group: str, at: datetime, as_: Callable[[str], Client]
) -> None:
    busy_days(at)
    client = as_("otto")

    answer = client.get(f"/figures/{group}.csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]

    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 30
    (chosen,) = [one for one in GROUPS if one.key == group]
    totals = dict(cells(client.get("/figures/").content.decode()))
    for one in chosen.figures:
        (href,) = {
            href
            for href in totals
            if f"/{one.key}/" in href and f"from={rows[0]['Day']}&to={rows[-1]['Day']}" in href
        }
        assert sum(int(row[one.label]) for row in rows) == totals[href]
    if group == "orders":
        paid = {row["Orders placed, EUR"] for row in rows if row["Orders placed"] == "1"}
        assert paid == {"129.95"}


@pytest.mark.parametrize(
    ("name", "args"),
    [("figures_file", ["orders"]), ("by_hand_file", []), ("inbound_file", []), ("stages_file", [])],
)
def test_that_a_file_was_taken_is_on_record_with_its_rows(
    name: str, args: list[str], as_: Callable[[str], Client]
) -> None:
    answer = as_("otto").get(reverse(name, args=args))
    assert answer.status_code == 200
    taken = Export.objects.get()
    assert (taken.actor, taken.row_count) == ("user:otto", None), "before its first row leaves"

    sent = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    taken.refresh_from_db()

    assert taken.row_count == len(sent.splitlines()) - 1
    assert taken.what in unescape(as_("otto").get("/audit/").content.decode())


# --- Charts ---------------------------------------------------------------------------------------


def test_a_chart_begins_at_zero_and_keeps_its_proportions() -> None:
    chart = charts.bars([charts.Series("a", [10, 0]), charts.Series("b", [30, 5])])

    assert chart.top == 40
    heights = {(one.css, one.x): one.height for one in chart.bars}
    assert sorted(heights.values()) == [18.8, 37.5, 112.5]  # of 150 for 40
    lowest = [one for one in chart.bars if one.css == "s1"]
    assert lowest[0].y + lowest[0].height == charts.HEIGHT


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 2), (2, 2), (3, 4), (5, 10), (41, 100), (400, 400)]
)
def test_the_scale_ends_at_a_round_number_with_a_whole_half(highest: int, top: int) -> None:
    assert charts.nice(highest) == top


def test_names_beside_lines_never_cover_one_another() -> None:
    chart = charts.lines([charts.Series(name, [0, 0]) for name in "abc"])

    heights = sorted(one.y for one in chart.ends)
    assert all(low + 14 <= high for low, high in itertools.pairwise(heights))
    assert heights[0] > 0
    assert heights[-1] < charts.HEIGHT
