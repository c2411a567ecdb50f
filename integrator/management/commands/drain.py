"""``manage.py drain``: do by hand what the workers do, or do all of it without django-q2."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections

from integrator.engine import clock
from integrator.engine.worker import Worker
from integrator.flows import QUEUES, ROUTES, tasks

RECONNECT_SECONDS = 2.0


class Command(BaseCommand):
    help = "Route what is new and run what is due."

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--until-idle", action="store_true", help="stop when nothing is due")
        how.add_argument("--loop", action="store_true", help="go on until stopped, clock included")
        parser.add_argument("--queue", action="append", choices=QUEUES, help="only this queue")
        parser.add_argument("--threads", type=int, default=settings.DRAIN_THREADS)

    def handle(self, *args: Any, **options: Any) -> None:
        queues = options["queue"] or list(QUEUES)
        worker = Worker(ROUTES, threads=options["threads"])
        try:
            if options["loop"]:
                self._loop(worker, queues)
            else:
                seconds = 86_400.0 if options["until_idle"] else float(settings.DRAIN_SECONDS)
                ran = worker.drain(queues, seconds=seconds, linger=0.5)
                self.stdout.write(f"{ran} steps done.")
        finally:
            worker.close()

    def _loop(self, worker: Worker, queues: list[str]) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        minute = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() - minute >= 60:
                    minute = time.monotonic()
                    self._minute()
                worker.drain(queues, seconds=20, linger=1, stop=stop, goes_on=True)
            except DatabaseError as error:
                self._forget_the_database(error, stop)

    def _minute(self) -> None:
        """What the clock brings about; nudges are not needed here. What breaks stops no step."""
        try:
            tasks.minute(at=clock.now())
        except DatabaseError:
            raise
        except Exception as error:
            self.stderr.write(f"Part of this minute failed: {type(error).__name__}. The log says.")

    def _forget_the_database(self, error: DatabaseError, stop: threading.Event) -> None:
        self.stderr.write(f"The database did not answer: {type(error).__name__}. Trying again.")
        close_old_connections()
        stop.wait(RECONNECT_SECONDS)
