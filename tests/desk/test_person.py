"""A role takes two people: asked, agreed, and ended by the clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from html import unescape
from io import StringIO
from threading import Event
from time import sleep
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrator import policy, staff
from integrator.engine import approvals, clock
from integrator.engine.states import Trace
from integrator.models import Approval, RoleChange
from integrator.roles import Role
from integrator.staff import UnableToChangeRole
from tests.desk import factories
from tests.engine.test_router import in_threads

As = Callable[[str], Client]
People = dict[str, User]


def said(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def roles(user: User) -> set[str]:
    return set(policy.roles_of(User.objects.get(pk=user.pk)))


def asks(client: Client, user: User, role: str, **more: str) -> Any:
    form = {"do": "give", "role": role, "reason": "holiday cover", **more}
    return client.post(f"/people/{user.pk}/ask/", form)


def answers(client: Client, word: str = "agree") -> Any:
    newest = Approval.objects.latest("id")
    return client.post(f"/people/changes/{newest.pk}/", {"answer": word}, follow=True)


def test_a_role_is_given_by_two_and_the_first_needs_a_new_sign_in(people: People, as_: As) -> None:
    nobody = as_("nobody")
    assert nobody.get("/queue/cx/").status_code == 403

    assert asks(as_("ada"), people["nobody"], "CX").status_code == 302
    assert nobody.get("/queue/cx/").status_code == 403
    page = said(as_("clara").get("/people/"))
    assert "Nobody becomes Customer service" in page
    assert "“holiday cover”" in page

    answers(as_("clara"))

    assert nobody.get("/queue/cx/").status_code == 302
    nobody.force_login(User.objects.get(username="nobody"))
    assert nobody.get("/queue/cx/").status_code == 200
    assert Approval.objects.get().state == "USED"
    assert "Waits for a second person" not in said(as_("clara").get("/people/"))


def test_a_role_is_taken_by_two(people: People, as_: As) -> None:
    asks(as_("ada"), people["omar"], "OPERATIONS", do="take")
    assert roles(people["omar"]) == {"OPERATIONS"}

    answers(as_("clara"))

    assert roles(people["omar"]) == set()


def test_another_admin_can_be_the_second_person(people: People, as_: As) -> None:
    other = factories.person("bea", "ADMIN")
    bea = Client()
    bea.force_login(other)

    asks(as_("ada"), people["nobody"], "CX")
    answers(bea)

    assert roles(people["nobody"]) == {"CX"}


def test_who_asked_cannot_agree(people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX")

    assert "You asked: somebody else must agree." in said(as_("ada").get("/people/"))
    assert "cannot be the one who agrees" in said(answers(as_("ada")))
    assert roles(people["nobody"]) == set()


def test_nobody_answers_about_themselves(people: People, as_: As) -> None:
    bea = factories.person("bea", "ADMIN")
    client = Client()
    client.force_login(bea)
    asks(as_("ada"), bea, "AUDITOR")

    for word in ("agree", "refuse"):
        assert "It is about you" in said(answers(client, word))
    assert roles(bea) == {"ADMIN"}
    assert Approval.objects.get().state == "ASKED"


@pytest.mark.parametrize("name", ["carla", "omar", "fiona", "otto", "nobody"])
def test_others_neither_ask_nor_agree(name: str, people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX")

    assert asks(as_(name), people["nobody"], "ADMIN").status_code == 403
    assert answers(as_(name)).status_code == 403
    assert (
        as_(name).post(f"/people/{people['carla'].pk}/leave/", {"do": "leave"}).status_code == 403
    )
    assert roles(people["nobody"]) == set()


def test_a_refusal_leaves_it_as_it_was_and_can_be_asked_again(people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX")
    answers(as_("clara"), "refuse")
    assert roles(people["nobody"]) == set()

    assert asks(as_("ada"), people["nobody"], "CX").status_code == 302
    answers(as_("clara"))
    assert roles(people["nobody"]) == {"CX"}


def test_who_asked_takes_it_back_and_nobody_else_can(people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX")
    assert "Take it back" in said(as_("ada").get("/people/"))
    assert "Take it back" not in said(as_("clara").get("/people/"))

    assert "Only who asked can take it back" in said(answers(as_("clara"), "take_back"))
    assert Approval.objects.get().state == "ASKED"
    assert "nobody is asked any more" in said(answers(as_("ada"), "take_back"))
    assert "not asked any more" in said(answers(as_("clara")))

    assert Approval.objects.get().state == "WITHDRAWN"
    assert roles(people["nobody"]) == set()
    assert asks(as_("ada"), people["nobody"], "CX").status_code == 302


@pytest.mark.parametrize("pair", sorted(tuple(sorted(pair)) for pair in policy.TOXIC))
def test_roles_that_clash_are_refused_in_a_sentence(
    pair: tuple[str, str], people: People, as_: As
) -> None:
    """When it is asked, and again when it is agreed: another may have been given meanwhile."""
    one = factories.person("pat", pair[0])
    answer = asks(as_("ada"), one, pair[1])
    assert answer.status_code == 422
    assert "who asks for money must not agree to it" in said(answer)
    assert not Approval.objects.exists()

    for role in pair:
        asks(as_("ada"), people["nobody"], role)
    first, second = Approval.objects.order_by("id")
    as_("clara").post(f"/people/changes/{first.pk}/", {"answer": "agree"})
    late = as_("clara").post(f"/people/changes/{second.pk}/", {"answer": "agree"}, follow=True)
    assert "who asks for money must not agree to it" in said(late)
    assert roles(people["nobody"]) == {pair[0]}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"role": ""}, "Choose a role"),
        ({"role": "BOSS"}, "Choose a role"),
        ({"do": "lend"}, "Choose whether to give or to take it"),
        ({"reason": " "}, "Say why"),
        ({"reason": "x" * 201}, "Say why"),
        ({"last_day": "tomorrow"}, "The last day: write it as"),
        ({"last_day": "2026-02-31"}, "The last day: write it as"),
        ({"last_day": "2020-01-01"}, "The last day is over already"),
        ({"do": "take"}, "They are not Customer service"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
    form: dict[str, str], text: str, people: People, as_: As
) -> None:
    sent = {"do": "give", "role": "CX", "reason": "cover", **form}

    answer = as_("ada").post(f"/people/{people['nobody'].pk}/ask/", sent)

    assert answer.status_code == 422
    assert text in said(answer)
    assert f'value="{sent["reason"].strip()}"' in answer.content.decode()
    assert not RoleChange.objects.exists()


def test_the_same_is_asked_once(people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX")
    assert "waits for a second person already" in said(asks(as_("ada"), people["nobody"], "CX"))
    assert "are Finance already" in said(asks(as_("ada"), people["fiona"], "FINANCE"))


def test_who_has_no_role_yet_is_told_that_one_was_asked_for(people: People, as_: As) -> None:
    nobody = as_("nobody")
    assert "Ask an integration admin" in said(nobody.get("/queue/"))
    asks(as_("ada"), people["nobody"], "CX")
    told = said(nobody.get("/queue/"))
    assert "One was asked for: it waits for a second person." in told
    assert "Ask an integration admin" not in told


def test_the_last_admin_stays(people: People, as_: As) -> None:
    answer = asks(as_("ada"), people["ada"], "ADMIN", do="take")

    assert "name another admin first" in said(answer)


@pytest.mark.parametrize("goes", ["is taken the role", "leaves"])
def test_of_the_last_two_admins_who_go_at_once_one_stays(committed: None, goes: str) -> None:
    """Each would count on the other, whose end is not there yet to be seen."""
    first, second = factories.person("ada", "ADMIN"), factories.person("adam", "ADMIN")
    clara, now = factories.person("clara", "CONTROLLER"), Trace(at=clock.now(), actor="test")
    today, has_gone = now.at.date(), Event()
    wanted = {"role": Role.ADMIN, "gives": False, "last_day": None, "today": today, "trace": now}
    asked = staff.role_ask(person=first, reason="moved on", by=second, **wanted)

    def one() -> None:
        with transaction.atomic():
            staff.role_agree(asked, today=today, trace=now, by=clara)
            has_gone.set()
            sleep(0.3)  # in which the other looks around, or waits

    def other() -> None:
        has_gone.wait(timeout=30)
        with pytest.raises(UnableToChangeRole, match="another admin first"):
            if goes == "leaves":
                staff.leave(second, trace=now, by=first)
            else:
                staff.role_ask(person=second, reason="moved on", by=first, **wanted)

    in_threads(one, other)

    assert roles(second) == {"ADMIN"}


@pytest.mark.parametrize("path", ["/people/0/", "/people/999999/", "/people/9999999999999999999/"])
def test_a_person_who_is_not_there_is_a_plain_404(path: str, as_: As) -> None:
    assert as_("ada").get(path).status_code == 404


# --- The clock -----------------------------------------------------------------------------------


def given(people: People, as_: As, last: date) -> None:
    asks(as_("ada"), people["nobody"], "CX", last_day=last.isoformat())
    answers(as_("clara"))


def test_a_role_ends_when_its_last_day_is_over(people: People, as_: As, at: datetime) -> None:
    last = timezone.localdate(at) + timedelta(days=3)
    given(people, as_, last)

    assert staff.end_due(today=last, at=at) == 0
    assert roles(people["nobody"]) == {"CX"}
    assert staff.end_due(today=last + timedelta(days=1), at=at) == 1
    assert roles(people["nobody"]) == set()
    assert staff.end_due(today=last + timedelta(days=1), at=at) == 0
    # Not the server's doing, nor a person's.
    rows = said(as_("otto").get("/audit/?kind=role"))
    assert "We took a role away" in rows


def test_a_later_last_day_replaces_the_earlier(people: People, as_: As, at: datetime) -> None:
    first = timezone.localdate(at) + timedelta(days=3)
    given(people, as_, first)
    given(people, as_, first + timedelta(days=30))

    assert staff.end_due(today=first + timedelta(days=1), at=at) == 0
    assert roles(people["nobody"]) == {"CX"}
    page = said(as_("ada").get(f"/people/{people['nobody'].pk}/"))
    assert f"Customer service {first + timedelta(days=30):%-d %b %Y}" in page


def test_a_last_day_nobody_agreed_to_takes_nothing(people: People, as_: As, at: datetime) -> None:
    last = timezone.localdate(at) + timedelta(days=3)
    asks(as_("ada"), people["carla"], "CX", last_day=last.isoformat())

    assert staff.end_due(today=last + timedelta(days=1), at=at) == 0
    assert roles(people["carla"]) == {"CX"}
    assert "not asked any more" in said(answers(as_("clara")))


# --- What is kept --------------------------------------------------------------------------------


def test_the_audit_page_tells_who_asked_and_who_agreed(people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX", last_day="2099-12-31")
    answers(as_("clara"))

    told = said(as_("otto").get("/audit/?kind=approval"))
    assert "ada asked a second person to agree to give a role" in told
    assert "clara agreed to give a role" in told
    assert "“holiday cover”" in told
    assert "Customer service until 31 Dec 2099" in told
    assert "clara gave a role" in said(as_("otto").get("/audit/?kind=role"))


def test_what_was_asked_cannot_be_changed_behind_the_second_person(people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX")

    with pytest.raises(DatabaseError), transaction.atomic():
        RoleChange.objects.update(role="ADMIN")
    with pytest.raises(DatabaseError), transaction.atomic():
        RoleChange.objects.all().delete()


def test_other_content_than_was_agreed_is_not_carried_out(people: People, as_: As) -> None:
    asks(as_("ada"), people["nobody"], "CX")
    approval = Approval.objects.get()
    approval.content = {**approval.content, "role": "ADMIN"}

    with pytest.raises(approvals.UnableToApprove):
        staff.role_agree(
            approval,
            today=date(2026, 1, 1),
            trace=factories.trace(timezone.now()),
            by=people["clara"],
        )
    assert roles(people["nobody"]) == set()


def test_the_pages_ask_little_of_the_database(people: People, as_: As) -> None:
    for number in range(20):
        one = factories.person(f"new{number}")
        asks(as_("ada"), one, "CX")
    clara = as_("clara")
    for path in ("/people/", f"/people/{people['nobody'].pk}/"):
        with CaptureQueriesContext(connection) as asked:
            assert clara.get(path).status_code == 200
        assert len(asked) <= 15, path


# --- The first people ----------------------------------------------------------------------------


def run(*words: str) -> str:
    out = StringIO()
    call_command("give_role", *words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_first_people_get_their_roles_on_the_server_and_nobody_after_them() -> None:
    for name in ("ada", "clara", "carla"):
        factories.person(name)

    assert "ada is Integration admin." in run("ada", "admin")
    with pytest.raises(CommandError, match="must not agree to it"):
        run("ada", "controller")
    with pytest.raises(CommandError, match="Nobody here"):
        run("zoe", "controller")
    run("clara", "controller")

    with pytest.raises(CommandError, match="on the page People"):
        run("carla", "cx")
    assert policy.roles_of(User.objects.get(username="clara")) == {Role.CONTROLLER}
