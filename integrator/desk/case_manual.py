"""The manual of cases: every kind with its lines and buttons, team by team, from what is in force.

Printed into ``docs/exceptions.md`` and shown on screen. A fact of a case stands in its sentences as
what people call it, in braces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from integrator.desk import catalogue, words
from integrator.engine.case_kinds import Action, CaseKind
from integrator.roles import Role

# What people call a fact of a case, where that is not its own name.
_NAMES = {
    "at": "time",
    "crashes": "several",
    "exchange": "replacement",
    "exchange_order": "replacement order",
    "left": "amount",
    "ours": "our value",
    "rma": "return",
    "sku": "SKU",
    "since": "time",
    "stood": "so long",
    "theirs": "their value",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of case. ``lines`` and ``buttons``: what it is called, and what it says.

    ``anchor`` is its place on the page. ``due``: within how long, in words. ``told``: who is told
    when nobody acts, one after another.
    """

    anchor: str
    title: str
    due: str
    told: str
    lines: Sequence[tuple[str, str]]
    buttons: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Team:
    """What one team owns, by its title."""

    role: Role
    entries: Sequence[Entry]


def teams() -> list[Team]:
    """Every team that owns a kind of case."""
    owned = {
        role: [one for one in catalogue.kinds().values() if one.owner == role] for role in Role
    }
    return [
        Team(role, [_entry(one) for one in sorted(kinds, key=lambda one: one.title)])
        for role, kinds in owned.items()
        if kinds
    ]


def anchor_of(kind: CaseKind) -> str:
    """Where the page tells of the kind; empty for one that is no longer in use."""
    if kind.code not in catalogue.kinds():
        return ""
    return kind.code.lower().replace("_", "-")


def _entry(kind: CaseKind) -> Entry:
    told = ", then ".join(str(Role(one).label) for one in kind.ladder)
    due = words.span(timedelta(hours=kind.due_hours))
    return Entry(
        anchor_of(kind),
        _worded(kind.title),
        due,
        told,
        (
            ("What happened", _worded(kind.happened)),
            ("What it means", _worded(kind.means)),
            ("What to do", _worded(kind.todo)),
            ("If nobody acts", _worded(kind.otherwise)),
            ("Due", f"Within {due}. Then told: {told}."),
            ("Closes by itself", f"When {_worded(kind.closes_when)}."),
        ),
        [(one.label, _button(one)) for one in kind.actions],
    )


class _Names(dict[str, str]):
    """In the place of each fact its name, in braces."""

    def __missing__(self, fact: str) -> str:
        return f"{{{_NAMES.get(fact, fact.replace('_', ' '))}}}"


def _worded(sentence: str) -> str:
    return sentence.format_map(_Names())


def _button(action: Action) -> str:
    return f"{action.says} A second person must agree." if action.approval else action.says
