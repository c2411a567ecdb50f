"""``retailer.toml`` against what is there: what may change, and what it mends."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from cryptography.fernet import Fernet

from integrator import configuration
from integrator.configuration import UnableToConfigure
from integrator.engine import secrets
from integrator.models import Connection, Retailer
from integrator.platforms import PLATFORMS
from tests.factories import TRACE
from tests.house import DEMO


@pytest.fixture
def content(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("SCAYLE_ACCESS_TOKEN", "one")
    monkeypatch.setenv("RETURNGO_API_KEY", "two")
    read = tomllib.loads(DEMO.read_text())
    configuration.apply(read, trace=TRACE)
    return read


def test_credentials_no_key_opens_are_set_anew(content: dict[str, Any], settings: Any) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]

    said = configuration.apply(content, trace=TRACE)

    assert "connection scayle: credentials access_token set" in said
    assert secrets.read(Connection.objects.get(slug="scayle")) == {"access_token": "one"}


def test_a_currency_amounts_are_kept_in_cannot_be_changed(content: dict[str, Any]) -> None:
    content["retailer"]["currency"] = "JPY"

    with pytest.raises(UnableToConfigure, match="EUR and cannot be changed"):
        configuration.apply(content, trace=TRACE)
    assert Retailer.objects.get().currency == "EUR"


def test_a_currency_nobody_knows_is_refused(content: dict[str, Any]) -> None:
    content["retailer"] |= {"slug": "another", "currency": "EURO"}

    with pytest.raises(UnableToConfigure, match="EURO"):
        configuration.apply(content, trace=TRACE)


def test_addresses_of_a_platforms_own_pages_are_kept_with_its_settings(
    content: dict[str, Any],
) -> None:
    kept = Connection.objects.get(slug="scayle").settings
    assert kept["shop_key"] == "nb"
    assert kept["pages"]["order"].endswith("/_page/scayle/order/{id}")
    assert "{SANDBOX_PORT}" not in kept["pages"]["order"]
    assert configuration.apply(content, trace=TRACE) == [], "the second time nothing changes"

    content["connection"][0]["pages"] = {"order": "https://panel.example/{id}"}
    said = configuration.apply(content, trace=TRACE)

    assert [line for line in said if line.startswith("connection scayle: settings")]
    kept = Connection.objects.get(slug="scayle").settings
    assert kept["pages"] == {"order": "https://panel.example/{id}"}


@pytest.mark.parametrize(
    ("within", "name", "said"),
    [
        (
            "settings",
            "screen_url",
            r"settings\.screen_url is not known here: it is pages\.start now",
        ),
        ("settings", "return_url", r"settings\.return_url is not known here: it is pages\.rma now"),
        ("settings", "shopkey", r"settings\.shopkey is not known here: did you mean shop_key\?"),
        ("settings", "write_return_item", r"did you mean write_return_items\?"),
        ("settings", "access_token", r"settings\.access_token is not known here"),
        ("settings", "zzz", r"zzz is not known here: write one of shop_key, country_code, .*pages"),
        ("secrets", "acces_token", r"secrets\.acces_token .* did you mean access_token\?"),
        ("", "setting", r"\.setting is not known here: did you mean settings\?"),
    ],
)
def test_a_name_that_nothing_reads_is_refused_with_the_one_that_is_meant(
    within: str, name: str, said: str, content: dict[str, Any]
) -> None:
    before = Connection.objects.get(slug="scayle").settings
    table = content["connection"][0]
    (table[within] if within else table)[name] = "https://panel.example/"

    with pytest.raises(UnableToConfigure, match=rf"^connection\[0\].*{said}"):
        configuration.apply(content, trace=TRACE)
    assert Connection.objects.get(slug="scayle").settings == before


def test_switches_of_writes_and_every_setting_of_a_contract_are_known(
    content: dict[str, Any],
) -> None:
    for table in content["connection"]:
        contract = PLATFORMS[table["platform"]].contract
        names = [name for name, one in contract.settings.items() if not one.secret]
        switches = {f"write_{name}": "on" for name in contract.writes}
        table["settings"] = dict.fromkeys(names, "1") | switches

    configuration.apply(content, trace=TRACE)

    assert Connection.objects.get(slug="scayle").settings["write_return_items"] == "on"


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ({"order": "https://panel.example/"}, r"connection\[0\]\.pages\.order must hold {id} once"),
        ({"rma": "https://panel.example/{id}"}, r"connection\[0\]\.pages\.rma is not known here"),
        ("https://panel.example/{id}", r"connection\[0\]\.pages must hold an address for each"),
    ],
)
def test_a_wrong_address_is_refused_by_the_name_of_its_field(
    pages: object, said: str, content: dict[str, Any]
) -> None:
    before = Connection.objects.get(slug="scayle").settings
    content["connection"][0]["pages"] = pages

    with pytest.raises(UnableToConfigure, match=said):
        configuration.apply(content, trace=TRACE)
    assert Connection.objects.get(slug="scayle").settings == before
