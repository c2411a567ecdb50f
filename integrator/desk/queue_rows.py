"""The lines of a queue, in SQL: grouped by cause, cut into sections, paged by key.

Nothing here reads a whole queue: lines are ranges of an index, and what shares a cause is added up
from counts that are kept (``models.case_counts``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection as database
from django.utils import timezone

from integrator.desk import directory
from integrator.desk.queue_orders import Key, Order, order_of, read_key, write_key
from integrator.flows.queue_members import Doors, Params, doors_of, is_grouped, narrowed
from integrator.flows.queue_wanted import Wanted
from integrator.models import case_counts

PAGE = 50
ANY_CURRENCY = "EUR"  # where no retailer is set up yet


class Row(NamedTuple):
    """One line of the queue: a case, or all cases of one cause. ``id`` is the oldest of them."""

    id: int
    severity: int
    due_at: datetime
    members: int
    money_minor: int
    currency: str
    currencies: int
    customers_waiting: int
    opened_at: datetime
    solved_at: datetime | None
    section: int


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row] = field(default_factory=list)
    older: str = ""


_SHOWN = "id, severity, due_at, {members}, money_minor, currency, {currencies}, customers_waiting"
_SINGLE = _SHOWN.format(members="1", currencies="1")
_GROUP = _SHOWN.format(members="members", currencies="currencies")
_SUMMED = "kind, cause, severity, currency, number, money_minor, customers_waiting"
# A cause is one line: its sums, with its first promise and its oldest case, which are looked up.
_GROUPED = """
    WITH sums AS (
      SELECT kind, cause, max(severity) AS severity, sum(number)::bigint AS members,
             sum(money_minor)::bigint AS money_minor,
             sum(customers_waiting)::bigint AS customers_waiting,
             array_remove(array_agg(DISTINCT currency), '') AS currencies
        FROM (SELECT kind, cause, severity, currency, sum(number) AS number,
                     sum(money_minor) AS money_minor, sum(customers_waiting) AS customers_waiting
                FROM ({rows}) each_row GROUP BY kind, cause, severity, currency) each_sort
       WHERE number > 0 GROUP BY kind, cause),
    grouped AS (
      SELECT oldest.id, severity, next.due_at, members, money_minor,
             CASE WHEN cardinality(currencies) = 1 THEN currencies[1] ELSE '' END AS currency,
             cardinality(currencies) AS currencies, customers_waiting, oldest.opened_at,
             NULL::timestamptz AS solved_at
        FROM sums,
             LATERAL (SELECT due_at FROM integrator_case c
                       WHERE {inside} ORDER BY due_at LIMIT 1) next,
             LATERAL (SELECT id, opened_at FROM integrator_case c
                       WHERE {inside} ORDER BY opened_at, id LIMIT 1) oldest)
"""


def page_of(wanted: Wanted, *, at: datetime, after: str = "", size: int = PAGE) -> Page:
    """One page of lines. ``after`` is the key the previous page ended with.

    Every section of every door is a range of one index, read no further than the page needs.
    """
    order = order_of(wanted.sorted_by)
    key = read_key(wanted.sorted_by, after)
    at = key.at if key else at
    params = Params(
        at=at, tonight=_end_of_day(at), home=directory.current(at=at).currency or ANY_CURRENCY
    )
    with database.cursor() as cursor:
        cursor.execute(_statement(wanted, order, key, size + 1, params), params)
        found = cursor.fetchall()
    rows = [Row(*row[:11]) for row in found[:size]]
    older = ""
    if len(found) > size:
        last = found[size - 1]
        end = Key(at, last[-1], last[10], tuple(last[11:-1]), last[0])
        older = write_key(wanted.sorted_by, end)
    return Page(rows, older)


def _statement(wanted: Wanted, order: Order, key: Key | None, limit: int, params: Params) -> str:
    newest = params.put(key.newest) if key else "(SELECT max(id) FROM integrator_case)"
    here = f"id <= {newest} AND {narrowed(wanted, params)}"
    doors = doors_of(wanted.role, params)
    alone = "NOT shares_cause" if is_grouped(wanted) else "true"
    sources = [
        (_SINGLE, "integrator_case", f"{here} AND {door} AND {alone}") for door in doors.every
    ]
    grouped = ""
    if is_grouped(wanted):
        rows = _summed(wanted, doors, f"id > {newest}" if key else "", params)
        inside = f"""c.kind = sums.kind AND c.cause = sums.cause AND shares_cause AND id <= {newest}
                     AND {narrowed(_of_any_kind(wanted), params)} AND ({doors.any})"""
        grouped = _GROUPED.format(rows=rows, inside=inside)
        sources.append((_GROUP, "grouped", "true"))
    columns = [column.sql for column in order.columns]
    way = " DESC" if order.descending else ""
    inner = ", ".join(f"{one}{way}" for one in [*columns, "id"])
    outer = ", ".join(f"k{place}{way}" for place in range(len(columns)))
    named = ", ".join(f"{one} AS k{place}" for place, one in enumerate(columns))
    most = params.put(limit)
    branches = [
        f"""(SELECT {shown}, opened_at, solved_at, {number} AS section, {named}
               FROM {source} WHERE {where} AND {cut.condition} AND {beyond}
              ORDER BY {inner} LIMIT {most})"""  # noqa: S608  (all values are parameters)
        for number, cut, beyond in _ahead(order, columns, key, params)
        for shown, source, where in sources
    ]
    together = " UNION ALL ".join(branches)
    return f"""{grouped} SELECT *, {newest} FROM ({together}) lines
                ORDER BY section, {outer}, id{way} LIMIT {most}"""  # noqa: S608


def _of_any_kind(wanted: Wanted) -> Wanted:
    """The same list with no word about kinds: said twice, it leads PostgreSQL off the index."""
    return replace(wanted, kind="", tab="needs" if wanted.system else wanted.tab)


def _summed(wanted: Wanted, doors: Doors, came_since: str, params: Params) -> str:
    """The rows that add up to the causes of a list: kept ones, where the list asks for no more.

    ``came_since``: which cases are too new for the list; they are taken off again.
    """
    asked = narrowed(wanted, params)
    kept = f"SELECT {_SUMMED} FROM integrator_casecount WHERE shares_cause AND {asked}"  # noqa: S608
    looked = f"""SELECT {_SUMMED} FROM ({case_counts.open_cases()} AND {{}}) looked
                  WHERE shares_cause"""  # noqa: S608
    if wanted.bulk_id:
        return looked.format(f"({doors.any}) AND {asked}")
    parts = [f"{kept} AND ({doors.own})", looked.format(f"{doors.asked} AND {asked}")]
    if came_since:
        newer = case_counts.open_cases(times=-1)
        parts.append(
            f"""SELECT {_SUMMED} FROM ({newer} AND shares_cause AND {came_since} AND {asked}
                                          AND ({doors.any})) newer"""  # noqa: S608
        )
    return " UNION ALL ".join(parts)


def _ahead(
    order: Order, columns: list[str], key: Key | None, params: Params
) -> Iterator[tuple[int, Any, str]]:
    """The sections that are still to come, and from where on the first of them is."""
    for number, cut in enumerate(order.cuts):
        if key is None or number > key.section:
            yield number, cut, "true"
        elif number == key.section:
            values = ", ".join(params.put(one) for one in [*key.values, key.pk])
            than = "<" if order.descending else ">"
            yield number, cut, f"({', '.join(columns)}, id) {than} ({values})"


def cases_of(wanted: Wanted, *, lines: Sequence[int] | None, limit: int) -> list[int]:
    """The cases behind these lines of a list, oldest first; behind all of its lines when None.

    A line of a cause stands for every case of the cause that the list holds.
    """
    params = Params()
    parts = [f"({doors_of(wanted.role, params).any})", narrowed(wanted, params)]
    if lines is not None:
        ids = params.put(list(lines))
        chosen = f"id = ANY({ids})"
        if is_grouped(wanted):
            chosen = f"""({chosen} OR (shares_cause AND (kind, cause) IN (SELECT kind, cause
                 FROM integrator_case WHERE id = ANY({ids}))))"""  # noqa: S608
        parts.append(chosen)
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT id FROM integrator_case WHERE {" AND ".join(parts)}
                 ORDER BY id LIMIT {params.put(limit)}""",  # noqa: S608
            params,
        )
        return [row[0] for row in cursor.fetchall()]


def _end_of_day(at: datetime) -> datetime:
    local = timezone.localtime(at)
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
