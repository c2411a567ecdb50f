"""The warehouse's verdicts. Append-only: a correction is the next version."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from integrator.models.protection import append_only
from returns.models.returns import ReturnItem
from returns.states import Disposition


class Inspection(models.Model):
    """One verdict on one unit.

    ``location_word`` is the platform's name of the place, as it said it.
    """

    RECORD_KIND: ClassVar = "inspection"

    return_item = models.ForeignKey(
        ReturnItem, on_delete=models.PROTECT, related_name="inspections"
    )
    version = models.PositiveSmallIntegerField()
    disposition = models.CharField(max_length=12, choices=Disposition.choices)
    location_word = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    inspected_at = models.DateTimeField()
    message_id = models.BigIntegerField(null=True)
    job_id = models.BigIntegerField(null=True)
    learned_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = append_only()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["return_item", "version"], name="inspection_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.disposition} v{self.version}"
