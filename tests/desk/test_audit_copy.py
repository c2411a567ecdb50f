"""The audit list as a file, and what its page says of the seals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrator.engine import cases, maintenance, seal_checks
from integrator.models import Case, Connection, Export, SealCheck
from tests.desk import factories
from tests.desk.audits import Reader, by, paid_by_two, words

pytestmark = pytest.mark.requirement("R040")


@pytest.fixture
def otto(as_: Callable[[str], Client]) -> Reader:
    """The auditor, who may not see customers' data."""
    return Reader(as_("otto"))


@pytest.fixture
def clara(as_: Callable[[str], Client]) -> Reader:
    """The controller, who may."""
    return Reader(as_("clara"))


@pytest.fixture
def payment(at: datetime, people: dict[str, User]) -> Case:
    return paid_by_two(at, people)


# --- The copy -------------------------------------------------------------------------------------


def test_a_copy_is_exactly_what_the_filters_show_and_is_itself_on_the_list(
    payment: Case, otto: Reader
) -> None:
    shown = otto.rows(who="fiona")
    rows = otto.copy(who="fiona")

    assert len(rows) == len(shown) == 3
    assert rows[0]["Amount"] == "129.95" and rows[0]["Currency"] == "EUR"
    assert rows[0]["Who"] == "fiona" and rows[0]["Two people"] == "yes"
    assert rows[0]["Time"].startswith(str(datetime.now(UTC).year))
    [copy] = Export.objects.all()
    assert (copy.actor, copy.row_count, copy.filters) == ("user:otto", 3, {"person": "fiona"})
    [told] = otto.rows(kind="export")
    assert "otto took a copy of the audit list 3 rows person: fiona" in told


def test_a_note_that_is_a_formula_is_not_run(payment: Case, at: datetime, clara: Reader) -> None:
    cases.note(payment, text="=HYPERLINK(1)", trace=by("carla", at), by=None)

    assert clara.copy(who="carla")[0]["Why"] == "'=HYPERLINK(1)"


def test_a_copy_that_is_broken_off_is_kept_with_what_had_left(payment: Case, otto: Reader) -> None:
    """The reader goes away: the server closes what it was reading from."""
    response: Any = otto.client.post("/audit/copy/", {"record": "DE-70001"})
    content = iter(response)
    next(content), next(content)
    [close, *_] = response._resource_closers
    close()

    assert Export.objects.get().row_count == 1


def test_a_copy_says_the_times_that_the_page_says(
    at: datetime, scayle: Connection, people: dict[str, User], clara: Reader
) -> None:
    """It is sent after its view has ended, which had set the clock of the house."""
    case = factories.case("SYSTEMS_DIFFER", at)
    until = (at + timedelta(days=2)).replace(hour=8, minute=0, second=0, microsecond=0)
    cases.snooze(case, until=until, awaiting="", trace=by("fiona", at), note="wait")
    maintenance.announce(
        scayle,
        starts_at=until,
        ends_at=until + timedelta(hours=1),
        reason="New version",
        trace=by("ada", at),
    )

    [shown], [copied] = clara.rows(kind="handling"), clara.copy(kind="handling")
    assert "snoozed it until" in shown and copied["What"] in shown
    [shown] = [row for row in clara.rows(kind="setting", who="ada") if "maintenance" in row]
    [copied] = clara.copy(kind="setting", who="ada")
    assert copied["About"].removeprefix("SCAYLE · ") in shown


def test_the_clock_of_a_copy_holds_only_while_a_row_is_made(payment: Case, otto: Reader) -> None:
    response: Any = otto.client.post("/audit/copy/", {"record": "DE-70001"})

    for _ in response:
        assert timezone.get_current_timezone_name() == "UTC"


def test_a_copy_needs_a_press_and_the_right(as_: Callable[[str], Client]) -> None:
    assert as_("otto").get("/audit/copy/").status_code == 405
    assert as_("fiona").post("/audit/copy/").status_code == 403
    assert 'href="/audit/"' not in as_("fiona").get("/").content.decode()
    assert 'href="/audit/"' in as_("otto").get("/").content.decode()


# --- Seals ----------------------------------------------------------------------------------------


def checked(at: datetime, result: str, **values: Any) -> SealCheck:
    return SealCheck.objects.create(
        at=at,
        actor="clock",
        day=at.date(),
        seals=4,
        row_count=12,
        result=result,
        **values,
    )


def test_the_page_says_when_the_record_was_checked_and_what_came_of_it(
    at: datetime, otto: Reader
) -> None:
    assert "The record was never checked" in words(otto.html())

    checked(at - timedelta(hours=31), "SOUND")
    assert "The record was not checked for 1 d 7 h" in words(otto.html())

    checked(at, "SOUND", heads={"approval": "ab" * 32})
    text = words(otto.html())
    assert "Nothing sealed was changed" in text
    assert "12 rows under 4 seals, one for each day of each book." in text
    assert "no day that is over has a row: the books; what the second person said" in text
    assert "ab" * 32 in text


def test_a_broken_day_is_named_and_leads_to_its_case(
    at: datetime, people: dict[str, User], otto: Reader, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SEAL_BROKEN", at, record=("seal", 1), cause="seal:approval:2026-11-20")
    finding = {"book": "approval", "day": "2026-11-20", "says": ["1 row changed: 5"], "rows": [5]}
    checked(at, "BROKEN", findings=[finding])

    html = otto.html()

    assert "1 day is not as sealed" in words(html)
    assert "What a second person was asked, 2026-11-20: 1 row changed: 5." in words(html)
    assert f'href="/cases/{case.pk}/"' in html
    assert as_("ada").get(f"/cases/{case.pk}/").status_code == 200


def test_the_nightly_check_is_on_the_page(payment: Case, at: datetime, otto: Reader) -> None:
    seal_checks.daily(at=at + timedelta(days=1, hours=2))

    assert "Nothing sealed was changed" in words(otto.html())
