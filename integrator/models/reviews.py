"""The quarterly review of who holds which role: what was to be looked at, and what was decided."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from integrator.models.protection import append_only


class AccessReview(models.Model):
    """One quarter's review. ``first_day`` is the quarter's, ``last_day`` until when it should be
    done, both by the retailer's clock; ``done_at`` is when nothing was open any more.
    """

    RECORD_KIND: ClassVar = "access_review"

    first_day = models.DateField(unique=True)
    last_day = models.DateField()
    began_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = append_only(once="done_at")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(last_day__gt=F("first_day")), name="access_review_days"
            ),
        ]

    def __str__(self) -> str:
        return self.quarter

    @property
    def quarter(self) -> str:
        return f"quarter {(self.first_day.month + 2) // 3} of {self.first_day.year}"


class ReviewItem(models.Model):
    """A role somebody held when the review began. Who gave it is said as it was known then.

    Without a name in ``given_by`` it was given by a command on the server.
    """

    review = models.ForeignKey(AccessReview, on_delete=models.PROTECT, related_name="items")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="review_items"
    )
    role = models.CharField(max_length=20)
    given_at = models.DateTimeField(null=True)
    given_by = models.CharField(max_length=400, blank=True)

    class Meta:
        triggers: ClassVar = append_only()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["review", "person", "role"], name="review_item_once"),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.role}"


class ReviewDecision(models.Model):
    """Whether somebody is to keep a role, once per item, and never by that person."""

    item = models.OneToOneField(ReviewItem, on_delete=models.PROTECT, related_name="decision")
    keeps = models.BooleanField()
    reason = models.CharField(max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="review_decisions"
    )
    at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            *append_only(),
            pgtrigger.Trigger(
                name="not_about_oneself",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func=(
                    "IF NEW.by_id = (SELECT person_id FROM integrator_reviewitem"
                    " WHERE id = NEW.item_id) THEN"
                    " RAISE EXCEPTION 'nobody decides about their own role'; END IF;"
                    " RETURN NEW;"
                ),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(reason=""), name="review_decision_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {'keeps' if self.keeps else 'loses'}"
