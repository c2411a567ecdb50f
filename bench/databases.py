"""The benchmarks' own databases on the server that DATABASE_URL names, and the control."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from integrator.postgres.base import NO_TRIGGER_IGNORED

Connection = psycopg.Connection[tuple]  # type: ignore[type-arg]
OURS = "bench_ours"
PEERS = "bench_peers"
LARGE, SMALL = "bench_large", "bench_small"
ALL = (OURS, PEERS, LARGE, SMALL)
_LOCK = 7_310_900  # one run at a time per server: two would spoil each other's figures
_CONTROL_SECONDS = 2.0
_CONTROL_PROCESSES = 2


def url(name: str) -> str:
    """The address of one of our databases."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def connect(name: str) -> Connection:
    """A plain connection, told of our triggers what the product's own are told."""
    return psycopg.connect(url(name), autocommit=True, options=NO_TRIGGER_IGNORED)


@contextmanager
def made() -> Iterator[None]:
    """All databases, empty, for the length of a run."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        if not server.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()[0]:
            raise SystemExit("Another benchmark is running on this database server.")
        commit = server.execute("SHOW synchronous_commit").fetchone()[0]
        if commit != "on":
            raise SystemExit(f"synchronous_commit is {commit}: these figures need it on.")
        _drop(server)
        for name in ALL:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield
        finally:
            _drop(server)


def _drop(server: Connection) -> None:
    for name in ALL:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def control() -> float:
    """Rows per second of the plainest durable insert, with a little Python between."""
    with connect(PEERS) as database:
        database.execute("CREATE TABLE IF NOT EXISTS control (id bigserial PRIMARY KEY, body text)")
        database.execute("TRUNCATE control")
        with ProcessPoolExecutor(_CONTROL_PROCESSES) as pool:
            written = sum(pool.map(_write, range(_CONTROL_PROCESSES)))
        counted = database.execute("SELECT count(*) FROM control").fetchone()[0]
        assert counted == written, "the control lost rows"
    return written / _CONTROL_SECONDS


def _write(_: int) -> int:
    written = 0
    with connect(PEERS) as database:
        until = time.monotonic() + _CONTROL_SECONDS
        while time.monotonic() < until:
            body = "".join(str(number) for number in range(700))
            database.execute("INSERT INTO control (body) VALUES (%s)", [body])
            written += 1
    return written
