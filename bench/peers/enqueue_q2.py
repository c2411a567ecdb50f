"""Puts one django-q2 task per open row into the queue: `python -m bench.peers.enqueue_q2`."""

from __future__ import annotations

import django

django.setup()

from django.db import transaction  # noqa: E402
from django_q.tasks import async_task  # noqa: E402

from bench.peers.models import Row  # noqa: E402

if __name__ == "__main__":
    with transaction.atomic():
        for row_id in Row.objects.filter(state="OPEN").values_list("pk", flat=True):
            async_task("bench.peers.tasks.close", row_id)
