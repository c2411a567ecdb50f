"""Tables that come in: read as they were written, within limits, and never run."""

from __future__ import annotations

import csv
import tracemalloc
import zipfile
from datetime import date
from io import BytesIO, StringIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from integrator.desk import tables
from integrator.desk.export import csv_of, plain, safe, xlsx_of
from integrator.desk.tables import UnableToRead, read

HEADS = ("Word", "Meaning")


def rows(content: bytes) -> list[list[str]]:
    return [[one.by_head[name] for name in HEADS] for one in read(content, heads=HEADS)]


def book(*lines: list[Any]) -> bytes:
    """A workbook as somebody's spreadsheet saves it."""
    made, out = Workbook(), BytesIO()
    for line in (list(HEADS), *lines):
        made.active.append(line)  # type: ignore[union-attr]
    made.save(out)
    return out.getvalue()


def with_part(content: bytes, name: str, text: bytes) -> bytes:
    """The same workbook with one part of it replaced."""
    out = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            new.writestr(part, text if part == name else old.read(part))
        if name not in old.namelist():
            new.writestr(name, text)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
XML = '<?xml version="1.0"?>{}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'


# --- there and back -------------------------------------------------------------------------------


@given(st.text())
def test_what_was_made_safe_comes_back_as_it_was(text: str) -> None:
    assert plain(safe(text)) == text.replace("\x00", "")


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''=1", "'t Huis", "'", "-x", "\t=1", "' =1", " '=1"]
)
def test_a_sign_that_was_there_before_is_not_taken_off(text: str) -> None:
    assert plain(safe(text)) == text
    assert not safe(text).startswith(("=", "-", "\t"))


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=4))
def test_both_forms_come_back_row_by_row(lines: list[tuple[str, str]]) -> None:
    there = [list(line) for line in lines]

    assert rows(b"".join(csv_of("x", HEADS, lines))) == there
    assert rows(xlsx_of("x", HEADS, lines).content) == there


def test_no_cell_of_a_workbook_is_a_formula() -> None:
    made = load_workbook(BytesIO(xlsx_of("x", HEADS, [["=1+1", "+49"], ["@x", "-1"]]).content))

    assert {cell.data_type for line in made.active.rows for cell in line} == {"s"}


# --- as spreadsheets save them --------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"Word,Meaning\nA,b\n",
        "Word;Meaning\r\nA;b\r\n".encode("utf-8-sig"),
        "Word\tMeaning\r\nA\tb\r\n".encode("utf-16"),
        b"Note,meaning , WORD\nx,b,A,more\n",
    ],
)
def test_a_table_is_read_however_it_was_saved(content: bytes) -> None:
    assert rows(content) == [["A", "b"]]


def test_rows_keep_the_number_that_the_spreadsheet_shows() -> None:
    found = read(b'Word,Meaning\n\n"two\nlines",b\n,\nC,d\n', heads=HEADS)
    assert [(one.number, one.by_head["Word"]) for one in found] == [(3, "two\nlines"), (5, "C")]
    there = read(book([None, None], ["A", "b"], [], ["C", "d"]), heads=HEADS)
    assert [(one.number, one.by_head["Word"]) for one in there] == [(3, "A"), (5, "C")]


def test_numbers_are_words_and_what_a_spreadsheet_made_of_words_is_named() -> None:
    found = read(book([7, 1.0], [1.5, date(2026, 5, 1)], [True, "=A1"], ["x", None]), heads=HEADS)

    assert [one.by_head["Word"] for one in found][0::3] == ["7", "x"]
    assert found[0].by_head["Meaning"] == "1"
    assert "format the cell as text" in found[1].wrong["Word"]
    assert "format the cell as text" in found[1].wrong["Meaning"]
    assert "format the cell as text" in found[2].wrong["Word"]
    assert found[2].wrong["Meaning"] == "it is a formula: write what it comes to"
    assert found[3].wrong == {}


# --- what is refused as a whole -------------------------------------------------------------------


def table(count: int) -> bytes:
    lines = StringIO()
    csv.writer(lines).writerows([HEADS, *(["A", "b"] for _ in range(count))])
    return lines.getvalue().encode()


def test_the_limit_of_rows_is_exact() -> None:
    assert len(rows(table(tables.ROWS_MAX))) == tables.ROWS_MAX
    with pytest.raises(UnableToRead, match="more than 5,000 rows"):
        rows(table(tables.ROWS_MAX + 1))
    with pytest.raises(UnableToRead, match="more than 5,000 rows"):
        rows(book(*(["A", "b"] for _ in range(tables.ROWS_MAX + 1))))


BOMBS = {
    "a part that unfolds": with_part(book(), SHEET, b" " * (17 * 1024 * 1024)),
    "a long list of styles": with_part(book(), "xl/styles.xml", b" " * (2 * 1024 * 1024)),
    "an entity": with_part(
        book(), SHEET, XML.format('<!DOCTYPE x [<!ENTITY a "aaaa">]>', "").encode()
    ),
    "an entity in wide letters": with_part(
        book(), SHEET, XML.format('<!DOCTYPE x [<!ENTITY a "aaaa">]>', "").encode("utf-16")
    ),
    "a row far below": with_part(
        book(),
        SHEET,
        XML.format(
            "",
            '<row r="1"><c t="inlineStr"><is><t>Word</t></is></c><c t="inlineStr"><is><t>Meaning'
            '</t></is></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        ).encode(),
    ),
    "not a workbook": b"PK\x03\x04nothing of the kind",
}


UNFOLDS, UNREADABLE = "unfolds into too much", "not a workbook we can read"
SAYS = {
    "a part that unfolds": UNFOLDS,
    "a long list of styles": UNFOLDS,
    "an entity": UNREADABLE,
    "an entity in wide letters": UNREADABLE,
    "a row far below": "more than 20,000 lines",
    "not a workbook": UNREADABLE,
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_what_would_unfold_or_is_broken_is_refused(name: str) -> None:
    with pytest.raises(UnableToRead, match=SAYS[name]):
        rows(BOMBS[name])


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_part_that_lies_about_its_size_is_not_unfolded(packed: int) -> None:
    """Two hundred bytes that say they unfold into a thousand: by other packings than a workbook's
    all of it is unfolded before it is cut to that size.
    """
    real, said, content = 30_000_000, 1_000, BytesIO()
    with zipfile.ZipFile(content, "w", packed) as archive:
        archive.writestr(SHEET, b"0" * real)
    lies = content.getvalue().replace(real.to_bytes(4, "little"), said.to_bytes(4, "little"))
    tracemalloc.start()
    try:
        with pytest.raises(UnableToRead, match=UNREADABLE):
            rows(lies)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty"),
        (b" " * (2 * 1024 * 1024 + 1), "larger than 2 MB"),
        (b"Word\nA\n", "no column “Meaning”"),
        ("Word,Meaning\nä,b\n".encode("latin-1"), "Save it as “CSV UTF-8”"),
        (b"\xd0\xcf\x11\xe0old", "an old or a protected workbook"),
        (b"Word,Meaning\n" + b"\n" * 20_001 + b"A,b\n", "more than 20,000 lines"),
        (b'Word,Meaning\n"' + b"x" * 200_000, "not a CSV file"),
    ],
)
def test_what_is_no_table_says_how_to_mend_it(content: bytes, says: str) -> None:
    with pytest.raises(UnableToRead, match=says):
        rows(content)
