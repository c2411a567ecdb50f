"""The rows and counts of a queue, in SQL: grouped by cause, cut into sections, paged by key.

One definition of "which cases belong here" serves lists and counts, so they cannot differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection as database
from django.utils import timezone

from integrator import policy
from integrator.desk import catalogue, directory
from integrator.desk.queue_orders import Key, Order, order_of, read_key, write_key
from integrator.desk.queue_wanted import ROLES, Wanted
from integrator.roles import Role

PAGE = 50
CAP = 10_000
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
class Figure:
    """How many lines a tab has, and how many of them are overdue. Solved ones up to ``CAP``."""

    count: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row] = field(default_factory=list)
    older: str = ""


class _Params(dict[str, Any]):
    """The values of a statement. Each is given a name, which is all that the SQL holds."""

    def put(self, value: Any) -> str:
        name = f"p{len(self)}"
        self[name] = value
        return f"%({name})s"


def held_by(roles: frozenset[str]) -> list[str]:
    """The queues these roles work through, in their fixed order."""
    return [role for role in ROLES if role in roles]


def visible_to(roles: frozenset[str]) -> list[str]:
    """The queues these roles may look at, their own first. Admins and auditors see every team's."""
    held = held_by(roles)
    if not {Role.ADMIN, Role.AUDITOR} & roles:
        return held
    return [*held, *(role for role in ROLES if role not in held)]


# --- One page of lines ----------------------------------------------------------------------------

_SHOWN = "id, severity, due_at, {members}, money_minor, currency, {currencies}, customers_waiting"
_SINGLE = _SHOWN.format(members="1", currencies="1")
_GROUP = _SHOWN.format(members="members", currencies="currencies")
_GROUPED = """
    grouped AS (
      SELECT *, CASE WHEN currencies = 1 THEN one_currency ELSE '' END AS currency
        FROM (SELECT min(id) AS id, max(severity) AS severity, min(due_at) AS due_at,
                     count(*) AS members, sum(money_minor)::bigint AS money_minor,
                     max(currency) FILTER (WHERE money_minor > 0) AS one_currency,
                     count(DISTINCT currency) FILTER (WHERE money_minor > 0) AS currencies,
                     sum(customers_waiting)::bigint AS customers_waiting,
                     min(opened_at) AS opened_at, max(solved_at) AS solved_at
                FROM integrator_case WHERE {where} GROUP BY kind, cause) each_cause)
"""


def page_of(wanted: Wanted, *, at: datetime, after: str = "", size: int = PAGE) -> Page:
    """One page of lines. ``after`` is the key the previous page ended with.

    Every section of every door is a range of one index, read no further than the page needs; only
    what shares a cause is added up first.
    """
    order = order_of(wanted.sorted_by)
    key = read_key(wanted.sorted_by, after)
    at = key.at if key else at
    params = _Params(
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


def _statement(wanted: Wanted, order: Order, key: Key | None, limit: int, params: _Params) -> str:
    shared = [] if wanted.cause else catalogue.shared_codes()
    kinds = params.put(shared)
    newest = params.put(key.newest) if key else "(SELECT max(id) FROM integrator_case)"
    here = f"id <= {newest} AND {_narrowed(wanted, params)}"
    doors = _doors(wanted.role, params)
    sources = [
        (_SINGLE, "integrator_case", f"{here} AND {door} AND kind <> ALL({kinds})")
        for door in doors
    ]
    grouped = ""
    if shared:
        where = f"{here} AND ({' OR '.join(doors)}) AND kind = ANY({kinds})"
        grouped = f"WITH {_GROUPED.format(where=where)}"
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


def _ahead(
    order: Order, columns: list[str], key: Key | None, params: _Params
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
    params = _Params()
    parts = [f"({' OR '.join(_doors(wanted.role, params))})", _narrowed(wanted, params)]
    if lines is not None:
        ids = params.put(list(lines))
        chosen = f"id = ANY({ids})"
        if not wanted.cause:
            chosen = f"""({chosen} OR (kind = ANY({params.put(catalogue.shared_codes())})
                 AND (kind, cause) IN (SELECT kind, cause FROM integrator_case
                                        WHERE id = ANY({ids}))))"""  # noqa: S608
        parts.append(chosen)
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT id FROM integrator_case WHERE {" AND ".join(parts)}
                 ORDER BY id LIMIT {params.put(limit)}""",  # noqa: S608
            params,
        )
        return [row[0] for row in cursor.fetchall()]


# --- Counts ---------------------------------------------------------------------------------------


def figures_of(wanted: Sequence[Wanted], *, at: datetime) -> dict[Wanted, Figure]:
    """The figures of any number of tabs, in one statement that reads each role's queue once."""
    asked = list(dict.fromkeys(wanted))
    if not asked:
        return {}
    params = _Params(at=at)
    shared = params.put(catalogue.shared_codes())
    together: dict[str, list[Wanted]] = defaultdict(list)
    for one in asked:
        # Solved ones are many: each such tab is counted alone, and no further than the cap.
        together[f"{one.role} {asked.index(one) if one.state == 'SOLVED' else ''}"].append(one)
    parts = []
    for group in together.values():
        is_solved = group[0].state == "SOLVED"
        doors = " OR ".join(_doors(group[0].role, params))
        where = f"({doors}) AND state IN ('OPEN', 'SNOOZED')"
        if is_solved:
            where = f"({doors}) AND {_narrowed(group[0], params)}"
        columns = ", ".join(
            text for one in group for text in _counted("true" if is_solved else "", one, params)
        )
        parts.append(
            f"""(SELECT ARRAY[{columns}]::bigint[]
                   FROM (SELECT *, kind = ANY({shared}) AS shared FROM integrator_case
                          WHERE {where} LIMIT {params.put(CAP if is_solved else None)}) c)"""  # noqa: S608
        )
    with database.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        arrays = [row[0] for row in cursor.fetchall()]
    return {
        one: Figure(array[2 * place], array[2 * place + 1])
        for group, array in zip(together.values(), arrays, strict=True)
        for place, one in enumerate(group)
    }


def _counted(condition: str, one: Wanted, params: _Params) -> Iterator[str]:
    """How many lines, and how many overdue ones: a cause counts once, unless it is looked into."""
    condition = condition or _narrowed(one, params)
    late = "due_at <= %(at)s" if one.state == "OPEN" else "false"
    for also in (condition, f"{condition} AND {late}"):
        if one.cause:
            yield f"count(*) FILTER (WHERE {also})"
        else:
            yield (
                f"count(*) FILTER (WHERE NOT shared AND {also})"
                f" + count(DISTINCT (kind, cause)) FILTER (WHERE shared AND {also})"
            )


# --- Which cases belong here ----------------------------------------------------------------------


def _narrowed(wanted: Wanted, params: _Params) -> str:
    """What the tab and its filters ask of a case, whoever's it is."""
    parts = [f"state = '{wanted.state}'"]
    if wanted.system is not None:
        parts.append(f"kind = ANY({params.put(wanted.system.codes)})")
    if wanted.kind:
        parts.append(f"kind = {params.put(wanted.kind)}")
    if wanted.cause:
        parts.append(f"cause = {params.put(wanted.cause)}")
    if wanted.bulk_id:
        parts.append(
            f"""id = ANY(ARRAY(SELECT case_id FROM integrator_bulkitem
                                WHERE bulk_id = {params.put(wanted.bulk_id)}
                                  AND state <> 'EXCLUDED'))"""  # noqa: S608
        )
    if wanted.connection_id:
        parts.append(f"connection_id = {params.put(wanted.connection_id)}")
    if wanted.tab == "mine" or wanted.who == "me":
        parts.append(f"assignee_id = {params.put(wanted.user_id)}")
    elif wanted.who == "nobody":
        parts.append("assignee_id IS NULL")
    return " AND ".join(parts)


def _doors(role: str, params: _Params) -> list[str]:
    """How a case comes into a role's queue: it owns it, it was lifted to it, or is asked to agree.

    No case comes in by two doors.
    """
    lifted = [
        f"(owner = {params.put(owner)} AND ({' OR '.join(steps)}))"
        for owner, steps in _lifted_to(role, params).items()
    ]
    doors = [f"owner = {params.put(role)}", *lifted]
    if role in policy.VERBS["approval.decide"]:
        elsewhere = " OR ".join(doors)
        # An array: they are few, and are looked up one by one.
        doors.append(
            f"""(NOT ({elsewhere}) AND kind = ANY({params.put(_answerable(role))})
                 AND id = ANY(ARRAY(SELECT record_id FROM integrator_approval
                                     WHERE record_kind = 'case' AND state = 'ASKED')))"""  # noqa: S608
        )
    return doors


def _lifted_to(role: str, params: _Params) -> dict[str, list[str]]:
    """The kinds that reach a role when nobody acts, by owner, with the step at which they do."""
    steps: dict[tuple[str, int], list[str]] = defaultdict(list)
    for code, kind in sorted(catalogue.kinds().items()):
        if role in kind.ladder and role != kind.owner:
            steps[kind.owner, kind.ladder.index(role) + 1].append(code)
    found: dict[str, list[str]] = defaultdict(list)
    for (owner, step), codes in steps.items():
        found[owner].append(f"(escalation >= {step} AND kind = ANY({params.put(codes)}))")
    return found


def _answerable(role: str) -> list[str]:
    return sorted(
        code for code, kind in catalogue.kinds().items() if role in (kind.owner, *kind.ladder)
    )


def _end_of_day(at: datetime) -> datetime:
    local = timezone.localtime(at)
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
