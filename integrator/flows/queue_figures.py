"""How many lines each tab of a queue has, and how many of them are overdue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection as database

from integrator.flows.queue_members import Params, doors_of, is_grouped, narrowed
from integrator.flows.queue_wanted import Wanted
from integrator.models import case_counts

CAP = 10_000


@dataclass(frozen=True, slots=True)
class Figure:
    """How many lines a tab has, and how many of them are overdue. Solved ones up to ``CAP``."""

    count: int = 0
    overdue: int = 0


_COLUMNS = "owner, kind, state, shares_cause, cause, escalation, connection_id, assignee_id"


def figures_of(wanted: Sequence[Wanted], *, at: datetime) -> dict[Wanted, Figure]:
    """The figures of any number of tabs, in one statement that adds up each role's queue once."""
    asked = list(dict.fromkeys(wanted))
    if not asked:
        return {}
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    params = Params(
        at=at,
        today=midnight.date(),
        midnight=midnight,
        next_midnight=midnight + timedelta(days=1),
    )
    together: dict[str, list[Wanted]] = defaultdict(list)
    for one in asked:
        alone = "" if _is_kept(one) else f" {asked.index(one)}"
        together[f"{one.role}{alone}"].append(one)
    parts = []
    for group in together.values():
        columns = ", ".join(text for one in group for text in _counted(one, params))
        parts.append(f"(SELECT ARRAY[{columns}]::bigint[] FROM ({_rows(group[0], params)}) c)")  # noqa: S608
    with database.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        arrays = [row[0] for row in cursor.fetchall()]
    return {
        one: Figure(array[2 * place], array[2 * place + 1])
        for group, array in zip(together.values(), arrays, strict=True)
        for place, one in enumerate(group)
    }


def _is_kept(wanted: Wanted) -> bool:
    """Whether what is kept tells its figures. The others are looked into: one cause, what one bulk
    was about, and what is solved, which is counted no further than the cap.
    """
    return is_grouped(wanted) and not wanted.bulk_id


def _rows(wanted: Wanted, params: Params) -> str:
    """What the figures of one role's tabs are added up from.

    Days are over or to come, but for today's: what is due today is late or not by the minute.
    """
    doors = doors_of(wanted.role, params)
    if not _is_kept(wanted):
        most = params.put(CAP if wanted.state == "SOLVED" else None)
        return f"""SELECT {_COLUMNS}, due_at <= %(at)s AS is_late, 1 AS number
                     FROM integrator_case WHERE ({doors.any}) AND {narrowed(wanted, params)}
                    LIMIT {most}"""  # noqa: S608
    looked = f"""SELECT {_COLUMNS}, due_at <= %(at)s AS is_late, count(*) AS number
                   FROM integrator_case WHERE {case_counts.OPEN} AND {{}}
                  GROUP BY {_COLUMNS}, is_late"""  # noqa: S608
    today = "due_at >= %(midnight)s AND due_at < %(next_midnight)s"
    parts = [
        f"""SELECT {_COLUMNS}, due_day < %(today)s AS is_late, sum(number) AS number
              FROM integrator_casecount WHERE due_day <> %(today)s AND ({doors.own})
             GROUP BY {_COLUMNS}, is_late HAVING sum(number) > 0""",  # noqa: S608
        looked.format(f"{today} AND ({doors.own})"),
    ]
    parts.append(looked.format(doors.asked))
    return " UNION ALL ".join(parts)


def _counted(one: Wanted, params: Params) -> Iterator[str]:
    """How many lines, and how many overdue ones: a cause counts once, unless it is looked into."""
    condition = narrowed(one, params) if _is_kept(one) else "true"
    late = "is_late" if one.state == "OPEN" else "false"
    for also in (condition, f"{condition} AND {late}"):
        if is_grouped(one):
            yield (
                f"coalesce(sum(number) FILTER (WHERE NOT shares_cause AND {also}), 0)"
                f" + count(DISTINCT (kind, cause)) FILTER (WHERE shares_cause AND {also})"
            )
        else:
            yield f"coalesce(sum(number) FILTER (WHERE {also}), 0)"
