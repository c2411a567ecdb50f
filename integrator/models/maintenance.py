"""When a connection is held for a known time, and what people wrote about its incidents.

Constraints only; announcing, beginning and ending is ``engine.maintenance``.
"""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import (
    BigIntegerRangeField,
    DateTimeRangeField,
    RangeBoundary,
    RangeOperators,
)
from django.db import models
from django.db.models import F, Func, Q, Value

from integrator.models.connections import Connection
from integrator.models.facts import Transition
from integrator.models.protection import append_only, guarded_moves
from integrator.models.states import MAINTENANCE_MOVES, MAINTENANCE_OPEN, MaintenanceState

# A range of one connection: no two ranges that overlap in both, and no extension needed for it.
_CONNECTION = Func(
    F("connection"),
    F("connection"),
    Value("[]"),
    function="int8range",
    output_field=BigIntegerRangeField(),
)
_TIME = Func(
    F("starts_at"),
    F("ends_at"),
    RangeBoundary(),
    function="tstzrange",
    output_field=DateTimeRangeField(),
)


class MaintenanceWindow(models.Model):
    """From when to when a connection is held, and why. It starts again by itself.

    BEGUN means that it is this window that holds the connection: what a person does to the
    connection meanwhile ends it. A pause by hand with an end is one that began as it was made.
    """

    RECORD_KIND: ClassVar = "maintenance"
    MOVES: ClassVar = {"state": MAINTENANCE_MOVES}

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="windows")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=MaintenanceState.choices)
    made_by = models.CharField(max_length=100)
    made_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            *guarded_moves("state", MAINTENANCE_MOVES),
            pgtrigger.Protect(
                name="announced_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["state"]),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]
        constraints: ClassVar = [
            ExclusionConstraint(
                name="maintenance_one_at_a_time",
                expressions=[
                    (_CONNECTION, RangeOperators.OVERLAPS),
                    (_TIME, RangeOperators.OVERLAPS),
                ],
                condition=Q(state__in=[*MAINTENANCE_OPEN]),
            ),
            models.UniqueConstraint(
                fields=["connection"], condition=Q(state="BEGUN"), name="maintenance_holds_once"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="maintenance_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(starts_at__gte=F("made_at")), name="maintenance_not_in_the_past"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="maintenance_has_reason"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["connection", "starts_at"], name="maintenance_connection"),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id}: {self.starts_at} to {self.ends_at}"

    @property
    def is_by_hand(self) -> bool:
        return self.starts_at == self.made_at


class IncidentNote(models.Model):
    """What somebody wrote about an incident: the fact with which it began. About no customer."""

    fact = models.ForeignKey(Transition, on_delete=models.PROTECT, related_name="notes")
    text = models.CharField(max_length=500)
    actor = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            *append_only(),
            pgtrigger.Trigger(
                name="about_an_incident",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func=(
                    "IF NOT EXISTS (SELECT 1 FROM integrator_transition t WHERE t.id = NEW.fact_id"
                    " AND t.record_kind = 'connection' AND t.field = 'state'"
                    " AND t.old = 'ACTIVE') THEN"
                    " RAISE EXCEPTION 'no incident began with this fact'; END IF;"
                    " RETURN NEW;"
                ),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(text=""), name="incident_note_has_text"),
        ]
        indexes: ClassVar = [models.Index(fields=["at", "id"], name="incident_note_at")]

    def __str__(self) -> str:
        return f"note {self.pk} on {self.fact_id}"
