"""What people decided beforehand: mappings, policy, and approvals of one exact content."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from integrator.models.connections import Connection, Retailer
from integrator.models.protection import append_only, guarded_moves
from integrator.models.states import APPROVAL_MOVES, ApprovalState


class MappingKind(models.TextChoices):
    LOCATION = "LOCATION", "Location"
    RESOLUTION = "RESOLUTION", "Resolution"
    METHOD = "METHOD", "Return method"
    # Kept and shown; no step asks for these yet.
    REASON = "REASON", "Reason"
    SKU = "SKU", "SKU"


class Mapping(models.Model):
    """A platform's word and ours for it, as a versioned row: a change adds one and ends the last.

    There is no default: what is not mapped waits for a person.
    """

    RECORD_KIND: ClassVar = "mapping"

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    kind = models.CharField(max_length=12, choices=MappingKind.choices)
    theirs = models.CharField(max_length=200)
    ours = models.CharField(max_length=200)
    version = models.PositiveIntegerField()
    made_by = models.CharField(max_length=100)
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = [
            pgtrigger.Protect(
                name="said_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["ended_at"]),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "kind", "theirs"],
                condition=Q(ended_at__isnull=True),
                name="mapping_current_once",
            ),
            models.UniqueConstraint(
                fields=["connection", "kind", "theirs", "version"], name="mapping_version_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["made_at", "id"], name="mapping_made")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.theirs} = {self.ours}"


class PolicyVersion(models.Model):
    """All choices of a retailer at one time. Never edited: a change is the next version."""

    retailer = models.ForeignKey(Retailer, on_delete=models.PROTECT, related_name="policies")
    version = models.PositiveIntegerField()
    values = models.JSONField()
    made_by = models.CharField(max_length=100)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        triggers: ClassVar = append_only()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["retailer", "version"], name="policy_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.retailer} policy {self.version}"


class Approval(models.Model):
    """A second person's word on one exact content.

    ``digest`` is its SHA-256: other content, other approval. What was asked never changes, and a
    word once given stays.
    """

    RECORD_KIND: ClassVar = "approval"
    MOVES: ClassVar = {"state": APPROVAL_MOVES}

    verb = models.CharField(max_length=60)
    record_kind = models.CharField(max_length=30)
    record_id = models.BigIntegerField()
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    state = models.CharField(
        max_length=10, choices=ApprovalState.choices, default=ApprovalState.ASKED
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals_asked"
    )
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="approvals_decided",
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = [
            *guarded_moves("state", APPROVAL_MOVES),
            pgtrigger.Protect(
                name="asked_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["state", "decided_by", "decided_at"]),
            ),
            pgtrigger.Protect(
                name="decided_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__decided_at__isnull=False)
                & (
                    pgtrigger.Q(old__decided_at__df=pgtrigger.F("new__decided_at"))
                    | pgtrigger.Q(old__decided_by__df=pgtrigger.F("new__decided_by"))
                ),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["asked_at", "id"], name="approval_asked")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("asked_by")),
                name="approval_maker_is_not_checker",
            ),
            models.UniqueConstraint(
                fields=["verb", "record_kind", "record_id", "digest"],
                condition=Q(state__in=["ASKED", "GRANTED"]),
                name="approval_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.record_kind} {self.record_id}"
