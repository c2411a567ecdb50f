"""Our programs with the toy business in them, as processes of their own.

Run as a script it waits for a line on its standard input before it begins, so that a test can have
it ready. Leases are short, so that what a killed worker had is taken back within seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.database import address

ROOT = Path(__file__).parent.parent.parent
LEASE_SECONDS = 1.5


class Program:
    """A management command with the toy's routes. ``begin()`` lets it start; ``kill()`` is -9."""

    def __init__(self, *arguments: str, database_url: str) -> None:
        # Appending, because its position is shared with the process that writes to it.
        self._said = tempfile.TemporaryFile("a+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "PYTHONPATH": str(ROOT),
                "WAIT_FOR_GO": "1",
            },
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def begin(self) -> None:
        assert self.process.stdin is not None
        until = time.monotonic() + 30
        while "ready\n" not in self.said():
            assert time.monotonic() < until and self.process.poll() is None, self.said()
            time.sleep(0.02)
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self, *, seconds: float = 20) -> None:
        """Ask it to end, as a service manager does, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=seconds)

    def said(self) -> str:
        self._said.seek(0)
        return self._said.read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._said.close()


def starter() -> Iterator[Callable[..., Program]]:
    """For a fixture: starts programs, and ends whatever still runs at the end of the test."""
    started: list[Program] = []

    def start(*arguments: str) -> Program:
        started.append(Program(*arguments, database_url=address()))
        return started[-1]

    yield start
    for program in started:
        program.close()


def main() -> None:
    import django

    django.setup()

    from django.core.management import call_command, get_commands, load_command_class
    from django_q.models import OrmQ  # noqa: F401  (loaded before the test says go)

    from integrator.engine import jobs, watch, worker
    from integrator.flows import tasks
    from integrator.management.commands import drain
    from tests.engine import toys

    jobs.LEASE = timedelta(seconds=LEASE_SECONDS)
    worker.RENEW_SECONDS = LEASE_SECONDS / 3
    worker.BEAT_SECONDS = 1.0
    jobs.WAIT_FIRST_SECONDS = 1
    watch.STALE_AFTER = watch.GRACE = timedelta(seconds=15)
    modules: list[Any] = [drain, tasks]
    for module in modules:
        module.ROUTES, module.QUEUES, module.SCHEDULE = toys.ROUTES, toys.QUEUES, ()
    command = load_command_class(get_commands()[sys.argv[1]], sys.argv[1])
    if os.environ.pop("WAIT_FOR_GO", ""):
        print("ready", flush=True)  # noqa: T201
        sys.stdin.readline()
    call_command(command, *sys.argv[2:])


if __name__ == "__main__":
    main()
