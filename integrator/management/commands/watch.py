"""``manage.py watch``: run the django-q2 cluster in a process group of its own and replace it when
it hangs.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from integrator.engine import watch
from integrator.flows import tasks


class Command(BaseCommand):
    help = "Run the workers and replace them when they show no sign of life."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        call_command("schedules")
        command = [sys.executable, sys.argv[0], "qcluster"]
        watch.supervise(command, stop=stop, turn=self._wake)

    def _wake(self) -> None:
        """Wake queues whose waiting time is over, sooner than the minute would."""
        close_old_connections()
        try:
            tasks.wake()
        except DatabaseError as error:
            self.stderr.write(f"The database did not answer: {type(error).__name__}")
