"""Server time of the desk's pages in a house with a million orders, beside one with a thousand."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from bench import databases, measure, processes, sides
from bench.measure import Comparison, Goal
from bench.processes import ROOT, python

SMALL, LARGE = (1_000, 200), (1_000_000, 200_000)
# Pages to go on before measuring; the small house has no more than these.
DEEP = 1
QUEUE = "/queue/operations/?order=oldest"
PAGES: tuple[tuple[str, str, Goal | None], ...] = (
    ("queue", "/queue/operations/", Goal(1.3, at_least=False)),
    ("queue_deep", f"{QUEUE} {DEEP}", Goal(1.3, at_least=False)),
    ("queue_by_money", "/queue/operations/?order=money", Goal(1.3, at_least=False)),
    ("orders", "/orders/", Goal(1.3, at_least=False)),
    ("case", "/cases/1/", Goal(1.3, at_least=False)),
    ("order", "/orders/2/", Goal(1.3, at_least=False)),
)


class Side:
    """One house, and a process that answers for it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def times(self, asked: str) -> dict[str, Any]:
        _pipe(self._process.stdin).write(f"{asked}\n")
        _pipe(self._process.stdin).flush()
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise processes.ProgramEnded(f"the pages ended at {asked}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def large_beside_small() -> list[Comparison]:
    """The slowest twentieth of each page's requests, in turns; both show as many lines."""
    found = []
    with _side(databases.LARGE, LARGE) as large, _side(databases.SMALL, SMALL) as small:
        for name, asked, goal in PAGES:
            notes = {"peer_is": f"the same page with {SMALL[0]:,} orders, {SMALL[1]:,} open cases"}
            compared = Comparison(f"page_{name}_p95", "ms", goal, notes=notes)
            for side in (large, small):
                side.times(asked)  # once for plans and caches
            for number in range(measure.ROUNDS):
                ours, peer = _in_turn(number, large, small, asked)
                assert ours["lines"] == peer["lines"], f"{name}: other lines"
                compared.add(_p95(ours["ms"]), _p95(peer["ms"]))
            found.append(compared)
    return found


def _in_turn(number: int, large: Side, small: Side, asked: str) -> list[dict[str, Any]]:
    """Both sides' times of one round."""
    seen: dict[Side, dict[str, Any]] = {}

    def of(side: Side) -> Callable[[], None]:
        return lambda: seen.update({side: side.times(asked)})

    measure.in_turn(number, [of(large), of(small)])
    return [seen[large], seen[small]]


@contextmanager
def _side(database: str, size: tuple[int, int]) -> Iterator[Side]:
    env = sides.ours() | {"DATABASE_URL": databases.url(database)}
    if not _is_filled(database):  # it is, when a run is repeated because the control moved
        words = ("-m", "bench.ours.prepare", "1", sides.TOKEN, sides.USER, sides.PASSWORD)
        processes.run(python(*words), env)
        processes.run(python("-m", "bench.ours.fill", *map(str, size)), env)
    process = subprocess.Popen(
        python("-m", "bench.ours.pages"),
        env={**os.environ, **env},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert _pipe(process.stdout).readline() == "ready\n", "the pages did not start"
        yield Side(process)
    finally:
        process.kill()
        process.wait()


def _is_filled(name: str) -> bool:
    with databases.connect(name) as database:
        found = database.execute("SELECT to_regclass('integrator_case')").fetchone()
    return found is not None and found[0] is not None


def _p95(times: list[float]) -> float:
    return sorted(times)[len(times) * 95 // 100 - 1]


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
