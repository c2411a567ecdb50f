"""The quarterly review of roles: begun by the clock, decided by others, done or said to be late."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrator import access_reviews, policy, staff
from integrator.engine import cases
from integrator.flows import CASE_KINDS, tasks
from integrator.models import (
    AccessReview,
    Approval,
    ApprovalState,
    Case,
    ReviewDecision,
    ReviewItem,
    RoleChange,
)
from integrator.roles import Role
from tests.desk import factories

As = Callable[[str], Client]
People = dict[str, User]
FIRST = date(2026, 10, 1)


def said(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def begins(at: datetime, today: date = FIRST) -> AccessReview:
    review = access_reviews.begin_due(today=today, at=at)
    assert review is not None
    return review


def item_of(user: User) -> ReviewItem:
    return ReviewItem.objects.get(person=user)


def decides(client: Client, user: User, do: str = "keep", reason: str = "Still here") -> Any:
    address = f"/people/reviews/items/{item_of(user).pk}/"
    return client.post(address, {"do": do, "reason": reason}, follow=True)


def all_but(people: People, review: AccessReview, *left: str) -> None:
    """Everybody keeps their role, by somebody who is not asked about themselves."""
    now = factories.trace(timezone.now())
    for item in review.items.select_related("person"):
        if item.person.username in left:
            continue
        by = people["clara"] if item.person.username == "ada" else people["ada"]
        access_reviews.decide(item, keeps=True, reason="Fine", today=FIRST, trace=now, by=by)


# --- The clock -----------------------------------------------------------------------------------


def test_it_begins_once_a_quarter_with_every_role_that_is_held(
    people: People, at: datetime
) -> None:
    people["carla"].groups.add(*people["otto"].groups.all())
    User.objects.filter(username="omar").update(is_active=False)

    review = begins(at)

    assert access_reviews.begin_due(today=FIRST + timedelta(days=3), at=at) is None
    assert (review.first_day, review.last_day) == (FIRST, date(2026, 10, 28))
    held = set(review.items.values_list("person__username", "role"))
    assert held == {
        *(("carla", "CX"), ("carla", "AUDITOR"), ("fiona", "FINANCE"), ("frank", "FINANCE")),
        *(("clara", "CONTROLLER"), ("ada", "ADMIN"), ("otto", "AUDITOR")),
    }
    assert begins(at, date(2027, 1, 1)).quarter == "quarter 1 of 2027"


@pytest.mark.parametrize("today", [date(2026, 10, 29), date(2026, 12, 31), date(2026, 3, 2)])
def test_who_sets_up_later_begins_with_the_next_quarter(
    people: People, at: datetime, today: date
) -> None:
    assert access_reviews.begin_due(today=today, at=at) is None


def test_where_nobody_holds_a_role_there_is_nothing_to_review(db: None, at: datetime) -> None:
    factories.person("nobody")

    assert access_reviews.begin_due(today=FIRST, at=at) is None
    assert not AccessReview.objects.exists()


def test_the_quarter_begins_by_the_retailers_clock(people: People) -> None:
    """23:30 in London is half past midnight in Berlin."""
    factories.retailer()
    tasks.minute(at=datetime(2026, 12, 31, 22, 30, tzinfo=UTC))
    assert not AccessReview.objects.exists()

    tasks.minute(at=datetime(2026, 12, 31, 23, 30, tzinfo=UTC))

    assert AccessReview.objects.get().first_day == date(2027, 1, 1)


def test_it_says_when_and_by_whom_a_role_was_given(people: People, as_: As, at: datetime) -> None:
    form = {"do": "give", "role": "CX", "reason": "holiday cover"}
    as_("ada").post(f"/people/{people['nobody'].pk}/ask/", form)
    as_("clara").post(f"/people/changes/{Approval.objects.get().pk}/", {"answer": "agree"})

    review = begins(at)

    item = item_of(people["nobody"])
    assert item.given_by == "ada and clara"
    assert item.given_at is not None
    assert item_of(people["omar"]).given_by == ""
    page = said(as_("ada").get(f"/people/reviews/{review.pk}/"))
    assert "by ada and clara" in page
    assert "on the server" in page


# --- Decisions -----------------------------------------------------------------------------------


def test_a_role_is_kept_with_a_reason_that_stays(people: People, as_: As, at: datetime) -> None:
    review = begins(at)
    page = said(as_("clara").get(f"/people/reviews/{review.pk}/"))
    assert "To be decided 7 roles" in page
    assert "It is about you: somebody else must decide." in page

    answer = decides(as_("clara"), people["carla"], reason="Works in returns")

    assert "Kept: written down with your reason" in said(answer)
    assert "Decided 1 role" in said(answer)
    decision = ReviewDecision.objects.get()
    assert (decision.keeps, decision.reason, decision.by) == (
        True,
        "Works in returns",
        people["clara"],
    )
    assert "let somebody keep a role" in said(as_("ada").get("/audit/?kind=role"))


def test_a_role_is_removed_as_always_by_a_second_person(
    people: People, as_: As, at: datetime
) -> None:
    review = begins(at)

    answer = decides(as_("clara"), people["carla"], "remove", "Changed teams")

    assert "waits for a second person" in said(answer)
    assert policy.roles_of(people["carla"]) == {"CX"}
    approval = Approval.objects.get()
    assert (approval.asked_by, approval.content["gives"]) == (people["clara"], False)
    answered = as_("clara").post(
        f"/people/changes/{approval.pk}/", {"answer": "agree"}, follow=True
    )
    assert "cannot be the one who agrees" in said(answered)
    as_("ada").post(f"/people/changes/{approval.pk}/", {"answer": "agree"})
    assert policy.roles_of(User.objects.get(username="carla")) == set()
    assert "taken away" in said(as_("ada").get(f"/people/reviews/{review.pk}/"))


def test_a_second_person_who_refuses_is_told_on_the_review(
    people: People, as_: As, at: datetime
) -> None:
    review = begins(at)
    decides(as_("clara"), people["carla"], "remove", "Changed teams")
    address = f"/people/changes/{Approval.objects.get().pk}/"
    assert as_("ada").post(address, {"answer": "no"}).status_code == 404  # no button says that
    assert Approval.objects.get().state == ApprovalState.ASKED
    as_("ada").post(address, {"answer": "refuse"})

    assert "kept: a second person refused" in said(as_("ada").get(f"/people/reviews/{review.pk}/"))


def test_what_was_asked_already_is_not_asked_twice(people: People, as_: As, at: datetime) -> None:
    begins(at)
    form = {"do": "take", "role": "CX", "reason": "Changed teams"}
    as_("ada").post(f"/people/{people['carla'].pk}/ask/", form)

    decides(as_("clara"), people["carla"], "remove", "Changed teams")

    assert Approval.objects.count() == 1
    assert ReviewDecision.objects.count() == 1


def test_the_last_admin_stays_and_nothing_is_written(people: People, as_: As, at: datetime) -> None:
    begins(at)

    answer = decides(as_("clara"), people["ada"], "remove", "Gone soon")

    assert answer.status_code == 422
    assert "name another admin first" in said(answer)
    assert 'value="Gone soon"' in answer.content.decode()
    assert not ReviewDecision.objects.exists()


def test_nobody_decides_about_themselves(people: People, as_: As, at: datetime) -> None:
    begins(at)

    assert "It is about you" in said(decides(as_("clara"), people["clara"]))
    with pytest.raises(DatabaseError, match="their own role"), transaction.atomic():
        ReviewDecision.objects.create(
            item=item_of(people["clara"]), keeps=True, reason="Me", by=people["clara"], at=at
        )
    assert not ReviewDecision.objects.exists()


@pytest.mark.parametrize("name", ["carla", "omar", "fiona", "otto", "nobody"])
def test_others_look_and_do_not_decide(name: str, people: People, as_: As, at: datetime) -> None:
    review = begins(at)

    assert decides(as_(name), people["frank"]).status_code == 403
    page = as_(name).get(f"/people/reviews/{review.pk}/")
    if name != "nobody":
        assert "An integration admin or a controller decides." in said(page)
        assert 'name="reason"' not in page.content.decode()


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"do": "keep", "reason": "  "}, "Say why"),
        ({"do": "keep", "reason": "x" * 201}, "at most 200"),
        ({"do": "maybe", "reason": "Fine"}, "Choose whether they keep it"),
    ],
)
def test_what_is_missing_is_said_at_its_line(
    people: People, as_: As, at: datetime, form: dict[str, str], text: str
) -> None:
    begins(at)
    item = item_of(people["carla"])

    answer = as_("ada").post(f"/people/reviews/items/{item.pk}/", form)

    assert answer.status_code == 422
    assert text in said(answer)
    assert f'id="e-{item.pk}"' in answer.content.decode()


def test_of_two_who_decide_at_once_one_counts(people: People, as_: As, at: datetime) -> None:
    begins(at)
    decides(as_("clara"), people["carla"])

    late = decides(as_("ada"), people["carla"], "remove", "No")

    assert "Somebody decided this already" in said(late)
    assert not RoleChange.objects.exists()
    for change in ({"keeps": False}, {"reason": "Other"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            ReviewDecision.objects.update(**change)


# --- Who comes and goes --------------------------------------------------------------------------


def test_a_role_given_after_it_began_is_looked_at_next_time(
    people: People, as_: As, at: datetime
) -> None:
    review = begins(at)
    form = {"do": "give", "role": "CX", "reason": "New here"}
    as_("ada").post(f"/people/{people['nobody'].pk}/ask/", form)
    as_("clara").post(f"/people/changes/{Approval.objects.get().pk}/", {"answer": "agree"})

    assert not review.items.filter(person=people["nobody"]).exists()
    all_but(people, review)
    review.refresh_from_db()
    assert review.done_at is not None
    following = begins(at, date(2027, 1, 1))
    assert following.items.filter(person=people["nobody"], role="CX").exists()


def test_a_leaver_is_no_open_question(people: People, as_: As, at: datetime) -> None:
    review = begins(at)
    all_but(people, review, "carla")
    staff.leave(people["carla"], trace=factories.trace(at), by=people["ada"])

    assert "no longer held" in said(as_("ada").get(f"/people/reviews/{review.pk}/"))
    assert "do not hold this role any more" in said(decides(as_("ada"), people["carla"]))
    access_reviews.watch(today=FIRST, at=at)
    review.refresh_from_db()
    assert review.done_at is not None


# --- Late ----------------------------------------------------------------------------------------


def test_four_weeks_in_the_administrators_have_a_case_until_it_is_finished(
    people: People, as_: As, at: datetime
) -> None:
    review = begins(at)
    access_reviews.watch(today=date(2026, 10, 28), at=at)
    assert not Case.objects.exists()
    all_but(people, review, "carla", "omar")

    for _ in range(2):
        access_reviews.watch(today=date(2026, 10, 29), at=at)

    case = Case.objects.get()
    kind = CASE_KINDS[case.kind]
    assert (case.owner, kind.ladder) == ("ADMIN", ("CONTROLLER", "AUDITOR"))
    assert case.due_at == at + timedelta(hours=24)
    page = said(as_("ada").get(f"/cases/{case.pk}/"))
    assert "The review of roles of quarter 4 of 2026 is not finished" in page
    assert "2 of 7 roles still wait" in page
    decides(as_("ada"), people["carla"])
    assert Case.objects.get().state == "OPEN"
    decides(as_("ada"), people["omar"])
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("SOLVED", "BY_ITSELF")


def test_a_case_that_is_explained_does_not_come_back_every_minute(
    people: People, at: datetime
) -> None:
    begins(at)
    late = date(2026, 11, 1)
    access_reviews.watch(today=late, at=at)
    trace = factories.trace(at, "user:ada")
    cases.solve(Case.objects.get(), resolution="FIXED_HERE", trace=trace, reason="explained")

    access_reviews.watch(today=late, at=at)

    assert Case.objects.get().state == "SOLVED"
    assert AccessReview.objects.get().done_at is None


def test_people_shows_what_is_open_late_and_done(people: People, as_: As, at: datetime) -> None:
    assert "None yet: one begins with each quarter" in said(as_("ada").get("/people/"))
    today = timezone.localdate(at)
    factories.review(at)
    assert "Quarter 1 of 2020 7 open, until" in said(as_("ada").get("/people/"))
    late = AccessReview.objects.create(
        first_day=date(2019, 1, 1), last_day=today - timedelta(days=2), began_at=at
    )
    ReviewItem.objects.create(review=late, person=people["carla"], role="CX", given_by="x")
    page = said(as_("ada").get("/people/"))
    assert re.search(r"Quarter 1 of 2019 1 open, was due \d", page)
    all_but(people, late)
    assert "Quarter 1 of 2019 done" in said(as_("ada").get("/people/"))


def test_neither_page_costs_more_for_more_people(people: People, as_: As, at: datetime) -> None:
    for number in range(30):
        factories.person(f"p{number}", Role.CX)
    review = begins(at)
    ada = as_("ada")
    for path in ("/people/", f"/people/reviews/{review.pk}/"):
        ada.get(path)
        with CaptureQueriesContext(connection) as asked:
            assert ada.get(path).status_code == 200
        assert len(asked) <= 15, (path, len(asked))
