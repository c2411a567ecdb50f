"""The bars of a number: known values, and what a scanner makes of the bars again."""

from __future__ import annotations

import pytest

from integrator.desk.code128 import LONGEST, QUIET, barcode, values

# Patterns of ISO/IEC 15417 for some values, as bars and spaces, not taken from the code under test.
KNOWN = {0: "212222", 33: "111323", 55: "311321", 99: "113141", 104: "211214", 105: "211232"}


def widths(text: str) -> str:
    """The widths of bars and spaces as a scanner would measure them, without the white."""
    found = barcode(text)
    assert found is not None
    edges = [(bar.x, bar.x + bar.width) for bar in found.bars]
    assert edges[0][0] == QUIET
    assert found.width - edges[-1][1] == QUIET
    measured = []
    for (left, right), (following, _) in zip(edges, [*edges[1:], (0, 0)], strict=True):
        measured += [right - left, following - right]
    return "".join(str(one) for one in measured[:-1])


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("PJJ123C", [104, 48, 42, 42, 17, 18, 19, 35, 55, 106]),
        ("10030001", [105, 10, 3, 0, 1, 22, 106]),
        ("1234567", [105, 12, 34, 56, 100, 23, 44, 106]),
        ("RMA123456", [104, 50, 45, 33, 99, 12, 34, 56, 56, 106]),
        ("A1", [104, 33, 17, 68, 106]),
    ],
)
def test_a_number_has_the_values_of_the_standard(text: str, signs: list[int]) -> None:
    assert values(text) == signs


def test_the_bars_are_those_of_the_standard() -> None:
    """Start B, A, its check value 34, stop: 104 + 33 is 34 more than 103."""
    assert widths("A") == KNOWN[104] + KNOWN[33] + "131123" + "2331112"
    assert widths("00").startswith(KNOWN[104] + "123122" * 2)
    assert widths("0000").startswith(KNOWN[105] + KNOWN[0] * 2)
    assert KNOWN[99] in widths("A123456")
    assert widths("PJJ123C").endswith(KNOWN[55] + "2331112")


@pytest.mark.parametrize("text", ["10030001", "RMA3271840", "R-1/2", "A1234B5678", "~ x", "9" * 31])
def test_every_sign_takes_eleven_modules_and_the_end_thirteen(text: str) -> None:
    found = widths(text)
    signs = [found[at : at + 6] for at in range(0, len(found) - 7, 6)]

    assert found[-7:] == "2331112"
    assert {sum(map(int, sign)) for sign in signs} == {11}
    assert len(signs) == len(values(text)) - 1


@pytest.mark.parametrize("text", ["", "Größe", "a\tb", "1" * (LONGEST + 1)])
def test_what_the_code_cannot_hold_has_no_bars(text: str) -> None:
    assert barcode(text) is None
