"""Celery with Redis, tuned: database connections are reused, results are not kept.

`python -m bench.peers.celery_app` puts one task per open row into the queue.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.settings")

from celery import Celery

app = Celery("peer", broker=os.environ["CELERY_BROKER"])
app.conf.update(
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    # Without this Celery's Django support connects to the database anew for every task.
    CELERY_DB_REUSE_MAX=1_000_000,
)


@app.task(name="close")
def close(row_id: int) -> None:
    from bench.peers import tasks

    tasks.close(row_id)


def _enqueue() -> None:
    import django

    django.setup()
    from bench.peers.models import Row

    with app.producer_pool.acquire(block=True) as producer:
        for row_id in Row.objects.filter(state="OPEN").values_list("pk", flat=True):
            close.apply_async((row_id,), producer=producer)


if __name__ == "__main__":
    _enqueue()
