"""A table of meanings that somebody brought in: what each row comes to, and what became of it.

Constraints only; confirming and agreeing is ``engine.mapping_files``.
"""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q

from integrator.models.protection import guarded_moves
from integrator.models.states import MAPPING_FILE_MOVES, MappingFileState


class MappingFile(models.Model):
    """The rows of one file with the verdict on each, exactly as its maker saw them.

    ``rows`` never change: what is confirmed, and what a second person agrees to, is what was shown.
    Their form is ``engine.mapping_files.Line``. ``counts`` says how many there are of each verdict.
    """

    RECORD_KIND: ClassVar = "mapping_file"
    MOVES: ClassVar = {"state": MAPPING_FILE_MOVES}

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="mapping_files"
    )
    name = models.CharField(max_length=120)
    rows = models.JSONField()
    counts = models.JSONField()
    state = models.CharField(
        max_length=10, choices=MappingFileState.choices, default=MappingFileState.PREPARED
    )
    prepared_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = [
            *guarded_moves("state", MAPPING_FILE_MOVES),
            pgtrigger.Protect(
                name="shown_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["state", "confirmed_at"]),
            ),
            pgtrigger.Protect(
                name="confirmed_stays",
                operation=pgtrigger.Delete,
                condition=~pgtrigger.Q(old__state=MappingFileState.PREPARED),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="PREPARED", confirmed_at__isnull=True)
                | (~Q(state="PREPARED") & Q(confirmed_at__isnull=False)),
                name="mapping_file_confirmed_has_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "prepared_at"], name="mapping_file_state"),
        ]

    def __str__(self) -> str:
        return f"mapping file {self.pk}"
