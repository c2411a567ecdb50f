"""Tables that people bring in, as CSV or XLSX: cells as text, within limits. Nothing is evaluated.

A file is not trusted: no formula is run or believed, and what would unfold into much more than it
weighs is refused before it is unfolded. Knows nothing of what is in a table.
"""

from __future__ import annotations

import csv
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO, StringIO
from typing import Any

from openpyxl import load_workbook

from integrator.desk.export import plain

BYTES_MAX = 2 * 1024 * 1024
ROWS_MAX = 5_000
_LINES_MAX = 20_000  # with empty ones in between
_COLUMNS_MAX = 50
_UNFOLDED_MAX = 16 * 1024 * 1024  # all parts of a workbook
_PART_MAX = 1024 * 1024  # one part of it that is no sheet and no list of its words
_PARTS_MAX = 200
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_LARGE = re.compile(r"xl/(worksheets/[^/]+|sharedStrings)\.xml")


class UnableToRead(Exception):
    """The file cannot be taken as a whole. Says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Cells:
    """One row under the head. ``number`` is the sheet's; ``wrong`` by column, what to mend."""

    number: int
    by_head: dict[str, str]
    wrong: dict[str, str]


def read(
    content: bytes, *, heads: Sequence[str], also: Sequence[str] = (), moments: Sequence[str] = ()
) -> list[Cells]:
    """The rows that are not empty, under these columns; ``also`` may be missing, ``moments`` too:
    there a spreadsheet's own day and time is taken as it is.

    UnableToRead when it is too large, no table, or lacks one of ``heads``.
    """
    if len(content) > BYTES_MAX:
        raise UnableToRead(too_large())
    if not content.strip():
        raise UnableToRead("The file is empty. Take one along, fill it in and bring it back")
    lines = _workbook(content) if content.startswith(b"PK") else _text(content)
    head, _ = next(lines, ([], 0))
    places = {name: place for place, name in reversed(list(enumerate(map(_head, head)))) if name}
    if missing := [one for one in heads if _head(one) not in places]:
        raise UnableToRead(
            f"The first row has no column “{missing[0]}”. It must name the columns "
            f"{', '.join(heads)}"
        )
    wanted = {
        name: places[_head(name)] for name in (*heads, *also, *moments) if _head(name) in places
    }
    return _limited(
        _cells(row, number, wanted, moments) for row, number in lines if any(map(_is_filled, row))
    )


def too_large() -> str:
    return f"The file is larger than {BYTES_MAX // 1024 // 1024} MB. Split it into smaller ones"


def _limited(rows: Iterable[Cells]) -> list[Cells]:
    found: list[Cells] = []
    for row in rows:
        if len(found) == ROWS_MAX:
            raise UnableToRead(
                f"The file has more than {ROWS_MAX:,} rows. Split it into smaller ones"
            )
        found.append(row)
    return found


Row = Sequence[Any]


class _Formula:
    """A cell that would be calculated. What it once came to is not believed."""


def _is_filled(cell: Any) -> bool:
    return cell is not None and cell != ""


def _head(cell: Any) -> str:
    return str(cell or "").strip().casefold()


def _cells(row: Row, number: int, wanted: dict[str, int], moments: Sequence[str]) -> Cells:
    by_head, wrong = {}, {}
    for name, place in wanted.items():
        cell = row[place] if place < len(row) else None
        if name in moments and isinstance(cell, datetime):
            cell = cell.isoformat(sep=" ", timespec="seconds")
        text, error = _as_text(cell)
        by_head[name] = text
        if error:
            wrong[name] = error
    return Cells(number, by_head, wrong)


def _as_text(cell: Any) -> tuple[str, str]:
    """A cell as it was before it was made safe for a spreadsheet, or what is wrong with it."""
    if cell is None:
        return "", ""
    if isinstance(cell, str):
        text = plain(cell).replace("\x00", _UNREADABLE)
        return (
            text,
            "it holds a sign that cannot be kept: write it anew" if _UNREADABLE in text else "",
        )
    if isinstance(cell, _Formula):
        return "", "it is a formula: write what it comes to"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell), ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 10**15:
        return str(int(cell)), ""
    return str(cell), "the spreadsheet made a number or date of it: format the cell as text"


# --- CSV ------------------------------------------------------------------------------------------


def _text(content: bytes) -> Iterator[tuple[Row, int]]:
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnableToRead(
            "It is an old or a protected workbook. Save it as XLSX without a password, or as CSV"
        )
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise UnableToRead(
            "Its letters cannot be read. Save it as “CSV UTF-8” or as XLSX"
        ) from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    try:
        # Rows are counted as a spreadsheet shows them: a cell may hold several lines.
        for number, row in enumerate(rows, start=1):
            if number > _LINES_MAX:
                raise UnableToRead(f"It has more than {_LINES_MAX:,} lines. Remove the empty ones")
            yield row[:_COLUMNS_MAX], number
    except csv.Error:
        raise UnableToRead("It is not a CSV file. Save it as “CSV UTF-8” or as XLSX") from None


# --- XLSX -----------------------------------------------------------------------------------------


def _workbook(content: bytes) -> Iterator[tuple[Row, int]]:
    """The rows of the sheet that was open when it was saved.

    The library's own import reads as many rows and cells as a file claims to have; here both are
    bounded.
    """
    try:
        _refuse_bomb(zipfile.ZipFile(BytesIO(content)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions that do not matter here
            book = load_workbook(BytesIO(content), read_only=True, keep_links=False)
        yield from _bounded(book.active.iter_rows(max_col=_COLUMNS_MAX))
    except UnableToRead:
        raise
    except Exception:
        # Whatever a broken or hostile file makes the reader stumble over, it is the file's fault.
        raise UnableToRead(
            "It is not a workbook we can read. Save it as XLSX or CSV again"
        ) from None


def _bounded(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Row, int]]:
    for number, row in enumerate(rows, start=1):
        if number > _LINES_MAX:
            raise UnableToRead(f"It has more than {_LINES_MAX:,} lines. Remove the empty ones")
        yield [_Formula() if cell.data_type == "f" else cell.value for cell in row], number


def _refuse_bomb(archive: zipfile.ZipFile) -> None:
    """Refuse what unfolds into far more than a table of this size, and parts that define entities.

    Reading a part never gives more than the size it is listed with, so the list can be trusted.
    That holds for the packing of workbooks: of any other, all is unfolded before it is cut.
    """
    parts = archive.infolist()
    if any(one.compress_type not in _PACKED for one in parts):
        raise UnableToRead("It is not a workbook we can read. Save it as XLSX or CSV again")
    too_much = len(parts) > _PARTS_MAX or sum(one.file_size for one in parts) > _UNFOLDED_MAX
    if too_much or any(
        one.file_size > _PART_MAX and not _LARGE.fullmatch(one.filename) for one in parts
    ):
        raise UnableToRead("It unfolds into too much for a table of words. Save only the rows")
    for one in parts:
        text = archive.read(one)
        is_wide = text.startswith((b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<"))
        if is_wide or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise UnableToRead("It is not a workbook we can read. Save it as XLSX or CSV again")


__all__ = ["BYTES_MAX", "ROWS_MAX", "Cells", "UnableToRead", "read", "too_large"]
