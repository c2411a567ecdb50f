"""``move()``: the only way a status changes. It writes the fact together with the change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection as database
from django.db.models import Model


@dataclass(frozen=True, slots=True)
class Trace:
    """Who changes something, when, and because of what. ``at`` is the clock of the whole step."""

    at: datetime
    actor: str
    job_id: int | None = None
    message_id: int | None = None
    policy_version: int | None = None

    def by(self, actor: str) -> Trace:
        return replace(self, actor=actor)


class UnableToMove(Exception):
    """The move is not in the record's ``MOVES``."""


class Raced(Exception):
    """Somebody else moved the record since it was read. Read again and decide again."""


def move(record: Model, field: str, new: str, *, reason: str, trace: Trace, **changes: Any) -> int:
    """Move ``record.field`` to ``new`` and write the Transition. Returns the fact's id.

    1. The move must be listed in the model's ``MOVES`` (the database trigger holds the same list).
    2. One statement updates the row only if the status is still what was read, and writes the
       Transition only if it did: the change and the fact exist together or not at all.
    3. Nothing updated means that somebody was faster: ``Raced``, and nothing was written.

    ``changes`` are other columns that belong to the same step.
    """
    old = getattr(record, field)
    allowed = record.MOVES[field]  # type: ignore[attr-defined]
    if new not in allowed.get(old, ()):
        raise UnableToMove(f"{record.RECORD_KIND}.{field}: {old or 'nothing'} → {new}")  # type: ignore[attr-defined]
    meta = record._meta
    columns, values = [], []
    for name, value in {field: new, **changes}.items():
        model_field = meta.get_field(name)
        columns.append(f"{database.ops.quote_name(str(model_field.column))} = %s")  # type: ignore[union-attr]
        values.append(model_field.get_db_prep_save(value, database))  # type: ignore[union-attr]
    column = database.ops.quote_name(str(meta.get_field(field).column))  # type: ignore[union-attr]
    statement = f"""
        WITH moved AS (
            UPDATE {database.ops.quote_name(meta.db_table)} SET {", ".join(columns)}
             WHERE id = %s AND {column} = %s RETURNING id)
        INSERT INTO integrator_transition (record_kind, record_id, field, old, new, reason, actor,
            order_id, job_id, message_id, policy_version, at)
        SELECT %s::text, id, %s::text, %s::text, %s::text, %s::text, %s::text, %s::bigint,
               %s::bigint, %s::bigint, %s::int, %s::timestamptz FROM moved RETURNING id
    """  # noqa: S608  (identifiers come from the model, values are parameters)
    with database.cursor() as cursor:
        cursor.execute(
            statement,
            [
                *values,
                record.pk,
                old,
                record.RECORD_KIND,  # type: ignore[attr-defined]
                field,
                old,
                new,
                reason[:300],
                trace.actor,
                order_of(record),
                trace.job_id,
                trace.message_id,
                trace.policy_version,
                trace.at,
            ],
        )
        row = cursor.fetchone()
    if row is None:
        raise Raced(f"{record.RECORD_KIND} {record.pk} is no longer {old}")  # type: ignore[attr-defined]
    for name, value in {field: new, **changes}.items():
        setattr(record, name, value)
    return int(row[0])


def born(record: Model, field: str, *, reason: str, trace: Trace) -> int:
    """Write the fact that a record came into being, in the transaction that created it."""
    with database.cursor() as cursor:
        cursor.execute(
            """INSERT INTO integrator_transition (record_kind, record_id, field, old, new, reason,
                   actor, order_id, job_id, message_id, policy_version, at)
               VALUES (%s, %s, %s, '', %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id""",
            [
                record.RECORD_KIND,  # type: ignore[attr-defined]
                record.pk,
                field,
                getattr(record, field),
                reason[:300],
                trace.actor,
                order_of(record),
                trace.job_id,
                trace.message_id,
                trace.policy_version,
                trace.at,
            ],
        )
        return int(cursor.fetchone()[0])


def order_of(record: Model) -> int | None:
    """The id of the order a record belongs to, for the order's time line."""
    if record.RECORD_KIND == "order":  # type: ignore[attr-defined]
        return int(record.pk)
    return getattr(record, "order_id", None)
