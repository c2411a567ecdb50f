"""A case's five lines: the sentences of its kind with its own facts filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrator.engine.case_facts import Facts
from integrator.engine.case_kinds import CaseKind


@dataclass(frozen=True, slots=True)
class Said:
    """A case's five lines with its facts filled in."""

    title: str
    happened: str
    means: str
    todo: str
    otherwise: str


def say(kind: CaseKind, facts: Mapping[str, Any]) -> Said:
    """Fill a kind's sentences with a case's facts."""
    known = Facts(facts)
    return Said(
        title=kind.title.format_map(known),
        happened=kind.happened.format_map(_said_once(kind.happened, known)),
        means=kind.means.format_map(known),
        todo=kind.todo.format_map(known),
        otherwise=kind.otherwise.format_map(known),
    )


def _said_once(sentence: str, facts: Facts) -> Facts:
    """The facts for a sentence that names the platform: what it said begins with that name too."""
    named = [f"{facts[name]}: " for name in ("platform", "shop") if f"{{{name}}}" in sentence]
    error = str(facts.get("error", ""))
    if "{error}" not in sentence or not error.startswith(tuple(named)):
        return facts
    return Facts({**facts, "error": error.partition(": ")[2]})
