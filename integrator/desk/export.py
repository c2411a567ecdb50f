"""A table as a file for a spreadsheet. What it holds, and who may have it, its page decides."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from django.http import StreamingHttpResponse

# A spreadsheet would run what such a cell says instead of showing it.
_FORMULA = ("=", "+", "-", "@")


class _Echo:
    """A file that keeps nothing: what the writer writes is the line it returns."""

    def write(self, line: str) -> str:
        return line


def safe(cell: object) -> str:
    """A cell that shows what it says: text that could be a formula gets an apostrophe in front.

    Numbers stay numbers; moments are written in UTC, so that two files can be compared.
    """
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float | Decimal):
        return str(cell)
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    text = "" if cell is None else str(cell)
    is_formula = text.lstrip().startswith(_FORMULA)
    return f"'{text}" if is_formula or (text and ord(text[0]) < 32) else text


def csv_of(
    name: str, heads: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """The rows as ``<name>.csv``, line by line, so that a long one needs no memory."""
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield "\ufeff" + str(writer.writerow([safe(head) for head in heads]))
        for row in rows:
            yield str(writer.writerow([safe(cell) for cell in row]))

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
