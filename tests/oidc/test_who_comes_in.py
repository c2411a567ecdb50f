"""Signing in by the retailer's own provider: who comes in, who stays out, and who sees why."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from integrator import sign_in
from integrator.models import SignInEvent
from integrator.sign_in import Claim, UnableToSignIn, Why
from tests.desk import factories
from tests.oidc.provider import OpenIdProvider
from tests.oidc.steps import BACK, MAIL, refused, said, signs_in

# --- The way in ----------------------------------------------------------------------------------


def test_who_is_known_by_the_verified_address_is_linked_once(
    provider: OpenIdProvider, fiona: User
) -> None:
    client = Client()
    assert "Sign in with Demo Sport" in said(client.get("/accounts/login/"))

    answer = signs_in(client, next="/orders/")

    assert (answer.status_code, answer["Location"]) == (302, "/orders/")
    assert client.get("/orders/").status_code == 200
    assert answer.who == str(fiona.pk)
    link = SocialAccount.objects.get()
    assert (link.user, link.provider, link.uid) == (fiona, provider.url, "f-1")
    assert link.extra_data == {}, "what the provider says of people stays there"
    (event,) = SignInEvent.objects.all()
    assert (event.what, event.subject, event.actor) == ("LINKED", "f-1", "user:fiona")


def test_the_question_carries_what_protects_the_answer(
    provider: OpenIdProvider, fiona: User
) -> None:
    signs_in()

    (asked,) = provider.asked
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["nonce"]) >= 24
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert asked["redirect_uri"] == f"http://testserver{BACK}"


def test_the_subject_counts_from_then_on_and_not_the_address(
    provider: OpenIdProvider, fiona: User
) -> None:
    signs_in()
    User.objects.filter(pk=fiona.pk).update(email="married@demo-sport.test")
    provider.says |= {"email": "other@demo-sport.test", "email_verified": False}

    assert signs_in().who == str(fiona.pk)
    assert SignInEvent.objects.count() == 1


def test_an_address_that_the_short_word_leaves_out_is_asked_for(
    provider: OpenIdProvider, fiona: User
) -> None:
    provider.says = {"sub": "f-1"}
    provider.userinfo = {"email": MAIL.upper(), "email_verified": True}

    assert signs_in().who == str(fiona.pk)


def test_the_provider_gives_nobody_a_role(provider: OpenIdProvider, fiona: User) -> None:
    fiona.groups.clear()
    provider.says |= {"groups": ["ADMIN"], "roles": ["ADMIN"], "is_superuser": True}
    client = Client()

    assert signs_in(client).who == str(fiona.pk)

    assert client.get("/people/").status_code == 403
    assert not User.objects.get(pk=fiona.pk).groups.exists()


# --- Who stays out -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({"email_verified": False}, Why.NOT_VERIFIED),
        ({"email_verified": None}, Why.NOT_VERIFIED),
        ({"email_verified": "no"}, Why.NOT_VERIFIED),
        ({"email": ""}, Why.NOT_VERIFIED),
        ({"email": "stranger@demo-sport.test"}, Why.UNKNOWN),
        ({"email": "f\N{LATIN SMALL LETTER DOTLESS I}ona@demo-sport.test"}, Why.UNKNOWN),
    ],
)
def test_who_is_not_known_by_a_verified_address_stays_out(
    provider: OpenIdProvider, fiona: User, says: dict[str, Any], why: Why
) -> None:
    provider.says |= says

    assert refused(signs_in(), why)
    assert not SocialAccount.objects.exists()
    assert User.objects.count() == 1


def test_two_accounts_with_one_address_are_nobody_in_particular(
    provider: OpenIdProvider, fiona: User
) -> None:
    User.objects.create(username="fiona2", email=MAIL)

    assert refused(signs_in(), Why.SHARED)


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_leaver_stays_out(provider: OpenIdProvider, fiona: User, is_linked: bool) -> None:
    if is_linked:
        signs_in()
    User.objects.filter(pk=fiona.pk).update(is_active=False)

    assert refused(signs_in(), Why.LEFT)
    assert refused(signs_in(), Why.LEFT)
    assert SignInEvent.objects.filter(what="LEFT").count() == 1, "once a day"
    assert SocialAccount.objects.count() == is_linked


def test_another_account_with_the_same_address_is_refused_and_an_admin_sees_why(
    provider: OpenIdProvider, fiona: User
) -> None:
    signs_in()
    provider.says["sub"] = "mallory"
    assert refused(signs_in(), Why.OTHER_SUBJECT)
    ada = Client()
    ada.force_login(factories.person("ada", "ADMIN"))

    page = said(ada.get(f"/people/{fiona.pk}/"))
    assert "another account with the same e-mail address was refused" in page
    assert "mallory" in page
    listed = said(ada.get("/audit/?kind=sign_in"))
    assert "sent another account with this e-mail address: refused" in listed
    assert "was linked to an account at the sign-in provider" in listed


def test_an_admin_lets_somebody_link_anew_and_says_why(
    provider: OpenIdProvider, fiona: User
) -> None:
    signs_in()
    provider.says["sub"] = "f-2"
    ada, address = Client(), f"/people/{fiona.pk}/unlink/"
    ada.force_login(factories.person("ada", "ADMIN"))

    answer = ada.post(address, {"reason": " "})
    assert answer.status_code == 422
    assert "Say why" in said(answer)
    assert ada.post(address, {"reason": "A new account there"}).status_code == 302
    assert "not linked any more" in said(ada.post(address, {"reason": "Again"}))

    assert signs_in().who == str(fiona.pk)
    assert SocialAccount.objects.get().uid == "f-2"
    assert "A new account there" in said(ada.get("/audit/?kind=sign_in"))


def test_nobody_lets_themselves_link_anew(provider: OpenIdProvider, fiona: User) -> None:
    fiona.groups.set([])
    ada = factories.person("ada", "ADMIN")
    SocialAccount.objects.create(user=ada, provider=provider.url, uid="a-1")
    client = Client()
    client.force_login(ada)

    answer = client.post(f"/people/{ada.pk}/unlink/", {"reason": "New phone"})

    assert answer.status_code == 422
    assert SocialAccount.objects.exists()


# --- What the database holds, and what is not there ----------------------------------------------


def test_a_person_has_one_account_at_the_provider(db: None, fiona: User) -> None:
    SocialAccount.objects.create(user=fiona, provider="https://a.example", uid="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        SocialAccount.objects.create(user=fiona, provider="https://a.example", uid="2")
    SocialAccount.objects.create(user=fiona, provider="https://b.example", uid="1")


def test_two_accounts_that_come_at_once_are_not_both_linked(committed: None) -> None:
    User.objects.create(username="fiona", email=MAIL)
    results: list[str] = []
    line = threading.Barrier(2)

    def comes(subject: str) -> None:
        line.wait()
        claim = Claim("https://a.example", subject, MAIL, True)
        try:
            results.append(sign_in.person_of(claim, at=timezone.now()).username)
        except UnableToSignIn as why:
            results.append(why.why.name)
        finally:
            connection.close()

    threads = [threading.Thread(target=comes, args=[one]) for one in ("f-1", "f-2")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(results) == ["OTHER_SUBJECT", "fiona"]
    assert SocialAccount.objects.count() == 1
