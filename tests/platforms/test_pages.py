"""Where people open a record in a platform: what may stand in a connection's settings."""

from __future__ import annotations

import pytest

from integrator.platforms import PLATFORMS, pages
from integrator.platforms.pages import UnableToOpen

KINDS = ("order", "customer")
PANEL = "https://demo.panel.example/orders/{id}"


def check(value: object, *, demo: bool = False) -> dict[str, str]:
    return pages.check(value, KINDS, demo=demo, where="connection[0].pages")


def test_each_kind_of_record_has_an_address_of_its_own() -> None:
    named = {
        "start": "https://demo.panel.example/",
        "order": PANEL,
        "customer": "https://Demo.Panel.example/#/customers?number={id}",
    }

    assert check(named) == named


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("https://demo.panel.example/{id}", "connection[0].pages must hold an address"),
        ({"parcel": PANEL}, "connection[0].pages.parcel is not known here"),
        ({"order": 7}, "connection[0].pages.order must be an address in quotes"),
        ({"order": "http://demo.panel.example/{id}"}, "order must start with https://"),
        ({"order": "http://127.0.0.1:8100/{id}"}, "order must start with https://"),
        ({"order": "javascript:alert({id})"}, "order must start with https://"),
        ({"order": "//demo.panel.example/{id}"}, "order must start with https://"),
        ({"order": "https:///{id}"}, "order must be an address without"),
        ({"order": "https://me:secret@panel.example/{id}"}, "without a password"),
        ({"order": "https://panel.example/{id} x"}, "without blanks"),
        ({"order": 'https://panel.example/{id}"onclick='}, "without blanks"),
        ({"order": "https://panel.example\\@evil.example/{id}"}, "order must be an address"),
        ({"order": "https://[panel/{id}"}, "order must be an address"),
        ({"order": "https://panel.example:port/{id}"}, "order must be an address"),
        ({"order": "https://{id}.panel.example/"}, "order must name its host"),
        ({"order": "https://panel.example/orders"}, "order must hold {id} once"),
        ({"order": "https://panel.example/{id}/{id}"}, "order must hold {id} once"),
        ({"order": "https://panel.example/{id}/{shop}"}, "order must hold {id} once"),
        ({"start": "https://panel.example/{id}"}, "start must hold no {id}"),
        (
            {"order": PANEL, "customer": "https://other.example/{id}"},
            "customer must be on demo.panel.example, as order is",
        ),
    ],
)
def test_a_wrong_address_is_refused_by_the_name_of_its_field(named: object, said: str) -> None:
    with pytest.raises(UnableToOpen) as error:
        check(named)

    assert said in str(error.value)


def test_only_the_demo_may_stay_on_this_machine_and_nowhere_else() -> None:
    here = {"order": "http://127.0.0.1:8100/{id}"}

    assert check(here, demo=True) == here
    with pytest.raises(UnableToOpen, match="https"):
        check({"order": "http://127.0.0.1.evil.example/{id}"}, demo=True)


@pytest.mark.parametrize(
    ("number", "path"),
    [
        ("70001", "70001"),
        ("RMA/1", "RMA%2F1"),
        ("../../logout", "..%2F..%2Flogout"),
        ("1?next=//evil.example#x", "1%3Fnext%3D%2F%2Fevil.example%23x"),
    ],
)
def test_a_number_stays_one_part_of_the_address(number: str, path: str) -> None:
    assert pages.address(PANEL, number) == f"https://demo.panel.example/orders/{path}"


def test_what_is_stored_and_may_not_be_used_opens_nothing() -> None:
    assert pages.of({"pages": {"order": PANEL}}, KINDS, demo=False) == {"order": PANEL}
    assert pages.of({"pages": {"order": "javascript:{id}"}}, KINDS, demo=False) == {}
    assert pages.of({"pages": None}, KINDS, demo=False) == {}
    assert pages.of({}, KINDS, demo=False) == {}


def test_every_platform_says_which_records_it_has_screens_of() -> None:
    assert all(one.pages and pages.START not in one.pages for one in PLATFORMS.values())
