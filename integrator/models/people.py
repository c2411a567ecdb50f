"""Who got or lost a role, when and by whom; and the changes of roles that were asked for."""

from __future__ import annotations

from typing import ClassVar

import pghistory
from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q

from integrator.models.protection import append_only


@pghistory.track(
    pghistory.InsertEvent("granted"), pghistory.DeleteEvent("withdrawn"), obj_field=None
)
class RoleGrant(User.groups.through):  # type: ignore[name-defined]
    """A person holding a role. A view of Django's own table, so that its history can be kept."""

    class Meta:
        proxy: ClassVar = True

    def __str__(self) -> str:
        return f"{self.user} is {self.group}"


class RoleChange(models.Model):
    """A role somebody is to get or to lose, as one person asked for it and another must agree.

    The answer is its Approval. ``last_day`` is until when a role is held, that day included, by the
    retailer's clock. ``ended_at`` is when it came to its end, or another word replaced it.
    """

    RECORD_KIND: ClassVar = "role_change"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="role_changes"
    )
    role = models.CharField(max_length=20)
    gives = models.BooleanField()
    reason = models.CharField(max_length=200)
    last_day = models.DateField(null=True)
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = append_only(once="ended_at")
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(reason=""), name="role_change_has_reason"),
            models.CheckConstraint(
                condition=Q(gives=True) | Q(last_day__isnull=True), name="role_change_end_of_given"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["last_day"],
                condition=Q(ended_at__isnull=True, last_day__isnull=False),
                name="role_change_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {'+' if self.gives else '-'}{self.role}"
