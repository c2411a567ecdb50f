"""The tabs of the audit page: the named views, each with how long its list is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import EmptyResultSet
from django.db import connection as database

from integrator.desk import audit_filters, audit_rows, audit_views, directory
from integrator.desk.audit_filters import Filters
from integrator.desk.audit_sources import Wanted
from integrator.desk.queue_tabs import Tab

CAP = 1000


@dataclass(frozen=True, slots=True)
class Tabs:
    """``says`` what is on the chosen one; ``listed`` how much of it the other filters leave.

    ``href`` leads to the chosen one whole, where ``is_narrowed`` by more than it.
    """

    tabs: list[Tab]
    says: str
    listed: str
    href: str
    is_narrowed: bool


def tabs(filters: Filters, known: directory.Directory) -> Tabs:
    """Every tab with how long its list is. A list longer than ``CAP`` is more.

    A tab counts its whole list; narrowed down further it stays chosen, and the list gets shorter.
    """
    wanted = [
        audit_filters.read(one.query, personal=False, known=known).wanted
        for one in audit_views.VIEWS
    ]
    *counted, listed = counts([*wanted, filters.wanted])
    chosen = next(
        (one for one in reversed(audit_views.VIEWS) if one.query.items() <= filters.query.items()),
        audit_views.VIEWS[0],
    )
    found = [
        Tab(
            label=one.label,
            href=f"?{urlencode(one.query)}",
            count=_said(count),
            overdue=0,
            is_current=one is chosen,
        )
        for one, count in zip(audit_views.VIEWS, counted, strict=True)
    ]
    return Tabs(
        tabs=found,
        says=audit_views.says_of(chosen, known),
        listed=_said(listed),
        href=f"?{urlencode(chosen.query)}",
        is_narrowed=filters.query != dict(chosen.query),
    )


def _said(count: int) -> str:
    return f"{CAP:,}+" if count > CAP else f"{count:,}"


def counts(lists: Sequence[Wanted]) -> list[int]:
    """How many rows each of these lists has, one more than ``CAP`` at most. One statement."""
    parts: list[str] = []
    values: list[Any] = []
    for number, wanted in enumerate(lists):
        for rows in audit_rows.uncounted(wanted):
            try:
                sql, params = rows[: CAP + 1].query.sql_with_params()
            except EmptyResultSet:
                continue
            parts.append(f"SELECT {number} AS list, count(*) AS rows FROM ({sql}) part")  # noqa: S608
            values += params
    if not parts:
        return [0] * len(lists)
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT list, least(sum(rows), {CAP + 1})::int FROM ({' UNION ALL '.join(parts)}) all_"  # noqa: S608
            " GROUP BY list",
            values,
        )
        found = dict(cursor.fetchall())
    return [found.get(number, 0) for number in range(len(lists))]
