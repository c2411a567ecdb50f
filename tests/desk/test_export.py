"""Files for spreadsheets: whatever a cell says, it is shown and never run, and numbers add up."""

from __future__ import annotations

import csv
import re
from datetime import datetime
from decimal import Decimal
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.desk.export import csv_of, plain, safe

WIDE = "\uff1d\uff0b\uff0d\uff20"  # the wide forms of = + - @
FORMULAS = tuple(f"=+-@\t\r\n{WIDE}")


def read(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf"), "spreadsheets must know that it is UTF-8"
    return list(csv.reader(StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    "cell", ["=1+1", "+49 40 1", "-2+3", "@SUM(A1)", "\tx", "\rx", " =1", f"{WIDE[0]}1", "\x00=1"]
)
def test_text_that_a_spreadsheet_would_run_is_shown(cell: str) -> None:
    assert safe(cell) == f"'{cell.replace(chr(0), '')}"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("x;=HYPERLINK(1)", "x;'=HYPERLINK(1)"),
        ("x; =1;y;@A1", "x;' =1;y;'@A1"),
        ('x;"=1;y', "x;'\"=1;y"),
        ("x\r\n=1", "x\r\n'=1"),
        ("x\t-1", "x\t'-1"),
        ("\t=1", "'\t'=1"),
        ("shelf 4; one piece", "shelf 4; one piece"),
        ("Told her\r\nby Friday", "Told her\r\nby Friday"),
    ],
)
def test_nor_is_it_run_where_a_spreadsheet_takes_it_for_a_cell_of_its_own(
    cell: str, shown: str
) -> None:
    """One that splits lines at semicolons takes no notice of the quotation marks."""
    assert safe(cell) == shown


def test_numbers_stay_numbers_and_other_values_are_plain() -> None:
    moment = safe(datetime(2026, 7, 1, 12, 30, tzinfo=ZoneInfo("Europe/Berlin")))
    assert safe(Decimal("-12.50")) == "-12.50"
    assert safe(-3) == "-3"
    assert (safe(None), safe(True), safe(False), safe("")) == ("", "yes", "no", "")
    assert moment == "2026-07-01 10:30:00+00:00"


@given(st.lists(st.lists(st.text(), min_size=1, max_size=4), max_size=5))
def test_every_text_comes_back_and_none_is_a_formula(rows: list[list[str]]) -> None:
    response = csv_of("x", ["a"], rows)

    found = read(b"".join(response))[1:]

    assert len(found) == len(rows)
    for there, here in zip(found, rows, strict=True):
        for cell, text in zip(there, here, strict=True):
            assert not cell.startswith(FORMULAS)
            assert not any(
                one.lstrip(' "').startswith(FORMULAS[:4]) for one in re.split("[;\t\r\n]", cell)
            )
            assert plain(cell) == text.replace("\x00", "")


@given(st.lists(st.decimals(places=2, allow_nan=False, allow_infinity=False), max_size=9))
def test_amounts_add_up_to_the_same(amounts: list[Decimal]) -> None:
    found = read(b"".join(csv_of("x", ["amount"], [[one] for one in amounts])))[1:]

    assert [Decimal(row[0]) for row in found] == amounts


def test_a_file_is_sent_row_by_row() -> None:
    taken = []

    def rows() -> object:
        for number in range(3):
            taken.append(number)
            yield [number]

    response = csv_of("audit-2026-11-26", ["n"], rows())  # type: ignore[arg-type]
    lines = iter(response)

    assert (next(lines), taken) == (b"\xef\xbb\xbfn\r\n", [])
    assert (next(lines), taken) == (b"0\r\n", [0])
    assert response["Content-Disposition"] == 'attachment; filename="audit-2026-11-26.csv"'
    assert response["Content-Type"] == "text/csv; charset=utf-8"
