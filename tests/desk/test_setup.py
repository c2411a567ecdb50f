"""The set-up site: configuration and people only, and no pair of roles that acts alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrator import policy
from integrator.admin import site
from integrator.models import Connection, Mapping
from tests.desk import factories

REGISTERED = {
    "integrator.Retailer",
    "integrator.Connection",
    "integrator.PolicyVersion",
    "integrator.Mapping",
    "fulfilment.Location",
    "auth.User",
}


def test_only_configuration_and_people_can_be_set_up() -> None:
    """No business record, no task queue, no second way around the desk."""
    assert {model._meta.label for model in site._registry} == REGISTERED


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    return {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": "",
        "email": "",
        "is_active": "on",
        **changes,
    }


def test_an_admin_gives_and_takes_roles(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    nobody = people["nobody"]
    address = f"/admin/auth/user/{nobody.pk}/change/"
    ada = as_("ada")

    ada.post(address, form_of(nobody, roles=["CX", "OPERATIONS"]))
    assert policy.roles_of(User.objects.get(pk=nobody.pk)) == {"CX", "OPERATIONS"}

    ada.post(address, form_of(nobody, roles=["CX"]))
    assert policy.roles_of(User.objects.get(pk=nobody.pk)) == {"CX"}


@pytest.mark.parametrize("pair", sorted(tuple(sorted(pair)) for pair in policy.TOXIC))
def test_who_asks_for_money_cannot_be_made_the_one_who_agrees(
    pair: tuple[str, ...], people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    nobody = people["nobody"]

    response = as_("ada").post(
        f"/admin/auth/user/{nobody.pk}/change/", form_of(nobody, roles=list(pair))
    )

    assert "who asks for money must not agree to it" in response.content.decode()
    assert policy.roles_of(User.objects.get(pk=nobody.pk)) == frozenset()


def test_flags_that_grant_nothing_cannot_be_set(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    nobody = people["nobody"]

    as_("ada").post(
        f"/admin/auth/user/{nobody.pk}/change/",
        form_of(nobody, is_superuser="on", is_staff="on"),
    )

    nobody.refresh_from_db()
    assert not nobody.is_superuser
    assert not nobody.is_staff


def test_a_password_is_never_shown_not_even_as_its_hash(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    fiona = people["fiona"]

    html = as_("ada").get(f"/admin/auth/user/{fiona.pk}/change/").content.decode()

    assert fiona.password not in html


@pytest.mark.parametrize("name", ["carla", "omar", "fiona", "clara", "otto"])
def test_other_roles_are_told_that_this_is_not_theirs(
    name: str, as_: Callable[[str], Client], scayle: Connection
) -> None:
    client = as_(name)

    for path in ("/admin/", "/admin/auth/user/", "/admin/integrator/connection/"):
        assert client.get(path, follow=True).status_code == 403, path


def test_a_changed_address_raises_the_version_that_caches_watch(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    Connection.objects.filter(pk=scayle.pk).update(secrets=b"kept")

    as_("ada").post(
        f"/admin/integrator/connection/{scayle.pk}/change/",
        {"name": "SCAYLE EU", "base_url": "http://127.0.0.1:8101/", "settings": "{}"},
    )

    scayle.refresh_from_db()
    assert (scayle.name, scayle.version) == ("SCAYLE EU", 2)
    assert bytes(scayle.secrets) == b"kept"


def test_history_cannot_be_edited_or_deleted_here(
    scayle: Connection, at: Any, as_: Callable[[str], Client]
) -> None:
    mapping = Mapping.objects.create(
        connection=scayle,
        kind="LOCATION",
        theirs="HH-2",
        ours="altona",
        version=1,
        made_by="omar",
        made_at=at,
    )
    ada = as_("ada")
    factories.location()

    assert ada.get("/admin/integrator/mapping/").status_code == 200
    assert ada.get("/admin/integrator/mapping/add/").status_code == 403
    assert ada.post(f"/admin/integrator/mapping/{mapping.pk}/delete/").status_code == 403
    ada.post(f"/admin/integrator/mapping/{mapping.pk}/change/", {"ours": "mars"})
    mapping.refresh_from_db()
    assert mapping.ours == "altona"
    assert ada.post(f"/admin/integrator/connection/{scayle.pk}/delete/").status_code == 403
