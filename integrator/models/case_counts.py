"""How many cases are open, kept as they change: queues of any size are counted by a few rows.

Triggers of ``Case`` write what changed as rows of their own, and readers add up.
Nobody ever waits for another's row, so counting can neither hold up a decision nor end in a
deadlock; ``engine.case_counts`` folds the rows together.
"""

from __future__ import annotations

import pgtrigger
from django.db import models

# What cases are counted by, with how it follows from a case. A cause is of interest only where
# cases share it: each of the others has one of its own. Amounts that are not above zero have no
# currency. Days are UTC's: they tell what is late for certain, the day itself is looked into.
COUNTED_BY = {
    "owner": "owner",
    "kind": "kind",
    "state": "state",
    "shares_cause": "shares_cause",
    "cause": "CASE WHEN shares_cause THEN cause ELSE '' END",
    "severity": "severity",
    "escalation": "escalation",
    "connection_id": "connection_id",
    "assignee_id": "assignee_id",
    "currency": "CASE WHEN money_minor > 0 THEN currency ELSE '' END",
    "due_day": "(due_at AT TIME ZONE 'UTC')::date",
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


def rows_of(source: str, *, times: int = 1) -> str:
    """The cases of ``source`` as rows to count, in SQL."""
    keys = ", ".join(f"{sql} AS {name}" for name, sql in COUNTED_BY.items())
    return f"""SELECT {keys}, {times} AS number, {times} * money_minor AS money_minor,
                      {times} * customers_waiting AS customers_waiting
                 FROM {source} WHERE {OPEN}"""  # noqa: S608  (no value comes from outside)


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
    gone, come = rows_of("(SELECT OLD.*) gone", times=-1), rows_of("(SELECT NEW.*) come")
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
        _after(pgtrigger.Update, f"{gone} UNION ALL {come}", condition=changed),
        _after(pgtrigger.Delete, gone),
    ]


def _after(
    operation: pgtrigger.Operation, rows: str, *, condition: pgtrigger.Condition | None = None
) -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name=f"counted_{str(operation).lower()}",
        when=pgtrigger.After,
        operation=operation,
        condition=condition,
        func=f"INSERT INTO integrator_casecount ({_COLUMNS}) {rows}; RETURN NULL;",
    )
