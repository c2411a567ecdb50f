"""Our way of speaking to PostgreSQL: what runs over and over is planned once."""

from __future__ import annotations

from django.db import connection as database

from integrator.postgres.base import PREPARE_AFTER


def test_a_statement_stays_planned_whatever_else_runs_meanwhile(db: None) -> None:
    """A worker's statements come back after hundreds of others, savepoints among them."""
    with database.cursor() as cursor:
        for turn in range(PREPARE_AFTER + 1):
            cursor.execute("SELECT 'comes back', %s::int", [turn])
            for other in range(150):
                cursor.execute(f"SELECT {turn * 150 + other}")
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s",
            ["SELECT 'comes back'%"],
        )
        assert cursor.fetchone()[0] == 1
