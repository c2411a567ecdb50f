"""Whose a case is besides its owner: the one rule of queues, their counts and daily summaries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrator.engine.case_kinds import CaseKind


@dataclass(frozen=True, slots=True)
class Reach:
    """Which cases come to a role, besides those it owns.

    ``lifted``: by owner and escalation, the kinds that were lifted to it. ``answerable``: the kinds
    of which it may be asked to agree to a decision.
    """

    lifted: Mapping[tuple[str, int], Sequence[str]]
    answerable: Sequence[str]


def reach_of(role: str, kinds: Mapping[str, CaseKind]) -> Reach:
    """Worked out from the ladders of the kinds."""
    lifted: dict[tuple[str, int], list[str]] = defaultdict(list)
    for code, kind in sorted(kinds.items()):
        if role in kind.ladder and role != kind.owner:
            lifted[kind.owner, kind.ladder.index(role) + 1].append(code)
    answerable = sorted(code for code, kind in kinds.items() if role in (kind.owner, *kind.ladder))
    return Reach(lifted, answerable)
