"""The rows the peers write: an event kept as it came, and a row a task closes."""

from __future__ import annotations

from django.db import models


class Event(models.Model):
    body = models.TextField()
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"event {self.pk}"


class Row(models.Model):
    state = models.CharField(max_length=10, default="OPEN")
    closed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"row {self.pk}"
