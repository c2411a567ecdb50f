"""The page that says who may do what: it is the policy itself, in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

from django.contrib.auth.models import Group, User
from django.test import Client

from integrator import policy
from integrator.roles import Role
from tests.desk import factories


def read(client: Client) -> str:
    html = client.get("/people/").content.decode()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_every_right_is_said_in_words_and_shown_for_every_role(
    as_: Callable[[str], Client],
) -> None:
    shown = read(as_("otto"))
    assert list(policy.SAYS) == list(policy.VERBS)
    for verb, holders in policy.VERBS.items():
        marks = ["yes" if role.value in holders else "no" for role in Role]
        assert f"{policy.SAYS[verb]} {' '.join(marks)}" in shown


def test_people_are_listed_with_their_roles_and_what_is_odd_about_them(
    people: dict[str, User], as_: Callable[[str], Client], at: datetime
) -> None:
    carla, frank = people["carla"], people["frank"]
    User.objects.filter(pk=carla.pk).update(last_login=at - timedelta(days=61))
    User.objects.filter(pk=frank.pk).update(is_active=False)
    clashing = factories.person("pat", "FINANCE")
    clashing.groups.add(Group.objects.get_or_create(name="CONTROLLER")[0])

    shown = read(as_("otto"))

    assert "Carla Customer service not here for 61 days" in shown
    assert "Frank Finance has left" in shown
    assert "Nobody none has no role yet" in shown
    assert "Pat must not hold both Finance and Controller" in shown
    assert "An integration admin asks for roles." in shown


def test_only_who_may_change_people_gets_the_forms(
    people: dict[str, User], as_: Callable[[str], Client]
) -> None:
    address = f"/people/{people['carla'].pk}/"
    assert f"{address}ask/" in as_("ada").get(address).content.decode()
    assert f"{address}ask/" not in as_("fiona").get(address).content.decode()
