"""A meaning that a word is to get at a later moment.

Constraints only; planning, agreeing and starting is ``engine.mapping_plans``.
"""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q

from integrator.models.configuration import MappingKind
from integrator.models.connections import Connection
from integrator.models.protection import guarded_moves
from integrator.models.states import MAPPING_PLAN_MOVES, MappingPlanState


class MappingPlan(models.Model):
    """What a word is to mean from ``starts_at`` on, and whether that has come about.

    Until then it answers nothing: a Mapping is made of it when it starts. ``alone``: one person
    planned a first meaning; it must not replace a meaning that the word gets before.
    """

    RECORD_KIND: ClassVar = "mapping_plan"
    MOVES: ClassVar = {"state": MAPPING_PLAN_MOVES}

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    kind = models.CharField(max_length=12, choices=MappingKind.choices)
    theirs = models.CharField(max_length=200)
    ours = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    alone = models.BooleanField()
    state = models.CharField(max_length=10, choices=MappingPlanState.choices)
    made_by = models.CharField(max_length=100)
    made_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            *guarded_moves("state", MAPPING_PLAN_MOVES),
            pgtrigger.Protect(
                name="planned_stays",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["state"]),
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "kind", "theirs", "starts_at"],
                condition=Q(state__in=["ASKED", "PLANNED", "DUE"]),
                name="mapping_plan_moment_once",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__gt=F("made_at")), name="mapping_plan_is_later"
            ),
            models.CheckConstraint(
                condition=~Q(alone=True, state__in=["ASKED", "REFUSED"]),
                name="mapping_plan_alone_asks_nobody",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["starts_at", "id"], condition=Q(state="PLANNED"), name="mapping_plan_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.theirs} = {self.ours} from {self.starts_at}"
