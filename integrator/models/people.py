"""Who got or lost a role, when and by whom; the changes that were asked for; how people sign in."""

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


class SignInEvent(models.Model):
    """Something of note about somebody's way in: their account, or their sign-in by the retailer's
    own provider.

    ``subject`` is the provider's own mark of an account there; ``issuer`` is the provider. Both are
    empty where it is about the account. A refusal is kept once a day. ``reason`` is why somebody
    let a person link anew.
    """

    class What(models.TextChoices):
        LINKED = "LINKED", "was linked to an account at the provider"
        UNLINKED = "UNLINKED", "was let link anew"
        OTHER_SUBJECT = "OTHER_SUBJECT", "another account with the same e-mail address was refused"
        LEFT = "LEFT", "was refused, having left"
        MADE = "MADE", "got an account"
        ADDRESS = "ADDRESS", "got another e-mail address from an admin"
        CLOSED = "CLOSED", "left: the account was closed"
        OPENED = "OPENED", "came back: the account works again"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sign_in_events"
    )
    what = models.CharField(max_length=20, choices=What.choices)
    issuer = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=191, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=200)
    day = models.DateField()
    at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = append_only()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person", "what", "issuer", "subject", "day"],
                condition=Q(what__in=["OTHER_SUBJECT", "LEFT"]),
                name="sign_in_refused_once_a_day",
            ),
            models.CheckConstraint(
                condition=~Q(what="UNLINKED", reason=""), name="sign_in_unlinked_has_reason"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["person", "-at"], name="sign_in_of_person")]

    def __str__(self) -> str:
        return f"{self.person}: {self.what}"
