"""What people decided and changed, from every table that keeps it: one list, newest first.

The database merges the sources, however many rows there are. Their words are in ``audit_says``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, F, IntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast

from fulfilment.models import Location
from integrator.desk import audit_settings, audit_sources, audit_views
from integrator.desk.audit_sources import Wanted
from integrator.models import AlertReceiver, Connection, Retailer

PAGE = 50


class Key(NamedTuple):
    """Where a page ends. Time first; ``source`` and ``id`` tell rows of one moment apart."""

    at: datetime
    source: int
    id: int


class Row(NamedTuple):
    at: datetime
    source: int
    id: int
    actor: str
    data: dict[str, Any]

    @property
    def key(self) -> Key:
        return Key(self.at, self.source, self.id)


@dataclass(frozen=True, slots=True)
class Source:
    """A table's part of the list. ``rows`` is None when no filter of this kind can match it."""

    name: str
    kinds: tuple[str, ...]
    rows: Callable[[Wanted], QuerySet[Any] | None]
    at: str = "at"
    pk: str = "pk"


def page(wanted: Wanted, *, after: Key | None = None, limit: int = PAGE) -> list[Row]:
    """The newest rows the filters leave, or those after a key; at most ``limit``. One query."""
    parts = [
        part
        for number, source in enumerate(SOURCES)
        if (part := _part(number, source, wanted, after)) is not None
    ]
    if not parts:
        return []
    first, *others = (part[:limit] for part in parts)
    merged = first.union(*others, all=True) if others else first
    if others:
        merged = merged.order_by(*_ORDER)[:limit]
    return [Row(*one) for one in merged]


def all_of(wanted: Wanted, *, before: datetime, chunk: int = 1000) -> Iterator[list[Row]]:
    """Every row the filters leave from before a moment, in the same order, some at a time."""
    after: Key | None = Key(before, -1, 0)
    while rows := page(wanted, after=after, limit=chunk):
        yield rows
        if len(rows) < chunk:
            return
        after = rows[-1].key


def uncounted(wanted: Wanted) -> list[QuerySet[Any]]:
    """What the filters leave of each source, for who only counts: nothing is put into words."""
    parts = (_part(number, source, wanted, None) for number, source in enumerate(SOURCES))
    return [part.order_by().values_list("row_id") for part in parts if part is not None]


_ORDER = ("-row_at", "-row_source", "-row_id")


def _part(number: int, source: Source, wanted: Wanted, after: Key | None) -> QuerySet[Any] | None:
    if wanted.kind and wanted.kind not in source.kinds:
        return None
    rows = source.rows(wanted)
    if rows is None:
        return None
    rows = rows.annotate(
        row_at=F(source.at),
        row_source=Value(number, output_field=IntegerField()),
        row_id=Cast(source.pk, BigIntegerField()),
    )
    if (rows := audit_views.narrowed(source.name, rows, wanted)) is None:
        return None
    if wanted.since is not None:
        rows = rows.filter(row_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(row_at__lt=wanted.until)
    if after is not None:
        earlier = Q(row_at__lt=after.at)
        if number < after.source:
            earlier |= Q(row_at=after.at)
        elif number == after.source:
            earlier |= Q(row_at=after.at, row_id__lt=after.id)
        rows = rows.filter(earlier, row_at__lte=after.at)
    names = ("row_at", "row_source", "row_id", "row_actor", "row_data")
    return rows.order_by(*_ORDER).values_list(*names)


# Their order settles which of two rows of one moment comes first: the later consequence is newer.
SOURCES = (
    Source("export", ("export",), audit_sources.exported),
    Source("role", ("role",), audit_settings.granted, "pgh_created_at", "pgh_id"),
    Source(
        "retailer",
        ("setting",),
        audit_settings.history_of(Retailer, "name", "timezone"),
        "pgh_created_at",
        "pgh_id",
    ),
    Source(
        "location",
        ("setting",),
        audit_settings.history_of(Location, "name", "authority"),
        "pgh_created_at",
        "pgh_id",
    ),
    Source(
        "alert_receiver",
        ("setting",),
        audit_settings.history_of(
            AlertReceiver, "name", "role", "kinds", "address", "private_network", "is_on"
        ),
        "pgh_created_at",
        "pgh_id",
    ),
    Source(
        "connection",
        ("setting",),
        audit_settings.history_of(
            Connection,
            *("name", "base_url", "settings", "callback_user"),
            *("callback_token_hash", "callback_password_hash"),
        ),
        "pgh_created_at",
        "pgh_id",
    ),
    Source("view", ("setting",), audit_settings.viewed, "pgh_created_at", "pgh_id"),
    Source("policy", ("setting",), audit_settings.ruled, "made_at"),
    Source("mapping", ("mapping",), audit_settings.mapped, "made_at"),
    Source("moved", ("approval", "setting", "status"), audit_sources.moved),
    Source("case", ("decision", "handling", "note"), audit_sources.case_events),
    Source("asked", ("approval",), audit_sources.asked, "asked_at"),
    Source("booked", ("money",), audit_sources.booked),
    Source("reviewed", ("role",), audit_sources.reviewed),
    Source("incident_note", ("note",), audit_sources.noted),
    Source("sign_in", ("sign_in",), audit_sources.signed_in),
    Source("saw", ("personal",), audit_sources.saw),
)
NAMES = tuple(source.name for source in SOURCES)
