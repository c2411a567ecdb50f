"""Sorting and narrowing a queue: the order, and that paging shows each line exactly once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrator.desk import queue_rows
from integrator.desk.queue_orders import ORDERS
from integrator.engine import case_counts, cases
from integrator.flows import CASE_KINDS, queue_figures
from integrator.flows.queue_wanted import ROLES, SYSTEM_VIEWS, TABS, Wanted
from integrator.models import Connection
from tests.desk import factories
from tests.desk.plans import explained, read

MANY = 6_000
# The one kind of an order's cases of which finance and the controller both have some.
SINGLE = "ORDER_DOES_NOT_ADD_UP"


def walked(wanted: Wanted, at: datetime, size: int, between: Callable[[int], None]) -> list[int]:
    """Every line page by page; something happens between two pages."""
    found: list[int] = []
    after = ""
    for number in range(200):
        page = queue_rows.page_of(wanted, at=at, after=after, size=size)
        found += [row.id for row in page.rows]
        if not page.older:
            return found
        after = page.older
        between(number)
    raise AssertionError("paging does not end")


def of_all_sorts(at: datetime, returngo: Connection, number: int, **values: Any) -> int:
    """Ties on purpose: few amounts, few currencies and none, few times, groups and singles."""
    about = {
        "money_minor": (0, 500, 500, 1200)[number % 4],
        "currency": ("", "EUR", "CHF", "USD", "EUR")[number % 5] if number % 4 else "",
        "customers_waiting": number % 3,
        "opened_at": at - timedelta(hours=(number % 6) * 5),
        **values,
    }
    if number % 3 == 0:
        about |= {"cause": f"cause-{number % 7}", "connection_id": returngo.pk}
        return factories.case("MAPPING_MISSING", at, record=("return", number), **about).pk
    kind = ("RESTOCK_FAILED", "SKU_DISCONTINUED")[number % 2]
    return factories.case(kind, at, record=("return_item", number), **about).pk


@pytest.mark.parametrize("order", ORDERS)
def test_paging_shows_each_line_exactly_once_while_cases_come_in(
    order: str, at: datetime, returngo: Connection
) -> None:
    """Also those of a group that grows meanwhile, and would have moved to where we have been."""
    for number in range(60):
        of_all_sorts(at, returngo, number)
    wanted = Wanted("OPERATIONS", "needs", 0, order=order)
    before = [row.id for row in queue_rows.page_of(wanted, at=at, size=1000).rows]

    def comes_in(page: int) -> None:
        for number in range(3):
            of_all_sorts(at, returngo, 1000 + 3 * page + number, money_minor=99_900)

    found = walked(wanted, at, 4, comes_in)

    assert len(before) > 40
    assert found == before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("tab", [*TABS, *(view.key for view in SYSTEM_VIEWS)])
def test_every_count_equals_its_list_whatever_the_tab_and_order(
    role: str, tab: str, at: datetime, returngo: Connection, people: dict[str, User]
) -> None:
    """Of every kind there is one case, some of them taken, snoozed, solved or lifted."""
    for number, code in enumerate(CASE_KINDS):
        opened = at - timedelta(hours=number)
        case = factories.case(code, at, record=("order", number), opened_at=opened)
        if number % 4 == 1:
            cases.assign(case, to=people["fiona"], trace=factories.trace(at))
        if number % 5 == 2:
            cases.snooze(case, until=None, awaiting="WORSE", trace=factories.trace(at), note="x")
        if number % 7 == 3:
            trace = factories.trace(at)
            cases.solve(case, resolution="FIXED_HERE", trace=trace, reason="done")
    for _ in range(3):
        cases.escalate(CASE_KINDS, trace=factories.trace(at + timedelta(hours=40)))
    wanted = [
        Wanted(role, tab, people["fiona"].pk, order=order, who=who, connection_id=connection)
        for order in ORDERS
        for who, connection in (("", 0), ("me", 0), ("nobody", 0), ("", returngo.pk))
    ]

    figures = queue_figures.figures_of(wanted, at=at)

    for one in wanted:
        found = walked(one, at, 3, lambda _: None)
        assert len(found) == len(set(found)) == figures[one].count


def test_money_is_sorted_within_its_currency_the_house_first(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    """Retailer's currency: EUR. Amounts of two currencies are never compared."""
    made = {
        name: factories.case(SINGLE, at, record=("order", number), **values).pk
        for number, (name, values) in enumerate(
            {
                "francs": {"money_minor": 900_000, "currency": "CHF"},
                "little": {"money_minor": 100, "currency": "EUR"},
                "much": {"money_minor": 70_000, "currency": "EUR"},
                "dollars": {"money_minor": 800_000, "currency": "USD"},
                "none": {},
            }.items()
        )
    }

    html = as_("fiona").get("/queue/?order=money").content.decode()

    ids = [int(one) for one in re.findall(r"C-(\d+)", html)]
    assert ids == [made[name] for name in ("much", "little", "francs", "dollars", "none")]
    titles = re.findall(r'class="q-sec"><span>(.*?)</span>', html)
    assert titles == ["EUR", "Other currencies", "No amount, or several currencies"]


def test_most_customers_first_and_the_oldest_first(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    few = factories.case(SINGLE, at, record=("order", 1), customers_waiting=1).pk
    many = factories.case(
        SINGLE, at, record=("order", 2), customers_waiting=9, opened_at=at - timedelta(hours=1)
    ).pk
    old = factories.case(SINGLE, at, record=("order", 3), opened_at=at - timedelta(days=3)).pk
    client = as_("fiona")

    by_customers = client.get("/queue/?order=customers").content.decode()
    by_age = client.get("/queue/?order=oldest").content.decode()

    assert [int(one) for one in re.findall(r"C-(\d+)", by_customers)] == [many, few, old]
    assert "9 customers" in by_customers
    assert [int(one) for one in re.findall(r"C-(\d+)", by_age)] == [old, many, few]
    assert "3 d old" in by_age.replace("\N{NO-BREAK SPACE}", " ")


def test_filters_hold_together_and_each_can_be_removed(
    at: datetime,
    scayle: Connection,
    returngo: Connection,
    people: dict[str, User],
    as_: Callable[[str], Client],
) -> None:
    mine = factories.case(SINGLE, at, record=("order", 1), connection_id=scayle.pk)
    cases.assign(mine, to=people["fiona"], trace=factories.trace(at))
    factories.case(SINGLE, at, record=("order", 2), connection_id=scayle.pk)
    factories.case(SINGLE, at, record=("order", 3), connection_id=returngo.pk)
    client = as_("fiona")

    def shown(query: str) -> int:
        html = client.get(f"/queue/?{query}").content.decode()
        count = html.count('class="q-row')
        assert f'aria-current="page">Not saved <span class="n">{count}' in html
        return count

    assert shown(f"kind={SINGLE}") == 3
    assert shown(f"connection={scayle.pk}") == 2
    assert shown("who=nobody") == 2
    assert shown(f"who=me&connection={scayle.pk}") == 1
    assert shown(f"who=me&connection={returngo.pk}") == 0
    html = client.get(f"/queue/?who=me&connection={returngo.pk}").content.decode()
    assert html.count("remove filter") == 2
    assert "No case matches" in html


@pytest.mark.parametrize(
    "query",
    [
        "order=nonsense&who=x&kind=x&connection=99999999&tab=x&view=x&case=x",
        "connection=-1&view=99999999999999999999999",
        "tab=solved&order=money",
        "tab=mine&who=nobody",
        "cause=%00&kind=%00",
        "order=money&after=promise_2026-11-21T10:00:00+00:00_9_0_1_2026-11-21T10:00:00+00:00_1",
        "order=money&after=money_2026-11-21T10:00:00%2B00:00_9_0_Robert%27_1_1",
        "order=oldest&after=oldest_0001-01-01T00:00:00%2B14:00_9_0_2026-11-21T10:00:00%2B00:00_1",
        "order=oldest&after=oldest_2026-11-21T10:00:00%2B00:00_9_7_2026-11-21T10:00:00%2B00:00_1",
        f"order=customers&after=customers_2026-11-21T10:00:00%2B00:00_{10**30}_0_1_x_1",
    ],
)
def test_what_somebody_typed_into_the_address_is_never_an_error(
    query: str, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.case(SINGLE, at)

    assert as_("fiona").get(f"/queue/?{query}").status_code == 200


# --- With many cases ------------------------------------------------------------------------------


@pytest.fixture
def many(db: None, at: datetime) -> None:
    """A bad day: 6,000 open cases of operations, a tenth of them lifted, as many solved, and as
    many more that wait for one of twenty words.
    """
    row = """
        SELECT %s, 'OPERATIONS', 'OPEN', 'return_item', %s + n, 'c' || n %% %s, %s, '{}'::jsonb,
               1 + n %% 3,
               %s::timestamptz - n * interval '1 second',
               %s::timestamptz + (n %% 977 - 400) * interval '30 minutes',
               (n * 7919) %% 100000, CASE n %% 3 WHEN 0 THEN 'CHF' ELSE 'EUR' END, n %% 20, 1, 0,
               CASE n %% 10 WHEN 0 THEN 1 ELSE 0 END, '', ''
          FROM generate_series(1, %s) n"""
    columns = """kind, owner, state, record_kind, record_id, cause, shares_cause, facts,
        severity, opened_at, due_at, money_minor, currency, customers_waiting, seen, regressions,
        escalation, snoozed_for, resolution"""
    with database.cursor() as cursor:
        for kind, first, causes in (
            ("RESTOCK_FAILED", 0, MANY),
            ("RESTOCK_IN_DOUBT", 10**6, MANY),
            ("MAPPING_MISSING", 2 * 10**6, 20),
        ):
            cursor.execute(
                f"INSERT INTO integrator_case ({columns}) {row}",
                [kind, first, causes, causes < MANY, at, at, MANY],
            )
        cursor.execute(
            """UPDATE integrator_case SET state = 'SOLVED', resolution = 'FIXED_HERE',
                      solved_at = opened_at + interval '1 hour' WHERE kind = 'RESTOCK_IN_DOUBT'"""
        )
        cursor.execute("ANALYZE integrator_case")
    case_counts.fold(above=0)


def test_a_page_reads_little_more_than_it_shows(many: None, at: datetime) -> None:
    """Whatever the order, on the first page and on later ones: neither reads all there is."""
    orders = [("needs", name) for name in ORDERS]
    for tab, order in [*orders, ("solved", ""), ("not-on-sale", "")]:
        wanted = Wanted("OPERATIONS", tab, 0, order=order)
        first = queue_rows.page_of(wanted, at=at)
        later = queue_rows.page_of(wanted, at=at, after=first.older).older
        assert len(first.rows) == queue_rows.PAGE

        for after in ("", first.older, later):
            touched = sorted(read(plan_of(wanted, at, after), "integrator_case"), reverse=True)
            assert sum(count for count, _ in touched) < 1_000, (tab, order, touched[0])


def test_counts_are_not_made_by_reading_the_queue(many: None, at: datetime) -> None:
    """But for what is due on this very day, which the minute decides."""
    wanted = [Wanted("OPERATIONS", tab, 0) for tab in ("needs", "mine", "snoozed", "oversold")]
    with CaptureQueriesContext(database) as queries:
        needs = queue_figures.figures_of(wanted, at=at)[wanted[0]]

    assert needs.count == MANY + 20
    touched = sorted(read(explained(queries[0]["sql"]), "integrator_case"), reverse=True)
    assert sum(count for count, _ in touched) < 2 * MANY / 20 * 1.2, touched


def plan_of(wanted: Wanted, at: datetime, after: str) -> dict[str, Any]:
    with CaptureQueriesContext(database) as queries:
        queue_rows.page_of(wanted, at=at, after=after)
    (statement,) = [one["sql"] for one in queries if "integrator_case" in one["sql"]]
    return explained(statement)
