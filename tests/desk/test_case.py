"""One case: its words, its buttons, and everything a person can do to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrator.engine import cases
from integrator.flows import CASE_KINDS
from integrator.models import (
    Approval,
    ApprovalState,
    BulkItem,
    Case,
    CaseEvent,
    CaseState,
    Connection,
    Job,
    JobState,
)
from integrator.roles import Role
from tests.desk import factories

OWNERS = {
    Role.CX: "carla",
    Role.OPERATIONS: "omar",
    Role.FINANCE: "fiona",
    Role.CONTROLLER: "clara",
    Role.ADMIN: "ada",
    Role.AUDITOR: "otto",
}
# Words nobody should need to know. Technical details are folded and left out here.
JARGON = re.compile(
    r"\b(exception|payload|sync|null|none type|http|idempoten\w*|timeout|callback token|json|"
    r"traceback|queryset|enum)\b",
    re.IGNORECASE,
)


def text_of(html: str) -> str:
    """What a person reads: no markup, and nothing of the folded technical details."""
    html = re.sub(r"<details>\s*<summary>Technical.*?</details>", " ", html, flags=re.DOTALL)
    html = re.sub(r"<(script|style|svg|title)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", html))


def version(client: Client, case: Case) -> str:
    found = re.search(
        r'name="version" value="(\d+)"', client.get(f"/cases/{case.pk}/").content.decode()
    )
    assert found is not None
    return found[1]


def decided(case: Case) -> list[CaseEvent]:
    return list(case.events.filter(kind=CaseEvent.Kind.DECIDED).order_by("id"))


@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_every_kind_tells_its_owner_all_five_lines_in_plain_words(
    code: str, at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    """R018, R091: what happened, what it means, what to do, who owns it, what if nobody acts."""
    case = factories.case(code, at, connection_id=returngo.pk)
    client = as_(OWNERS[Role(CASE_KINDS[code].owner)])

    response = client.get(f"/cases/{case.pk}/")

    text = text_of(response.content.decode())
    assert response.status_code == 200
    for line in ("What happened", "What it means", "What to do next", "Who owns it", "If nobody"):
        assert line in text
    assert "(unknown)" not in text
    assert "{" not in text
    assert JARGON.search(text) is None, JARGON.search(text)


@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_every_action_of_every_kind_has_a_form_its_owner_or_ladder_can_open(
    code: str, at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    kind = CASE_KINDS[code]
    case = factories.case(code, at, connection_id=returngo.pk)
    roles = [Role(kind.owner), *(Role(role) for role in kind.ladder)]
    for action in kind.actions:
        opened = 0
        for role in roles:
            html = as_(OWNERS[role]).get(f"/cases/{case.pk}/?do={action.key}").content.decode()
            if f'action="/cases/{case.pk}/act/{action.key}/"' in html:
                opened += 1
                for field in action.fields:
                    assert f'name="{field.name}"' in html
        assert opened, f"{code}: nobody can press {action.key}"


@pytest.mark.requirement("R091")
def test_a_locked_button_stays_visible_and_says_who_may(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)

    html = as_("carla").get(f"/cases/{case.pk}/").content.decode()

    assert re.search(r"<button[^>]+disabled[^>]*>.*?Nothing is wrong", html, re.DOTALL)
    assert "Only Controller or Finance can do this." in text_of(html)


def test_a_locked_action_cannot_be_posted_either(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)

    response = as_("carla").post(f"/cases/{case.pk}/act/not_an_error/", {"note": "fine"})

    assert response.status_code == 403
    assert decided(case) == []


def test_pressing_an_action_records_the_decision_with_its_person_and_words(
    at: datetime, people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    case = factories.case("RETURN_ORDER_UNKNOWN", at, record=("return", 5))
    client = as_("carla")

    response = client.post(
        f"/cases/{case.pk}/act/match_return/",
        {"order_number": " 100482913 ", "version": version(client, case)},
    )

    assert response.status_code == 302
    event = decided(case)[0]
    assert (event.action, event.actor) == ("match_return", "user:carla")
    assert event.data == {"order_number": "100482913", "hold_seconds": 30}


def test_an_empty_field_is_named_and_nothing_is_written(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("RETURN_ORDER_UNKNOWN", at)
    client = as_("carla")

    response = client.post(
        f"/cases/{case.pk}/act/match_return/", {"version": version(client, case)}
    )

    html = response.content.decode()
    assert response.status_code == 422
    assert '<a href="#f-order_number">Order number: fill this in</a>' in html
    assert 'aria-invalid="true"' in html
    assert decided(case) == []


def test_a_mapping_offers_our_locations_and_refuses_anything_else(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    """R120: no default, and no place that does not exist."""
    factories.location("altona", "Hamburg Altona")
    case = factories.case(
        "MAPPING_MISSING",
        at,
        record=("return", 1),
        cause=f"mapping:{returngo.pk}:LOCATION:HH-2",
        connection_id=returngo.pk,
    )
    client = as_("omar")
    html = client.get(f"/cases/{case.pk}/?do=save_mapping").content.decode()
    seen = version(client, case)

    assert '<option value="altona">Hamburg Altona (altona)</option>' in html
    assert '<option value="">Choose</option>' in html
    address = f"/cases/{case.pk}/act/save_mapping/"
    assert client.post(address, {"ours": "", "version": seen}).status_code == 422
    assert client.post(address, {"ours": "mars", "version": seen}).status_code == 422
    assert client.post(address, {"ours": "altona", "version": seen}).status_code == 302
    assert decided(case)[0].data == {"ours": "altona", "hold_seconds": 30}


def test_when_our_own_place_has_no_partner_their_word_is_typed(
    at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    factories.location("altona", "Hamburg Altona")
    case = factories.case(
        "MAPPING_MISSING",
        at,
        cause=f"mapping:{returngo.pk}:LOCATION:ours:altona",
        connection_id=returngo.pk,
    )

    html = as_("omar").get(f"/cases/{case.pk}/?do=save_mapping").content.decode()

    assert "Their word for it" in html
    assert "<select" not in html


# --- Two people ----------------------------------------------------------------------------------


@pytest.fixture
def doubt(db: None, at: datetime) -> Case:
    return factories.case("REFUND_IN_DOUBT", at)


def ask(client: Client, case: Case, reference: str = "RF-7741") -> None:
    response = client.post(
        f"/cases/{case.pk}/act/it_happened/",
        {
            "reference": reference,
            "note": "Statement, page 2, Lena Berg",
            "version": version(client, case),
        },
    )
    assert response.status_code == 302


def test_a_refund_in_doubt_is_decided_by_two_people(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona, clara = as_("fiona"), as_("clara")

    ask(fiona, doubt)
    assert decided(doubt) == []
    approval = Approval.objects.get(record_id=doubt.pk)
    page = text_of(clara.get(f"/cases/{doubt.pk}/").content.decode())
    assert "RF-7741" in page
    assert "Statement, page 2" in page

    clara.post(f"/cases/{doubt.pk}/approvals/{approval.pk}/", {"answer": "agree"})

    approval.refresh_from_db()
    event = decided(doubt)[0]
    assert approval.state == ApprovalState.USED
    assert event.actor == "user:fiona"
    assert event.data["reference"] == "RF-7741"
    assert event.data["agreed_by"] == "clara"


def test_who_asked_cannot_agree_and_is_told_why(doubt: Case, as_: Callable[[str], Client]) -> None:
    fiona = as_("fiona")
    ask(fiona, doubt)
    approval = Approval.objects.get()

    page = text_of(fiona.get(f"/cases/{doubt.pk}/").content.decode())
    response = fiona.post(f"/cases/{doubt.pk}/approvals/{approval.pk}/", {"answer": "agree"})

    assert "You asked, so somebody else must agree." in page
    assert response.status_code == 403
    assert decided(doubt) == []


def test_a_team_that_does_not_own_the_case_cannot_agree(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    """Operations may agree to things, but not to finance's money."""
    ask(as_("fiona"), doubt)
    approval = Approval.objects.get()

    response = as_("omar").post(f"/cases/{doubt.pk}/approvals/{approval.pk}/", {"answer": "agree"})

    assert response.status_code == 403
    assert decided(doubt) == []


def test_what_was_refused_is_not_carried_out_and_cannot_be_agreed_to_later(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    ask(as_("fiona"), doubt)
    approval = Approval.objects.get()
    address = f"/cases/{doubt.pk}/approvals/{approval.pk}/"

    as_("clara").post(address, {"answer": "refuse"})
    as_("frank").post(address, {"answer": "agree"})

    approval.refresh_from_db()
    assert approval.state == ApprovalState.REFUSED
    assert decided(doubt) == []


def test_an_agreement_is_void_when_the_amount_has_changed_since_it_was_asked(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    """Agreeing to 50 euros must never pay 500: what is at stake is part of what is agreed to."""
    about = {"money_minor": 5000, "currency": "EUR"}
    case = factories.case("REFUND_IN_DOUBT", at, **about)
    ask(as_("fiona"), case)
    approval = Approval.objects.get()
    factories.case("REFUND_IN_DOUBT", at, **{**about, "money_minor": 50000})  # seen again

    address = f"/cases/{case.pk}/approvals/{approval.pk}/"
    said = as_("clara").post(address, {"answer": "agree"}, follow=True)

    approval.refresh_from_db()
    assert "must be asked anew" in said.content.decode()
    assert (approval.state, decided(case)) == (ApprovalState.ASKED, [])


def test_two_contradicting_questions_cannot_both_be_agreed_to(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona, frank, clara = as_("fiona"), as_("frank"), as_("clara")
    ask(fiona, doubt)
    frank.post(
        f"/cases/{doubt.pk}/act/it_did_not_happen/",
        {"note": "nothing there", "version": version(frank, doubt)},
    )
    first, second = Approval.objects.order_by("id")

    clara.post(f"/cases/{doubt.pk}/approvals/{first.pk}/", {"answer": "agree"})
    clara.post(f"/cases/{doubt.pk}/approvals/{second.pk}/", {"answer": "agree"})

    assert [event.action for event in decided(doubt)] == ["it_happened"]


def test_the_words_of_a_question_stay_in_a_note_that_can_be_erased(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    """Free text may name a person, so it is in no row that is kept for ever."""
    ask(as_("fiona"), doubt)

    assert "Lena Berg" not in str(Approval.objects.get().content)


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


# --- Two people -----------------------------------------------------------------------------------


def test_a_question_for_a_second_person_is_asked_once(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    """Two presses, or two tabs, are one question; another amount or reference is another one."""
    order = factories.order("DE-70001", at)
    case = factories.case("REFUND_BY_HAND", at, order_id=order.pk, money_minor=8925, currency="EUR")
    client, address = as_("fiona"), f"/cases/{case.pk}/act/paid_by_hand/"
    answers = [
        client.post(address, {"reference": reference, "note": "from the bank"})
        for reference in ("BANK-1", "BANK-1", "BANK-2")
    ]

    assert [one.status_code for one in answers] == [302, 409, 302]
    assert "This was asked already" in answers[1].content.decode()
    asked = Approval.objects.filter(record_id=case.pk).order_by("id")
    assert [one.content["data"]["reference"] for one in asked] == ["BANK-1", "BANK-2"]


# --- Thirty seconds -------------------------------------------------------------------------------


def test_what_has_not_left_yet_can_be_cancelled(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    job = factories.job(
        "restock",
        at,
        record=("case", case.pk),
        to=scayle,
        actor="user:fiona",
        not_before=at + timedelta(seconds=30),
    )
    client = as_("fiona")
    assert "Will be sent in" in client.get(f"/cases/{case.pk}/").content.decode()

    client.post(f"/cases/{case.pk}/jobs/{job.pk}/cancel/")

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_what_has_left_cannot_be_cancelled_and_nobody_pretends(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    job = factories.job(
        "restock",
        at - timedelta(minutes=1),
        record=("case", case.pk),
        to=scayle,
        actor="user:fiona",
    )

    response = as_("fiona").post(f"/cases/{case.pk}/jobs/{job.pk}/cancel/", follow=True)

    job.refresh_from_db()
    assert job.state == JobState.DUE
    assert "Too late" in response.content.decode()


def test_a_step_of_another_case_cannot_be_cancelled_from_here(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    other: Job = factories.job(
        "restock",
        at,
        record=("case", case.pk + 1000),
        to=scayle,
        actor="user:fiona",
        not_before=at + timedelta(seconds=30),
    )

    response = as_("fiona").post(f"/cases/{case.pk}/jobs/{other.pk}/cancel/")

    other.refresh_from_db()
    assert response.status_code == 404
    assert other.state == JobState.DUE


def test_a_step_carries_the_sign_of_who_carries_it_out(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    """A mail is ours to send, whatever platform it is about."""
    case = factories.case("SYSTEMS_DIFFER", at)
    for flow, queue in (("restock", "scayle"), ("alert", "mail")):
        job = factories.job(flow, at, record=("case", case.pk), to=scayle)
        Job.objects.filter(pk=job.pk).update(queue=queue)

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    signs = re.findall(r'<abbr class="pf[^"]*"[^>]*>(\w+)</abbr>\s*([^<]+)<', html)
    said = {words.strip(): sign for sign, words in signs}
    assert said["Put the returned unit where its verdict says"] == "SC"
    assert said["Tell the owner by e-mail"] == "Us"


# --- Evidence -------------------------------------------------------------------------------------


def test_each_system_has_its_own_column_and_what_is_not_known_is_dashed(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    order = factories.order("100482913", at)
    rma = factories.return_of(order, "RMA3271840", at)
    refund = factories.refund_of(rma, at)
    case = factories.case("REFUND_IN_DOUBT", at, record=("refund", refund.pk), order_id=order.pk)

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    table = html[html.index("What each system says") : html.index("What we know")]
    assert table.count('scope="col"') == 4
    assert "Validated" in table
    paid = table[table.index("Refund, paid") :]
    assert '<span class="unknown">not known</span>' in paid


def test_technical_details_are_folded_and_hold_no_body(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    job = factories.job("refund", at, record=("refund", 1), to=scayle, attempts=1)
    factories.attempt(job, at, error="the shop said no")
    case = factories.case("REFUND_REFUSED", at, record=("refund", 1), job_id=job.pk)

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    details = re.search(r"<details>\s*<summary>Technical.*?</details>", html, re.DOTALL)
    assert details is not None
    assert "POST /orders/1/return-items" in unescape(re.sub(r"<[^>]+>", "", details[0]))
    assert "/orders/1/return-items" not in html.replace(details[0], "")


def test_an_amount_without_a_currency_is_not_guessed(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("PAID_IN_SHOP", at)
    typed = {"version": "", "amount": "10.00", "note": "seen"}

    response = as_("fiona").post(f"/cases/{case.pk}/act/paid_goods/", typed)

    assert response.status_code == 422
    assert "it is not known in which currency this case is" in response.content.decode()
