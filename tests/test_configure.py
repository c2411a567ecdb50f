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
from tests.factories import TRACE
from tests.story import DEMO


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
