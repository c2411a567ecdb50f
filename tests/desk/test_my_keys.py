"""A person's own keys: on the buttons, in the hints, in the help; and what Control+K offers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from integrator.desk import keys
from integrator.desk.keys import COMMANDS, USUAL
from integrator.models import KeyChoice
from tests.desk import factories

As = Callable[[str], Client]
FORM = {"on": "1", **USUAL.of}


def read(answer: Any) -> str:
    return unescape(answer.content.decode())


def told(page: str) -> Any:
    """What the script is told of the person's keys."""
    (found,) = re.findall(r'<body data-keys="([^"]*)"', page.replace("&quot;", "'"))
    return found if found == "off" else json.loads(found.replace("'", '"'))


def own_keys(person: User) -> keys.Keys:
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=person.pk)
    return keys.keys_of(request)


def test_everybody_begins_with_the_usual_keys(at: datetime, as_: As) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)
    page = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    assert told(page) == {one.name: one.usual for one in COMMANDS}
    assert 'data-key="a" aria-keyshortcuts="a"' in page
    assert "<kbd>a</kbd>" in page


def test_a_changed_key_is_on_the_button_in_the_hint_and_in_the_help(
    at: datetime, people: dict[str, User], as_: As
) -> None:
    case, fiona = factories.case("SYSTEMS_DIFFER", at), as_("fiona")
    answer = fiona.post("/my-keys/save/", FORM | {"take": "T", "person": people["frank"].pk})
    assert (answer.status_code, answer["Location"]) == (302, "/my-keys/")

    page = read(fiona.get(f"/cases/{case.pk}/"))
    assert 'data-key="t" aria-keyshortcuts="t"' in page
    assert 'data-key="a"' not in page
    assert "<kbd>t</kbd>" in page
    assert "<dt><kbd>t</kbd></dt><dd>Take a case" in read(fiona.get("/shortcuts/"))
    frank = read(as_("frank").get(f"/cases/{case.pk}/"))
    assert 'data-key="a"' in frank, "nobody changes another's"


def test_switched_off_no_single_key_is_left_and_the_others_are(at: datetime, as_: As) -> None:
    """WCAG 2.1.4."""
    case, fiona = factories.case("SYSTEMS_DIFFER", at), as_("fiona")
    fiona.post("/my-keys/save/", FORM | {"on": "0"})

    page = read(fiona.get(f"/cases/{case.pk}/?do=note"))

    assert told(page) == "off"
    assert re.findall(r'aria-keyshortcuts="([^"]+)"', page) == ["Control+Enter"]
    assert re.findall(r'data-key="([^"]+)"', page) == ["Escape"]
    assert set(re.findall(r"<kbd>(.*?)</kbd>", page)) == {"Ctrl K", "Ctrl ↵", "Esc"}
    help_ = read(fiona.get("/shortcuts/"))
    assert "You switched single keys off" in help_
    assert "<kbd>j</kbd>" not in help_
    assert 'class="pair"' not in help_


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"take": "c"}, "“Take a case, or give it back” has the key c too"),
        ({"take": ""}, "Write a letter or a sign"),
        ({"take": "ab"}, "one letter or sign only"),
        ({"take": "\x00"}, "one letter or sign only"),
        ({"take": "\N{IDEOGRAPHIC SPACE}"}, "Write a letter or a sign"),
        ({"take": "1"}, "The key 1 is taken"),
        ({"take": "+"}, "The key + is taken"),
        ({"take": "\N{SUPERSCRIPT TWO}"}, "is taken"),
    ],
)
def test_what_cannot_be_a_key_is_said_and_nothing_is_kept(
    as_: As, changed: dict[str, str], says: str
) -> None:
    answer = as_("fiona").post("/my-keys/save/", FORM | changed | {"snooze": "z"})

    assert answer.status_code == 422
    assert says in read(answer)
    assert 'value="z"' in read(answer), "what was typed is still there"
    assert 'aria-invalid="true"' in read(answer)
    assert not KeyChoice.objects.exists()


def test_two_keys_are_swapped_in_one_go_and_all_are_given_back(as_: As, people: Any) -> None:
    fiona = as_("fiona")
    fiona.post("/my-keys/save/", FORM | {"take": "h", "snooze": "a"})
    assert own_keys(people["fiona"]).of["take"] == "h"

    fiona.post("/my-keys/save/", {"do": "usual"})

    assert own_keys(people["fiona"]) == USUAL


def test_a_command_newer_than_the_choice_never_takes_a_chosen_key(people: Any) -> None:
    older = {name: key for name, key in USUAL.of.items() if name != "comment"}
    KeyChoice.objects.create(person=people["fiona"], keys=older | {"take": "c", "gone": "q"})

    own = own_keys(people["fiona"])

    assert "comment" not in own.of
    assert own.of["take"] == "c"
    assert "gone" not in own.of


@pytest.mark.parametrize("name", ["carla", "omar", "fiona", "clara", "ada", "otto"])
def test_every_page_that_is_offered_opens(name: str, as_: As) -> None:
    client = as_(name)
    offered = re.findall(r'data-href="([^"]+)"', read(client.get("/shortcuts/")))

    assert len(offered) > 12
    assert len(set(offered)) == len(offered)
    for href in offered:
        assert client.get(href, follow=True).status_code == 200, href


def test_only_what_somebody_may_open_is_offered(as_: As) -> None:
    assert 'data-href="/audit/"' in read(as_("ada").get("/shortcuts/"))
    assert 'data-href="/audit/"' not in read(as_("carla").get("/shortcuts/"))
    assert "Queue of Finance" in read(as_("otto").get("/shortcuts/"))
    assert "Queue of Finance" not in read(as_("carla").get("/shortcuts/"))


def test_the_navigation_carries_the_letters_of_the_pairs(as_: As) -> None:
    page = read(as_("ada").get("/"))
    pairs = dict(re.findall(r'href="([^"]+)" data-go="(.)"', page))

    assert pairs["/orders/"] == "o"
    assert pairs["/connections/"] == "c"
    assert len(set(pairs.values())) == len(pairs)
