"""Verdicts on returned units. Append-only: a correction is the next version."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from fulfilment.models import Location, Sku
from integrator.models.protection import append_only
from returns.models.returns import ReturnItem
from returns.states import VERDICT_MOVES, Disposition


class Inspection(models.Model):
    """One verdict on one unit: the warehouse's, or a person's here who overrules it.

    ``location_word`` is the platform's name of the place, as it said it; ``location`` is the place
    a person named. ``sku`` is the article a person counts the unit as, when it is not the one that
    was sold. ``piece`` is the one article of a set that a person judged; NULL: the whole unit. The
    last word on a piece is the newest verdict on it or on the whole unit. Every verdict is born as
    a fact: what follows from it is the line ``inspection.disposition:…`` of ``ROUTES``.
    """

    RECORD_KIND: ClassVar = "inspection"
    MOVES: ClassVar = {"disposition": VERDICT_MOVES}

    return_item = models.ForeignKey(
        ReturnItem, on_delete=models.PROTECT, related_name="inspections"
    )
    version = models.PositiveSmallIntegerField()
    disposition = models.CharField(max_length=12, choices=Disposition.choices)
    location_word = models.CharField(max_length=120, blank=True)
    location = models.ForeignKey(Location, null=True, on_delete=models.PROTECT)
    sku = models.ForeignKey(Sku, null=True, on_delete=models.PROTECT)
    piece = models.ForeignKey(Sku, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    inspected_at = models.DateTimeField()
    approval_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    job_id = models.BigIntegerField(null=True)
    learned_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = append_only()
        indexes: ClassVar = [
            models.Index(fields=["learned_at"], name="inspection_learned"),
            models.Index(fields=["inspected_at", "id"], name="inspection_at"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["return_item", "version"], name="inspection_version_once"
            ),
            models.CheckConstraint(
                condition=~Q(disposition=Disposition.WRITTEN_OFF) | Q(approval_id__isnull=False),
                name="inspection_written_off_needs_approval",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.disposition} v{self.version}"

    @property
    def is_by_person(self) -> bool:
        """A person's here: only people name a place, an article or a piece, or send a unit away."""
        return (
            self.location_id is not None
            or self.sku_id is not None
            or self.piece_id is not None
            or self.disposition in (Disposition.SENT_BACK, Disposition.WRITTEN_OFF)
        )

    @property
    def order_id(self) -> int | None:
        return self.return_item.order_id
