"""Calls to a platform that answers after 50 ms, with all bookkeeping, against workers / latency.

Every call is a write: claimed, begun, marked as sent, called, recorded with attempt and transition.
"""

from __future__ import annotations

from bench import durable, measure
from bench.durable import PROCESSES
from bench.echo import LATENCY_SECONDS
from bench.measure import Comparison, Goal
from bench.processes import python, running, until_listening

THREADS = 16
CALLS = 1_500


def against_the_ideal(port: int) -> list[Comparison]:
    ideal = PROCESSES * THREADS / LATENCY_SECONDS
    compared = Comparison(
        "outbound",
        "calls/s",
        Goal(0.9),
        notes={"processes": PROCESSES, "threads": THREADS, "peer_is": "workers / 50 ms"},
    )
    with running([python("-m", "bench.echo", str(port))], {}) as check:
        until_listening(port, check)
        for _ in range(measure.ROUNDS):
            compared.add(
                durable.ours("close_there", "echo", CALLS, threads=THREADS, calls=True), ideal
            )
    return [compared]
