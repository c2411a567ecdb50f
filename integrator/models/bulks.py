"""One decision of a person about many cases: which, what became of each, and who started it.

Constraints only; preparing, starting and ending is ``engine.bulks``.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrator.models.cases import Case, CaseEvent, Note
from integrator.models.protection import guarded_moves
from integrator.models.states import BULK_ITEM_MOVES, BULK_MOVES, BulkItemState, BulkState


class Bulk(models.Model):
    """What one person wants to be done about many cases of a queue.

    ``do`` and ``label`` name it: a button of the cases, or taking, giving back, snoozing, closing.
    ``query`` is how the cases were chosen, as an address. ``data`` is what was filled in but for
    the note. ``count`` is how many will be tried: fixed by the press that starts it.
    """

    RECORD_KIND: ClassVar = "bulk"
    MOVES: ClassVar = {"state": BULK_MOVES}

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bulks"
    )
    role = models.CharField(max_length=20)
    do = models.CharField(max_length=40)
    label = models.CharField(max_length=60)
    query = models.CharField(max_length=3000, blank=True)
    data = models.JSONField(default=dict)
    note = models.ForeignKey(Note, null=True, on_delete=models.PROTECT, related_name="bulks")
    state = models.CharField(max_length=10, choices=BulkState.choices, default=BulkState.PREPARED)
    count = models.PositiveIntegerField(null=True)
    prepared_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("state", BULK_MOVES)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="PREPARED", count__isnull=True, started_at__isnull=True)
                | (
                    ~Q(state="PREPARED")
                    & Q(count__isnull=False, count__gt=0, started_at__isnull=False)
                ),
                name="bulk_started_has_count",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["PREPARED", "RUNNING"], ended_at__isnull=True)
                | Q(state__in=["DONE", "CANCELLED"], ended_at__isnull=False),
                name="bulk_ended_has_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["started_at", "id"], condition=~Q(state="PREPARED"), name="bulk_started"
            ),
            models.Index(
                fields=["prepared_at"], condition=Q(state="PREPARED"), name="bulk_prepared"
            ),
        ]

    def __str__(self) -> str:
        return f"bulk {self.pk}"


class BulkItem(models.Model):
    """One case of a bulk. ``seen`` is the newest decision about it when it was chosen.

    ``money_minor`` is what was at risk then. ``why`` says why nothing was decided,
    ``event`` is the decision.
    """

    RECORD_KIND: ClassVar = "bulk_item"
    MOVES: ClassVar = {"state": BULK_ITEM_MOVES}

    bulk = models.ForeignKey(Bulk, on_delete=models.PROTECT, related_name="items")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="bulk_items")
    state = models.CharField(
        max_length=10, choices=BulkItemState.choices, default=BulkItemState.READY
    )
    why = models.CharField(max_length=300, blank=True)
    seen = models.BigIntegerField(default=0)
    money_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    event = models.OneToOneField(CaseEvent, null=True, on_delete=models.PROTECT)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("state", BULK_ITEM_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bulk", "case"], name="bulk_item_once"),
            models.CheckConstraint(
                condition=~Q(state__in=["EXCLUDED", "SKIPPED", "FAILED"]) | ~Q(why=""),
                name="bulk_item_says_why",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["READY", "EXCLUDED"], ended_at__isnull=True)
                | Q(state__in=["DONE", "SKIPPED", "FAILED"], ended_at__isnull=False),
                name="bulk_item_ended_has_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["bulk", "state", "id"], name="bulk_item_state"),
        ]

    def __str__(self) -> str:
        return f"case {self.case_id} of bulk {self.bulk_id}"
