"""The toy record: open, then closed, by ``move()`` only."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from integrator.models.protection import guarded_moves

MOVES = {"": ("OPEN",), "OPEN": ("CLOSED",)}


class Ticket(models.Model):
    RECORD_KIND: ClassVar = "ticket"
    MOVES: ClassVar = {"state": MOVES}

    state = models.CharField(max_length=10, default="OPEN")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("state", MOVES)

    def __str__(self) -> str:
        return f"ticket {self.pk}"
