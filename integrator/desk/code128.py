"""A number as bars that a hand scanner reads: Code 128 (ISO/IEC 15417), sets B and C.

Knows nothing of what the number is. A template draws the bars as shapes, so no script and no
picture is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# The widths of three bars and three spaces for each value, and of the sign that ends it all.
_WIDTHS = re.findall(
    r"\d+",
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 "
    "112232 122132 122231 113222 123122 123221 223211 221132 221231 213212 223112 312131 "
    "311222 321122 321221 312212 322112 322211 212123 212321 232121 111323 131123 131321 "
    "112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 "
    "314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 112412 122114 "
    "122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212 "
    "124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112",
)
_SWITCH_TO_C, _SWITCH_TO_B, _START_B, _START_C, _STOP = 99, 100, 104, 105, 106
_CHECK = 103
LONGEST = 32  # signs; more would be wider than a sheet of paper
_MILLIMETRES = 0.4  # of one module on paper: any hand scanner reads that
QUIET = 10  # modules left white on both sides, without which no scanner starts
# Digits are two to a sign in set C. Changing sets costs a sign, so only longer runs are worth it.
_RUNS = re.compile(r"\A(?:\d\d){2,}|(?:\d\d){3,}|(?:\d\d){2,}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bar:
    """``x`` and ``width`` in modules, the narrowest width there is."""

    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Barcode:
    """``width`` is that of the whole, with the white on both sides."""

    text: str
    bars: list[Bar]
    width: int

    @property
    def millimetres(self) -> str:
        """How wide it is on paper, as a shape's width is written."""
        return f"{self.width * _MILLIMETRES:.1f}mm"


def barcode(text: str) -> Barcode | None:
    """The bars of a number; None for what the code has no signs for, or what is too long."""
    if not 0 < len(text) <= LONGEST or not all(" " <= sign <= "~" for sign in text):
        return None
    bars, x = [], QUIET
    for value in values(text):
        for place, width in enumerate(map(int, _WIDTHS[value])):
            if place % 2 == 0:
                bars.append(Bar(x, width))
            x += width
    return Barcode(text, bars, x + QUIET)


def values(text: str) -> list[int]:
    """The values that stand for a text: start, signs, check value, stop."""
    found = list(_signs(text))
    check = found[0] + sum(place * value for place, value in enumerate(found[1:], start=1))
    return [*found, check % _CHECK, _STOP]


def _signs(text: str) -> Iterator[int]:
    """Start and signs. A run of digits goes two by two; all else sign by sign."""
    place, in_pairs = 0, False
    for start, end in [*(run.span() for run in _RUNS.finditer(text)), (len(text), len(text))]:
        if start > place:
            if place == 0:
                yield _START_B
            elif in_pairs:
                yield _SWITCH_TO_B
            in_pairs = False
            yield from (ord(sign) - ord(" ") for sign in text[place:start])
        if end > start:
            yield _START_C if start == 0 else _SWITCH_TO_C
            in_pairs = True
            yield from (int(text[at : at + 2]) for at in range(start, end, 2))
        place = end
