"""Whom we talk to: retailers, their connections to platforms, and how far each stream was read."""

from __future__ import annotations

from typing import ClassVar

import pghistory
from django.db import models

from integrator.models.protection import guarded_moves
from integrator.models.states import CONNECTION_MOVES, ConnectionState


@pghistory.track()
class Retailer(models.Model):
    """A business whose platforms this installation connects."""

    RECORD_KIND: ClassVar = "retailer"

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, default="UTC")
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


@pghistory.track(exclude=["secrets", "failures", "open_until"])
class Connection(models.Model):
    """One account of a retailer at one platform.

    ``secrets`` is a MultiFernet token. ``callback_token_hash`` is the SHA-256 of the unguessable
    part of the callback address. ``version`` grows with every change of it.
    """

    RECORD_KIND: ClassVar = "connection"
    MOVES: ClassVar = {"state": CONNECTION_MOVES}

    retailer = models.ForeignKey(Retailer, on_delete=models.PROTECT)
    platform = models.SlugField()
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    base_url = models.URLField()
    settings = models.JSONField(default=dict, blank=True)
    secrets = models.BinaryField(default=bytes)
    callback_token_hash = models.CharField(max_length=64, unique=True)
    callback_user = models.CharField(max_length=100, blank=True)
    callback_password_hash = models.CharField(max_length=64, blank=True)
    state = models.CharField(
        max_length=20, choices=ConnectionState.choices, default=ConnectionState.ACTIVE
    )
    state_reason = models.CharField(max_length=300, blank=True)
    state_since = models.DateTimeField(auto_now_add=True)
    failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        triggers: ClassVar = guarded_moves("state", CONNECTION_MOVES)

    def __str__(self) -> str:
        return self.name

    @property
    def holds_work(self) -> bool:
        return self.state in (ConnectionState.PAUSED, ConnectionState.NEEDS_CREDENTIALS)


class Cursor(models.Model):
    """How far a stream of a connection has been read, and when a sweep last saw all of it.

    ``lag_budget_seconds`` is what the business allows: beyond it the stream is behind, although
    every job may be green.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="cursors")
    stream = models.SlugField()
    position = models.CharField(max_length=200, blank=True)
    swept_at = models.DateTimeField(null=True)
    found = models.PositiveIntegerField(default=0)
    missed_total = models.PositiveBigIntegerField(default=0)
    lag_budget_seconds = models.PositiveIntegerField(default=900)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "stream"], name="cursor_stream_once")
        ]

    def __str__(self) -> str:
        return f"{self.connection} {self.stream}"


class RateWindow(models.Model):
    """What a platform allows us in a scope until ``resets_at``: shared by all processes."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="rates")
    scope = models.CharField(max_length=60)
    limit = models.PositiveIntegerField()
    remaining = models.IntegerField()
    resets_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "scope"], name="rate_scope_once")
        ]

    def __str__(self) -> str:
        return f"{self.connection} {self.scope} {self.remaining}/{self.limit}"
