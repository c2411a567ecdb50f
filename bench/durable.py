"""Durable jobs: ours against django-q2 (defaults and tuned) and against Celery with Redis.

Every side drains a preloaded queue with two processes. A job of ours reads one record, moves it,
and leaves its attempt and its transition, which is routed; a peer's is one ORM UPDATE of one row.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from bench import databases, measure, sides
from bench.measure import Comparison, Goal, Skipped
from bench.processes import LOCAL, ROOT, free_port, python, run, running, until, until_listening

PROCESSES = 2
LOCAL_JOBS = 6_000
ALONE_JOBS = 600
DEFAULT_TASKS = 250
TUNED_TASKS = 2_000
CELERY_TASKS = 2_000


def against_django_q2() -> list[Comparison]:
    default = Comparison("jobs_vs_django_q2_default", "jobs/s", Goal(8.0))
    tuned = Comparison("jobs_vs_django_q2_tuned", "jobs/s", Goal(2.0))
    alone = Comparison("jobs_in_own_transactions_vs_django_q2_tuned", "jobs/s")
    measured: dict[str, float] = {}

    def take(name: str, side: partial[float]) -> None:
        measured[name] = side()

    for number in range(measure.ROUNDS):
        measure.in_turn(
            number,
            [
                partial(take, "local", partial(ours, "close_locally", "local", LOCAL_JOBS)),
                partial(take, "default", partial(django_q2, "settings_q2_defaults", DEFAULT_TASKS)),
                partial(take, "alone", partial(ours, "close_alone", "alone", ALONE_JOBS)),
                partial(take, "tuned", partial(django_q2, "settings_q2_tuned", TUNED_TASKS)),
            ],
        )
        default.add(measured["local"], measured["default"])
        tuned.add(measured["local"], measured["tuned"])
        alone.add(measured["alone"], measured["tuned"])
    return [default, tuned, alone]


def against_celery() -> list[Comparison]:
    if shutil.which("redis-server") is None:
        raise Skipped("there is no redis-server on this machine")
    _celery_python()
    compared = Comparison("jobs_vs_celery_redis", "jobs/s", Goal(1.5))
    measured: dict[str, float] = {}

    def take(name: str, side: partial[float]) -> None:
        measured[name] = side()

    for number in range(measure.ROUNDS):
        measure.in_turn(
            number,
            [
                partial(take, "local", partial(ours, "close_locally", "local", LOCAL_JOBS)),
                partial(take, "celery", partial(celery, CELERY_TASKS)),
            ],
        )
        compared.add(measured["local"], measured["celery"])
    return [compared]


def ours(flow: str, queue: str, number: int, *, threads: int = 0, calls: bool = False) -> float:
    """Jobs per second of our workers. The end is when the last fact was routed, too."""
    sides.preload(flow, queue, number, calls=calls)
    worker = python("-m", "bench.ours.worker", queue, str(threads))
    with databases.connect(databases.OURS) as database:
        first = database.execute(
            "SELECT min(id) FROM integrator_job WHERE state = 'DUE' AND queue = %s", [queue]
        ).fetchone()[0]

        def drained() -> bool:
            return database.execute(
                """SELECT NOT EXISTS (SELECT 1 FROM integrator_job
                           WHERE queue = %s AND state IN ('DUE', 'WAITING'))
                      AND NOT EXISTS (SELECT 1 FROM integrator_job WHERE state = 'RUNNING')
                      AND NOT EXISTS (SELECT 1 FROM integrator_transition WHERE routed_at IS NULL)
                """,
                [queue],
            ).fetchone()[0]

        with running([worker] * PROCESSES, sides.ours()) as check:
            until(drained, check)
        rows = database.execute(
            """SELECT j.finished_at, t.routed_at, j.lane, a.worker
                 FROM integrator_job j JOIN integrator_attempt a ON a.job_id = j.id
                 JOIN integrator_transition t ON t.job_id = j.id
                 JOIN toy_ticket k ON k.id = j.record_id AND k.state = 'CLOSED'
                WHERE j.id >= %s AND j.flow = %s AND j.state = 'DONE' AND j.attempts = 1
                  AND a.outcome = 'DONE'""",
            [first, flow],
        ).fetchall()
    assert len(rows) == number, f"{len(rows)} of {number} jobs have attempt, transition and ticket"
    assert len({row[3] for row in rows}) == PROCESSES, "only one of the processes worked"
    moments = sorted(row[0].timestamp() for row in rows)
    moments[-1] = max(moments[-1], *(row[1].timestamp() for row in rows))
    return measure.rate(moments)


def django_q2(settings: str, number: int) -> float:
    """Tasks per second of a django-q2 cluster with two workers."""
    env = sides.peer(settings)
    sides.preload_rows(number)
    run(python("-m", "bench.peers.enqueue_q2"), env)
    sides.settle_peers()
    with running([python("-m", "django", "qcluster")], env) as check:
        _until_closed(check)
    return _closed(number)


def celery(number: int) -> float:
    """Tasks per second of a Celery worker with two processes."""
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        redis = ["redis-server", "--port", str(port), "--save", "", "--dir", place]
        with running([redis], {}) as check_redis:
            until_listening(port, check_redis)
            env = {**sides.peer("settings"), "CELERY_BROKER": f"redis://127.0.0.1:{port}/0"}
            sides.preload_rows(number)
            run([_celery_python(), "-m", "bench.peers.celery_app"], env)
            sides.settle_peers()
            words = ["-m", "celery", "-A", "bench.peers.celery_app", "worker", "-c", str(PROCESSES)]
            words += ["-l", "ERROR", "--without-gossip", "--without-mingle"]
            with running([[_celery_python(), *words]], env) as check:
                _until_closed(check)
    return _closed(number)


def _until_closed(check: object) -> None:
    with databases.connect(databases.PEERS) as database:
        until(
            lambda: database.execute(
                "SELECT NOT EXISTS (SELECT 1 FROM peers_row WHERE state = 'OPEN')"
            ).fetchone()[0],
            check,  # type: ignore[arg-type]
        )


def _closed(number: int) -> float:
    with databases.connect(databases.PEERS) as database:
        moments: Sequence[float] = [
            row[0].timestamp()
            for row in database.execute("SELECT closed_at FROM peers_row WHERE state = 'CLOSED'")
        ]
    assert len(moments) == number, f"{len(moments)} of {number} rows were closed"
    return measure.rate(moments)


@cache
def _celery_python() -> str:
    """The interpreter of Celery's own environment, installed on first use."""
    place = LOCAL / "bench-venv"
    asked = [
        *(Path(__file__).parent / "peers" / "celery-requirements.txt").read_text().splitlines()[1:],
        f"django=={version('django')}",
        f"psycopg[binary]=={version('psycopg')}",
    ]
    stamp = place / "installed.txt"
    if not stamp.exists() or stamp.read_text().split() != asked:
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip = [place / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "--quiet", *asked], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise Skipped(f"Celery could not be installed: {done.stderr.strip()[-300:]}")
        stamp.write_text("\n".join(asked))
    return os.fspath(place / "bin" / "python")
