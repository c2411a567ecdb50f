"""Who got or lost a role, when and by whom: kept by a trigger, whatever made the change."""

from __future__ import annotations

from typing import ClassVar

import pghistory
from django.contrib.auth.models import User


@pghistory.track(
    pghistory.InsertEvent("granted"), pghistory.DeleteEvent("withdrawn"), obj_field=None
)
class RoleGrant(User.groups.through):  # type: ignore[name-defined]
    """A person holding a role. A view of Django's own table, so that its history can be kept."""

    class Meta:
        proxy: ClassVar = True

    def __str__(self) -> str:
        return f"{self.user} is {self.group}"
