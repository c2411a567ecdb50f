"""A cursor for the few statements that run over and over: the server plans them once a connection.

Not for anything else: Django's own cursor is simpler to use and fast enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection as database
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper

_Cursor: Any = ServerBindingCursor
PREPARE_AFTER = 3  # runs of one statement on one connection


@contextmanager
def prepared() -> Iterator[CursorWrapper]:
    """A cursor that sends values beside the statement, and prepares the statement by itself.

    Values have no type until the statement says so: write ``%s::bigint`` wherever the place does
    not decide (a SELECT list), and hand over JSON as text. Where something rewrites statements on
    their way (pghistory's context does), it is Django's ordinary cursor.
    """
    if database.execute_wrappers:
        with database.cursor() as ordinary:
            yield ordinary
        return
    database.close_if_health_check_failed()
    database.ensure_connection()
    backend: Any = database  # Django's types know the common wrapper only, not PostgreSQL's
    raw = backend.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = PREPARE_AFTER  # ordinary cursors never prepare, whatever it says
    with database.wrap_database_errors:
        cursor = backend._prepare_cursor(_Cursor(raw))
    with cursor:
        yield cursor
