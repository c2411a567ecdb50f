"""Whoever made an account cannot come in as its holder, once it may do something."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from integrator.models import Approval
from tests.desk.audits import Reader
from tests.desk.case_page import text_of

As = Callable[[str], Client]
People = dict[str, User]
PASSWORD = "known to somebody else"


@pytest.fixture
def conny(people: People, as_: As) -> User:
    """Made by ada, with the address of a colleague. She works in no role yet."""
    as_("ada").post("/admin/auth/user/add/", {"username": "conny", "email": "conny@shop.test"})
    return User.objects.get(username="conny")


def asks(client: Client, person: User, role: str) -> str:
    wish = {"do": "give", "role": role, "reason": "new here"}
    return text_of(client.post(f"/people/{person.pk}/ask/", wish, follow=True).content.decode())


def agrees(client: Client) -> str:
    path = f"/people/changes/{Approval.objects.latest('id').pk}/"
    return text_of(client.post(path, {"answer": "agree"}, follow=True).content.decode())


def signs_in(password: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": "conny", "password": password})
    return client


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def password_by_mail(address: str, password: str) -> None:
    Client().post("/accounts/password/reset/", {"email": address})
    client = Client()
    (path,) = re.findall(r"/accounts/password/reset/key/\S+", mail.outbox[-1].body)
    there = client.get(path, follow=True).redirect_chain[-1][0]
    client.post(there, {"password1": password, "password2": password})


def test_with_the_first_role_every_way_in_but_the_own_address_is_gone(conny: User, as_: As) -> None:
    """Before, her account was an admin's to come into: by the address that they could change."""
    User.objects.filter(pk=conny.pk).update(email="ada@shop.test")
    EmailAddress.objects.create(user=conny, email="ada@shop.test", verified=True, primary=True)
    password_by_mail("ada@shop.test", PASSWORD)
    before = signs_in(PASSWORD)
    assert is_in(before)
    User.objects.filter(pk=conny.pk).update(email="conny@shop.test")

    asks(as_("ada"), conny, "CONTROLLER")
    assert "they set a password by e-mail first" in agrees(as_("clara"))

    assert not is_in(before)
    assert not is_in(signs_in(PASSWORD))
    sent = len(mail.outbox)
    Client().post("/accounts/password/reset/", {"email": "ada@shop.test"})
    assert not any("/reset/key/" in one.body for one in mail.outbox[sent:])
    password_by_mail("conny@shop.test", "a secret of her own")
    assert is_in(signs_in("a secret of her own"))


def test_the_second_person_sees_the_address_and_agrees_to_no_other(conny: User, as_: As) -> None:
    ada = as_("ada")
    before = text_of(ada.get(f"/people/{conny.pk}/").content.decode())
    assert "then sets a password by e-mail and signs in with it" in before
    asks(ada, conny, "CX")
    page = text_of(as_("clara").get(f"/people/{conny.pk}/").content.decode())
    assert "who will set a password by e-mail to" in page and "conny@shop.test" in page
    User.objects.filter(pk=conny.pk).update(email="ada@shop.test")

    assert "Their e-mail address was changed since this was asked" in agrees(as_("clara"))
    assert not conny.groups.exists()


def test_a_further_role_holds_from_the_next_click_on(people: People, as_: As) -> None:
    omar = as_("omar")
    asks(as_("ada"), people["omar"], "CX")
    agrees(as_("clara"))

    assert omar.get("/queue/cx/").status_code == 200


def test_nobody_gets_a_role_who_could_not_come_in(people: People, as_: As) -> None:
    User.objects.filter(pk=people["nobody"].pk).update(email="")
    assert "Give the account an e-mail address first" in asks(as_("ada"), people["nobody"], "CX")
    assert not Approval.objects.exists()


def test_what_is_done_about_accounts_is_on_the_page_audit(
    conny: User, people: People, as_: As
) -> None:
    ada, otto = as_("ada"), Reader(as_("otto"))
    ada.post(
        f"/admin/auth/user/{conny.pk}/change/",
        {"first_name": "", "last_name": "", "email": "c@shop.test"},
    )
    ada.post(f"/people/{conny.pk}/leave/", {"do": "leave"})
    ada.post(f"/people/{conny.pk}/leave/", {"do": "back"})
    ada.post(f"/people/{conny.pk}/leave/", {"do": "back"})  # it works already

    told = [row for row in otto.rows(who="ada") if "conny" in row]
    assert [next(word for word in WORDS if word in row) for row in reversed(told)] == list(WORDS)


WORDS = (
    "made an account",
    "gave an account another e-mail address",
    "let somebody leave",
    "let an account work again",
)
