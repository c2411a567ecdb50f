"""Database triggers declared on models: append-only rows and allowed status moves.

They hold for bulk updates and raw SQL too; ``manage.py doctor`` and a start-up check compare what
is installed with what is declared.
"""

from __future__ import annotations

import pgtrigger
from django.db.models import BigIntegerField, Func, Value

from integrator.models.states import BORN, Moves


def append_only(*, routed: bool = False, once: str = "") -> list[pgtrigger.Trigger]:
    """Rows may be added and nothing else.

    ``once`` names the one exception, a column that may be set once; ``routed`` is short for the
    usual one, ``routed_at``.
    """
    once = "routed_at" if routed else once
    triggers: list[pgtrigger.Trigger] = [
        _no_truncate(),
        pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
    ]
    if once:
        triggers.append(
            pgtrigger.Protect(
                name="no_update",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=[once]),
            )
        )
        triggers.append(
            pgtrigger.Protect(
                name=f"{once.removesuffix('_at')}_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(**{f"old__{once}__isnull": False}),
            )
        )
    else:
        triggers.append(pgtrigger.Protect(name="no_update", operation=pgtrigger.Update))
    return triggers


def _no_truncate() -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name="no_truncate",
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        func="RAISE EXCEPTION 'cannot truncate %: its rows are kept for ever', TG_TABLE_NAME;",
    )


def guarded_moves(field: str, moves: Moves) -> list[pgtrigger.Trigger]:
    """The database refuses a status move, or a first status, that ``moves`` does not list."""
    return [
        pgtrigger.FSM(
            name=f"{field}_moves",
            field=field,
            transitions=[(old, new) for old, news in moves.items() if old != BORN for new in news],
        ),
        pgtrigger.Protect(
            name=f"{field}_birth",
            operation=pgtrigger.Insert,
            condition=~pgtrigger.Q(**{f"new__{field}__in": list(moves[BORN])}),
        ),
    ]


def next_fact_id() -> Func:
    """Messages, Transitions and CaseEvents share one line of numbers: a fact is one integer."""
    return Func(Value("integrator_fact_id"), function="nextval", output_field=BigIntegerField())
