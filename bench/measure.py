"""Turns rounds into one line of JSON: median of the per-round ratios, their range, the goal.

Knows nothing of what is measured. A run whose control moved is repeated once, then thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

ROUNDS = 5
RUNS_AT_MOST = 2
CONTROL_MAY_MOVE = 0.15


@dataclass(frozen=True, slots=True)
class Goal:
    """What the ratio must reach (``at_least``), or must not pass."""

    figure: float
    at_least: bool = True

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.figure}"

    def held_by(self, ratio: float) -> bool:
        return ratio >= self.figure if self.at_least else ratio <= self.figure


@dataclass(slots=True)
class Comparison:
    """A figure of ours beside the peer's, round by round. Without a goal it is only reported."""

    name: str
    unit: str
    goal: Goal | None = None
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def add(self, ours: float, peer: float) -> None:
        assert ours > 0 and peer > 0, f"{self.name}: a side measured nothing"
        self.ours.append(ours)
        self.peer.append(peer)

    def line(self, control: Control) -> dict[str, Any]:
        ratios = [ours / peer for ours, peer in zip(self.ours, self.peer, strict=True)]
        ratio = median(ratios)
        held = self.goal.held_by(ratio) if self.goal and not control.moved else None
        return {
            "name": self.name,
            "ours": round(median(self.ours), 2),
            "peer": round(median(self.peer), 2),
            "ratio": round(ratio, 2),
            "range": [round(min(ratios), 2), round(max(ratios), 2)],
            "goal": str(self.goal) if self.goal else None,
            "held": held,
            "unit": self.unit,
            "rounds": len(ratios),
            "control": [round(control.start), round(control.end)],
            **({"thrown_away": "the control moved"} if control.moved else {}),
            **self.notes,
        }


@dataclass(frozen=True, slots=True)
class Control:
    """The same small work before and after a run: it says whether the machine stayed the same."""

    start: float
    end: float

    @property
    def moved(self) -> bool:
        return abs(self.end / self.start - 1) > CONTROL_MAY_MOVE


class Skipped(Exception):
    """Something the benchmark needs is not on this machine."""


def run(
    name: str,
    benchmark: Callable[[], Sequence[Comparison]],
    control: Callable[[], float],
) -> list[dict[str, Any]]:
    """Run one benchmark between two controls; once more when the control moved."""
    try:
        for _ in range(RUNS_AT_MOST):
            start = control()
            compared = benchmark()
            between = Control(start, control())
            if not between.moved:
                break
    except Skipped as reason:
        return [{"name": name, "held": None, "skipped": str(reason)}]
    return [one.line(between) for one in compared]


def show(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def rate(moments: Sequence[float]) -> float:
    """Things done per second, from the moments each was done. The first tenth is warm-up."""
    ordered = sorted(moments)
    first = len(ordered) // 10
    return (len(ordered) - 1 - first) / (ordered[-1] - ordered[first])


def in_turn(number: int, sides: Sequence[Callable[[], None]]) -> None:
    """Run the sides of one round; every other round backwards, so that none is always first."""
    for side in sides if number % 2 == 0 else reversed(sides):
        side()
