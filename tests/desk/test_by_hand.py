"""Done by hand: the week beside the week before, and each number opens its decisions."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.desk import factories
from tests.engine.test_by_hand import FIXED, MONDAY, WEEK, decided

THIS = "/figures/by-hand/?week=2026-11-18"


@pytest.fixture
def weeks(people: dict[str, User]) -> None:
    """Three by Fiona this week, one by Omar; one the week before."""
    factories.retailer()  # whose clock it is
    for number in range(3):
        decided(MONDAY + timedelta(days=number), people["fiona"])
    decided(MONDAY, people["omar"], key="not_an_error", minor=0)
    decided(MONDAY - WEEK, people["fiona"], minor=250)


def numbers(html: str) -> dict[str, int]:
    found = re.findall(r'<a href="(/figures/by-hand/rows/[^"]+)">([\d,]+)</a>', html)
    return {unescape(href): int(number) for href, number in found}


@pytest.mark.requirement("R013")
def test_every_number_of_the_report_is_the_length_of_its_list(
    weeks: None, as_: Callable[[str], Client]
) -> None:
    client = as_("omar")

    found = numbers(client.get(THIS).content.decode())

    assert sum(found.values()) == 3 * 5, "each decision once by type, by person and by cause"
    for href, number in found.items():
        rows = client.get(href).content.decode()
        assert len(re.findall(r'<th scope="row">', rows)) == number, href


def test_the_report_names_what_was_done_by_whom_and_why(
    weeks: None, as_: Callable[[str], Client]
) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", as_("omar").get(THIS).content.decode()))

    assert "16 to 22 November 2026" in text
    assert f"{FIXED.label} 3 EUR 30.00 1 EUR 2.50 +2" in text
    assert "fiona 3" in text
    assert "Done by hand: 4" in text


def test_the_file_says_what_the_report_says(weeks: None, as_: Callable[[str], Client]) -> None:
    answer = as_("otto").get("/figures/by-hand/file/?week=2026-11-18")

    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.reader(text.splitlines()))
    assert ["What was done", FIXED.label, "3", "1", "30.00", "EUR"] in rows


def test_the_list_of_all_has_a_name_of_its_own(weeks: None, as_: Callable[[str], Client]) -> None:
    html = as_("omar").get("/figures/by-hand/rows/?week=2026-11-18").content.decode()

    assert "<h1>All steps by hand: 4</h1>" in html
    assert ">Done by hand</a> / All steps by hand</p>" in html


def test_a_week_without_any_claims_no_more_than_that(as_: Callable[[str], Client]) -> None:
    html = as_("omar").get("/figures/by-hand/").content.decode()

    assert "Nobody did anything by hand in this week or the week before." in html


@pytest.mark.parametrize("path", ["/figures/by-hand/", "/figures/by-hand/rows/"])
def test_a_week_that_is_none_is_said_in_words(path: str, as_: Callable[[str], Client]) -> None:
    answer = as_("omar").get(f"{path}?week=soon")

    assert answer.status_code == 200
    assert "Choose a day from the calendar" in answer.content.decode()


def test_a_view_that_does_not_exist_is_not_found(as_: Callable[[str], Client]) -> None:
    client = as_("omar")

    assert client.get("/figures/by-hand/rows/?by=note&of=x").status_code == 404
    assert client.get("/figures/by-hand/rows/?by=person&of=%00").status_code == 200
    assert client.get("/figures/by-hand/file/?week=soon").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_decisions(
    at: datetime, people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    client = as_("omar")
    for number in range(8):
        decided(at - timedelta(minutes=number), people["fiona"])
    for path in ("/figures/by-hand/", "/figures/by-hand/rows/"):
        client.get(path)

        with CaptureQueriesContext(database) as queries:
            client.get(path)

        assert len(queries) <= 15, path


def test_the_case_of_an_alarm_opens(at: datetime, as_: Callable[[str], Client]) -> None:
    case = factories.case("MANY_BY_HAND", at, record=("retailer", factories.retailer().pk))

    assert as_("omar").get(f"/cases/{case.pk}/?do=not_an_error").status_code == 200
