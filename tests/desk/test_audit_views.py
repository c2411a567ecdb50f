"""What auditors ask for again and again: named lists, each as long as its tab says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrator.desk import audit_rows, audit_tabs, audit_views, directory
from integrator.engine import cases, choices, decisions
from integrator.engine import connections as switch
from integrator.models import Case, Connection, Export
from tests.desk import factories
from tests.desk.audits import Reader, by, words

pytestmark = pytest.mark.requirement("R040")

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # ten o'clock in Berlin


@pytest.fixture
def otto(as_: Callable[[str], Client]) -> Reader:
    return Reader(as_("otto"))


def tabs(reader: Reader, query: str = "") -> dict[str, tuple[str, str]]:
    """What each tab counts, and where it leads."""
    html = reader.client.get(f"/audit/{query}").content.decode()
    row = r'<li><a href="([^"]*)"[^>]*>([^<]+?) <span class="n">([^<]+)</span>'
    return {label: (count.strip(), unescape(href)) for href, label, count in re.findall(row, html)}


def decide(case: Case, key: str, name: str, at: datetime) -> None:
    """One person's decision; its fact and nothing of what follows."""
    case.events.create(kind="DECIDED", action=key, actor=f"user:{name}", data={}, at=at)


@pytest.fixture
def house(at: datetime, people: dict[str, User], scayle: Connection) -> dict[str, Case]:
    """Something for every list, in working hours unless it says otherwise."""
    taken = factories.case("REFUND_REFUSED", MONDAY, record=("order", 1))
    cases.assign(taken, to=people["fiona"], trace=by("fiona", MONDAY))
    decide(taken, "paid_by_hand", "fiona", MONDAY + timedelta(minutes=5))
    other = factories.case("REFUND_REFUSED", MONDAY, record=("order", 2))
    decide(other, "paid_by_hand", "frank", MONDAY + timedelta(minutes=6))
    machine = factories.case("JOB_FAILED", MONDAY, record=("order", 3))
    decide(machine, "try_again", "omar", MONDAY + timedelta(minutes=7))
    doubt = factories.case("REFUND_IN_DOUBT", MONDAY, record=("order", 4))
    decide(doubt, "it_happened", "frank", MONDAY + timedelta(minutes=8))
    late = factories.case("JOB_LATE", MONDAY, record=("order", 5))
    cases.assign(late, to=people["omar"], trace=by("omar", datetime(2026, 3, 7, 10, tzinfo=UTC)))
    cases.note(late, text="x", trace=by("omar", datetime(2026, 3, 3, 20, tzinfo=UTC)), by=None)
    cases.assign(late, to=None, trace=factories.trace(datetime(2026, 3, 8, 10, tzinfo=UTC)))
    Export.objects.create(what="orders", filters={}, actor="user:carla", at=MONDAY)
    return {"taken": taken, "other": other, "machine": machine, "doubt": doubt, "late": late}


def test_every_tab_counts_what_it_lists(house: object, otto: Reader) -> None:
    found = tabs(otto)

    assert list(found) == [one.label for one in audit_views.VIEWS]
    for label, (count, href) in found.items():
        listed = otto.client.get(f"/audit/{href}").content.decode()
        rows = [row for row in re.findall(r"<tr>(.*?)</tr>", listed, re.S) if "<time" in row]
        assert count == str(len(rows)), label


def test_each_list_holds_what_its_name_says(house: dict[str, Case], otto: Reader) -> None:
    ids = {name: f"C-{case.pk}" for name, case in house.items()}

    overrides = otto.rows(view="overrides")
    assert [any(ids[name] in row for row in overrides) for name in ids] == [
        *(True, True, False, True, False)  # trying again only lets our own work go on
    ]
    [alone] = otto.rows(view="alone")
    assert ids["taken"] in alone and "fiona decided" in alone
    [doubt] = otto.rows(view="doubt")
    assert ids["doubt"] in doubt and "frank decided" in doubt
    late = otto.rows(view="late")
    assert len(late) == 2 and all("omar" in row and ids["late"] in row for row in late)
    assert len(otto.rows(kind="export")) == 1


def test_a_second_person_makes_a_decision_no_ones_alone(
    at: datetime, people: dict[str, User], otto: Reader
) -> None:
    case = factories.case("REFUND_BY_HAND", at, record=("refund", 1))
    cases.assign(case, to=people["fiona"], trace=by("fiona", at))
    action = next(
        one for one in factories.CASE_KINDS["REFUND_BY_HAND"].actions if one.key == "paid_by_hand"
    )
    data = {"reference": "BANK-1", "note": "seen"}
    asked = decisions.ask(case, action, data=data, trace=by("fiona", at), by=people["fiona"])
    decisions.agree(case, action, asked, trace=by("clara", at), by=people["clara"])

    assert otto.rows(view="alone") == []
    assert len(otto.rows(view="overrides")) == 1


def test_closing_by_hand_is_an_override_and_perhaps_somebody_alone(
    at: datetime, people: dict[str, User], otto: Reader
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    cases.assign(case, to=people["fiona"], trace=by("fiona", at))
    decisions.close(
        case, resolution="DUPLICATE", note="Same", trace=by("fiona", at), by=people["fiona"]
    )

    [override] = otto.rows(view="overrides")
    [alone] = otto.rows(view="alone")
    assert "closed it" in override and override == alone


@pytest.mark.parametrize(
    ("moment", "is_late"),
    [
        (datetime(2026, 3, 2, 5, 59, tzinfo=UTC), True),  # Monday 06:59 in Berlin
        (datetime(2026, 3, 2, 6, 0, tzinfo=UTC), False),  # 07:00
        (datetime(2026, 3, 2, 17, 59, tzinfo=UTC), False),  # 18:59
        (datetime(2026, 3, 2, 18, 0, tzinfo=UTC), True),  # 19:00
        (datetime(2026, 7, 6, 5, 0, tzinfo=UTC), False),  # Monday 07:00 in summer
        (datetime(2026, 7, 10, 22, 30, tzinfo=UTC), True),  # Saturday there, Friday in UTC
        (datetime(2026, 7, 12, 22, 30, tzinfo=UTC), True),  # Monday half past midnight
    ],
)
def test_hours_are_those_on_the_retailers_wall(
    moment: datetime, is_late: bool, scayle: Connection, otto: Reader
) -> None:
    switch.pause(scayle, trace=by("ada", moment), reason="Maintenance")

    assert (len(otto.rows(view="late", who="ada")) == 1) is is_late
    assert "Monday to Friday, 07:00 to 19:00 (Europe/Berlin)" in words(otto.html(view="late"))


def test_the_retailers_own_hours_count(scayle: Connection, otto: Reader) -> None:
    choices.save(
        retailer=factories.retailer(), values={"working_hours": ["11:00", "12:00"]}, made_by="test"
    )
    directory.forget()
    switch.pause(scayle, trace=by("ada", MONDAY), reason="Maintenance")

    assert len(otto.rows(view="late", who="ada")) == 1
    assert "11:00 to 12:00" in words(otto.html(view="late"))


@pytest.mark.parametrize(
    "hours", [None, [], ["07:00"], ["19:00", "07:00"], ["7", "19"], "07:00-19:00", ["07:00", 19]]
)
def test_hours_that_are_none_are_refused(hours: object) -> None:
    with pytest.raises(choices.UnableToSetPolicy, match="working_hours"):
        choices.check({"working_hours": hours})


def test_a_list_stays_chosen_while_it_is_narrowed_and_its_copy_says_which(
    house: object, otto: Reader
) -> None:
    html = otto.html(view="overrides", who="frank")

    assert len(otto.rows(view="overrides", who="frank")) == 2
    assert '<input type="hidden" name="view" value="overrides">' in html
    assert re.search(r'aria-current="page">Overrides <span class="n">3</span>', html)
    assert "Of all 2 that the filters show" in words(html)
    assert '<a class="btn btn-quiet" href="?view=overrides">Clear the filters</a>' in html
    assert "Clear the filters" not in otto.html(view="overrides"), "a tab is no filter"
    assert len(otto.copy(view="overrides", who="frank")) == 2
    assert Export.objects.latest("id").filters == {"list": "Overrides", "person": "frank"}


def test_a_list_nobody_named_is_said_to_be_none(house: object, otto: Reader) -> None:
    assert "choose one of the tabs" in words(otto.html(view="nonsense"))
    assert otto.rows(view="nonsense") == []


def test_a_long_list_is_counted_up_to_a_limit(
    house: object, otto: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_tabs, "CAP", 2)

    assert tabs(otto)["Overrides"][0] == "2+"
    assert tabs(otto)["After hours"][0] == "2"


def test_lists_page_like_the_whole(
    house: object, otto: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_rows, "PAGE", 2)

    html = otto.html(view="overrides")
    more = re.search(r'href="(\?[^"]+)">Show more', html)

    assert more is not None and "view=overrides" in more[1]
    assert len(
        re.findall(r"<time", otto.client.get(f"/audit/{unescape(more[1])}").content.decode())
    )
