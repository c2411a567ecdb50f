"""When things were in the house that the screens show: by its own clock, not by this machine's."""

from __future__ import annotations

from datetime import UTC, datetime

from django.apps import apps
from django.db import connection as database
from django.db import transaction

from integrator.models import PolicyVersion

# Before the story: when the house was set up, and when the review of roles began.
SET_UP = datetime(2025, 12, 8, 9, 0, tzinfo=UTC)
BEGINS = datetime(2026, 1, 28, 9, 0, tzinfo=UTC)


def dated_by_the_stage(until: datetime, at: datetime) -> None:
    """What the database dated itself, by the clock of this machine: as if it had been ``at``."""
    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in apps.get_models():
            if any(field.name == "pgh_created_at" for field in model._meta.fields):
                rows = model._default_manager.filter(pgh_created_at__gt=until)
                rows.update(pgh_created_at=at)
        PolicyVersion.objects.filter(made_at__gt=until).update(made_at=at)
        cursor.execute("SET LOCAL session_replication_role = origin")
