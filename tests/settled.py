"""The stage as it stands when a story begins, kept once a process and put back for the next story.

Setting it up for real takes some three hundred statements; putting it back takes one for each of
some twenty tables.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from django.db import connection as database
from django.db import transaction
from psycopg import sql

from integrator.sandbox.world import World
from tests.database import KEPT


@dataclass(frozen=True)
class Settled:
    """Every row there is, by table, as PostgreSQL copies them; where numbers go on; the sandbox."""

    tables: dict[str, bytes]
    numbers: dict[str, int]
    world: World

    @classmethod
    def keep(cls, world: World) -> Settled:
        tables = {}
        with database.cursor() as cursor:
            for name in sorted(set(database.introspection.django_table_names(only_existing=True))):
                if name in KEPT:
                    continue
                with cursor.copy(_copy("COPY {} TO STDOUT", name)) as copied:
                    rows = b"".join(bytes(block) for block in copied)
                if rows:
                    tables[name] = rows
            cursor.execute(
                "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"
            )
            numbers = dict(cursor.fetchall())
        return cls(tables, numbers, copy.deepcopy(world))

    def put_back(self) -> World:
        """The rows, as if written for the first time; returns a sandbox of its own."""
        with transaction.atomic(), database.cursor() as cursor:
            # What triggers did is among the rows.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name, rows in self.tables.items():
                with cursor.copy(_copy("COPY {} FROM STDIN", name)) as copied:
                    copied.write(rows)
            cursor.execute("SET LOCAL session_replication_role = origin")
            cursor.execute(
                "SELECT setval(quote_ident(name), last) FROM unnest(%s::text[], %s::bigint[])"
                " AS number (name, last)",
                [list(self.numbers), list(self.numbers.values())],
            )
        return copy.deepcopy(self.world)


def _copy(statement: str, table: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(table))
