"""What the provider says, when it is believed, and what it never decides; and no provider."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.test import Client

from integrator.login import PROVIDER_FACTOR
from integrator.sign_in import Why
from tests.oidc.provider import CLIENT, SECRET, OpenIdProvider
from tests.oidc.steps import BACK, MAIL, START, comes_back, goes, refused, said, signs_in

# --- Words that are not to be believed -----------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        {"aud": "somebody-else"},
        {"iss": "http://127.0.0.1:1"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 300},
        {"sub": "nul\x00"},
    ],
    ids=str,
)
def test_a_word_that_is_not_for_us_or_not_of_now_is_not_believed(
    provider: OpenIdProvider, fiona: User, word: dict[str, Any]
) -> None:
    provider.lies["word"] = word

    assert refused(signs_in(), Why.UNCLEAR)
    assert not SocialAccount.objects.exists()


def test_a_word_that_somebody_else_signed_is_not_believed(
    provider: OpenIdProvider, fiona: User
) -> None:
    provider.signs_with = rsa.generate_private_key(65537, 2048)

    assert refused(signs_in(), Why.UNCLEAR)


def test_a_word_signed_with_the_secret_or_with_nothing_is_not_believed(
    provider: OpenIdProvider, fiona: User
) -> None:
    provider.signs_with, provider.algorithm = SECRET * 3, "HS256"
    assert refused(signs_in(), Why.UNCLEAR)
    word = {"iss": provider.url, "aud": CLIENT, "sub": "f-1", "exp": 2**40}
    unsigned = jwt.encode(word, None, algorithm="none", headers={"kid": "one"})
    provider.signs_with = None
    provider.algorithm, provider.lies["token"] = "RS256", {"id_token": unsigned}

    assert refused(signs_in(), Why.UNCLEAR)


@pytest.mark.parametrize("token", [{"id_token": None}, {"id_token": "a.b.c"}, {"id_token": 7}])
def test_an_answer_of_another_shape_is_said_in_plain_words(
    provider: OpenIdProvider, fiona: User, token: dict[str, Any]
) -> None:
    provider.lies["token"] = token

    assert refused(signs_in(), Why.UNCLEAR)


def test_a_page_about_somebody_else_is_not_believed(provider: OpenIdProvider, fiona: User) -> None:
    provider.says = {"sub": "mallory"}
    provider.userinfo = {"sub": "f-1", "email": MAIL, "email_verified": True}

    assert refused(signs_in(), Why.UNCLEAR)


def test_an_answer_that_nobody_asked_for_signs_nobody_in(
    provider: OpenIdProvider, fiona: User
) -> None:
    """Somebody else's answer, in a browser that never asked: the same state must be there."""
    address = goes(Client())
    stranger = Client()

    answer = comes_back(stranger, address)
    answer.who = stranger.session.get("_auth_user_id")

    assert refused(answer, Why.TOO_LATE)


def test_an_answer_counts_once(provider: OpenIdProvider, fiona: User) -> None:
    client = Client()
    there = requests.get(goes(client), allow_redirects=False, timeout=5).headers["Location"]
    path = there.removeprefix("http://testserver")
    client.get(path)
    client.logout()

    answer = client.get(path)
    answer.who = client.session.get("_auth_user_id")
    assert refused(answer, Why.TOO_LATE)


def test_who_turns_back_at_the_provider_is_told_so(provider: OpenIdProvider, fiona: User) -> None:
    provider.lies["error"] = "access_denied"
    assert refused(signs_in(), Why.CANCELLED)
    provider.lies["error"] = "server_error"
    assert refused(signs_in(), Why.UNCLEAR)


@pytest.mark.parametrize(
    "lies", [{"issuer": "https://other.example"}, {"jwks_uri": "ftp://keys"}, {"token_endpoint": 7}]
)
def test_a_provider_that_describes_itself_wrongly_is_not_gone_to(
    provider: OpenIdProvider, fiona: User, lies: dict[str, Any]
) -> None:
    provider.lies = lies

    answer = Client().post(START)

    assert answer.status_code == 403
    assert "did not answer as agreed" in said(answer)


def test_a_provider_that_is_down_leaves_the_other_way_in(
    provider: OpenIdProvider, fiona: User
) -> None:
    provider.is_down = True

    answer = Client().post(START)

    assert answer.status_code == 403
    assert 'href="/accounts/login/"' in said(answer)


def test_nobody_sends_us_there_without_end(provider: OpenIdProvider, db: None) -> None:
    """Each start is a call of ours to the provider: as many as anybody may try to sign in."""
    answers = [Client().post(START).status_code for _ in range(32)]

    assert answers[0] == 200
    assert answers[-1] == 429


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:1"])
def test_it_leads_nowhere_but_here(provider: OpenIdProvider, fiona: User, wanted: str) -> None:
    assert signs_in(next=wanted)["Location"] == "/"


# --- The second factor ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings_say", "says", "is_enough"),
    [
        ([], {"amr": ["mfa"]}, False),
        (["amr:mfa"], {}, False),
        (["amr:mfa"], {"amr": ["pwd"]}, False),
        (["amr:mfa"], {"amr": "mfa"}, False),
        (["amr:mfa"], {"acr": "mfa"}, False),
        (["amr:mfa"], {"amr": ["pwd", "mfa"]}, True),
        (["acr:gold"], {"acr": "gold"}, True),
    ],
)
def test_the_providers_second_factor_counts_only_where_the_settings_say_so(
    provider: OpenIdProvider,
    fiona: User,
    settings: Any,
    settings_say: list[str],
    says: dict[str, Any],
    is_enough: bool,
) -> None:
    settings.MFA_ROLES, settings.OIDC_SECOND_FACTOR = ["FINANCE"], settings_say
    provider.says |= says
    client = Client()
    signs_in(client)

    answer = client.get("/orders/")

    assert answer.status_code == (200 if is_enough else 302)
    settings.OIDC_SECOND_FACTOR = []
    assert client.get("/orders/").status_code == 302, "a setting taken back counts at once"


def test_what_one_session_showed_does_not_count_in_the_next(
    provider: OpenIdProvider, fiona: User, settings: Any
) -> None:
    settings.MFA_ROLES, settings.OIDC_SECOND_FACTOR = ["FINANCE"], ["amr:mfa"]
    provider.says["amr"] = ["mfa"]
    client = Client()
    signs_in(client)
    assert client.session[PROVIDER_FACTOR] is True
    provider.says["amr"] = ["pwd"]

    signs_in(client)

    assert client.get("/orders/").status_code == 302


def test_who_has_a_second_factor_here_is_asked_for_it(
    provider: OpenIdProvider, fiona: User
) -> None:
    Authenticator.objects.create(user=fiona, type="totp", data={"secret": "x"})

    answer = signs_in()

    assert answer["Location"].startswith("/accounts/2fa/authenticate/")
    assert answer.who is None


# --- What is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", [START, BACK, "/accounts/3rdparty/", "/accounts/oidc/x/login/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_provider_there_is_no_address_of_it(db: None, path: str, method: str) -> None:
    assert getattr(Client(), method)(path).status_code == 404
    assert "Sign in with" not in said(Client().get("/accounts/login/"))


@pytest.mark.parametrize("path", ["/accounts/3rdparty/", "/accounts/3rdparty/signup/"])
def test_with_one_there_are_no_others(provider: OpenIdProvider, db: None, path: str) -> None:
    assert Client().get(path).status_code == 404
    assert Client().get(START).status_code == 405
    assert Client().post(BACK).status_code == 405


def test_the_door_needs_a_form_of_ours(provider: OpenIdProvider, db: None) -> None:
    assert Client(enforce_csrf_checks=True).post(START).status_code == 403


def test_the_page_that_leads_there_keeps_our_content_policy(
    provider: OpenIdProvider, fiona: User
) -> None:
    page = Client().post(START)

    assert "form-action 'self'" in page["Content-Security-Policy"]
    assert parse_qs(urlsplit(goes(Client())).query)["response_type"] == ["code"]
