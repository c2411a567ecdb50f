"""Copies that people take out of the house: as a file, on record before its first row leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from django.http import HttpResponseBase
from django.utils import timezone

from integrator.desk.auth import DeskRequest, trace_of
from integrator.desk.export import csv_of, xlsx_of
from integrator.models import Export

Rows = Iterable[Sequence[object]]


def copy_of(
    request: DeskRequest,
    what: str,
    chosen: Mapping[str, str],
    *,
    name: str,
    heads: Sequence[str],
    rows: Rows,
    form: str = "csv",
) -> HttpResponseBase:
    """The rows as ``<name>.csv``, or as a workbook where ``form`` is "xlsx".

    ``what`` and ``chosen`` say on the audit page what was taken.
    """
    record = Export.objects.create(
        what=what, filters=dict(chosen), actor=trace_of(request).actor, at=request.at
    )
    write = xlsx_of if form == "xlsx" else csv_of
    told = _by_clock_of(timezone.get_current_timezone(), rows)
    return write(name, heads, _counted(told, record))


def _by_clock_of(zone: tzinfo, rows: Rows) -> Rows:
    """The rows with the times their page shows: they are made after the view that set its zone.

    It holds only while one row is made, for the process does other work between two of them.
    """
    told = iter(rows)
    while True:
        with timezone.override(zone):
            row = next(told, None)
        if row is None:
            return
        yield row


def _counted(rows: Rows, record: Export) -> Iterator[Sequence[object]]:
    """At the end, also a premature one, how many rows left the house."""
    count = 0
    try:
        for row in rows:
            count += 1
            yield row
    finally:
        Export.objects.filter(pk=record.pk).update(row_count=count)
