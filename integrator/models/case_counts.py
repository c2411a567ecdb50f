"""How many cases are open, kept as they change: queues of any size are counted by a few rows.

Triggers of ``Case`` write what changed as rows of their own, and readers add up.
Nobody ever waits for another's row, so counting can neither hold up a decision nor end in a
deadlock; ``engine.case_counts`` folds the rows together.
"""

from __future__ import annotations

import pgtrigger
from django.db import models

# What cases are counted by, with how it follows from a case ("{0}"). A cause is of interest only
# where cases share it: each of the others has one of its own. Amounts that are not above zero have
# no currency. Days are UTC's: they tell what is late for certain, the day itself is looked into.
COUNTED_BY = {
    "owner": "{0}.owner",
    "kind": "{0}.kind",
    "state": "{0}.state",
    "shares_cause": "{0}.shares_cause",
    "cause": "CASE WHEN {0}.shares_cause THEN {0}.cause ELSE '' END",
    "severity": "{0}.severity",
    "escalation": "{0}.escalation",
    "connection_id": "{0}.connection_id",
    "assignee_id": "{0}.assignee_id",
    "currency": "CASE WHEN {0}.money_minor > 0 THEN {0}.currency ELSE '' END",
    "due_day": "({0}.due_at AT TIME ZONE 'UTC')::date",
}
SUMS = ("number", "money_minor", "customers_waiting")
OPEN = "state IN ('OPEN', 'SNOOZED')"
_KEYS = ", ".join(COUNTED_BY)
_COLUMNS = ", ".join([*COUNTED_BY, *SUMS])


class CaseCount(models.Model):
    """So many cases more, or fewer, of one sort. Only the sum over a sort's rows means anything."""

    owner = models.CharField(max_length=20)
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=10)
    shares_cause = models.BooleanField()
    cause = models.CharField(max_length=200, blank=True)
    severity = models.PositiveSmallIntegerField()
    escalation = models.PositiveSmallIntegerField()
    connection_id = models.BigIntegerField(null=True)
    assignee_id = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    due_day = models.DateField()
    number = models.BigIntegerField()
    money_minor = models.BigIntegerField()
    customers_waiting = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.owner} {self.kind} {self.state} {self.number:+d}"


def open_cases(*, times: int = 1) -> str:
    """All cases that are open now, each as a row to count, in SQL that takes more conditions."""
    of = _row_of("integrator_case", times=times)
    named = ", ".join(f"{sql} AS {name}" for name, sql in of.items())
    return f"SELECT {named} FROM integrator_case WHERE {OPEN}"  # noqa: S608


def _row_of(case: str, *, times: int) -> dict[str, str]:
    of = {name: sql.format(case) for name, sql in COUNTED_BY.items()}
    return of | {
        "number": f"{times}",
        "money_minor": f"{times} * {case}.money_minor",
        "customers_waiting": f"{times} * {case}.customers_waiting",
    }


def added_up(rows: str) -> str:
    """One row for each sort that ``rows`` change."""
    sums = ", ".join(f"sum({one})::bigint AS {one}" for one in SUMS)
    some = " OR ".join(f"sum({one}) <> 0" for one in SUMS)
    return f"SELECT {_KEYS}, {sums} FROM ({rows}) changed GROUP BY {_KEYS} HAVING {some}"  # noqa: S608


def write(rows: str) -> str:
    """The statement that counts ``rows``, with one row for each sort."""
    return f"INSERT INTO integrator_casecount ({_COLUMNS}) {added_up(rows)}"


def counted() -> list[pgtrigger.Trigger]:
    """The triggers that count what changes, and sleep when nothing did that is counted."""
    gone, come = _count("OLD", times=-1), _count("NEW", times=1)
    changed = pgtrigger.AnyChange(
        "owner",
        "kind",
        "state",
        "shares_cause",
        "cause",
        "severity",
        "escalation",
        "connection",
        "assignee",
        "money_minor",
        "currency",
        "customers_waiting",
        "due_at",
    )
    return [
        _after(pgtrigger.Insert, come),
        _after(pgtrigger.Update, f"{gone} {come}", condition=changed),
        _after(pgtrigger.Delete, gone),
    ]


def _count(case: str, *, times: int) -> str:
    """Plain values: cheaper than a query, for each case that anybody touches."""
    values = ", ".join(_row_of(case, times=times).values())
    insert = f"INSERT INTO integrator_casecount ({_COLUMNS}) VALUES ({values})"  # noqa: S608
    return f"IF {case}.{OPEN} THEN {insert}; END IF;"


def _after(
    operation: pgtrigger.Operation, counting: str, *, condition: pgtrigger.Condition | None = None
) -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name=f"counted_{str(operation).lower()}",
        when=pgtrigger.After,
        operation=operation,
        condition=condition,
        func=f"{counting} RETURN NULL;",
    )
