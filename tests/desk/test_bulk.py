"""Many cases at once: chosen in a queue, shown first, decided one by one, cancelled, listed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrator.engine import bulks, cases, clock, decisions
from integrator.engine.worker import Worker
from integrator.flows import CASE_KINDS, ROUTES, erase_customer
from integrator.models import (
    Bulk,
    BulkItem,
    BulkItemState,
    BulkState,
    Case,
    CaseEvent,
    CaseState,
    Job,
    JobState,
    Note,
)
from tests.desk import factories

pytestmark = pytest.mark.requirement("R014")

Signed = Callable[[str], Client]
TRY_AGAIN = "try_again:Try again"
QUERIES_ALLOWED = 15
LATER = "Somebody decided about it after it was chosen."


def stopped(at: datetime, count: int, **values: object) -> list[Case]:
    """Steps that stopped, each with its case for finance."""
    made = []
    for number in range(1, count + 1):
        job = factories.job("refund", at, record=("return", number), state=JobState.PARKED)
        record = ("return", number)
        made.append(factories.case("REFUND_REFUSED", at, record=record, job_id=job.pk, **values))
    return made


def chooses(client: Client, do: str, *chosen: Case, role: str = "finance", **more: str) -> str:
    """Ticks these in the queue; the address of the page that says what would happen."""
    sent = {"do": do, "line": [str(one.pk) for one in chosen], "query": "tab=needs", **more}
    answer = client.post(f"/queue/{role}/many/", sent)
    assert answer.status_code == 302
    return str(answer.url)


def text(answer: HttpResponse) -> str:
    return " ".join(re.sub("<[^>]*>", " ", unescape(answer.content.decode())).split())


def work(*, rounds: int = 20) -> None:
    worker = Worker(ROUTES, threads=0)
    for _ in range(rounds):
        if not worker.round(["local"]):
            return


def results(bulk: Bulk) -> dict[str, int]:
    counts: dict[str, int] = {}
    for state in bulk.items.values_list("state", flat=True):
        counts[state] = counts.get(state, 0) + 1
    return counts


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


# --- Running --------------------------------------------------------------------------------------


def test_exactly_those_on_the_button_are_decided_once_whoever_presses_twice(
    at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    ready = stopped(at, 25)
    address = chooses(client, TRY_AGAIN, *ready)
    newer = factories.case("REFUND_REFUSED", at, record=("return", 99))

    first = client.post(f"{address}start/", follow=True)
    second = client.post(f"{address}start/", follow=True)
    work()

    assert "Try again: 25 cases started" in text(first)
    assert "It was started already." in text(second)
    made = Bulk.objects.get()
    assert (made.state, made.count, results(made)) == (BulkState.DONE, 25, {"DONE": 25})
    for case in ready:
        assert case.events.filter(kind="DECIDED", actor="user:fiona").count() == 1
    own = text(client.get(f"/cases/{ready[0].pk}/"))
    assert "decided “Try again”, with many others at once" in own
    assert not newer.events.filter(kind="DECIDED").exists()
    shown = text(client.get(address))
    assert "25 done" in shown and "Cancel all that have not left: 25" in shown


def test_what_changed_since_it_was_shown_is_skipped_and_says_so(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    client = as_("fiona")
    ready = stopped(at, 4)
    trace = factories.trace(at, "user:frank")
    address = chooses(client, TRY_AGAIN, *ready)
    decisions.take(
        ready[0], CASE_KINDS["REFUND_REFUSED"].actions[0], data={}, trace=trace, by=people["frank"]
    )
    cases.assign(ready[1], to=people["frank"], trace=trace)
    cases.solve(ready[2], resolution="BY_ITSELF", trace=trace, reason="gone")

    client.post(f"{address}start/")
    work()

    made = Bulk.objects.get()
    assert results(made) == {"SKIPPED": 3, "DONE": 1}
    whys = dict(made.items.values_list("case_id", "why"))
    assert whys[ready[1].pk] == "Frank has it."
    assert whys[ready[0].pk] == whys[ready[2].pk] == LATER
    shown = text(client.get(address))
    assert "3 skipped" in shown and "1 case Frank has it." in shown


def test_who_lost_the_right_meanwhile_decides_nothing_more(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    client = as_("fiona")
    ready = stopped(at, 3)
    address = chooses(client, TRY_AGAIN, *ready)
    client.post(f"{address}start/")

    people["fiona"].groups.clear()
    work()

    made = Bulk.objects.get()
    assert results(made) == {"SKIPPED": 3}
    assert not CaseEvent.objects.filter(kind="DECIDED").exists()


def test_cancel_stops_the_rest_and_says_how_many_were_done(
    at: datetime, as_: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrator.engine.worker.BATCH", 10)
    client = as_("fiona")
    address = chooses(client, TRY_AGAIN, *stopped(at, 25))
    client.post(f"{address}start/")
    Worker(ROUTES, threads=0).round(["local"])

    answer = client.post(f"{address}cancel/", follow=True)
    work()

    made = Bulk.objects.get()
    assert (made.state, results(made)) == (BulkState.CANCELLED, {"DONE": 10, "READY": 15})
    assert "Cancelled after 10 of 25." in text(answer)
    assert "10 had been done when it was cancelled and stay done." in text(answer)
    assert "The other 15 were left alone." in text(answer)
    assert CaseEvent.objects.filter(kind="DECIDED").count() == 10
    assert "It has ended already" in text(client.post(f"{address}cancel/", follow=True))


def test_everything_that_has_not_left_is_cancelled_by_one_button(at: datetime, as_: Signed) -> None:
    client = as_("fiona")
    ready = stopped(at, 5)
    address = chooses(client, TRY_AGAIN, *ready)
    client.post(f"{address}start/")
    work()

    answer = client.post(f"{address}take-back/", follow=True)

    assert "5 decisions cancelled. Nothing was sent for them." in text(answer)
    jobs = Job.objects.filter(record_kind="case", flow="try_again")
    assert set(jobs.values_list("state", flat=True)) == {JobState.CANCELLED}
    again = client.post(f"{address}take-back/", follow=True)
    assert "Too late" in text(again)


def test_only_its_maker_starts_it_and_only_their_team_stops_it(at: datetime, as_: Signed) -> None:
    address = chooses(as_("fiona"), TRY_AGAIN, *stopped(at, 2))

    assert as_("frank").get(address).status_code == 404
    assert as_("frank").post(f"{address}start/").status_code == 404
    as_("fiona").post(f"{address}start/")
    assert as_("carla").get(address).status_code == 200
    assert as_("carla").post(f"{address}cancel/").status_code == 403
    assert as_("frank").post(f"{address}cancel/").status_code == 302
    assert Bulk.objects.get().state == BulkState.CANCELLED


def test_cases_are_taken_given_back_snoozed_and_closed(
    at: datetime, as_: Signed, people: dict[str, User]
) -> None:
    client = as_("fiona")
    three = [factories.case("SYSTEMS_DIFFER", at, record=("order", one)) for one in (1, 2, 3)]

    for do, filled in (
        ("take", {}),
        ("give_back", {}),
        ("snooze", {"until": "tomorrow", "note": "The bank is closed"}),
    ):
        address = chooses(client, do, *three, which="lines")
        client.post(f"{address}start/", filled)
        work()
    snoozed = chooses(client, "solve", *three, query="tab=snoozed")
    client.post(f"{snoozed}start/", {"resolution": "DUPLICATE", "note": "Told twice"})
    work()

    for case in three:
        case.refresh_from_db()
        kinds = case.events.exclude(kind="OPENED").order_by("id").values_list("kind", flat=True)
        assert list(kinds) == ["ASSIGNED", "ASSIGNED", "SNOOZED", "SOLVED"]
        assert (case.state, case.resolution) == (CaseState.SOLVED, "DUPLICATE")
        assert case.events.get(kind="SOLVED").note.text == "Told twice"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("do", "filled", "said"),
    [
        ("solve", {"resolution": "DUPLICATE"}, "Note: say it in one sentence"),
        ("solve", {"resolution": "BY_ITSELF", "note": "x"}, "How it ended: choose one"),
        ("snooze", {"until": "never", "note": "x"}, "Until when: choose one"),
        ("snooze", {"until": "monday", "note": "x" * 4001}, "use at most 4,000"),
    ],
)
def test_a_form_that_is_not_right_starts_nothing_and_keeps_what_was_typed(
    do: str, filled: dict[str, str], said: str, at: datetime, as_: Signed
) -> None:
    client = as_("fiona")
    address = chooses(client, do, factories.case("SYSTEMS_DIFFER", at))

    answer = client.post(f"{address}start/", filled)

    assert answer.status_code == 422
    assert said in text(answer)
    assert Bulk.objects.get().state == BulkState.PREPARED


def test_a_loss_is_accepted_for_many_by_finance_only(at: datetime, as_: Signed) -> None:
    lost = factories.case("RESTOCK_FAILED", at, record=("return_item", 1))
    address = chooses(as_("omar"), "solve", lost, role="operations")

    answer = as_("omar").post(f"{address}start/", {"resolution": "ACCEPTED_LOSS", "note": "gone"})

    assert answer.status_code == 422


def test_a_fault_in_one_case_is_that_cases_alone(
    at: datetime, as_: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_("fiona")
    ready = stopped(at, 3)
    whole = decisions.take

    def breaks(case: Case, *args: object, **values: object) -> CaseEvent:
        if case.pk == ready[1].pk:
            raise RuntimeError("broken")
        return whole(case, *args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(decisions, "take", breaks)
    address = chooses(client, TRY_AGAIN, *ready)
    client.post(f"{address}start/")
    work()

    made = Bulk.objects.get()
    assert (made.state, results(made)) == (BulkState.DONE, {"DONE": 2, "FAILED": 1})
    assert made.items.get(state=BulkItemState.FAILED).case_id == ready[1].pk
    rows = text(client.get(f"{address}rows/?result=failed"))
    assert "A fault of ours" in rows and f"C-{ready[1].pk}" in rows


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
    (link,) = re.findall(r'href="([^"]+)">Show 2 still open', page)
    shown = client.get(unescape(link)).content.decode()

    assert shown.count('class="q-row') == 2
    assert f"B-{Bulk.objects.get().pk}" in shown


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


# --- What the database holds ----------------------------------------------------------------------


def test_nobody_can_move_a_result_or_leave_out_a_reason(
    at: datetime, people: dict[str, User]
) -> None:
    made = factories.bulk(people["fiona"], at, stopped(at, 2))
    item = made.items.order_by("id")[0]

    for changes in (
        {"state": "SKIPPED", "ended_at": at},  # without a reason
        {"state": "DONE"},  # without a time
        {"case_id": made.items.order_by("id")[1].case_id},  # the same case twice
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            BulkItem.objects.filter(pk=item.pk).update(**changes)
    with pytest.raises(IntegrityError), transaction.atomic():
        Bulk.objects.filter(pk=made.pk).update(state="RUNNING", started_at=at)  # without a count


def test_a_note_for_many_is_erased_with_a_customer_it_may_be_about(
    at: datetime, people: dict[str, User]
) -> None:
    order = factories.order("100482913", at)
    about = factories.case("SYSTEMS_DIFFER", at, order_id=order.pk)
    made = factories.bulk(people["fiona"], at, [about, *stopped(at, 1)])
    bulks.start(made, data={}, note="Lena Berg called", trace=factories.trace(at))

    erase_customer._erase_notes([order])

    assert Note.objects.get().text == "(erased)"


def test_what_was_never_started_is_forgotten_and_what_ran_is_kept(
    at: datetime, people: dict[str, User]
) -> None:
    ready = stopped(at, 3)
    ran = factories.bulk(people["fiona"], at, ready[:1])
    bulks.start(ran, data={}, note="kept", trace=factories.trace(at))
    factories.bulk(people["fiona"], at, ready)

    assert bulks.forget(at=at + timedelta(hours=23)) == 0
    assert bulks.forget(at=at + timedelta(hours=25)) == 1

    assert [one.pk for one in Bulk.objects.all()] == [ran.pk]
    assert BulkItem.objects.count() == 1
    assert Note.objects.get().text == "kept"
    assert clock.now() >= at
