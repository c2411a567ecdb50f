"""The audit page: who did what, to which record, from what to what, and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pghistory
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.http import urlencode

from finance.models import LedgerEntry, Period
from fulfilment.models import Location
from integrator.desk import audit_entry, audit_rows
from integrator.engine import cases, choices, mapping_files, mapping_plans, mappings
from integrator.engine import connections as switch
from integrator.engine.mapping_files import Line, Verdict
from integrator.engine.states import move
from integrator.models import Approval, Case, Connection, Export, Mapping, MappingKind
from tests.desk import factories
from tests.desk.audits import QUERIES_ALLOWED, Reader, by, paid_by_two, words

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


# --- What is told ---------------------------------------------------------------------------------


def test_a_decision_of_two_is_told_from_question_to_answer(payment: Case, otto: Reader) -> None:
    decided, agreed, asked, noted = otto.rows(record="DE-70001")

    assert "fiona decided “" in decided and "and clara agreed two people" in decided
    assert f"C-{payment.pk}" in decided and "order DE-70001" in decided
    assert "BANK-1" in decided and "EUR 129.95" in decided
    assert "clara agreed to “" in agreed and "Asked by fiona" in agreed
    assert "fiona asked a second person to agree to “" in asked
    assert "BANK-1" in asked and "EUR 129.95" in asked
    assert "fiona wrote a note" in noted


def test_what_people_wrote_is_for_who_may_see_customers_data(
    payment: Case, otto: Reader, clara: Reader
) -> None:
    assert "Mrs Berg" not in otto.html()
    assert "A note, only for those who may see customer data" in otto.html()
    assert "Mrs Berg called" in clara.html()
    assert not any("Berg" in str(row) for row in otto.copy())
    assert any("Mrs Berg called" in row["Why"] for row in clara.copy())


def test_a_pause_says_from_what_to_what_and_why(
    at: datetime, scayle: Connection, otto: Reader
) -> None:
    switch.pause(scayle, trace=by("ada", at), reason="Maintenance until noon")

    [row] = otto.rows(kind="setting", who="ada")

    assert "ada switched the connection SCAYLE" in row
    assert "Active → Paused" in row and "Maintenance until noon" in row


def test_another_meaning_is_told_with_the_one_before(
    at: datetime, returngo: Connection, people: dict[str, User], otto: Reader
) -> None:
    where = {"connection": returngo, "kind": MappingKind.LOCATION, "theirs": "WH-1"}
    first = mappings.save(**where, ours="hamburg", trace=by("omar", at - timedelta(hours=2)))
    asked = mappings.ask_to_change(
        first, ours="berlin", trace=by("omar", at - timedelta(hours=1)), by=people["omar"]
    )
    mappings.agree_to_change(asked, trace=by("ada", at), by=people["ada"])

    changed, set_ = otto.rows(kind="mapping")
    assert "omar said what the location “WH-1” means" in changed
    assert "hamburg → berlin" in changed
    assert "→" not in set_ and "hamburg" in set_
    agreed, question = otto.rows(two="1")
    assert "ada agreed to another meaning of “WH-1”" in agreed and "hamburg → berlin" in agreed
    assert "omar asked a second person" in question


def test_a_rule_is_told_by_what_differs(otto: Reader) -> None:
    retailer = factories.retailer()
    for values in (
        {"refund_executor": "scayle"},
        {"refund_executor": "manual", "stage_hours": {"RECEIVED": 24}},
    ):
        choices.save(retailer=retailer, values=values, made_by="user:ada")

    rows = [row for row in otto.rows(kind="setting") if "rules" in row]

    assert "ada changed the rules" in rows[0]
    assert "refund executor scayle → manual" in rows[0]
    assert "version 1" in rows[1] and "set the rules" in rows[1]


def test_settings_are_told_without_what_is_secret(
    scayle: Connection, people: dict[str, User], otto: Reader
) -> None:
    with pghistory.context(user=people["ada"].pk):
        Connection.objects.filter(pk=scayle.pk).update(
            settings={"shop": "nb"}, callback_token_hash="deadbeef", version=2
        )
        Connection.objects.filter(pk=scayle.pk).update(version=3)  # nothing anybody set
        Location.objects.create(
            retailer=scayle.retailer, code="berlin", name="Berlin", authority="sitoo"
        )

    changed, place = otto.rows(kind="setting", who="ada")

    assert "ada set up the location Berlin" in place
    assert "ada changed the connection SCAYLE" in changed
    assert "settings, shop nb" in changed
    assert "address of its callbacks kept secret → another one" in changed
    assert "deadbeef" not in otto.html()


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("", "pbkdf2", ("", "set, kept secret")),
        ("pbkdf2", "other", ("kept secret", "another one")),
        ("pbkdf2", "", ("kept secret", "")),
    ],
)
def test_a_secret_is_told_as_set_replaced_or_removed_and_never_shown(
    before: str, now: str, told: tuple[str, str]
) -> None:
    key = "callback_password_hash"

    [change] = audit_entry.differences({key: before}, {key: now})

    assert (change.old, change.new) == told


def test_roles_are_told(people: dict[str, User], otto: Reader) -> None:
    with pghistory.context(user=people["ada"].pk):
        people["nobody"].groups.add(Group.objects.get(name="FINANCE"))
        people["carla"].groups.clear()

    took, gave = otto.rows(kind="role", who="ada")

    assert "ada gave a role nobody role Finance" in gave
    assert "ada took a role away carla role Customer service → none" in took


def test_money_and_states_in_a_persons_name_say_whether_a_step_carried_them_out(
    at: datetime, otto: Reader
) -> None:
    order = factories.order("DE-70001", at)
    refund = factories.refund_of(factories.return_of(order, "RMA1", at), at)
    move(refund, "status", "REFUSED", reason="Nobody paid", trace=by("fiona", at))
    book(order.pk, at, actor="user:fiona", job_id=7)
    book(order.pk, at, actor="flow:refund", job_id=8)

    booked, moved = otto.rows(money="1")

    assert "fiona made an entry in the books Order DE-70001 carried out by a step" in booked
    assert "Refunds owed (clearing) → Paid out to customers EUR 5.00" in booked
    assert "fiona changed the refund Order DE-70001" in moved
    assert "Sent → Refused" in moved and "Nobody paid" in moved
    assert otto.rows(money="1", hand="1") == [moved]


def book(order_id: int, at: datetime, **values: Any) -> LedgerEntry:
    period, _ = Period.objects.get_or_create(
        retailer=factories.retailer(), first_date=at.date().replace(day=1)
    )
    return LedgerEntry.objects.create(
        key=f"test:{LedgerEntry.objects.count()}",
        period=period,
        from_account="REFUNDS_OWED",
        to_account="PAYER",
        amount_minor=500,
        currency="EUR",
        order_id=order_id,
        reason="Paid",
        happened_at=at,
        at=at,
        **values,
    )


def test_what_closes_by_itself_is_ours_and_not_by_hand(at: datetime, otto: Reader) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    cases.solve(case, resolution="BY_ITSELF", trace=factories.trace(at), reason="They agree now")

    [row] = otto.rows(record=f"c-{case.pk}")

    assert "We closed it: solved by a later fact. They agree now" in row
    assert otto.rows(record=f"C-{case.pk}", hand="1") == []


# --- Narrowing and paging -------------------------------------------------------------------------


def test_each_filter_leaves_what_it_names(
    payment: Case, at: datetime, scayle: Connection, otto: Reader
) -> None:
    other = factories.case("SYSTEMS_DIFFER", at, record=("order", 5))
    cases.assign(other, to=None, trace=by("carla", at))
    switch.pause(scayle, trace=by("ada", at), reason="Maintenance")

    assert len(otto.rows(who="fiona")) == 3
    assert len(otto.rows(who="fiona", kind="decision")) == 1
    assert len(otto.rows(kind="note")) == 1
    assert len(otto.rows(kind="handling")) == 1
    assert len(otto.rows(kind="approval")) == 2
    assert len(otto.rows(two="1")) == 3
    assert len(otto.rows(money="1")) == 4
    assert len(otto.rows(record="DE-70001")) == 4
    assert len(otto.rows(record=f"C-{payment.pk}")) == 4
    assert len(otto.rows(record=f"C-{other.pk}")) == 1
    assert any("switched" in row for row in otto.rows(record="scayle"))
    assert not any("switched" in row for row in otto.rows(record="DE-70001"))


def means(of: Connection, theirs: str, at: datetime) -> Mapping:
    where = {"connection": of, "kind": MappingKind.LOCATION, "theirs": theirs}
    return mappings.save(**where, ours="hamburg", trace=factories.trace(at, "configure"))


def test_a_connection_is_told_with_the_second_persons_word_on_its_cases(
    payment: Case, scayle: Connection, returngo: Connection, otto: Reader
) -> None:
    Case.objects.filter(pk=payment.pk).update(connection=scayle)

    _decided, agreed, asked, _noted = otto.rows(record="SCAYLE", hand="1")

    assert "clara agreed to" in agreed and "fiona asked a second person" in asked
    assert otto.rows(record="ReturnGO", hand="1") == []


def test_a_connection_is_told_with_what_its_words_will_mean(
    at: datetime, scayle: Connection, returngo: Connection, people: dict[str, User], otto: Reader
) -> None:
    means(scayle, "WH-2", at - timedelta(hours=2))
    plan = mapping_plans.plan(
        connection=scayle,
        kind=MappingKind.LOCATION,
        theirs="WH-2",
        ours="berlin",
        starts_at=at + timedelta(days=2),
        trace=by("omar", at - timedelta(hours=1)),
        by=people["omar"],
    )
    mapping_plans.agree(plan, Approval.objects.get(), trace=by("ada", at), by=people["ada"])

    rows = otto.rows(record="SCAYLE")

    assert any("ada agreed to another meaning of “WH-2” from a later moment" in row for row in rows)
    assert any("omar asked a second person to agree" in row for row in rows)
    assert any("ada changed a planned meaning" in row for row in rows)
    assert otto.rows(record="ReturnGO", hand="1") == []


def test_a_connection_is_told_with_the_files_that_changed_its_words(
    at: datetime, scayle: Connection, returngo: Connection, people: dict[str, User], otto: Reader
) -> None:
    """A file may name words of several connections: those it leaves as they are do not count."""
    old = means(scayle, "WH-2", at - timedelta(hours=2))
    same = means(returngo, "WH-9", at - timedelta(hours=2))
    lines = [
        Line(2, [], Verdict.CHANGED, scayle.pk, "LOCATION", "WH-2", "berlin", old.pk, "hamburg"),
        Line(3, [], Verdict.SAME, returngo.pk, "LOCATION", "WH-9", "hamburg", same.pk),
    ]
    file = mapping_files.prepare(lines, name="a.xlsx", by=people["omar"], trace=by("omar", at))
    mapping_files.confirm(file, waiting={}, trace=by("omar", at), by=people["omar"])
    mapping_files.agree(file, Approval.objects.get(), trace=by("ada", at), by=people["ada"])

    rows = otto.rows(record="SCAYLE")

    assert any("omar asked a second person to agree to 1 other meaning" in row for row in rows)
    assert any("ada agreed to 1 other meaning of a file" in row for row in rows)
    assert any("omar saved a file of meanings" in row for row in rows)
    assert not any("file" in row for row in otto.rows(record="ReturnGO"))


def test_days_are_those_of_the_readers_clock(otto: Reader) -> None:
    """Half past midnight in Berlin is the day before in UTC."""
    factories.retailer()
    moment = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    case = factories.case("SYSTEMS_DIFFER", moment)
    cases.assign(case, to=None, trace=by("carla", moment))
    only = {"record": f"C-{case.pk}"}

    assert len(otto.rows(**only, **{"from": "2026-07-02", "to": "2026-07-02"})) == 1
    assert otto.rows(**only, **{"from": "2026-07-03"}) == []
    assert otto.rows(**only, to="2026-07-01") == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("who", "mallory", "nobody here is called “mallory”"),
        ("kind", "nonsense", "choose one from the list"),
        ("record", "C-999999", "or connection: we know none called"),
        ("record", "C-99999999999999999999", "we know none called"),
        ("from", "tomorrow", "choose a day"),
        ("to", "9999-12-31", "choose a day"),
        ("from", "0001-01-01", "choose a day"),
    ],
)
def test_a_filter_that_cannot_be_read_lists_nothing_and_says_so(
    name: str, value: str, says: str, payment: Case, otto: Reader
) -> None:
    response = otto.client.get(f"/audit/?{urlencode({name: value})}")
    refused = otto.client.post("/audit/copy/", {name: value})

    assert (response.status_code, refused.status_code) == (200, 422)
    html = response.content.decode()
    assert says in words(html)
    assert f'id="f-{name}" aria-invalid="true" aria-describedby="e-{name}"' in html
    beside = words(html.split(f'id="e-{name}">')[1].split("</p>")[0]).strip()
    assert beside[0].isupper() and ": " not in beside, "its label stands above it"
    assert "Nothing is listed yet" in html and "<tbody>" not in html
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    "after",
    [
        *("x", "_", "\x00", "2026-11-20", "2026-11-20_1_²", "2026-11-20T10:00:00_1_1"),
        *("2026-11-20T10:00:00+00:00_99_1", "9999-99-99T00:00:00+00:00_1_1"),
        "0001-01-01T00:00:00+00:00_1_1",
    ],
)
def test_an_address_somebody_made_up_shows_the_first_page(
    after: str, payment: Case, otto: Reader
) -> None:
    assert len(otto.rows(after=after, record="DE-70001")) == 4


def test_pages_follow_each_other_without_a_gap_or_a_repeat(
    at: datetime, scayle: Connection, otto: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where many rows of several kinds carry the same moment."""
    monkeypatch.setattr(audit_rows, "PAGE", 3)
    order = factories.order("DE-70001", at)
    for number in range(4):
        case = factories.case("SYSTEMS_DIFFER", at, record=("order", number), order_id=order.pk)
        cases.assign(case, to=None, trace=by("carla", at))
        book(order.pk, at, actor="user:fiona")
    everything = otto.copy(record="DE-70001")
    assert len(everything) == 8

    seen: list[str] = []
    address = "/audit/?record=DE-70001"
    while address:
        html = otto.client.get(address).content.decode()
        rows = re.findall(r"<tr>(.*?)</tr>", html, re.S)
        seen += [words(row) for row in rows if "<td" in row]
        more = re.search(r'href="(\?[^"]+)">Show more', html)
        address = f"/audit/{unescape(more[1])}" if more else ""

    assert len(seen) == 8
    assert [("books" in row) for row in seen] == [("books" in row["What"]) for row in everything]
    numbers = [int(one) for row in everything for one in re.findall(r"^C-(\d+)", row["About"])]
    assert len(numbers) == 4
    assert numbers == sorted(numbers, reverse=True)


def test_the_page_asks_no_more_the_more_there_is(
    at: datetime, as_: Callable[[str], Client], scayle: Connection
) -> None:
    for number in range(30):
        order = factories.order(f"DE-{number}", at)
        case = factories.case("SYSTEMS_DIFFER", at, record=("order", number), order_id=order.pk)
        cases.assign(case, to=None, trace=by("carla", at))
        cases.note(case, text="Hello", trace=by("carla", at), by=None)
    for name in ("ada", "clara", "otto"):
        client = as_(name)
        client.get("/audit/")
        with CaptureQueriesContext(database) as queries:
            assert client.get("/audit/?who=carla&record=DE-7").status_code == 200
            assert client.get("/audit/").status_code == 200
        assert len(queries) <= 2 * QUERIES_ALLOWED, name
