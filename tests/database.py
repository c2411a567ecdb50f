"""Committed data in tests: emptying append-only tables, and the database's address for processes.

For tests that need several processes or threads. Everything else uses the ``db`` fixture, which
rolls back.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db import connection as database
from django.db import connections

KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})


def address() -> str:
    """The test database as a ``DATABASE_URL``, for processes that a test starts."""
    to: dict[str, Any] = database.settings_dict
    user = to["USER"] + (f":{to['PASSWORD']}" if to["PASSWORD"] else "")
    port = f":{to['PORT']}" if to["PORT"] else ""
    # A socket's folder stands among the options, as in the address of the private server.
    folder = to["OPTIONS"].get("host", "")
    options = f"?{urlencode({'host': folder})}" if folder else ""
    return f"postgresql://{user}@{to['HOST'] or ''}{port}/{to['NAME']}{options}"


def alone() -> None:
    """End every other session of the test database: what threads and processes left open."""
    name = str(database.settings_dict["NAME"])
    assert name.startswith("test_"), f"{name} is not a test database"
    for one in connections.all(initialized_only=True):
        one.close()
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        )


def empty() -> None:
    """Empty every table, append-only ones too: their triggers sleep while a replica speaks."""
    alone()
    with database.cursor() as cursor:
        names = set(database.introspection.django_table_names(only_existing=True)) - KEPT
        wipe = "; ".join(f"DELETE FROM {database.ops.quote_name(one)}" for one in sorted(names))  # noqa: S608
        # Faster than TRUNCATE, which makes new files for some seventy tables.
        cursor.execute(f"SET session_replication_role = replica; {wipe}")
        cursor.execute("SET session_replication_role = DEFAULT")


def hasty() -> None:
    """For long runs: commit without waiting for the disk, in tables without what others left.

    Nothing here need outlive a failure of the machine. A test that is rolled back leaves its rows
    behind as dead ones: after two thousand of them every statement is slower.
    """
    with database.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("VACUUM (SKIP_LOCKED)")
