"""A migrated database to copy test databases from, kept in the private server.

Running every migration takes longer than most test runs, and each test process needs a database.
A server of the user's own, or CI's other one, is left alone: there every migration really runs.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.apps import apps
from django.db import connection as database
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "template_"
_LOCK = 7_310_099  # one process migrates, the others wait for it


def use() -> None:
    """Let Django copy the test database from the template; makes the template if there is none."""
    if os.environ.get("PRIVATE_DATABASE") != "1":
        return
    name = PREFIX + _digest()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        known = {row[0] for row in server.execute("SELECT datname FROM pg_database").fetchall()}
        if name not in known:
            _make(server, name, known)
    database.settings_dict["TEST"]["TEMPLATE"] = name


def _digest() -> str:
    """Another template for other migrations, ours or an installed package's."""
    content = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    content.update(Path(__file__).read_bytes())
    for app in sorted(apps.get_app_configs(), key=lambda one: one.label):
        for file in sorted((Path(app.path) / "migrations").glob("*.py")):
            content.update(file.name.encode() + file.read_bytes())
    return content.hexdigest()[:16]


def _make(server: psycopg.Connection, name: str, known: set[str]) -> None:
    unfinished = f"{PREFIX}unfinished"
    for old in sorted(one for one in known if one.startswith(PREFIX)):
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(old)))
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{unfinished}").geturl()
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address},
        check=True,
    )
    # Closed to everybody, autovacuum too: a database that somebody is in cannot be copied.
    server.execute(
        sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(unfinished))
    )
    # Renamed when complete, so that an interrupted run leaves nothing half made.
    server.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
            sql.Identifier(unfinished), sql.Identifier(name)
        )
    )
