"""Django's PostgreSQL, with values sent beside the statements.

The server then plans what runs over and over once a connection: a quarter of its work, measured
over the proofs. Django's switch for it is ``server_side_binding``; this adds the one exception.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

PREPARE_AFTER = 3  # runs of one statement on one connection
# The driver remembers a hundred unless told: a worker has some hundreds of statements, and each
# savepoint makes two more. One that comes back after a hundred others would never run "again".
REMEMBERED = 1000
# Each of our triggers asks first whether it is to be ignored. Where nothing was said the question
# is an error, caught in a subtransaction: a tenth of what a plain update of a case costs.
NO_TRIGGER_IGNORED = "-c pgtrigger.ignore={}"


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        self.settings_dict["OPTIONS"].setdefault("server_side_binding", True)
        self.settings_dict["OPTIONS"].setdefault("prepare_threshold", PREPARE_AFTER)
        params = super().get_connection_params()
        params["options"] = f"{params.get('options') or ''} {NO_TRIGGER_IGNORED}".strip()
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.prepared_max = REMEMBERED
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        """Within a request pghistory puts a statement of its own before each: two statements in one
        can have no values beside them.
        """
        connection: Any = self.connection
        ordinary: Any = base.Cursor
        if name is None and self.execute_wrappers:
            own, connection.cursor_factory = connection.cursor_factory, ordinary
            try:
                return super().create_cursor(name)
            finally:
                connection.cursor_factory = own
        return super().create_cursor(name)
