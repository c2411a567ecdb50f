"""The peers' job: one ORM UPDATE of one row."""

from __future__ import annotations

from django.utils import timezone

from bench.peers.models import Row


def close(row_id: int) -> None:
    Row.objects.filter(pk=row_id).update(state="CLOSED", closed_at=timezone.now())
