"""A retailer's set-up file: reading it, every name that may stand in it, and what is text there.

What it does to the database is ``configuration``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integrator.engine.choices import CHOICES
from integrator.platforms import PLATFORMS, known_settings, pages

# Written once, as [retailer].
_ONCE = {
    "retailer": ("slug", "name", "timezone", "currency"),
    "policy": tuple(CHOICES),
}
# Written as often as there are such things, as [[location]].
_SEVERAL = {
    "location": ("code", "name", "authority"),
    "connection": (
        "slug",
        "platform",
        "name",
        "base_url",
        "settings",
        "secrets",
        "lag_budget_minutes",
        pages.SETTING,
    ),
    "mapping": ("connection", "kind", "theirs", "ours"),
    "alert_receiver": ("slug", "name", "role", "kinds", "address", "secret", "private_network"),
}


# Tables, lists, switches: what is not text says so where it is read. And words of a platform may be
# numbers there.
_NOT_TEXT = {"settings", "secrets", "lag_budget_minutes", pages.SETTING, "kinds", "private_network"}
_OR_NUMBER = {"theirs", "ours"}
_LONGEST = {"slug": 50, "code": 50, "address": 500}
LONGEST = 200


class UnableToConfigure(Exception):
    """The file is wrong. The message names the place and says what to write."""


def read(path: Path) -> dict[str, Any]:
    """The file's content; UnableToConfigure when it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise UnableToConfigure(f"{path} does not exist") from error
    except tomllib.TOMLDecodeError as error:
        raise UnableToConfigure(f"{path}: {error}") from error


def check(content: Mapping[str, Any]) -> None:
    """UnableToConfigure for the first name that nothing reads, and for what should be text and is
    none.

    A name would be ignored, and somebody would rely on it.
    """
    try:
        known_settings.check(content, (*_ONCE, *_SEVERAL), where="")
        for name, names in _ONCE.items():
            table = _table(content.get(name, {}), name)
            known_settings.check(table, names, where=f"{name}.")
            if name != "policy":
                _check_texts(table, name)
        for name, names in _SEVERAL.items():
            for where, table in _tables(content, name):
                known_settings.check(table, names, where=f"{where}.")
                _check_texts(table, where)
                if name == "connection":
                    _check_connection(table, where)
    except known_settings.UnknownSetting as error:
        raise UnableToConfigure(str(error)) from error


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnableToConfigure(f"{where} must be a table: write [{where}]")
    return value


def _tables(content: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    tables = content.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(one, Mapping) for one in tables):
        raise UnableToConfigure(f"{name} must be a list of tables: write [[{name}]]")
    return [(f"{name}[{number}]", table) for number, table in enumerate(tables)]


def _check_texts(table: Mapping[str, Any], where: str) -> None:
    for name, value in table.items():
        if name in _NOT_TEXT or value is None:
            continue
        if name in _OR_NUMBER and type(value) is int:
            value = str(value)
        check_text(value, f"{where}.{name}", longest=_LONGEST.get(name, LONGEST))


def check_text(value: Any, where: str, *, longest: int = LONGEST) -> None:
    """UnableToConfigure for what is no text, or none that could be kept."""
    if not isinstance(value, str):
        raise UnableToConfigure(f"{where} must be text")
    if len(value) > longest:
        raise UnableToConfigure(f"{where} may have at most {longest} characters")
    if "\x00" in value:
        raise UnableToConfigure(f"{where} holds a sign that no text has")


def _check_connection(table: Mapping[str, Any], where: str) -> None:
    platform = PLATFORMS.get(table.get("platform", ""))
    if platform is None:
        return  # said by who sets the connection up
    for within, names in (
        ("settings", platform.setting_names),
        ("secrets", platform.contract.secret_names),
        ("lag_budget_minutes", platform.streams),
    ):
        inner = table.get(within, {})
        if not isinstance(inner, Mapping):
            raise UnableToConfigure(f"{where}.{within} must be a table: write {{ name = value }}")
        known_settings.check(inner, names, where=f"{where}.{within}.")
