"""The keys of the desk: which command each starts, and what a person made of them.

A command is a single letter or sign; ``go`` begins a pair that leads to a page. Escape,
Control+Enter and Control+K belong to nobody and always work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest

from integrator.models import KeyChoice


@dataclass(frozen=True, slots=True)
class Command:
    """``usual`` is its key as long as nobody chose another."""

    name: str
    usual: str
    says: str


COMMANDS = (
    Command("find", "/", "Find an order, return, parcel, e-mail or SKU"),
    Command("go", "g", "Go to a page: this key, then the letter of the page"),
    Command("help", "?", "Show the keys"),
    Command("down", "j", "Down the list"),
    Command("up", "k", "Up the list"),
    Command("next", "n", "Next case; skip it where it still waits"),
    Command("choose", "x", "Choose a line; with Shift, all up to here"),
    Command("filter", "f", "Narrow down and sort"),
    Command("take", "a", "Take a case, or give it back"),
    Command("snooze", "h", "Snooze a case, or bring it back"),
    Command("comment", "c", "Comment"),
    Command("undo", "u", "Undo what you did last"),
    Command("agree", "y", "Reach “Agree” of the second person"),
    Command("refuse", "r", "Reach “Refuse” of the second person"),
    Command("keep", "e", "Review of roles: keep it, and on to the next"),
    Command("remove", "d", "Review of roles: remove it, and on to the next"),
)
# The buttons of a case have these; + is how keys pressed together are written.
TAKEN = frozenset("123456789+")


@dataclass(frozen=True, slots=True)
class Keys:
    """A person's keys by command. A command without one has lost it to a newer choice."""

    is_on: bool
    of: Mapping[str, str]


USUAL = Keys(True, {one.name: one.usual for one in COMMANDS})


def keys_of(request: HttpRequest) -> Keys:
    """The keys of who asks, who came with them (``login.Backend``); worked out once per request."""
    known: Keys | None = getattr(request, "own_keys", None)
    if known is None:
        known = _read(request) if request.user.is_authenticated else USUAL
        request.own_keys = known  # type: ignore[attr-defined]
    return known


def _read(request: HttpRequest) -> Keys:
    chosen: KeyChoice | None = getattr(request.user, "key_choice", None)
    if chosen is None:
        return USUAL
    of = {one.name: chosen.keys[one.name] for one in COMMANDS if one.name in chosen.keys}
    for one in COMMANDS:
        # A command that is newer than the choice takes its usual key only where that is free.
        if one.name not in of and one.usual not in of.values():
            of[one.name] = one.usual
    return Keys(chosen.is_on, of)


def faults_of(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the typed keys, by command, in words that name both of a pair."""
    faults = {}
    first: dict[str, Command] = {}
    for one in COMMANDS:
        key = typed.get(one.name, "")
        if fault := _fault(key):
            faults[one.name] = fault
        elif key in first:
            other = first[key]
            faults[one.name] = f"“{other.says}” has the key {key} too: choose another for one"
        else:
            first[key] = one
    return faults


def _fault(key: str) -> str:
    if not key:
        return "Write a letter or a sign, such as a or /"
    if len(key) != 1 or not key.isprintable() or key.isspace():
        return "Write one letter or sign only, such as a or /"
    if key in TAKEN or key.isdigit():
        return f"The key {key} is taken: 1 to 9 are the buttons of a case, + joins keys"
    return ""
