"""The retailer's file sets up who is told of cases, and says what is wrong with it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from integrator import configuration
from integrator.models import AlertReceiver
from integrator.retailer_file import UnableToConfigure
from integrator.roles import Role
from tests.flows.receivers import ADDRESS, REFUSED, SECRET
from tests.house import DEMO
from tests.story import Stage


def entry(**values: Any) -> dict[str, Any]:
    return {
        "slug": "finance",
        "name": "Finance channel",
        "role": "finance",
        "kinds": "all",
        "address": ADDRESS,
        "secret": "FINANCE_CHANNEL_SECRET",
        **values,
    }


@pytest.fixture
def file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FINANCE_CHANNEL_SECRET", SECRET)

    def apply(*entries: dict[str, Any]) -> list[str]:
        content = tomllib.loads(DEMO.read_text()) | {"alert_receiver": list(entries)}
        return configuration.apply(content, trace=stage.trace("configure"))

    return apply


def test_the_file_sets_receivers_up_once_and_takes_them_away(file: Any) -> None:
    assert file(entry(kinds=[REFUSED])) == [
        "alert receiver finance: added",
        "alert receiver finance: secret set",
    ]
    assert file(entry(kinds=[REFUSED])) == []

    row = AlertReceiver.objects.get()
    assert (row.role, row.kinds, row.is_on) == (Role.FINANCE, [REFUSED], True)
    assert SECRET.encode() not in bytes(row.secrets)

    assert file() == ["alert receiver finance: is_on True → False"]
    assert file(entry()) == [
        f"alert receiver finance: kinds ['{REFUSED}'] → []",
        "alert receiver finance: is_on False → True",
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"role": "boss"}, "role must be one of"),
        ({"kinds": []}, "kinds is missing|kinds must be"),
        ({"kinds": "some"}, "kinds must be"),
        ({"kinds": ["REFUND_LOST"]}, "REFUND_LOST"),
        ({"kinds": [{}]}, "no kind of case"),
        ({"address": "ftp://chat.example/"}, "https"),
        ({"address": "https://me:secret@chat.example/"}, "without a password"),
        ({"address": "https:///finance"}, "https address"),
        ({"private_network": "yes"}, "true or false"),
        ({"secret": "NO_SUCH_VARIABLE"}, "no variable NO_SUCH_VARIABLE"),
        ({"secret": "SCAYLE_ACCESS_TOKEN"}, "whsec_"),
    ],
)
def test_a_faulty_receiver_is_refused_in_words(
    file: Any, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnableToConfigure, match=said):
        file(entry(**values))
    assert not AlertReceiver.objects.exists()


def test_outside_of_a_demo_only_encrypted_addresses_are_taken(file: Any, settings: Any) -> None:
    assert file(entry(address="http://chat.example/"))  # a demo talks to this machine
    settings.DEMO = False

    with pytest.raises(UnableToConfigure, match="https://"):
        configuration._address("http://chat.example/", "alert_receiver[0]")


def test_two_receivers_need_two_names(file: Any) -> None:
    with pytest.raises(UnableToConfigure, match="two receivers called finance"):
        file(entry(), entry())
