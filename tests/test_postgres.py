"""Our way of speaking to PostgreSQL: planned once, and triggers asked without an error."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection as database

from integrator.management.commands import doctor
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


def test_triggers_need_no_caught_error_to_learn_that_they_count(db: None) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT current_setting('pgtrigger.ignore')")
        assert cursor.fetchone() == ("{}",)


@pytest.mark.parametrize(("workers", "is_enough"), [(1, True), (1000, False)])
def test_the_doctor_says_whether_there_are_connections_enough(
    db: None, settings: Any, workers: int, is_enough: bool
) -> None:
    settings.WORKERS = workers
    [said] = [one for one in doctor.Command()._database() if "connections" in one[1]]

    assert said[0] == is_enough
    assert said[1].endswith(f"connections ({9 * workers + 20} may be needed)")


def test_options_of_the_address_are_kept(db: None) -> None:
    own = database.copy()
    own.settings_dict = database.settings_dict | {
        "OPTIONS": database.settings_dict["OPTIONS"] | {"options": "-c statement_timeout=1234"}
    }
    try:
        with own.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            assert cursor.fetchone() == ("1234ms",)
            cursor.execute("SELECT current_setting('pgtrigger.ignore')")
            assert cursor.fetchone() == ("{}",)
    finally:
        own.close()
