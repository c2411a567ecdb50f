"""Who is told of cases besides people's mail boxes: a retailer's own systems."""

from __future__ import annotations

from typing import ClassVar

import pghistory
from django.db import models
from django.db.models import Q

from integrator.models.connections import Retailer


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
