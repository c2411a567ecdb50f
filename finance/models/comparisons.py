"""What a comparison between two systems found.

A clean run is a row too: checked and equal is a fact.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from integrator.models import Retailer
from integrator.models.protection import append_only


class Reconciliation(models.Model):
    """One run of one comparison. ``pending`` counts records still inside their settling time,
    ``accepted`` differences that a person has explained, ``unreadable`` rows of a platform that
    were compared with nothing."""

    RECORD_KIND: ClassVar = "reconciliation"

    retailer = models.ForeignKey(Retailer, on_delete=models.PROTECT)
    pair = models.SlugField()
    at = models.DateTimeField()
    compared = models.PositiveIntegerField()
    equal = models.PositiveIntegerField()
    pending = models.PositiveIntegerField()
    different = models.PositiveIntegerField()
    accepted = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)

    class Meta:
        triggers: ClassVar = append_only()
        indexes: ClassVar = [models.Index(fields=["pair", "-at"], name="reconciliation_recent")]

    def __str__(self) -> str:
        return f"{self.pair} {self.at:%Y-%m-%d %H:%M}: {self.different} different"


class Difference(models.Model):
    """One field that two systems disagree about, with both values as they were read."""

    reconciliation = models.ForeignKey(
        Reconciliation, on_delete=models.PROTECT, related_name="differences"
    )
    record_kind = models.CharField(max_length=30)
    record_id = models.BigIntegerField(null=True)
    external_id = models.CharField(max_length=120)
    order_id = models.BigIntegerField(null=True)
    field = models.CharField(max_length=60)
    ours = models.CharField(max_length=200)
    theirs = models.CharField(max_length=200)
    says = models.CharField(max_length=300)

    class Meta:
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return self.says
