"""A contract file is checked when it is loaded, and its switches hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from integrator.engine.errors import Misconfigured
from integrator.platforms.contract import Contract, Source, WrongSetting, load

GOOD = """
[reads]
thing = { value = "/things/{thing}", source = "documented" }
[writes.change]
call = { value = "PUT /things/{thing}", source = "documented" }
body = { value = "status", source = "assumed" }
enabled = { value = true, source = "documented" }
repeat_harmless = { value = false, source = "assumed" }
settle_minutes = { value = 5, source = "assumed" }
lookups_needed = { value = 2, source = "assumed" }
[writes.dare]
call = { value = "POST /dares", source = "assumed" }
body = { value = "dare", source = "assumed" }
enabled = { value = false, source = "assumed" }
repeat_harmless = { value = false, source = "assumed" }
settle_minutes = { value = 5, source = "assumed" }
lookups_needed = { value = 2, source = "assumed" }
[enums.state]
on = { value = "LIVE", source = "documented" }
open = { value = "LIVE", source = "assumed" }
"""


def contract(tmp_path: Path, text: str = GOOD) -> Contract:
    path = tmp_path / "contract.toml"
    path.write_text(text, "utf-8")
    return load("acme", "Acme", path)


def test_paths_are_filled_with_escaped_parts(tmp_path: Path) -> None:
    acme = contract(tmp_path)
    assert acme.read("thing", thing="a/b?c") == "/things/a%2Fb%3Fc"
    assert acme.write("change", {}).path(thing="key=ä") == "/things/key%3D%C3%A4"


def test_a_write_is_as_sure_as_its_weakest_part(tmp_path: Path) -> None:
    assert contract(tmp_path).writes["change"].source is Source.ASSUMED


def test_a_word_has_one_meaning_and_an_unlisted_one_has_none(tmp_path: Path) -> None:
    acme = contract(tmp_path)
    assert [acme.word("state", raw) for raw in ("on", "open", "On", "")] == [
        "LIVE",
        "LIVE",
        "UNKNOWN",
        "UNKNOWN",
    ]
    assert acme.raw("state", "LIVE") == "on"
    with pytest.raises(AssertionError):
        acme.raw("state", "GONE")


@pytest.mark.parametrize(
    ("write", "settings", "allowed"),
    [
        ("change", {}, True),
        ("change", {"write_change": "off"}, False),
        ("change", {"write_change": "ON"}, True),
        ("dare", {}, False),
        ("dare", {"write_dare": "on"}, True),
        ("dare", {"write_change": "on"}, False),
    ],
)
def test_a_write_that_is_switched_off_is_not_sent(
    tmp_path: Path, write: str, settings: dict[str, str], allowed: bool
) -> None:
    acme = contract(tmp_path)
    if allowed:
        assert acme.write(write, settings).name == write
        return
    with pytest.raises(Misconfigured) as error:
        acme.write(write, settings)
    assert error.value.case == "WRITE_SWITCHED_OFF"
    assert error.value.facts["write"] == write


def test_a_switch_is_on_or_off_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="write_change must be on or off") as error:
        contract(tmp_path).write("change", {"write_change": "yes"})
    assert error.value.case != "WRITE_SWITCHED_OFF"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            '[reads]\nthing = { value = "/things/{thing}", source = "documented" }',
            "[raeds]",
            "raeds",
        ),
        ('"/things/{thing}", source = "documented"', '"/things/{thing}"', "reads.thing needs"),
        ('source = "documented" }\nopen', 'source = "certain" }\nopen', "certain"),
        ('"LIVE", source = "assumed"', '"LIVE", source = "assumed", say = "x"', "unknown keys"),
        ("PUT /things", "GET /things", "writes.change.call"),
        ("PUT /things/{thing}", "PUT /things/{0}", "bad part"),
        ('enabled = { value = true, source = "documented" }\n', "", "writes.change must state"),
        ("enabled = { value = true", 'enabled = { value = "yes"', "enabled must be bool"),
        ("settle_minutes = { value = 5", "settle_minutes = { value = true", "must be int"),
    ],
)
def test_a_wrong_line_stops_the_start(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=complaint):
        contract(tmp_path, GOOD.replace(old, new, 1))


def test_a_setting_is_required_or_optional(tmp_path: Path) -> None:
    text = '[secrets]\nkey = { value = "maybe", source = "documented" }'
    with pytest.raises(ValueError, match=r"secrets\.key"):
        contract(tmp_path, text)


def test_only_a_setting_is_a_number_of_something(tmp_path: Path) -> None:
    setting = '[settings]\npause = { value = "optional", kind = "weeks", source = "assumed" }'
    with pytest.raises(ValueError, match=r"settings\.pause is of an unknown kind"):
        contract(tmp_path, setting)
    read = '[reads]\nthing = { value = "/things", kind = "days", source = "assumed" }'
    with pytest.raises(ValueError, match=r"reads\.thing has unknown keys \['kind'\]"):
        contract(tmp_path, read)


SETTINGS = """
[settings]
shop = { value = "required", source = "documented", says = "The shop's name." }
pause_minutes = { value = "optional", kind = "minutes", source = "assumed" }
"""


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"shop": "nb"}, ""),
        ({"shop": "nb", "pause_minutes": 0}, ""),
        ({"shop": "nb", "pause_minutes": "525600", "write_dare": " On "}, ""),
        ({}, "in shop is missing: The shop's name."),
        ({"shop": ""}, "in shop is missing: The shop's name."),
        ({"shop": None}, "in shop is missing: The shop's name."),
        ({"shop": 7}, "in shop must be text, at most 500 characters"),
        ({"shop": "nb", "write_dare": "yes"}, "in write_dare must be on or off"),
        *(
            (
                {"shop": "nb", "pause_minutes": wrong},
                "in pause_minutes must be a whole number of minutes, at most 525,600",
            )
            for wrong in ("many", -1, 1.5, True, [], 525_601, "\u0663", "9" * 5000)
        ),
    ],
)
def test_what_a_setting_cannot_hold_is_said_by_its_name(
    tmp_path: Path, settings: dict[str, Any], fault: str
) -> None:
    acme = contract(tmp_path, GOOD + SETTINGS)
    if not fault:
        acme.check_settings(settings, where="in ")
        return
    with pytest.raises(WrongSetting, match=f"^{re.escape(fault)}$"):
        acme.check_settings(settings, where="in ")
