"""The rows and counts of a queue, in SQL: grouped by cause, cut into sections, paged by key.

One definition of "which cases belong here" serves lists and counts, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from django.db import connection as database
from django.utils import timezone

from integrator import policy
from integrator.desk import catalogue
from integrator.roles import Role

PAGE = 50
CAP = 10_000
TABS = ("needs", "mine", "snoozed", "solved")
# An auditor owns nothing: there is no queue to work through.
ROLES = tuple(role for role in Role.values if role != Role.AUDITOR)
_STATES = {"needs": "OPEN", "mine": "OPEN", "snoozed": "SNOOZED", "solved": "SOLVED"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page of the queue shows; all of it comes from the URL."""

    role: str
    tab: str
    user_id: int
    kind: str = ""
    cause: str = ""


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
    section: int
    sort_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lines each tab has. ``capped`` says that there are more solved ones than counted."""

    needs: int = 0
    overdue: int = 0
    mine: int = 0
    snoozed: int = 0
    solved: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row] = field(default_factory=list)
    older: str = ""


@dataclass(frozen=True, slots=True)
class _Where:
    sql: str
    params: list[Any]


def held_by(roles: frozenset[str]) -> list[str]:
    """The queues these roles work through, in their fixed order."""
    return [role for role in ROLES if role in roles]


def visible_to(roles: frozenset[str]) -> list[str]:
    """The queues these roles may look at, their own first. Admins and auditors see every team's."""
    held = held_by(roles)
    if not {Role.ADMIN, Role.AUDITOR} & roles:
        return held
    return [*held, *(role for role in ROLES if role not in held)]


def page_of(wanted: Wanted, *, at: datetime, after: str = "", size: int = PAGE) -> Page:
    """One page of lines. ``after`` is the key the previous page ended with."""
    key = _read_key(after)
    at = key[0] if key else at
    where = _where(wanted)
    today_ends = _end_of_day(at)
    shared = [] if wanted.cause else catalogue.shared_codes()
    solved = wanted.tab == "solved"
    section = "0" if solved else "CASE WHEN {0} <= %s THEN 0 WHEN {0} <= %s THEN 1 ELSE 2 END"
    times: list[Any] = [] if solved else [at, today_ends]
    # Solved lines come newest first, so their time is counted backwards.
    order_one, order_many = (
        (
            ("0", "-extract(epoch FROM solved_at)"),
            ("0", "-extract(epoch FROM max(solved_at))"),
        )
        if solved
        else (
            ("-severity", "extract(epoch FROM due_at)"),
            ("-max(severity)", "extract(epoch FROM min(due_at))"),
        )
    )
    one = (section.format("due_at"), *order_one, "id")
    many = (section.format("min(due_at)"), *order_many, "min(id)")
    beyond_one, beyond_many = _beyond(one, times, key), _beyond(many, times, key)
    statement = f"""
        (SELECT id, severity, due_at, 1, money_minor, currency, 1, customers_waiting,
                {one[0]} AS section, coalesce(solved_at, due_at), {one[1]} AS a, {one[2]} AS b
           FROM integrator_case
          WHERE {where.sql} AND kind <> ALL(%s) AND {beyond_one.sql}
          ORDER BY section, a, b, id LIMIT %s)
        UNION ALL
        (SELECT min(id), max(severity), min(due_at), count(*), sum(money_minor),
                coalesce(max(currency) FILTER (WHERE money_minor > 0), ''),
                count(DISTINCT currency) FILTER (WHERE money_minor > 0), sum(customers_waiting),
                {many[0]} AS section, coalesce(max(solved_at), min(due_at)),
                {many[1]} AS a, {many[2]} AS b
           FROM integrator_case
          WHERE {where.sql} AND kind = ANY(%s)
          GROUP BY kind, cause HAVING {beyond_many.sql}
          ORDER BY section, a, b, min(id) LIMIT %s)
        ORDER BY section, a, b, id LIMIT %s
    """  # noqa: S608  (every value is a parameter; the rest is written above)
    params = [
        *times, *where.params, shared, *beyond_one.params, size + 1,
        *times, *where.params, shared, *beyond_many.params, size + 1,
        size + 1,
    ]  # fmt: skip
    with database.cursor() as cursor:
        cursor.execute(statement, params)
        found = cursor.fetchall()
    rows = [
        Row(*row[:10])._replace(money_minor=int(row[4]), customers_waiting=int(row[7]))
        for row in found
    ]
    older = ""
    if len(found) > size:
        last = found[size - 1]
        older = _write_key(at, last[8], last[10], last[11], last[0])
    return Page(rows[:size], older)


def counts_of(wanted: Sequence[Wanted], *, at: datetime) -> list[Counts]:
    """The counts of several queues, in one query. Solved ones are counted up to ``CAP``."""
    if not wanted:
        return []
    parts, params = [], []
    for one in wanted:
        for tab in TABS:
            where = _where(replace(one, tab=tab))
            parts.append(
                f"""(SELECT count(*) FILTER (WHERE NOT shared)
                           + count(DISTINCT (kind, cause)) FILTER (WHERE shared),
                           count(*) FILTER (WHERE NOT shared AND due_at <= %s)
                           + count(DISTINCT (kind, cause)) FILTER (WHERE shared AND due_at <= %s)
                      FROM (SELECT kind, cause, due_at, kind = ANY(%s) AS shared
                              FROM integrator_case WHERE {where.sql} LIMIT %s) counted)"""  # noqa: S608
            )
            params += [
                at,
                at,
                [] if one.cause else catalogue.shared_codes(),
                *where.params,
                CAP if tab == "solved" else None,
            ]
    with database.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        figures = cursor.fetchall()
    return [
        Counts(
            needs=chunk[0][0],
            overdue=chunk[0][1],
            mine=chunk[1][0],
            snoozed=chunk[2][0],
            solved=chunk[3][0],
        )
        for chunk in (figures[start : start + 4] for start in range(0, len(figures), 4))
    ]


def _where(wanted: Wanted) -> _Where:
    """Which cases belong to a role's queue: its own, those lifted to it, those it may agree to."""
    belongs = ["owner = %s"]
    params: list[Any] = [_STATES[wanted.tab], wanted.role]
    for step, kinds in sorted(_lifted_to(wanted.role).items()):
        belongs.append("(escalation >= %s AND kind = ANY(%s))")
        params += [step, kinds]
    if wanted.role in policy.VERBS["approval.decide"]:
        belongs.append(
            """(kind = ANY(%s) AND id IN (SELECT record_id FROM integrator_approval
                 WHERE record_kind = 'case' AND state = 'ASKED'))"""
        )
        params.append(_answerable(wanted.role))
    sql = f"state = %s AND ({' OR '.join(belongs)})"
    for column, value in (("kind", wanted.kind), ("cause", wanted.cause)):
        if value:
            sql += f" AND {column} = %s"
            params.append(value)
    if wanted.tab == "mine":
        sql += " AND assignee_id = %s"
        params.append(wanted.user_id)
    return _Where(sql, params)


def _lifted_to(role: str) -> dict[int, list[str]]:
    """The kinds that reach a role when nobody acts, by the step at which they do."""
    steps: dict[int, list[str]] = {}
    for code, kind in sorted(catalogue.kinds().items()):
        if role in kind.ladder:
            steps.setdefault(kind.ladder.index(role) + 1, []).append(code)
    return steps


def _answerable(role: str) -> list[str]:
    return sorted(
        code for code, kind in catalogue.kinds().items() if role in (kind.owner, *kind.ladder)
    )


def _end_of_day(at: datetime) -> datetime:
    local = timezone.localtime(at)
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


# A key is (clock of the first page, section, a, b, id): rows of equal worth keep their order, and
# the sections do not move while somebody is paging.


def _beyond(columns: Sequence[str], times: list[Any], key: tuple[Any, ...] | None) -> _Where:
    if key is None:
        return _Where("true", [])
    return _Where(f"({', '.join(columns)}) > (%s, %s, %s, %s)", [*times, *key[1:]])


def _write_key(at: datetime, section: int, a: int, b: Any, pk: int) -> str:
    return f"{at.isoformat()}_{section}_{a}_{b}_{pk}"


def _read_key(text: str) -> tuple[Any, ...] | None:
    """The parts of a key; None for none, and for one that somebody changed by hand."""
    parts = text.replace(" ", "+").split("_")
    try:
        at, section, a, b, pk = parts
        read = (datetime.fromisoformat(at), int(section), int(a), Decimal(b), int(pk))
    except (ValueError, InvalidOperation):
        return None
    return None if timezone.is_naive(read[0]) else read
