"""Where people open a record in the platform itself: addresses that a connection's settings name.

Every retailer has screens of their own there, so the patterns are settings. Nothing is called here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, quote, urlsplit

SETTING = "pages"
START = "start"  # the platform's first screen; every other name is a kind of record
PLACE = "{id}"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class UnableToOpen(Exception):
    """A pattern nobody may be sent to. The message names the field and says what to write."""


def check(pages: object, kinds: Sequence[str], *, demo: bool, where: str) -> dict[str, str]:
    """The patterns of one connection, if every one of them may be used.

    ``kinds`` are the records the platform has screens of; ``where`` is how the field is called.
    All are on one host: a retailer has one place to work in there, and a second is a slip.
    """
    if not isinstance(pages, Mapping):
        raise UnableToOpen(f"{where} must hold an address for each kind of record")
    hosts: dict[str, str] = {}
    for name, pattern in pages.items():
        if name not in (START, *kinds):
            allowed = ", ".join((START, *kinds))
            raise UnableToOpen(f"{where}.{name} is not known here: write one of {allowed}")
        hosts[name] = _host(f"{where}.{name}", pattern, is_start=name == START, demo=demo)
    first = next(iter(hosts), "")
    for name, host in hosts.items():
        if host != hosts[first]:
            raise UnableToOpen(f"{where}.{name} must be on {hosts[first]}, as {first} is")
    return dict(pages)


def of(settings: Mapping[str, object], kinds: Sequence[str], *, demo: bool) -> dict[str, str]:
    """The patterns of a connection as it is stored; none when one of them may not be used."""
    try:
        return check(settings.get(SETTING, {}), kinds, demo=demo, where=SETTING)
    except UnableToOpen:
        return {}


def address(pattern: str, number: str) -> str:
    """A record's own page. Whatever its number holds, it stays one part of the address."""
    return pattern.replace(PLACE, quote(number, safe=""))


def _host(field: str, pattern: object, *, is_start: bool, demo: bool) -> str:
    if not isinstance(pattern, str):
        raise UnableToOpen(f"{field} must be an address in quotes")
    parts = _parts(field, pattern)
    is_local = demo and parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not is_local:
        raise UnableToOpen(f"{field} must start with https://")
    if not parts.hostname or parts.username is not None or _is_broken(pattern):
        raise UnableToOpen(f"{field} must be an address without blanks and without a password")
    if "{" in parts.netloc:
        raise UnableToOpen(f"{field} must name its host: {PLACE} stands behind it")
    wanted = 0 if is_start else 1
    if pattern.count(PLACE) != wanted or pattern.count("{") != wanted:
        hold = f"no {PLACE}" if is_start else f"{PLACE} once, where the number of a record goes"
        raise UnableToOpen(f"{field} must hold {hold}")
    return parts.netloc.lower()


def _parts(field: str, pattern: str) -> SplitResult:
    try:
        parts = urlsplit(pattern)
        _ = parts.port
    except ValueError:
        raise UnableToOpen(f"{field} must be an address") from None
    return parts


def _is_broken(pattern: str) -> bool:
    return any(one.isspace() or not one.isprintable() or one in "\\\"'<>" for one in pattern)
