"""Many cases at once: chosen in a queue, shown first, and the pages about them."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrator.engine import bulks, cases, decisions
from integrator.flows import CASE_KINDS
from integrator.models import Bulk, CaseEvent, CaseState
from tests.desk import factories
from tests.desk.bulks import QUERIES_ALLOWED, TRY_AGAIN, Signed, chooses, stopped, text, work

pytestmark = pytest.mark.requirement("R014")


# --- Choosing -------------------------------------------------------------------------------------


def test_a_queue_offers_what_can_be_done_about_many_and_works_as_a_plain_form(
    at: datetime, as_: Signed
) -> None:
    for case in stopped(at, 3):
        assert case.state == CaseState.OPEN
    html = as_("fiona").get("/queue/finance/").content.decode()

    assert html.count('form="many" name="line"') == 3
    assert 'value="try_again:Try again"' in html and 'value="take"' in html
    # What two must agree to is never offered for many.
    labels = re.findall(r'<option value="([a-z_]+):', html)
    kinds = {one.key: one for kind in CASE_KINDS.values() for one in kind.actions}
    assert labels and not any(kinds[label].approval for label in labels)


def test_who_only_looks_is_offered_nothing(at: datetime, as_: Signed) -> None:
    stopped(at, 2)

    assert "Many at once" not in as_("otto").get("/queue/finance/").content.decode()
    assert as_("otto").post("/queue/finance/many/", {"do": "take"}).status_code == 403
    assert as_("carla").post("/queue/finance/many/", {"do": "take"}).status_code == 403


def test_the_page_before_says_how_many_how_much_and_who_is_left_out_and_why(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    ready = stopped(at, 4, money_minor=1000, currency="EUR")
    other = factories.case("SYSTEMS_DIFFER", at, record=("order", 1))
    cases.assign(ready[0], to=people["frank"], trace=factories.trace(at))
    decisions.take(
        ready[1],
        CASE_KINDS["REFUND_REFUSED"].actions[0],
        data={},
        trace=factories.trace(at),
        by=None,
    )
    client = as_("fiona")

    address = chooses(client, TRY_AGAIN, *ready, other)
    shown = text(client.get(address))

    assert "Try again: 2 cases" in shown
    assert "EUR 20.00" in shown
    assert "5 cases were chosen; 3 of them are left out" in shown
    assert "1 case Frank has it." in shown
    assert "1 case This kind of case has no “Try again”." in shown
    assert "1 case A decision about its step is on its way." in shown
    assert not CaseEvent.objects.filter(kind="DECIDED").exclude(case=ready[1]).exists()


def test_each_count_on_the_page_is_the_length_of_the_list_behind_it(
    at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    ready = stopped(at, 3)
    odd = factories.case("SYSTEMS_DIFFER", at, record=("order", 1))
    page = client.get(chooses(client, TRY_AGAIN, *ready, odd)).content.decode()

    links = re.findall(r'href="(/many/\d+/rows/\?[^"]+)">(\d+)', page)

    assert len(links) == 3
    for address, count in links:
        rows = client.get(unescape(address)).content.decode()
        assert rows.count('<tr><th scope="row">') == int(count)


def test_all_that_match_are_those_of_the_filter_and_no_other(at: datetime, as_: Signed) -> None:
    stopped(at, 60)
    factories.case("SYSTEMS_DIFFER", at, record=("order", 1))
    client = as_("fiona")

    client.post(
        "/queue/finance/many/",
        {"do": "take", "which": "all", "query": "tab=needs&kind=REFUND_REFUSED&order=nonsense"},
    )

    made = Bulk.objects.get()
    assert made.items.count() == 60
    assert made.query == "tab=needs&kind=REFUND_REFUSED"
    assert set(made.items.values_list("case__kind", flat=True)) == {"REFUND_REFUSED"}


def test_a_case_of_another_team_cannot_be_smuggled_in(at: datetime, as_: Signed) -> None:
    foreign = factories.case("RESTOCK_FAILED", at, record=("return_item", 1))
    client = as_("fiona")

    answer = client.post(
        "/queue/finance/many/", {"do": "take", "line": [str(foreign.pk)], "query": "tab=needs"}
    )

    assert answer.url.startswith("/queue/finance/")
    assert not Bulk.objects.exists()


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"do": "take"},
        {"do": "take", "line": "0"},
        {"do": "paid_by_hand:Paid by hand", "line": "1"},
        {"do": "take", "which": "everything", "line": "1"},
        {"do": "take", "line": "9" * 40, "query": "\x00", "next": "https://elsewhere.test/"},
        {"do": "take", "which": "page", "page": "x,,-1"},
        {"do": "take", "which": "all", "query": "tab=solved"},
    ],
)
def test_nonsense_leads_back_to_the_queue_with_a_plain_word(
    sent: dict[str, str], at: datetime, as_: Signed
) -> None:
    stopped(at, 1)

    answer = as_("fiona").post("/queue/finance/many/", sent)

    assert (answer.status_code, answer.url.startswith("/queue/finance/")) == (302, True)
    assert not Bulk.objects.exists()


def test_too_many_are_refused_and_not_cut(
    at: datetime, as_: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulks, "MOST", 3)
    stopped(at, 4)

    answer = as_("fiona").post("/queue/finance/many/", {"do": "take", "which": "all"}, follow=True)

    assert "More than 3 cases at once are too many" in text(answer)
    assert not Bulk.objects.exists()


# --- Pages ----------------------------------------------------------------------------------------


def test_what_is_left_over_is_a_view_of_the_queue(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    ready = stopped(at, 3)
    factories.case("SYSTEMS_DIFFER", at, record=("order", 7))
    address = chooses(client, "take", *ready)
    client.post(f"{address}start/")
    work()
    cases.solve(ready[0], resolution="BY_ITSELF", trace=factories.trace(at), reason="gone")

    page = client.get(address).content.decode()
    (link,) = re.findall(r'href="([^"]+)">Show these 2 in the queue', page)
    shown = client.get(unescape(link)).content.decode()

    assert shown.count('class="q-row') == 2
    assert f"B-{Bulk.objects.get().pk}" in shown


def test_a_list_says_with_whom_each_case_is(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    ready = stopped(at, 2)
    address = chooses(client, "take", *ready)
    before = text(client.get(f"{address}rows/"))
    client.post(f"{address}start/")
    work()
    cases.solve(ready[0], resolution="BY_ITSELF", trace=factories.trace(at), reason="gone")

    after = text(client.get(f"{address}rows/"))

    assert "open, with" not in before
    assert after.count("Done open, with Fiona") == 1
    assert after.count("Done solved") == 1


def test_one_case_is_spoken_of_as_one(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    one, *both = stopped(at, 3)

    shown = text(client.get(chooses(client, "take", one)))
    assert "Money at risk in it" in shown and "Keep it as it is" in shown
    assert "Each case is yours from then on. This runs in the background. 1 case" in shown
    shown = text(client.get(chooses(client, "take", *both)))
    assert "Money at risk in them" in shown and "Keep them as they are" in shown
    assert "This runs in the background. 2 cases" in shown


def test_while_it_runs_the_page_shows_itself_anew_until_told_not_to(
    at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    address = chooses(client, TRY_AGAIN, *stopped(at, 2))
    client.post(f"{address}start/")

    running = client.get(address)
    assert running["Refresh"] == "5"
    assert 'role="status"' in running.content.decode()
    assert "Refresh" not in client.get(f"{address}?still=1")
    client.post(f"{address}cancel/")
    assert "Refresh" not in client.get(address)


def test_pages_cost_the_same_for_two_cases_and_for_two_hundred(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    few = chooses(client, TRY_AGAIN, *stopped(at, 2))
    client.post("/queue/finance/many/", {"do": TRY_AGAIN, "which": "all", "query": "tab=needs"})
    for number in range(3, 200):
        factories.case("REFUND_REFUSED", at, record=("return", number))
    client.post("/queue/finance/many/", {"do": "take", "which": "all", "query": "tab=needs"})
    many = f"/many/{Bulk.objects.latest('pk').pk}/"

    def asked(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        return len(queries)

    asked(few)  # what every page keeps for some seconds is read once
    for rest in ("", "rows/"):
        assert asked(many + rest) <= asked(few + rest) <= QUERIES_ALLOWED
    client.post(f"{few}start/")
    client.post(f"{many}start/")
    for address in (few, many, "/many/", f"{many}rows/?result=to-do"):
        assert asked(address) <= QUERIES_ALLOWED
    assert asked("/queue/finance/") <= QUERIES_ALLOWED


def test_preparing_costs_the_same_for_two_cases_and_for_two_hundred(
    at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    ready = stopped(at, 2)
    with CaptureQueriesContext(connection) as few:
        chooses(client, TRY_AGAIN, *ready)
    for number in range(3, 200):
        factories.case("REFUND_REFUSED", at, record=("return", number))
    with CaptureQueriesContext(connection) as many:
        chooses(client, TRY_AGAIN, which="all")

    assert len(many) <= len(few)
    assert Bulk.objects.latest("pk").items.count() == 199


def test_rows_are_paged_and_every_row_is_on_one_page(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    address = chooses(client, "take", *stopped(at, 120), which="all")
    found: list[str] = []
    following = f"{address}rows/"
    while following:
        html = client.get(following).content.decode()
        found += re.findall(r">(C-\d+)</a>", html)
        after = re.search(r'href="([^"]*after=\d+)">Show more', html)
        following = unescape(after[1]) if after else ""

    assert len(found) == len(set(found)) == 120


def test_the_list_and_the_audit_page_say_who_started_and_who_cancelled(
    at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    address = chooses(client, TRY_AGAIN, *stopped(at, 2))
    assert "None so far" in text(client.get("/many/"))
    client.post(f"{address}start/")
    as_("frank").post(f"{address}cancel/")

    assert "Try again: 2" in text(as_("otto").get("/many/"))
    audit = text(as_("otto").get("/audit/"))
    assert "fiona started many at once" in audit.lower()
    assert "frank cancelled many at once" in audit.lower()
