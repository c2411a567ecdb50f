"""``manage.py schedules``: make django-q2's schedule rows equal to what the product wants.

Idempotent.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django_q.models import Schedule

from integrator.flows import QUEUES

# Constants only: one malformed row would stop the scheduler for all of them.
WANTED = {
    "minute": ("integrator.flows.tasks.tick", None),
    **{f"drain {queue}": ("integrator.flows.tasks.drain", f"'{queue}',") for queue in QUEUES},
}


class Command(BaseCommand):
    help = "Write the schedule rows of django-q2: update, add, remove."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            removed, _ = Schedule.objects.exclude(name__in=WANTED).delete()
            for name, (function, arguments) in WANTED.items():
                Schedule.objects.update_or_create(
                    name=name,
                    defaults={
                        "func": function,
                        "args": arguments,
                        "kwargs": None,
                        "schedule_type": Schedule.MINUTES,
                        "minutes": 1,
                        "repeats": -1,
                    },
                )
        self.stdout.write(f"{len(WANTED)} schedules, {removed} removed.")
