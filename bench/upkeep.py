"""What the kept counts of open cases cost: resolving cases with them, beside the same without.

A case is resolved by one statement in a transaction of its own, the least that resolving can be.
All cases are of one sort, so that everybody counts the same row, if there were one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from bench import databases, measure
from bench.measure import Comparison, Goal

CASES = 20_000  # some seconds a run: a shorter one says nothing about eight writers
WRITERS = (1, 8)
_OPEN = """
    INSERT INTO integrator_case
           (kind, owner, state, record_kind, record_id, cause, shares_cause, facts, severity,
            opened_at, due_at, money_minor, currency, customers_waiting, seen, regressions,
            escalation, snoozed_for, resolution)
    SELECT 'RESTOCK_FAILED', 'OPERATIONS', 'OPEN', 'bench', n, 'bench:' || n, false, '{}', 3,
           now(), now() + interval '1 day', 500, 'EUR', 1, 1, 0, 0, '', ''
      FROM generate_series(1, %s) n RETURNING id"""
_SOLVE = """
    UPDATE integrator_case SET state = 'SOLVED', resolution = 'FIXED_HERE', solved_at = now()
     WHERE id = %s"""
_OPEN_NOW = "SELECT count(*) FROM integrator_case WHERE record_kind = 'bench' AND state = 'OPEN'"
_COUNTED = "SELECT coalesce(sum(number), 0) FROM integrator_casecount"


def beside_none() -> list[Comparison]:
    found = []
    for writers in WRITERS:
        name = f"case_counts_{writers}_writer{'s' if writers > 1 else ''}"
        notes = {"peer_is": "the same with the counting triggers off"}
        compared = Comparison(name, "ms/case", Goal(1.25, at_least=False), notes=notes)
        resolved(writers, counted=True)  # once for caches
        for number in range(measure.ROUNDS):
            taken: dict[bool, float] = {}

            def side(counted: bool, taken: dict[bool, float] = taken, n: int = writers) -> None:
                taken[counted] = resolved(n, counted=counted)

            measure.in_turn(number, [lambda s=side: s(True), lambda s=side: s(False)])
            compared.add(taken[True], taken[False])
        found.append(compared)
    return found


def resolved(writers: int, *, counted: bool) -> float:
    """Milliseconds for each of ``CASES`` cases, resolved by so many writers at once."""
    with databases.connect(databases.OURS) as database:
        _switch(database, counted=True)
        database.execute("DELETE FROM integrator_case WHERE record_kind = 'bench'")
        database.execute("TRUNCATE integrator_casecount")
        ids = [row[0] for row in database.execute(_OPEN, [CASES]).fetchall()]
        _switch(database, counted=counted)
        database.execute("VACUUM ANALYZE integrator_case")
        parts = [ids[place::writers] for place in range(writers)]
        started, ended = threading.Barrier(writers + 1), threading.Barrier(writers + 1)
        for part in parts:
            threading.Thread(target=_resolve, args=(part, started, ended), daemon=True).start()
        started.wait()
        began = time.perf_counter()
        ended.wait()
        taken = (time.perf_counter() - began) * 1000 / CASES
        assert database.execute(_OPEN_NOW).fetchone() == (0,)
        left = database.execute(_COUNTED).fetchone()
        assert left == ((0 if counted else CASES),), f"{left} were counted"
    return taken


def _resolve(ids: Sequence[int], started: threading.Barrier, ended: threading.Barrier) -> None:
    with databases.connect(databases.OURS) as database:
        started.wait()
        for one in ids:
            database.execute(_SOLVE, [one])
        ended.wait()


def _switch(database: databases.Connection, *, counted: bool) -> None:
    """Turn the triggers that count on or off; the others stay as they are."""
    names = database.execute(
        """SELECT tgname FROM pg_trigger
            WHERE tgrelid = 'integrator_case'::regclass AND tgname LIKE 'pgtrigger_counted_%'"""
    ).fetchall()
    assert len(names) == 3
    way = "ENABLE" if counted else "DISABLE"
    for (name,) in names:
        database.execute(f'ALTER TABLE integrator_case {way} TRIGGER "{name}"')
