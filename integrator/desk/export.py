"""Tables as files that a spreadsheet shows and never runs. Knows nothing of what is in them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import tablib
from django.http import HttpResponse, StreamingHttpResponse
from import_export.formats.base_formats import XLSX
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

# A cell that begins with one of these is a formula to some spreadsheet, or becomes one there:
# control characters are skipped, and the wide forms are read as the narrow ones.
_FORMULA = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
_FORMULA += "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
# Where a cell goes on as another one to a spreadsheet that splits lines at semicolons or tabs: it
# takes no notice of quotation marks inside of a line, so that a line break ends the line as well.
_PIECES = re.compile(r"(?<=[;\t\r\n])(?![;\t\r\n])")
# What is left out before it: blanks, and the marks that open and close a quotation.
_BEFORE = re.compile(r'[\s"]*')
# Without it spreadsheets do not read the file as UTF-8.
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


class _Line:
    """What the csv module writes to: it hands every line back."""

    def write(self, line: str) -> str:
        return line


def csv_of(
    name: str, heads: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """A download called ``<name>.csv``, sent row by row: ``rows`` is read while it is sent.

    Text that a spreadsheet would run is shown instead; numbers stay numbers. Moments are in UTC, so
    that two files can be compared whoever took them.
    """
    lines = _lines(heads, rows)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def xlsx_of(name: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The same as a workbook, made in memory: only for tables that are known to be short.

    All cells are text, so that no spreadsheet makes a date or a number of a word. A sign that a
    workbook cannot hold becomes the one for "unreadable".
    """
    table = tablib.Dataset(headers=list(heads), title=name[:31])
    for row in rows:
        table.append([_holdable(safe(cell)) for cell in row])
    book = XLSX()
    response = HttpResponse(book.export_data(table), content_type=book.get_content_type())
    response["Content-Disposition"] = f'attachment; filename="{name}.xlsx"'
    return response


def _holdable(text: str) -> str:
    unreadable = "\N{REPLACEMENT CHARACTER}"
    return str(ILLEGAL_CHARACTERS_RE.sub(unreadable, text)).replace("\r", unreadable)


def safe(cell: object) -> str:
    """A cell as it stands in the file. Only text can be a formula, so only text is disarmed."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat(sep=" ", timespec="seconds")
    if not isinstance(cell, str):
        return str(cell)
    pieces = _PIECES.split(cell.replace("\x00", ""))
    return "".join(f"'{one}" if _would_run(one.lstrip("'")) else one for one in pieces)


def plain(text: str) -> str:
    """A cell of a file that comes back, as it was before ``safe``: without the signs put into it.

    Exact both ways: ``safe`` also puts one before text that looks as if it had one already.
    """
    return "".join(
        one[1:] if one.startswith("'") and _would_run(one.lstrip("'")) else one
        for one in _PIECES.split(text)
    )


def _would_run(text: str) -> bool:
    first, visible = text[:1], _BEFORE.sub("", text, count=1)[:1]
    return bool((first and first < " ") or (visible and visible in _FORMULA))


def _lines(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer: Any = csv.writer(_Line())
    yield _BYTE_ORDER_MARK + writer.writerow([safe(head) for head in heads])
    for row in rows:
        yield writer.writerow([safe(cell) for cell in row])
