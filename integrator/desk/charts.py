"""Charts as shapes for a template: lines for a trend, bars for parts of a whole. Counts nothing.

Shapes are stretched to the width there is, words are not: so words stand outside the shapes. A
series is told apart by its stroke or its filling, its place and its name, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 160
_TOP = 10  # room for a line at its highest
_LABEL = 14  # what one name needs, in the same units
_GAP = 0.28  # of a bar's width
_STRIP = 40  # the height of a strip


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing to draw: the points of a line, or one bar. ``css`` says of which series."""

    css: str
    points: str = ""
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0


@dataclass(frozen=True, slots=True)
class End:
    """The name of a line, beside its end."""

    name: str
    css: str
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    lines: Sequence[Shape]
    bars: Sequence[Shape]
    ends: Sequence[End]
    top: int
    middle: float

    @property
    def half(self) -> int:
        return self.top // 2


def lines(series: Sequence[Series]) -> Chart:
    """One line per series over the same days, from zero."""
    top = nice(max((max(one.values, default=0) for one in series), default=0))
    drawn, ends = [], []
    for place, one in enumerate(series, start=1):
        step = WIDTH / max(len(one.values) - 1, 1)
        points = [(number * step, _y(value, top)) for number, value in enumerate(one.values)]
        if len(points) == 1:  # a single day is a level, not a point nobody sees
            points.append((WIDTH, points[0][1]))
        drawn.append(Shape(f"s{place}", " ".join(f"{x:.1f},{y:.1f}" for x, y in points)))
        ends.append(End(one.name, f"s{place}", points[-1][1]))
    return _chart(top, drawn, [], _apart(ends))


def bars(series: Sequence[Series]) -> Chart:
    """One bar per day, made of one piece per series, the first one at the bottom."""
    days = len(series[0].values)
    sums = [sum(one.values[day] for one in series) for day in range(days)]
    top = nice(max(sums, default=0))
    step = WIDTH / max(days, 1)
    drawn = []
    for day in range(days):
        below = 0
        for place, one in enumerate(series, start=1):
            value = one.values[day]
            y = _y(below + value, top)
            if value:
                drawn.append(
                    Shape(
                        f"s{place}",
                        x=round(day * step + step * _GAP / 2, 1),
                        y=round(y, 1),
                        width=round(step * (1 - _GAP), 1),
                        height=round(_y(below, top) - y, 1),
                    )
                )
            below += value
    return _chart(top, [], drawn, [])


def strip(levels: Sequence[tuple[str, float]]) -> Sequence[Shape]:
    """One bar per day without a gap: its filling says what the day was, its height how bad.

    ``levels`` are the name of the filling and the height, from 0 to 1.
    """
    step = WIDTH / max(len(levels), 1)
    return [
        Shape(
            css,
            x=round(place * step, 2),
            y=round(_STRIP - _STRIP * height, 1),
            width=round(step * (1 - _GAP / 2), 2),
            height=round(_STRIP * height, 1),
        )
        for place, (css, height) in enumerate(levels)
    ]


def nice(highest: int) -> int:
    """The end of the scale: the next of 2, 4, 10, 20, 40, 100, ... so that its half is whole."""
    power = 1
    while True:
        for step in (2, 4, 10):
            if step * power >= highest:
                return step * power
        power *= 10


def _y(value: int, top: int) -> float:
    return HEIGHT - (HEIGHT - _TOP) * value / top


def _chart(top: int, lines: Sequence[Shape], bars: Sequence[Shape], ends: Sequence[End]) -> Chart:
    return Chart(lines, bars, ends, top, _y(top // 2, top))


def _apart(ends: list[End]) -> list[End]:
    """The same names, none on top of another: pushed down, then all back up into the picture."""
    moved: list[End] = []
    lowest = _LABEL / 2
    for end in sorted(ends, key=lambda one: one.y):
        y = max(end.y, lowest)
        moved.append(End(end.name, end.css, y))
        lowest = y + _LABEL
    limit = HEIGHT - 4.0
    for place in range(len(moved) - 1, -1, -1):
        one = moved[place]
        moved[place] = End(one.name, one.css, round(min(one.y, limit), 1))
        limit = moved[place].y - _LABEL
    return moved
