"""What every benchmark starts: our environment and the peers', their tables, our preloaded jobs."""

from __future__ import annotations

from bench import databases, processes
from bench.processes import ROOT, python

TOKEN = "bench-token"
USER, PASSWORD = "bench", "bench-password"


def ours() -> dict[str, str]:
    return {
        "DATABASE_URL": databases.url(databases.OURS),
        "DJANGO_SETTINGS_MODULE": "bench.ours.settings",
        "PYTHONPATH": str(ROOT),
        "DEMO": "1",
        "DEBUG": "0",
        "LOG_LEVEL": "ERROR",
    }


def peer(settings: str) -> dict[str, str]:
    return {
        "DATABASE_URL": databases.url(databases.PEERS),
        "DJANGO_SETTINGS_MODULE": f"bench.peers.{settings}",
        "PYTHONPATH": str(ROOT),
    }


def prepare(echo_port: int) -> None:
    """The tables of both sides."""
    processes.run(python("-m", "bench.ours.prepare", str(echo_port), TOKEN, USER, PASSWORD), ours())
    # The tuned settings install everything the other peers need, too.
    processes.run(
        python("-m", "django", "migrate", "--run-syncdb", "-v", "0"), peer("settings_q2_tuned")
    )


def preload(flow: str, queue: str, number: int, *, calls: bool = False) -> None:
    """Tickets, and one job each, as the router would have written them."""
    with databases.connect(databases.OURS) as database, database.transaction():
        database.execute(
            """
            WITH ticket AS (
                INSERT INTO toy_ticket (state)
                SELECT 'OPEN' FROM generate_series(1, %(number)s) RETURNING id)
            INSERT INTO integrator_job (flow, fact, joined, record_kind, record_id, connection_id,
                queue, lane, priority, state, not_before, due_at, give_up_at, attempts, crashes,
                lookups, fence, lease_owner, alone, operation, kept, evidence, error_class, error,
                cause, actor, created_at)
            SELECT %(flow)s, nextval('integrator_fact_id'), '{}', 'ticket', id,
                CASE WHEN %(calls)s THEN (SELECT id FROM integrator_connection) END,
                %(queue)s, 'ticket:' || id, 50, 'DUE', now(), now() + interval '1 hour',
                now() + interval '7 days', 0, 0, 0, 0, '', false, gen_random_uuid(), '{}', '{}',
                '', '', '', 'bench', now()
              FROM ticket
            """,
            {"flow": flow, "queue": queue, "number": number, "calls": calls},
        )
    _settle(databases.OURS)


def preload_rows(number: int) -> None:
    """The rows that a peer's tasks will close."""
    with databases.connect(databases.PEERS) as database:
        database.execute("TRUNCATE peers_row")
        database.execute(
            "INSERT INTO peers_row (state) SELECT 'OPEN' FROM generate_series(1, %s)", [number]
        )


def settle_peers() -> None:
    _settle(databases.PEERS)


def _settle(name: str) -> None:
    """What autovacuum would do later, done now: it must not fall into one side's window."""
    with databases.connect(name) as database:
        database.execute("VACUUM ANALYZE")
