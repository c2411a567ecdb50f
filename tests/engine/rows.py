"""Any row of any model, in any status: for tests of what the database itself refuses.

Triggers and foreign keys sleep while the row is put in, so that no test depends on how a row got
into its status.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection as database
from django.db import models

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
OURS = ("integrator", "fulfilment", "returns", "finance")
_numbers = itertools.count(1000)

# Where any value will not do, because a constraint ties columns together.
TIED: dict[str, dict[str, Any]] = {
    "integrator.Approval": {"asked_by_id": 1, "decided_by_id": 2},
    "integrator.RoleChange": {"gives": True},
    "integrator.Sighting": {"actor": "user:carla"},
    "finance.LedgerEntry": {"from_account": "PAYER", "to_account": "REFUNDS_OWED"},
    "fulfilment.StockMovement": {"from_bucket": "RECEIVED", "to_bucket": "SELLABLE"},
}


def every_model() -> list[type[models.Model]]:
    """Our models, without the event tables that django-pghistory makes."""
    return [
        model
        for model in apps.get_models()
        if model._meta.app_label in OURS and not hasattr(model, "pgh_tracked_model")
    ]


def moving() -> list[tuple[type[models.Model], str]]:
    """Every model and field with a list of allowed moves: (model, field)."""
    return [
        (model, field)
        for model in every_model()
        for field in {**getattr(model, "MOVES", {}), **_job_moves(model)}
    ]


def moves_of(model: type[models.Model], field: str) -> Any:
    return {**getattr(model, "MOVES", {}), **_job_moves(model)}[field]


def _job_moves(model: type[models.Model]) -> dict[str, Any]:
    """Jobs change through ``engine.jobs`` and not through ``move()``, so they carry no MOVES."""
    from integrator.models.states import JOB_MOVES

    return {"state": JOB_MOVES} if model._meta.label == "integrator.Job" else {}


@contextmanager
def triggers_asleep() -> Iterator[None]:
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def forget_checks(model: type[models.Model]) -> None:
    """Drop the table's CHECK constraints until the test's end: here only its triggers speak.

    What such a constraint ties to a status cannot be right for every status of one row.
    """
    names = [one.name for one in model._meta.constraints if isinstance(one, models.CheckConstraint)]
    with database.cursor() as cursor:
        for name in names:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} DROP CONSTRAINT {name}")


def make(model: type[models.Model], **given: Any) -> Any:
    """A row with a value in every column, except in those given."""
    values = {
        field.attname: _value(field)
        for field in model._meta.concrete_fields
        if not isinstance(field, models.AutoField | models.BigAutoField)
    }
    row = model(**{**values, **TIED.get(model._meta.label, {}), **given})
    row.save(force_insert=True)
    return row


def _value(field: Any) -> Any:
    number = next(_numbers)
    if field.choices:
        return field.choices[0][0]
    kinds: list[tuple[Any, Any]] = [
        (models.ForeignKey | models.OneToOneField, number),
        (models.UUIDField, uuid4()),
        (models.DateTimeField, AT),
        (models.DateField, AT.date() + timedelta(days=number)),  # a later column, a later day
        (models.BooleanField, False),
        (models.DecimalField, 1),
        (models.SmallIntegerField, 1),
        (models.IntegerField | models.BigIntegerField, 1),
        (models.JSONField, {"some": "thing"}),
        (ArrayField, []),
        (models.BinaryField, b"x"),
        (models.GenericIPAddressField, "203.0.113.1"),
        (models.CharField | models.TextField, f"x{number}"[: getattr(field, "max_length", 0) or 9]),
    ]
    return next(value for kind, value in kinds if isinstance(field, kind))
