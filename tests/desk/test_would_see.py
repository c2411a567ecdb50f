"""What would Mina see? A person's page says it from the policy, and it is what they do see."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrator import policy
from integrator.desk import palette
from integrator.desk.would_see import would_see
from integrator.flows import CASE_KINDS
from integrator.roles import Role

As = Callable[[str], Client]
NAMES = {
    "carla": "CX",
    "omar": "OPERATIONS",
    "clara": "CONTROLLER",
    "ada": "ADMIN",
    "otto": "AUDITOR",
}


@pytest.mark.parametrize(("name", "role"), NAMES.items())
def test_it_names_the_pages_that_open_and_no_other(name: str, role: str, as_: As) -> None:
    client = as_(name)
    listed = {one.href for one in palette.pages_of(frozenset({role}))}

    for page in palette.pages_of(frozenset(Role.values)):
        opens = client.get(page.href, follow=True).status_code == 200
        if page.href in listed:
            assert opens, page
        elif "/queue/" not in page.href:
            assert not opens or page.href == "/off-sale/", page


@pytest.mark.parametrize("role", Role.values)
def test_its_buttons_are_those_that_the_policy_lets_a_role_press(role: str) -> None:
    pressed = sum(
        policy.may_act(kind, action, frozenset({role}))
        for kind in CASE_KINDS.values()
        for action in kind.actions
    )

    seen = would_see(frozenset({role}))

    assert sum(kinds for _, kinds in seen.buttons) == pressed
    own = {"queue.see": f"See the queue of {'every' if seen.looks else 'their own'} team"}
    says = {**policy.SAYS, **own}
    assert seen.rights == [says[verb] for verb in policy.VERBS if role in policy.VERBS[verb]]


def test_a_persons_page_says_it_in_words(people: dict[str, User], as_: As) -> None:
    page = as_("ada").get(f"/people/{people['carla'].pk}/").content.decode()
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())

    assert "What Carla sees and may do" in words
    assert "Own queues Customer service Other queues none" in words
    assert "Ask for goodwill" in words
    assert "See the queue of their own team" in words
    assert "every team's" not in words, "it is about this person"
    assert re.search(r"It belongs to this order in \d+ kind", words)


def test_who_left_or_has_no_role_sees_nothing(people: dict[str, User], as_: As) -> None:
    User.objects.filter(username="carla").update(is_active=False)
    for name in ("carla", "nobody"):
        page = as_("ada").get(f"/people/{people[name].pk}/").content.decode()
        assert "Nothing: without a role no page opens." in page
