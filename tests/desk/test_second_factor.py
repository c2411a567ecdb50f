"""A second factor that a role asks for: nothing opens before it is set up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client

from integrator import checks
from integrator.desk.auth import SECOND_FACTOR_FIRST

SET_UP = "/accounts/2fa/totp/activate/"
As = Callable[[str], Client]


@pytest.fixture
def required(settings: Any) -> None:
    settings.MFA_ROLES = ["ADMIN"]


@pytest.mark.parametrize("path", ["/", "/people/", "/cases/", "/admin/", "/admin/auth/user/"])
def test_who_needs_one_is_led_to_it_and_nowhere_else(path: str, required: None, as_: As) -> None:
    ada = as_("ada")
    answer = ada.get(path, follow=True)

    assert SET_UP in [url for url, _ in answer.redirect_chain]


def test_nothing_is_written_before_it_is_there(
    required: None, people: dict[str, User], as_: As
) -> None:
    answer = as_("ada").post(f"/people/{people['carla'].pk}/leave/", {"do": "leave"})

    assert (answer.status_code, answer["Location"]) == (302, SET_UP)
    assert User.objects.get(username="carla").is_active


def test_the_page_that_sets_it_up_says_why(required: None, as_: As) -> None:
    assert SECOND_FACTOR_FIRST in as_("ada").get("/people/", follow=True).content.decode()


def test_with_it_everything_opens(required: None, people: dict[str, User], as_: As) -> None:
    Authenticator.objects.create(user=people["ada"], type="totp", data={"secret": "x"})

    assert as_("ada").get("/people/").status_code == 200
    assert as_("ada").get("/admin/").status_code == 200


def test_other_roles_go_on_without(required: None, as_: As) -> None:
    assert as_("carla").get("/people/").status_code == 200
    assert as_("nobody").get("/people/").status_code == 403


def test_nobody_needs_one_where_no_role_is_named(as_: As) -> None:
    assert as_("ada").get("/people/").status_code == 200


def test_a_word_that_is_no_role_stops_the_start(settings: Any) -> None:
    settings.MFA_ROLES = ["ADMIN", "BOSS"]

    (error,) = checks.roles_with_a_second_factor_exist(None)

    assert error.id == "integrator.E002"
    assert "'boss'" in error.msg
