"""`python -m bench [name...]`: runs the benchmarks and prints one JSON object a line.

Needs DATABASE_URL; makes and drops databases of its own on that server.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial

from bench import databases, durable, intake, measure, outbound, pages, sides, upkeep
from bench.measure import Comparison
from bench.processes import free_port


def main(names: Sequence[str]) -> int:
    echo_port = free_port()
    benchmarks: dict[str, Callable[[], Sequence[Comparison]]] = {
        "intake": intake.against_bare_django,
        "jobs": durable.against_django_q2,
        "celery": durable.against_celery,
        "outbound": partial(outbound.against_the_ideal, echo_port),
        "counts": upkeep.beside_none,
        "pages": pages.large_beside_small,
    }
    if unknown := set(names) - set(benchmarks):
        print(f"no benchmark is called {', '.join(sorted(unknown))}: {', '.join(benchmarks)}")
        return 2
    if not os.environ.get("DATABASE_URL"):
        print("DATABASE_URL must name a PostgreSQL server; `make bench` starts a private one.")
        return 2
    # Ended from outside it still stops what it started and drops its databases.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missed = False
    with databases.made():
        sides.prepare(echo_port)
        for name in names or benchmarks:
            for line in measure.run(name, benchmarks[name], databases.control):
                measure.show(line)
                missed |= line["held"] is False
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
