"""What people write on a case: who was faster, snoozed, closed, noted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import time_machine
from django.contrib.auth.models import User
from django.test import Client

from integrator.engine import cases
from integrator.models import BulkItem, Case, CaseEvent, CaseState, Connection
from tests.desk import factories
from tests.desk.case_page import decided, text_of, version

# --- Somebody was faster -------------------------------------------------------------------------


def test_a_case_decided_by_somebody_else_is_shown_again_with_what_was_typed(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    fiona, frank = as_("fiona"), as_("frank")
    seen = version(fiona, case)
    frank.post(
        f"/cases/{case.pk}/act/not_an_error/", {"note": "rounding", "version": version(frank, case)}
    )

    response = fiona.post(
        f"/cases/{case.pk}/act/fixed_there/", {"note": "I mended the price", "version": seen}
    )

    text = text_of(response.content.decode())
    assert response.status_code == 409
    assert "Somebody was faster" in text
    assert "frank decided “Nothing is wrong”" in text
    assert "I mended the price" in response.content.decode()
    assert len(decided(case)) == 1


def test_a_closed_case_takes_no_decision_and_loses_no_words(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    client = as_("fiona")
    seen = version(client, case)
    cases.solve(
        case,
        resolution=Case.Resolution.BY_ITSELF,
        trace=factories.trace(at),
        reason="Both say the same",
    )

    response = client.post(
        f"/cases/{case.pk}/act/fixed_there/", {"note": "long explanation", "version": seen}
    )

    assert response.status_code == 409
    assert "long explanation" in response.content.decode()
    assert decided(case) == []


def test_of_two_people_who_take_a_case_one_gets_it(
    at: datetime, people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)

    first = as_("fiona").post(f"/cases/{case.pk}/assign/", {"to": "me", "assignee": ""})
    second = as_("frank").post(f"/cases/{case.pk}/assign/", {"to": "me", "assignee": ""})

    case.refresh_from_db()
    assert first.status_code == 302
    assert second.status_code == 409
    assert "fiona took it a moment ago" in text_of(second.content.decode())
    assert case.assignee == people["fiona"]


def test_a_closed_case_is_nobodys_to_take(at: datetime, as_: Callable[[str], Client]) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    cases.solve(case, resolution="DUPLICATE", trace=factories.trace(at, "user:frank"), reason="x")

    answer = as_("fiona").post(f"/cases/{case.pk}/assign/", {"to": "me", "assignee": ""})

    case.refresh_from_db()
    assert answer.status_code == 409
    assert "This case is closed: there is nothing left to take" in text_of(answer.content.decode())
    assert case.assignee is None


# --- Snooze, close, comment -----------------------------------------------------------------------


def test_a_snoozed_case_leaves_the_queue_with_a_reason_and_can_be_brought_back(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    client = as_("fiona")
    seen = version(client, case)
    address = f"/cases/{case.pk}/snooze/"

    no_reason = client.post(address, {"until": "tomorrow", "note": "", "version": seen})
    client.post(address, {"until": "tomorrow", "note": "waits for the bank", "version": seen})

    case.refresh_from_db()
    assert no_reason.status_code == 422
    assert case.state == CaseState.SNOOZED
    assert case.snoozed_until is not None
    local = case.snoozed_until.astimezone(ZoneInfo("Europe/Berlin"))
    today = at.astimezone(ZoneInfo("Europe/Berlin"))
    assert (local.hour, local.minute) == (9, 0)
    assert (local.date() - today.date()).days == 1
    client.post(f"/cases/{case.pk}/wake/")
    case.refresh_from_db()
    assert case.state == CaseState.OPEN


def test_closing_needs_a_coded_ending_and_a_note(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    client = as_("fiona")
    address, seen = f"/cases/{case.pk}/solve/", version(client, case)

    assert client.post(address, {"resolution": "", "note": "x", "version": seen}).status_code == 422
    assert (
        client.post(address, {"resolution": "BY_ITSELF", "note": "x", "version": seen}).status_code
        == 422
    )
    client.post(address, {"resolution": "DUPLICATE", "note": "same as C-1", "version": seen})

    case.refresh_from_db()
    assert (case.state, case.resolution) == (CaseState.SOLVED, "DUPLICATE")


def test_only_finance_writes_a_loss_off(at: datetime, as_: Callable[[str], Client]) -> None:
    case = factories.case("RESTOCK_FAILED", at)
    client = as_("omar")

    response = client.post(
        f"/cases/{case.pk}/solve/",
        {"resolution": "ACCEPTED_LOSS", "note": "gone", "version": version(client, case)},
    )

    case.refresh_from_db()
    assert response.status_code == 403
    assert case.state == CaseState.OPEN
    assert "Accepted as a loss" not in client.get(f"/cases/{case.pk}/?do=solve").content.decode()


def test_a_note_for_every_record_of_a_cause_leads_to_the_page_that_says_which(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(5):
        case = factories.case("MESSAGE_UNKNOWN", at, record=("message", number), cause="one")
    other = factories.case("MESSAGE_UNKNOWN", at, record=("message", 99), cause="two")
    client = as_("ada")

    shown = client.post(
        f"/cases/{case.pk}/act/not_an_error/",
        {"note": "not needed", "all": "1", "version": version(client, case)},
        follow=True,
    )

    html = shown.content.decode()
    assert "Nothing is wrong: 5 cases" in html and "not needed" in html
    assert not CaseEvent.objects.filter(kind=CaseEvent.Kind.DECIDED).exists()
    assert not BulkItem.objects.filter(case=other).exists()


def test_a_comment_is_kept_word_for_word_and_escaped(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    client = as_("carla")

    client.post(f"/cases/{case.pk}/note/", {"note": "<b>Told her</b> by Friday"})

    html = client.get(f"/cases/{case.pk}/").content.decode()
    assert "&lt;b&gt;Told her&lt;/b&gt; by Friday" in html


def test_a_comment_that_is_pressed_twice_is_kept_once(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    carla, fiona = as_("carla"), as_("fiona")
    address, words = f"/cases/{case.pk}/note/", {"note": "Called the shop"}

    first, second = carla.post(address, words), carla.post(address, words)

    assert (first.status_code, second.status_code) == (302, 302)
    assert case.events.filter(kind="NOTED").count() == 1
    fiona.post(address, words)
    carla.post(address, words)
    assert case.events.filter(kind="NOTED").count() == 3, "each means it"


def test_the_same_comment_a_while_later_is_another_one(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    carla = as_("carla")
    for minutes in (0, 2):
        with time_machine.travel(at + timedelta(minutes=minutes)):
            carla.post(f"/cases/{case.pk}/note/", {"note": "Called, no answer"})

    assert case.events.filter(kind="NOTED").count() == 2


def test_an_auditor_reads_everything_and_presses_nothing(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    client = as_("otto")

    html = client.get(f"/cases/{case.pk}/").content.decode()

    assert "You may look at this, not change it." in html
    assert f'action="/cases/{case.pk}/' not in html
    assert client.post(f"/cases/{case.pk}/note/", {"note": "x"}).status_code == 403


def test_a_form_returns_to_the_page_it_came_from_and_to_no_other_site(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    client = as_("fiona")
    address = f"/cases/{case.pk}/note/"

    here = client.post(address, {"note": "a", "next": "/queue/finance/?tab=mine"})
    away = client.post(address, {"note": "b", "next": "https://evil.example/"})

    assert here.url == "/queue/finance/?tab=mine"
    assert away.url == f"/cases/{case.pk}/"
