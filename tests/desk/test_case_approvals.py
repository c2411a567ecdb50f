"""A case that takes two people: asked, agreed to, refused, and void when it has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrator.engine import decisions
from integrator.models import Approval, ApprovalState, Bulk, Case
from tests.desk import factories
from tests.desk.bulks import TRY_AGAIN, chooses, results, stopped, text, work
from tests.desk.case_page import decided, text_of, version


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


def test_what_a_leaver_asked_is_refused_and_asked_anew(
    doubt: Case, people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    ask(as_("fiona"), doubt)
    address = f"/cases/{doubt.pk}/approvals/{Approval.objects.get().pk}/"
    User.objects.filter(pk=people["fiona"].pk).update(is_active=False)
    clara = as_("clara")

    page = clara.post(address, {"answer": "agree"}, follow=True).content.decode()
    assert "Who asked has left: refuse it, and have it asked anew." in page
    assert decided(doubt) == []

    clara.post(address, {"answer": "refuse"})
    assert Approval.objects.get().state == ApprovalState.REFUSED
    ask(as_("frank"), doubt, reference="RF-7742")
    clara.post(
        f"/cases/{doubt.pk}/approvals/{Approval.objects.latest('id').pk}/", {"answer": "agree"}
    )
    assert decided(doubt)[0].actor == "user:frank"


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


def test_what_contradicts_a_question_is_not_asked_before_it_is_answered(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona, frank, clara = as_("fiona"), as_("frank"), as_("clara")
    ask(fiona, doubt)
    address = f"/cases/{doubt.pk}/act/it_did_not_happen/"
    no = {"note": "nothing there", "version": version(frank, doubt)}

    assert frank.post(address, no).status_code == 409

    approval = Approval.objects.get()
    clara.post(f"/cases/{doubt.pk}/approvals/{approval.pk}/", {"answer": "refuse"})
    again = {**no, "version": version(frank, doubt)}
    assert frank.post(address, again).status_code == 302
    assert decided(doubt) == []


def test_nobody_decides_alone_what_a_second_person_is_asked_about(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    """Sent once more while somebody checks whether it was paid by hand, it could be paid twice."""
    (case,) = stopped(at, 1, money_minor=8925, currency="EUR")
    fiona, paid = as_("fiona"), {"reference": "BANK-1", "note": "from the bank"}
    fiona.post(f"/cases/{case.pk}/act/paid_by_hand/", {**paid, "version": version(fiona, case)})
    approval = Approval.objects.get(record_id=case.pk)
    frank = as_("frank")

    alone = frank.post(f"/cases/{case.pk}/act/try_again/", {"version": version(frank, case)})

    assert alone.status_code == 409 and decided(case) == []
    assert decisions.WAITS_FOR_SECOND in alone.content.decode()
    assert "?do=try_again" not in frank.get(f"/cases/{case.pk}/").content.decode()
    many = text(frank.get(chooses(frank, TRY_AGAIN, case)))
    assert decisions.WAITS_FOR_SECOND in many and "Nothing" in many
    fiona.post(f"/cases/{case.pk}/approvals/{approval.pk}/take-back/")
    frank.post(f"/cases/{case.pk}/act/try_again/", {"version": version(frank, case)})
    assert [event.action for event in decided(case)] == ["try_again"]


def test_many_that_run_leave_out_what_a_second_person_was_asked_about_meanwhile(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    asked, free = stopped(at, 2, money_minor=8925, currency="EUR")
    frank, fiona = as_("frank"), as_("fiona")
    address = chooses(frank, TRY_AGAIN, asked, free)
    paid = {"reference": "BANK-1", "note": "from the bank"}
    fiona.post(f"/cases/{asked.pk}/act/paid_by_hand/", {**paid, "version": version(fiona, asked)})

    frank.post(f"{address}start/")
    work()

    assert results(Bulk.objects.get()) == {"DONE": 1, "SKIPPED": 1}
    assert decided(asked) == [] and len(decided(free)) == 1
    assert decisions.WAITS_FOR_SECOND in text(frank.get(address))


def test_the_words_of_a_question_stay_in_a_note_that_can_be_erased(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    """Free text may name a person, so it is in no row that is kept for ever."""
    ask(as_("fiona"), doubt)

    assert "Lena Berg" not in str(Approval.objects.get().content)


def test_a_question_for_a_second_person_is_asked_once(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    """Two presses, or two tabs, are one question. With another reference it is still the same
    payment: who asked takes the first back.
    """
    order = factories.order("DE-70001", at)
    case = factories.case("REFUND_BY_HAND", at, order_id=order.pk, money_minor=8925, currency="EUR")
    client, address = as_("fiona"), f"/cases/{case.pk}/act/paid_by_hand/"
    answers = [
        client.post(address, {"reference": reference, "note": "from the bank"})
        for reference in ("BANK-1", "BANK-1", "BANK-2")
    ]

    assert [one.status_code for one in answers] == [302, 409, 409]
    assert all(decisions.WAITS_FOR_SECOND in one.content.decode() for one in answers[1:])
    first = Approval.objects.get(record_id=case.pk)
    assert first.content["data"]["reference"] == "BANK-1"

    client.post(f"/cases/{case.pk}/approvals/{first.pk}/take-back/")
    ask_paid = {"reference": "BANK-2", "note": "from the bank", "version": version(client, case)}
    assert client.post(address, ask_paid).status_code == 302
    waiting = Approval.objects.get(record_id=case.pk, state=ApprovalState.ASKED)
    assert waiting.content["data"]["reference"] == "BANK-2"


def test_what_was_asked_about_another_amount_does_not_keep_it_from_being_asked_anew(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    about = {"money_minor": 5000, "currency": "EUR"}
    case = factories.case("REFUND_IN_DOUBT", at, **about)
    fiona = as_("fiona")
    ask(fiona, case)
    factories.case("REFUND_IN_DOUBT", at, **{**about, "money_minor": 50000})  # seen again

    ask(fiona, case)

    amounts = Approval.objects.order_by("id").values_list("content__money_minor", flat=True)
    assert list(amounts) == [5000, 50000]


def told(client: Client, case: Case, form: str = "") -> str:
    html = client.get(f"/cases/{case.pk}/{form}").content.decode()
    return " ".join(text_of(html).split())


def test_who_asked_takes_it_back_and_nobody_can_agree_any_more(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona, clara = as_("fiona"), as_("clara")
    ask(fiona, doubt, reference="RF-7714")
    approval = Approval.objects.get()
    address = f"/cases/{doubt.pk}/approvals/{approval.pk}/"
    assert "Take it back" in told(fiona, doubt)
    assert "Take it back" not in told(clara, doubt)

    assert clara.post(f"{address}take-back/").status_code == 403
    said = fiona.post(f"{address}take-back/", follow=True).content.decode()
    again = fiona.post(f"{address}take-back/", follow=True).content.decode()
    late = clara.post(address, {"answer": "agree"}, follow=True).content.decode()

    approval.refresh_from_db()
    assert (approval.state, approval.decided_by) == (ApprovalState.WITHDRAWN, None)
    assert "Taken back: It was sent" in said
    assert "Somebody has answered this already" in again
    assert "Somebody has answered this already" in late
    assert decided(doubt) == []
    assert "Waits for a second person" not in told(clara, doubt)
    ask(fiona, doubt, reference="RF-7714")  # the same once more is a question of its own
    assert Approval.objects.filter(state=ApprovalState.ASKED).count() == 1


def test_undoing_a_question_takes_it_back(doubt: Case, as_: Callable[[str], Client]) -> None:
    """Not its words alone: who is told that it is undone believes that nobody can agree."""
    fiona, clara = as_("fiona"), as_("clara")
    ask(fiona, doubt)
    asked = doubt.events.latest("id")
    approval = Approval.objects.get()

    page = fiona.post(f"/cases/{doubt.pk}/undo/{asked.pk}/", follow=True).content.decode()
    clara.post(f"/cases/{doubt.pk}/approvals/{approval.pk}/", {"answer": "agree"})

    approval.refresh_from_db()
    assert f"Undone: C-{doubt.pk}" in page
    assert approval.state == ApprovalState.WITHDRAWN
    assert decided(doubt) == []
    assert "nobody is asked any more" in told(clara, doubt)
    assert "Lena Berg" not in told(clara, doubt)


def test_a_question_that_was_answered_is_not_undone(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona, clara = as_("fiona"), as_("clara")
    ask(fiona, doubt)
    asked = doubt.events.latest("id")
    address = f"/cases/{doubt.pk}/approvals/{Approval.objects.get().pk}/"

    clara.post(address, {"answer": "refuse"})
    refused = doubt.events.latest("id")
    fiona.post(f"/cases/{doubt.pk}/undo/{asked.pk}/")
    clara.post(f"/cases/{doubt.pk}/undo/{refused.pk}/")

    assert Approval.objects.get().state == ApprovalState.REFUSED
    assert not doubt.events.filter(kind="UNDONE").exists()


def test_the_history_says_who_asked_what_and_who_refused_it(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona, clara = as_("fiona"), as_("clara")
    ask(fiona, doubt)
    clara.post(f"/cases/{doubt.pk}/approvals/{Approval.objects.get().pk}/", {"answer": "refuse"})

    page = told(fiona, doubt)

    assert "fiona asked for a second person: “It was sent”" in page
    assert "clara refused “It was sent”" in page
    assert "It happened" not in page, "the button of another kind of case"


def test_who_agrees_sees_the_amount_and_when_it_has_changed(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    about = {"money_minor": 5000, "currency": "EUR"}
    case = factories.case("REFUND_IN_DOUBT", at, **about)
    fiona, clara = as_("fiona"), as_("clara")
    ask(fiona, case)
    assert "Amount EUR 50.00" in told(clara, case)
    assert 'value="agree"' in clara.get(f"/cases/{case.pk}/").content.decode()

    factories.case("REFUND_IN_DOUBT", at, **{**about, "money_minor": 50000})  # seen again

    assert "The amount has changed since. It has to be asked anew." in told(clara, case)
    page = clara.get(f"/cases/{case.pk}/").content.decode()
    assert 'value="agree"' not in page
    assert 'value="refuse"' in page


def test_no_button_is_pressed_while_a_second_person_is_asked_and_the_page_says_so(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    ask(as_("fiona"), doubt)

    frank = as_("frank")
    page = frank.get(f"/cases/{doubt.pk}/").content.decode()
    assert "?do=it_happened" not in page
    assert "?do=it_did_not_happen" not in page
    assert decisions.WAITS_FOR_SECOND in text_of(page)
    assert "Check what was asked below, then agree or refuse." in told(frank, doubt)
    assert "Fiona pressed “It was sent”. It counts as soon as somebody else agrees" in told(
        frank, doubt
    )
    assert "It stays unanswered, and this case stays open." in told(frank, doubt)
    asker = told(as_("fiona"), doubt)
    assert "Wait until somebody else has answered, or take it back." in asker
    assert decisions.WAITS_FOR_SECOND in asker


def test_a_case_is_not_closed_while_a_second_person_is_asked(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona = as_("fiona")
    closing = {"resolution": "FIXED_HERE", "note": "seen in the bank"}
    ask(fiona, doubt)

    said = fiona.post(f"/cases/{doubt.pk}/solve/", {**closing, "version": version(fiona, doubt)})

    doubt.refresh_from_db()
    assert (said.status_code, doubt.state) == (409, "OPEN")
    assert decisions.WAITS_FOR_SECOND in said.content.decode()
    assert "This cannot be done now" in said.content.decode()
    approval = Approval.objects.get()
    fiona.post(f"/cases/{doubt.pk}/approvals/{approval.pk}/take-back/")
    fiona.post(f"/cases/{doubt.pk}/solve/", {**closing, "version": version(fiona, doubt)})
    doubt.refresh_from_db()
    assert doubt.state == "SOLVED"


def test_the_form_of_a_locked_button_is_not_opened_by_its_address(
    doubt: Case, as_: Callable[[str], Client]
) -> None:
    fiona = as_("fiona")
    assert "What will happen" in told(fiona, doubt, "?do=it_happened")
    ask(fiona, doubt)

    for key in ("it_happened", "it_did_not_happen"):
        assert "What will happen" not in told(fiona, doubt, f"?do={key}")
