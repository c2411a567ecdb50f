"""Who is told of cases, and how: people by e-mail, a retailer's own systems by signed calls."""

from __future__ import annotations

from typing import ClassVar

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import Q

from integrator.models.connections import Retailer
from integrator.models.protection import guarded_moves
from integrator.models.states import DIGEST_MOVES, DigestState


@pghistory.track(exclude=["secrets"])
class AlertReceiver(models.Model):
    """A system of the retailer's that is told of one role's cases, by a signed call.

    ``kinds`` are codes of case kinds; none means every kind. ``private_network`` says that the
    address may lie inside the house. What the retailer's file does not name any more is off.
    ``secrets`` is a MultiFernet token, as a connection's are.
    """

    RECORD_KIND: ClassVar = "alert_receiver"

    retailer = models.ForeignKey(Retailer, on_delete=models.PROTECT)
    slug = models.SlugField()
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=20)
    kinds = models.JSONField(default=list, blank=True)
    address = models.URLField(max_length=500)
    private_network = models.BooleanField(default=False)
    secrets = models.BinaryField(default=bytes)
    is_on = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["retailer", "slug"], name="alert_receiver_once"),
            models.CheckConstraint(
                condition=Q(address__startswith="https://") | Q(address__startswith="http://"),
                name="alert_receiver_address",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AlertChoice(models.Model):
    """How a person wants to be told of their roles' cases. Who chose nothing gets the digest."""

    class When(models.TextChoices):
        AT_ONCE = "AT_ONCE", "At once, and the daily summary"
        DIGEST = "DIGEST", "Only the daily summary, and at once what is most urgent"
        NEVER = "NEVER", "No e-mail at all"

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="alert_choice"
    )
    when = models.CharField(max_length=10, choices=When.choices, default=When.DIGEST)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(when__in=["AT_ONCE", "DIGEST", "NEVER"]), name="alert_choice_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.when}"


class Digest(models.Model):
    """A role's daily summary: one per working day, by the retailer's clock."""

    RECORD_KIND: ClassVar = "digest"
    MOVES: ClassVar = {"state": DIGEST_MOVES}

    role = models.CharField(max_length=20)
    day = models.DateField()
    state = models.CharField(max_length=10, choices=DigestState.choices, default=DigestState.DUE)
    made_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = guarded_moves("state", DIGEST_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["role", "day"], name="digest_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.day}"
