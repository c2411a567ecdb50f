"""What is told in batches: the changes of a window, one item per record, and what became of each.

Constraints only; collecting, closing and counting is ``engine.batches``.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from integrator.models.connections import Connection
from integrator.models.protection import guarded_moves
from integrator.models.states import (
    BATCH_ITEM_MOVES,
    BATCH_ITEM_OPEN,
    BATCH_MOVES,
    BatchItemState,
    BatchState,
)


class Batch(models.Model):
    """Everything that changed inside one window and is told to one connection together.

    ``count`` is the number of changes, ``totals`` the money among them by currency in minor units.
    Both are fixed when the batch closes, and equal what its items hold.
    """

    class Kind(models.TextChoices):
        RETURN_STATUSES = "RETURN_STATUSES", "Return statuses"

    RECORD_KIND: ClassVar = "batch"
    MOVES: ClassVar = {"state": BATCH_MOVES}

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(
        max_length=10, choices=BatchState.choices, default=BatchState.COLLECTING
    )
    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    count = models.PositiveIntegerField(null=True)
    totals = models.JSONField(default=dict)

    class Meta:
        triggers: ClassVar = guarded_moves("state", BATCH_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "kind", "closes_at"],
                condition=Q(state="COLLECTING"),
                name="batch_window_once",
            ),
            models.CheckConstraint(
                condition=Q(state="COLLECTING", count__isnull=True, closed_at__isnull=True)
                | (~Q(state="COLLECTING") & Q(count__isnull=False, closed_at__isnull=False)),
                name="batch_closed_has_count",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["closes_at"], condition=Q(state="COLLECTING"), name="batch_collecting"
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class BatchItem(models.Model):
    """One record in a batch. ``changes`` are the facts it stands for; each counts as one change.

    ``amount_minor`` is the money among them. ``carried_from`` is the item of an earlier batch that
    failed: its changes are told again with this one.
    """

    RECORD_KIND: ClassVar = "batch_item"
    MOVES: ClassVar = {"state": BATCH_ITEM_MOVES}

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="items")
    record_kind = models.CharField(max_length=30)
    record_id = models.BigIntegerField()
    order_id = models.BigIntegerField(null=True)
    state = models.CharField(
        max_length=10, choices=BatchItemState.choices, default=BatchItemState.COLLECTED
    )
    changes = ArrayField(models.BigIntegerField(), default=list)
    amount_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    carried_from = models.ForeignKey("self", null=True, on_delete=models.PROTECT)
    error = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("state", BATCH_ITEM_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["batch", "record_kind", "record_id"], name="batch_item_once"
            ),
            models.CheckConstraint(
                condition=~Q(state="FAILED") | ~Q(error=""), name="batch_item_failed_says_why"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["record_kind", "record_id"],
                condition=Q(state__in=[*BATCH_ITEM_OPEN]),
                name="batch_item_open",
            ),
            models.Index(fields=["order_id", "id"], name="batch_item_order"),
        ]

    def __str__(self) -> str:
        return f"item {self.pk} of batch {self.batch_id}"
