"""How much of a table a statement reads, as PostgreSQL itself counts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection as database


def explained(statement: str) -> dict[str, Any]:
    """Run a statement and return its plan, with what each part of it really did."""
    with database.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (answer,) = cursor.fetchone()
    plans = json.loads(answer) if isinstance(answer, str) else answer
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def read(plan: dict[str, Any], table: str) -> Iterator[tuple[float, str]]:
    """How many rows of a table each part touched, those it threw away included, and how."""
    if plan.get("Relation Name") == table:
        removed = plan.get("Rows Removed by Filter", 0)
        how = f"{plan['Node Type']} {plan.get('Index Name')} {plan.get('Index Cond')}"
        yield (plan["Actual Rows"] + removed) * plan["Actual Loops"], how
    for part in plan.get("Plans", []):
        yield from read(part, table)
