"""The pages around signing in are pages of the desk: its words, its look, its rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.account.urls import urlpatterns as account_urls
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.urls import urlpatterns as mfa_urls
from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from tests.desk import factories
from tests.desk.test_pages import Page

As = Callable[[str], Client]
OURS = Path(settings.BASE_DIR) / "templates"
FRESH = "Fresh-and-long-enough-7"


def addresses() -> list[str]:
    """Every address of the packages' pages that needs no number or key in it."""
    flat: list[URLPattern] = []
    left: list[Any] = [*account_urls, *mfa_urls]
    while left:
        one = left.pop()
        if isinstance(one, URLPattern):
            flat.append(one)
        else:
            left += one.url_patterns
    plain = [
        one
        for one in flat
        if one.name and not one.pattern.converters and not one.pattern.regex.groups
    ]
    return sorted({reverse(str(one.name)) for one in plain})


def of_the_packages(answer: Any) -> list[str]:
    """Templates of an answer that are about accounts and not ours."""
    used = {template.name: template.origin.name for template in answer.templates if template.name}
    return [
        name
        for name, origin in used.items()
        if name.startswith(("account/", "mfa/", "allauth/"))
        and not Path(origin).is_relative_to(OURS)
    ]


def keeps_the_rules(answer: Any) -> str:
    html: str = answer.content.decode()
    page = Page(html)
    assert answer.status_code == 200
    assert of_the_packages(answer) == []
    assert (page.inline, page.foreign, page.headings) == ([], [], ["h1"])
    assert [one for one in page.fields if one.get("id") not in page.labelled] == []
    assert page.posts == page.tokens
    return html


def set_up(client: Client) -> str:
    """Set up a second factor as a person does; answers the key that the app keeps."""
    html = keeps_the_rules(client.get(reverse("mfa_activate_totp")))
    found = re.search(r"<code[^>]*>([A-Z2-7]+)</code>", html)
    assert found is not None
    answer = client.post(reverse("mfa_activate_totp"), {"code": code_of(found[1])}, follow=True)
    assert "Spare codes" in keeps_the_rules(answer)
    return found[1]


def surely(name: str) -> Client:
    """Signed in, and asked once more just now, as before anything that opens the account."""
    client = Client()
    given = {"login": name, "password": factories.PASSWORD}
    client.post("/accounts/login/", given)
    client.post(reverse("account_reauthenticate"), given)
    return client


def code_of(secret: str) -> str:
    _, counter, _ = yield_hotp_counters_from_time()  # the one before and the one after count too
    return str(format_hotp_value(hotp_value(secret, counter)))


def link_in(mail: EmailMessage) -> str:
    found = re.search(r"https?://[^/]+(/\S+)", mail.body)
    assert found is not None
    return found[1]


@pytest.fixture
def fiona(people: dict[str, User]) -> User:
    EmailAddress.objects.create(
        user=people["fiona"], email="fiona@example.com", primary=True, verified=True
    )
    people["fiona"].email = "fiona@example.com"
    people["fiona"].save()
    return people["fiona"]


@pytest.mark.parametrize("known", [True, False])
def test_no_page_of_a_package_is_seen_by_anybody(known: bool, as_: As) -> None:
    seen = 0
    for path in addresses():
        answer = (as_("fiona") if known else Client()).get(path, follow=True)
        assert of_the_packages(answer) == [], path
        if answer.status_code == 200 and "text/html" in answer["Content-Type"]:
            keeps_the_rules(answer)
            seen += 1

    assert seen >= 10


def test_a_second_factor_is_set_up_shown_and_removed(fiona: User) -> None:
    client = surely("fiona")
    assert "not set up" in keeps_the_rules(client.get(reverse("mfa_index")))

    wrong = client.post(reverse("mfa_activate_totp"), {"code": "1"})
    assert keeps_the_rules(wrong).count('class="field-error" id="id_code_error"') == 1
    set_up(client)

    assert "10 of 10 are left" in keeps_the_rules(client.get(reverse("mfa_index")))
    shown = keeps_the_rules(client.get(reverse("mfa_view_recovery_codes")))
    codes = re.findall(r"<li><code>(\w+)</code>", shown)
    assert len(set(codes)) == 10
    assert "no longer work" in keeps_the_rules(client.get(reverse("mfa_generate_recovery_codes")))
    again = client.post(reverse("mfa_generate_recovery_codes"), follow=True)
    fresh = re.findall(r"<li><code>(\w+)</code>", keeps_the_rules(again))
    assert len(fresh) == 10
    assert not set(fresh) & set(codes)
    keeps_the_rules(client.get(reverse("mfa_deactivate_totp")))
    gone = client.post(reverse("mfa_deactivate_totp"), follow=True)
    assert "Your second factor is removed" in keeps_the_rules(gone)
    assert not Authenticator.objects.filter(user=fiona).exists()


def test_a_code_or_a_spare_one_is_asked_for_after_the_password(fiona: User) -> None:
    client = surely("fiona")
    set_up(client)
    kept = keeps_the_rules(client.get(reverse("mfa_view_recovery_codes")))
    spare = re.findall(r"<li><code>(\w+)</code>", kept)[0]
    stranger = Client()
    name = {"login": "fiona", "password": factories.PASSWORD}

    asked = stranger.post(
        "/accounts/login/?next=/orders/", {**name, "next": "/orders/"}, follow=True
    )
    assert "Code of your app" in keeps_the_rules(asked)
    assert stranger.get("/orders/").status_code == 302
    wrong = stranger.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "id_code_error" in keeps_the_rules(wrong)
    right = stranger.post(reverse("mfa_authenticate"), {"code": spare}, follow=True)

    assert right.redirect_chain[-1][0] == "/orders/"
    assert "9 of 10 are left" in keeps_the_rules(client.get(reverse("mfa_view_recovery_codes")))


def test_what_changes_how_the_account_opens_asks_once_more(fiona: User, as_: As) -> None:
    client = as_("fiona")

    asked = client.get(reverse("mfa_activate_totp"), follow=True)
    assert "Is it still you?" in keeps_the_rules(asked)
    wrong = client.post(reverse("account_reauthenticate"), {"password": "no"})
    assert "id_password_error" in keeps_the_rules(wrong)
    right = client.post(
        reverse("account_reauthenticate"),
        {"password": factories.PASSWORD, "next": reverse("mfa_activate_totp")},
        follow=True,
    )
    assert "Set up your second factor" in keeps_the_rules(right)


def test_a_forgotten_password_is_set_anew_by_a_link(
    fiona: User, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    keeps_the_rules(client.get(reverse("account_reset_password")))
    sent = client.post(reverse("account_reset_password"), {"email": fiona.email}, follow=True)
    assert "Look into your mail" in keeps_the_rules(sent)
    (mail,) = mailoutbox
    assert "A new password for the desk" in mail.subject
    assert "for fiona" in mail.body

    page = client.get(link_in(mail), follow=True)
    html = keeps_the_rules(page)
    assert "at least 12 characters" in html
    here = page.redirect_chain[-1][0]
    short = client.post(here, {"password1": "short", "password2": "short"})
    assert "id_password1_error" in keeps_the_rules(short)
    done = client.post(here, {"password1": FRESH, "password2": FRESH}, follow=True)
    assert "Your password is changed" in keeps_the_rules(done)

    fiona.refresh_from_db()
    assert fiona.check_password(FRESH)
    used = client.get(link_in(mail), follow=True)
    assert "This link no longer works" in keeps_the_rules(used)


def test_an_address_of_no_account_learns_nothing_on_the_page(
    fiona: User, client: Client, mailoutbox: list[EmailMessage]
) -> None:
    known = client.post(reverse("account_reset_password"), {"email": fiona.email}, follow=True)
    unknown = client.post(
        reverse("account_reset_password"), {"email": "x@example.com"}, follow=True
    )

    assert Page(known.content.decode()).headings == Page(unknown.content.decode()).headings
    assert known.redirect_chain == unknown.redirect_chain
    assert "No account at the desk has this address" in mailoutbox[1].subject
    assert "/signup/" not in mailoutbox[1].body


def test_a_password_is_changed_by_who_knows_the_one_before(fiona: User, as_: As) -> None:
    client = as_("fiona")
    path = reverse("account_change_password")
    wrong = client.post(path, {"oldpassword": "no", "password1": FRESH, "password2": FRESH})
    assert "id_oldpassword_error" in keeps_the_rules(wrong)

    client.post(path, {"oldpassword": factories.PASSWORD, "password1": FRESH, "password2": FRESH})

    fiona.refresh_from_db()
    assert fiona.check_password(FRESH)
    assert client.get("/orders/").status_code == 200


def test_who_has_no_password_yet_sets_one(fiona: User, as_: As) -> None:
    """An account that the retailer's own sign-in brought has none."""
    fiona.set_unusable_password()
    fiona.save()
    client = as_("fiona")

    page = client.get(reverse("account_change_password"), follow=True)
    assert "Set a password" in keeps_the_rules(page)
    short = client.post(reverse("account_set_password"), {"password1": "a", "password2": "a"})
    assert "id_password1_error" in keeps_the_rules(short)
    client.post(reverse("account_set_password"), {"password1": FRESH, "password2": FRESH})

    fiona.refresh_from_db()
    assert fiona.check_password(FRESH)


def test_a_new_address_counts_when_its_link_is_opened(
    fiona: User, as_: As, mailoutbox: list[EmailMessage]
) -> None:
    client = as_("fiona")
    client.post(reverse("account_email"), {"email": "new@example.com", "action_add": ""})
    (mail,) = mailoutbox
    assert "Is this your address?" in mail.subject
    assert "fiona wants alerts" in mail.body

    asked = client.get(link_in(mail), follow=True)
    assert "new@example.com" in keeps_the_rules(asked)
    assert User.objects.get(pk=fiona.pk).email == "fiona@example.com"
    done = client.post(link_in(mail), follow=True)

    assert User.objects.get(pk=fiona.pk).email == "new@example.com"
    assert "counts from now on" in done.content.decode()
    keeps_the_rules(client.get("/accounts/confirm-email/no-such-key/"))


def test_every_address_of_the_packages_is_looked_at() -> None:
    """Fails when an update brings an address that the list above cannot reach by itself."""
    keyed = {
        name
        for name, (found, *_) in get_resolver().reverse_dict.items()
        if isinstance(name, str)
        and name.startswith(("account_", "mfa_"))
        and any(params for _, params in found)
    }

    assert keyed == {"account_confirm_email", "account_reset_password_from_key"}
