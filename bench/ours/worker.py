"""One worker process of ours: `python -m bench.ours.worker QUEUE THREADS`, until it is ended."""

from __future__ import annotations

import signal
import sys
import threading

import django

django.setup()

from bench.ours.flows import ROUTES  # noqa: E402
from integrator.engine.worker import Worker  # noqa: E402


def main(queue: str, threads: int) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker = Worker(ROUTES, threads=threads)
    while not stop.is_set():
        worker.drain([queue], seconds=20, linger=1, stop=stop)
    worker.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
