"""Queues: what is in them, in which order, and that every number equals the list behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from integrator.desk import queue_rows
from integrator.engine import approvals, cases
from integrator.flows import CASE_KINDS, queue_figures
from integrator.flows.queue_wanted import TABS, Wanted
from integrator.models import Case, Connection
from tests.desk import factories

QUERIES_ALLOWED = 15


def ids(wanted: Wanted, at: datetime, size: int = 50) -> list[int]:
    """Every line of a queue, page by page, as a person would read it."""
    found: list[int] = []
    after = ""
    for _ in range(100):
        page = queue_rows.page_of(wanted, at=at, after=after, size=size)
        found += [row.id for row in page.rows]
        if not page.older:
            return found
        after = page.older
    raise AssertionError("paging does not end")


def titles(client: Client, path: str) -> list[str]:
    html = client.get(path).content.decode()
    found = re.findall(r'<span class="t">(.*?)</span>(?=<span class="amt")', html)
    return [unescape(strip_tags(title)) for title in found]


@pytest.mark.requirement("R120")
def test_one_unknown_location_is_one_line_however_many_returns_wait(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    for number in range(143):
        factories.case(
            "MAPPING_MISSING",
            at,
            record=("return", number),
            cause="mapping:1:LOCATION:HH-2",
            connection_id=returngo.pk,
            money_minor=100,
            currency="EUR",
        )

    html = as_("omar").get("/queue/").content.decode()

    assert html.count('class="q-row') == 1
    assert "143 returns" in html
    assert "143.00" in html
    assert re.search(r"Needs us <span class=\"n\">1</span>", html)


def test_the_records_of_a_cause_can_be_listed_one_by_one(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    """A number that stands for rows leads to exactly these rows."""
    for number in range(7):
        case = factories.case(
            "MAPPING_MISSING", at, record=("return", number), cause="c1", connection_id=returngo.pk
        )
    factories.case("MAPPING_MISSING", at, record=("return", 99), cause="c2")
    client = as_("omar")
    page = client.get(f"/cases/{case.pk}/").content.decode()
    link = re.search(r'href="([^"]+)">7 records, one cause', page)
    assert link is not None

    html = client.get(unescape(link[1])).content.decode()

    assert html.count('class="q-row') == 7
    assert re.search(r"Not saved <span class=\"n\">7</span>", html)


@pytest.mark.requirement("R079")
def test_each_team_sees_its_own_cases_and_no_others(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.case("RETURN_NOT_READ", at, record=("return", 1))
    factories.case("RESTOCK_FAILED", at, record=("return_item", 1))
    factories.case("SYSTEMS_DIFFER", at, record=("order", 1))

    assert titles(as_("carla"), "/queue/") == ["Return RMA3271840 could not be read from ReturnGO"]
    assert "does not show it yet" in titles(as_("omar"), "/queue/")[0]
    assert titles(as_("fiona"), "/queue/")[0].startswith("Refund of RMA3271840: we say")
    assert titles(as_("clara"), "/queue/") == []


def test_only_admins_and_auditors_look_into_other_queues(as_: Callable[[str], Client]) -> None:
    assert as_("carla").get("/queue/finance/").status_code == 403
    assert as_("ada").get("/queue/finance/").status_code == 200
    assert as_("otto").get("/queue/finance/").status_code == 200
    assert as_("otto").get("/queue/auditor/").status_code == 404


def test_a_case_nobody_took_reaches_the_next_of_its_ladder(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    old = at - timedelta(hours=30)
    factories.case("REFUND_REFUSED", at, opened_at=old)
    assert titles(as_("clara"), "/queue/") == []

    cases.escalate(CASE_KINDS, trace=factories.trace(at))

    assert len(titles(as_("clara"), "/queue/")) == 1
    assert len(titles(as_("fiona"), "/queue/")) == 1


def test_a_question_to_a_second_person_is_in_the_queue_of_those_who_may_answer(
    at: datetime, people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    case = factories.case("REFUND_IN_DOUBT", at)
    assert titles(as_("clara"), "/queue/") == []

    approvals.ask(
        verb="refund.decide",
        record_kind="case",
        record_id=case.pk,
        content={"case": case.pk, "action": "it_happened", "data": {}},
        by=people["fiona"],
        trace=factories.trace(at, "user:fiona"),
    )

    assert len(titles(as_("clara"), "/queue/")) == 1
    assert titles(as_("carla"), "/queue/") == []


def test_overdue_comes_first_then_today_then_later_and_the_most_serious_within(
    db: None, at: datetime
) -> None:
    """A less serious case stays behind a more serious one, although it is due earlier."""
    morning = at.replace(hour=10, minute=0)
    later = factories.case("SOT_VIOLATION", morning, opened_at=morning + timedelta(days=2))
    due_at_eleven = factories.case("NOT_IN_PARCEL", morning, opened_at=morning - timedelta(hours=3))
    serious = factories.case("UNIT_RETURNED_TWICE", morning, opened_at=morning)
    late = factories.case("COMPLETE_FAILED", morning, opened_at=morning - timedelta(hours=9))
    wanted = Wanted("CX", "needs", 0)

    rows = queue_rows.page_of(wanted, at=morning).rows

    assert [row.id for row in rows] == [late.pk, serious.pk, due_at_eleven.pk, later.pk]
    assert [row.section for row in rows] == [0, 1, 1, 2]
    assert ids(wanted, morning, size=1) == [row.id for row in rows]


@pytest.mark.parametrize("tab", TABS)
def test_every_count_equals_its_list_and_paging_shows_each_line_once(
    tab: str, at: datetime, people: dict[str, User]
) -> None:
    """Groups, singles, all sections and all states, read in pages of three."""
    fiona = people["fiona"]
    for number in range(40):
        kind = ("REFUND_REFUSED", "SYSTEMS_DIFFER", "ORDER_DOES_NOT_ADD_UP")[number % 3]
        opened = at - timedelta(hours=(number * 7) % 50)
        case = factories.case(kind, at, record=("order", number), opened_at=opened)
        if number % 4 == 1:
            cases.assign(case, to=fiona, trace=factories.trace(at))
        if number % 5 == 2:
            cases.snooze(
                case, until=None, awaiting="CHANGE", trace=factories.trace(at), note="later"
            )
        if number % 7 == 3:
            cases.solve(
                case,
                resolution=Case.Resolution.FIXED_HERE,
                trace=factories.trace(at - timedelta(minutes=number)),
                reason="done",
            )
    wanted = Wanted("FINANCE", tab, fiona.pk)

    figure = queue_figures.figures_of([wanted], at=at)[wanted]
    found = ids(wanted, at, size=3)

    assert len(found) > 3
    assert len(found) == len(set(found)) == figure.count
    overdue = [row for row in queue_rows.page_of(wanted, at=at).rows if row.section == 0]
    if tab == "needs":
        assert figure.overdue == len(overdue) > 0


def test_grouped_lines_are_paged_like_the_others(db: None, at: datetime) -> None:
    for number in range(30):
        factories.case(
            "MAPPING_MISSING", at, record=("return", number), cause=f"cause-{number % 10}"
        )
        factories.case("RESTOCK_FAILED", at, record=("return_item", number))
    wanted = Wanted("OPERATIONS", "needs", 0)

    found = ids(wanted, at, size=7)

    assert len(found) == len(set(found)) == 40
    assert queue_figures.figures_of([wanted], at=at)[wanted].count == 40


def test_a_page_key_that_somebody_changed_shows_the_first_page(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.case("SYSTEMS_DIFFER", at)
    client = as_("fiona")

    for key in (
        "nonsense",
        "2026-11-21T10:00:00_0_0_x_1",
        "2026-11-21T10:00:00_0_0_NaN_1",
        "_____",
    ):
        assert len(titles(client, f"/queue/?after={key}")) == 1


def test_amounts_of_several_currencies_are_never_added_up(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    for number, currency in enumerate(("EUR", "GBP")):
        factories.case(
            "MAPPING_MISSING",
            at,
            record=("return", number),
            cause="one",
            money_minor=500,
            currency=currency,
            connection_id=returngo.pk,
        )

    html = as_("omar").get("/queue/").content.decode()

    assert "2 currencies" in html
    assert "10.00" not in html


def test_a_queue_can_be_narrowed_to_one_kind(at: datetime, as_: Callable[[str], Client]) -> None:
    factories.case("SYSTEMS_DIFFER", at)
    factories.case("REFUND_REFUSED", at)
    client = as_("fiona")

    html = client.get("/queue/?kind=SYSTEMS_DIFFER").content.decode()

    assert html.count('class="q-row') == 1
    assert re.search(r"Not saved <span class=\"n\">1</span>", html)
    assert re.search(r"Needs us <span class=\"n\">2</span>", html)
    assert "remove filter" in html


def test_a_list_that_is_not_saved_shows_which_tab_it_is_a_part_of(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    """What empties it can be seen and taken away; an empty list has no case to choose."""
    factories.case("REFUND_REFUSED", at)
    client = as_("fiona")

    html = client.get("/queue/?tab=not-reconciled&order=customers").content.decode()

    without = re.search(r'<a class="chip on" href="([^"]+)">Refunds that do not reconcile', html)
    assert without is not None
    assert "No case of Finance fits the filter above." in html
    assert "Choose a case on the left." not in html
    removed = re.search(r'href="([^"]+)">Remove all filters', html)
    assert removed is not None
    for link in (without[1], removed[1]):
        page = client.get(unescape(link)).content.decode()
        assert page.count('class="q-row') == 1
        assert "remove filter" not in page
        assert "Choose a case on the left." in page
    assert "remove filter" not in client.get("/queue/?tab=not-reconciled").content.decode()


@pytest.mark.parametrize("rows", [3, 60])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    rows: int, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    order = factories.order("100482913", at)
    for number in range(rows):
        case = factories.case(
            "SYSTEMS_DIFFER",
            at,
            record=("order", number),
            order_id=order.pk,
            connection_id=scayle.pk,
        )
        case_in_group = factories.case(
            "MAPPING_MISSING", at, record=("return", number), cause="one", connection_id=scayle.pk
        )
    for client, path in (
        (as_("fiona"), "/"),
        (as_("fiona"), "/queue/"),
        (as_("fiona"), f"/queue/?case={case.pk}&do=not_an_error"),
        (as_("omar"), f"/queue/?case={case_in_group.pk}&do=save_mapping"),
        (as_("fiona"), f"/cases/{case.pk}/"),
        (as_("ada"), "/"),
        (as_("ada"), f"/cases/?connection={scayle.pk}"),
    ):
        client.get("/")
        with CaptureQueriesContext(database) as queries:
            assert client.get(path).status_code == 200
        assert len(queries) <= QUERIES_ALLOWED, path


def test_an_empty_queue_says_so_instead_of_showing_an_empty_table(
    as_: Callable[[str], Client],
) -> None:
    html = as_("carla").get("/queue/").content.decode()

    assert "Nothing waits for Customer service" in html
    assert "<table" not in html


def test_home_shows_the_own_queue_and_the_number_of_the_navigation(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(7):
        factories.case("SYSTEMS_DIFFER", at, record=("order", number))

    html = as_("fiona").get("/").content.decode()

    assert html.count('class="q-row') == 5
    assert "Show all 7" in html
    assert '<span class="n">7</span>' in html
