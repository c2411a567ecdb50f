"""``retailer.toml`` against what is there: what may change, and what it mends."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import transaction

from fulfilment.models import Location
from integrator import configuration
from integrator.engine import secrets
from integrator.engine.choices import CHOICES
from integrator.models import Connection, PolicyVersion, Retailer
from integrator.platforms import PLATFORMS
from integrator.retailer_file import UnableToConfigure
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


@pytest.mark.parametrize(
    ("place", "name", "said"),
    [
        ([], "locations", r"locations is not known here: did you mean location\?"),
        (["retailer"], "time_zone", r"retailer\.time_zone .* did you mean timezone\?"),
        (["policy"], "shiping_refund", r"policy\.shiping_refund .* did you mean shipping_refund\?"),
        (["location", 0], "autority", r"location\[0\]\.autority .* did you mean authority\?"),
        (["mapping", 1], "their", r"mapping\[1\]\.their .* did you mean theirs\?"),
        (["alert_receiver", 0], "kind", r"alert_receiver\[0\]\.kind .* did you mean kinds\?"),
        (
            ["connection", 0, "lag_budget_minutes"],
            "orders",
            r"connection\[0\]\.lag_budget_minutes\.orders .* did you mean order\?",
        ),
        (["policy", "goodwill_limit_minor"], "EURO", r"goodwill_limit_minor\.EURO is no currency"),
    ],
)
def test_a_slip_anywhere_in_the_file_is_refused_and_nothing_of_it_is_done(
    place: list[str | int], name: str, said: str, content: dict[str, Any]
) -> None:
    content.setdefault("alert_receiver", [{}] if "alert_receiver" in place else [])
    content["retailer"]["name"] = "Another name"
    table: Any = content
    for step in place:
        table = table[step]
    table[name] = 5

    with pytest.raises(UnableToConfigure, match=said):
        configuration.apply(content, trace=TRACE)
    assert Retailer.objects.get().name == "Demo Sport"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("location", {"code": "hamburg"}, r"location must be a list of tables: write \[\[location"),
        ("policy", [{}], r"policy must be a table: write \[policy\]"),
        ("retailer", "demo-sport", r"retailer must be a table: write \[retailer\]"),
        ("mapping", ["WH-1"], r"mapping must be a list of tables"),
    ],
)
def test_a_table_written_in_another_shape_is_refused_in_words(
    name: str, value: Any, said: str, content: dict[str, Any]
) -> None:
    content[name] = value

    with pytest.raises(UnableToConfigure, match=said):
        configuration.apply(content, trace=TRACE)


@pytest.mark.parametrize("within", ["settings", "secrets", "lag_budget_minutes"])
def test_what_a_connection_holds_is_a_table_too(within: str, content: dict[str, Any]) -> None:
    content["connection"][1][within] = "nb"

    with pytest.raises(UnableToConfigure, match=rf"connection\[1\]\.{within} must be a table"):
        configuration.apply(content, trace=TRACE)


def meaning(kind: str, ours: str) -> dict[str, str]:
    return {"connection": "returngo", "kind": kind, "theirs": "X", "ours": ours}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mapping": [meaning("location", "hamburgg")]}, r"mapping\[0\]\.ours: no location .*gg"),
        ({"mapping": [meaning("resolution", "REFUNDS")]}, r"mapping\[0\]\.ours must be .*REFUND,"),
        ({"mapping": [meaning("method", "UNKNOWN")]}, r"mapping\[0\]\.ours must be one of SHIPPED"),
        ({"policy": {"exchange_location": "hamburgg"}}, r"policy\.exchange_location: no location"),
        ({"policy": {"in_transit_location": "way"}}, r"policy\.in_transit_location: no location"),
    ],
)
def test_what_a_word_or_choice_means_must_exist(
    changed: dict[str, Any], said: str, content: dict[str, Any]
) -> None:
    with pytest.raises(UnableToConfigure, match=said):
        configuration.apply(content | changed, trace=TRACE)


@pytest.mark.parametrize("zone", ["Europe/Berln", "../Berlin", "Europe"])
def test_a_time_zone_nobody_knows_is_refused(zone: str, content: dict[str, Any]) -> None:
    content["retailer"]["timezone"] = zone

    with pytest.raises(UnableToConfigure, match="no time zone: write one as Europe/Berlin"):
        configuration.apply(content, trace=TRACE)


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
    ("name", "value", "said"),
    [
        ("daily_call_limit", None, r"daily_call_limit is missing: Calls a day ReturnGO allows"),
        ("daily_call_limit", "many", r"daily_call_limit must be a whole number of calls"),
        (
            "reread_done_days",
            1_000_000,
            r"reread_done_days must be a whole number of days",
        ),
        ("shop_name", 7, r"shop_name must be text"),
        ("write_comment", "maybe", r"write_comment must be on or off"),
    ],
)
def test_a_setting_that_would_stop_a_platforms_work_is_refused(
    name: str, value: object, said: str, content: dict[str, Any]
) -> None:
    """Without its daily calls nothing that is heard of ReturnGO could be routed any more."""
    before = Connection.objects.get(slug="returngo").settings
    content["connection"][1]["settings"][name] = value

    with pytest.raises(UnableToConfigure, match=rf"^connection\[1\]\.settings\.{said}"):
        configuration.apply(content, trace=TRACE)
    assert Connection.objects.get(slug="returngo").settings == before


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


WRONG = (5, "", "x" * 5000, [], {}, True, None, -1, "a\x00b", 10**30, 1.5, [5], {"a": 5})


def places(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a file, tables and lists among them."""
    if way:
        yield way
    several = enumerate(node) if isinstance(node, list) else ()
    inner = node.items() if isinstance(node, dict) else several
    for name, value in inner:
        yield from places(value, (*way, name))


def test_whatever_stands_in_a_file_is_taken_or_refused_in_words(content: dict[str, Any]) -> None:
    """Never a traceback, and never half a file."""
    content["policy"] = deepcopy(dict(CHOICES)) | content["policy"]
    before = state()
    for way in places(content):
        for wrong in WRONG:
            told = deepcopy(content)
            table: Any = told
            for name in way[:-1]:
                table = table[name]
            table[way[-1]] = wrong
            with transaction.atomic():
                try:
                    configuration.apply(told, trace=TRACE)
                except UnableToConfigure:
                    assert state() == before, way
                transaction.set_rollback(True)


def state() -> list[list[dict[str, Any]]]:
    """What a file sets up, as it stands."""
    kept = (Retailer, Connection, Location, PolicyVersion)
    return [list(model._default_manager.order_by("pk").values()) for model in kept]


def test_the_doctor_names_a_setting_that_is_kept_and_cannot_be(
    content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    Connection.objects.update(settings={})

    with pytest.raises(CommandError):
        call_command("doctor")
    said = "".join(capsys.readouterr())
    assert "ReturnGO: the setting shop_name is missing" in said
    assert "SCAYLE: the setting shop_key is missing" in said


@pytest.mark.parametrize(
    ("way", "wrong", "said"),
    [
        (("retailer", "timezone"), 5, r"^retailer\.timezone must be text$"),
        (
            ("location", 0, "code"),
            "x" * 51,
            r"^location\[0\]\.code may have at most 50",
        ),
        (("connection", 0, "base_url"), [], r"^connection\[0\]\.base_url must be text$"),
        (("connection", 0, "name"), "a\x00b", r"^connection\[0\]\.name holds a sign"),
        (("connection", 1, "secrets", "api_key"), 5, r"^connection\[1\]\.secrets\.api_key must"),
        (("mapping", 0, "connection"), {}, r"^mapping\[0\]\.connection must be text$"),
        (
            ("policy", "settling_minutes"),
            "soon",
            r"^policy\.settling_minutes must be a whole",
        ),
        (
            ("policy", "stage_hours"),
            {"RECEIVED": 10**30},
            r"^policy\.stage_hours\.RECEIVED must be",
        ),
        (("policy", "exchange_hours", "draft"), 1e300, r"^policy\.exchange_hours\.draft must be"),
        (("policy", "refund_evidence"), 5, r"^policy\.refund_evidence must state SHIPPED, KEPT$"),
    ],
)
def test_what_is_wrong_is_said_by_its_place(
    way: tuple[Any, ...], wrong: object, said: str, content: dict[str, Any]
) -> None:
    content["policy"] = deepcopy(dict(CHOICES)) | content["policy"]
    table: Any = content
    for name in way[:-1]:
        table = table[name]
    table[way[-1]] = wrong

    with pytest.raises(UnableToConfigure, match=said):
        configuration.apply(content, trace=TRACE)
