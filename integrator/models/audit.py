"""What makes tampering show, who took a copy and who saw whose data: seals, exports, sightings.

All of it is append-only.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import DateTimeField, F, Func, Q

from integrator.models.protection import append_only


class Seal(models.Model):
    """One day of one book, fixed for ever: how many rows, and the digest of what they say.

    It covers the rows with ``after_id`` < id <= ``last_id``, which begin where the seal of the day
    before ends, so every row is in exactly one. ``content`` is the digest over the rows in id
    order, ``prints`` eight bytes of id and eight of digest for each, to name the row that differs.
    ``digest`` covers all of it and the digest of ``previous``: whoever changes one day changes
    every later one. ``late`` counts rows dated into a day that had been sealed when they came.
    ``form`` numbers the way in which rows are written down. Made by ``engine.seals``.
    """

    RECORD_KIND: ClassVar = "seal"

    book = models.CharField(max_length=30)
    day = models.DateField()
    form = models.PositiveSmallIntegerField()
    after_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    row_count = models.BigIntegerField()
    late = models.BigIntegerField()
    content = models.BinaryField(max_length=32)
    prints = models.BinaryField()
    previous = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="following"
    )
    digest = models.BinaryField(max_length=32)
    made_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = append_only()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["book", "day"], name="seal_day_once"),
            models.UniqueConstraint(
                fields=["book"], condition=Q(previous__isnull=True), name="seal_first_once"
            ),
            models.CheckConstraint(condition=Q(last_id__gte=F("after_id")), name="seal_range"),
            models.CheckConstraint(
                condition=Q(late__gte=0, row_count__gte=F("late")), name="seal_counts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.book} {self.day}"


class SealCheck(models.Model):
    """One comparison of the seals with the rows: when, by whom, how much was read, what was found.

    ``day`` is the newest day that had to be sealed by then; ``since`` the first day whose rows were
    read again, empty when it was all of them. ``heads`` are the newest digest of each book: they
    must be in the chain at every later check. ``findings`` hold no personal data.
    """

    class Result(models.TextChoices):
        SOUND = "SOUND", "Nothing was changed"
        LATE = "LATE", "Rows came after their day was sealed"
        BROKEN = "BROKEN", "Something was changed"

    at = models.DateTimeField()
    actor = models.CharField(max_length=100)
    day = models.DateField()
    since = models.DateField(null=True)
    seals = models.PositiveIntegerField()
    row_count = models.BigIntegerField()
    result = models.CharField(max_length=10, choices=Result.choices)
    findings = models.JSONField(default=list)
    heads = models.JSONField(default=dict)

    class Meta:
        triggers: ClassVar = append_only()
        indexes: ClassVar = [models.Index(fields=["-day", "actor"], name="seal_check_day")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.result}"


class Export(models.Model):
    """Somebody took a copy of a list: who, when, which filters, how many rows left the house.

    Written before the first row leaves. ``row_count`` is set once, when it ends; without one it
    never came to an end.
    """

    what = models.CharField(max_length=40)
    filters = models.JSONField(default=dict)
    actor = models.CharField(max_length=100)
    at = models.DateTimeField()
    row_count = models.BigIntegerField(null=True)

    class Meta:
        triggers: ClassVar = append_only(once="row_count")
        indexes: ClassVar = [models.Index(fields=["at", "id"], name="export_at")]

    def __str__(self) -> str:
        return f"{self.what} by {self.actor}"


# The minute of a moment, whatever the session's time zone is.
_MINUTE = Func(
    F("at"),
    function="date_bin",
    template="%(function)s('1 minute', %(expressions)s, '2000-01-01 00:00:00+00'::timestamptz)",
    output_field=DateTimeField(),
)


class Sighting(models.Model):
    """Somebody was shown who a customer is: who, when, on which page. Never what they were shown.

    At most one of a person, a page and a customer in a minute: whoever reloads looks once. It names
    the customer by our own number, which says nothing once the customer is erased. Kept for ever:
    its days are sealed, and a seal would show a row that is gone.
    """

    class Page(models.TextChoices):
        ORDER = "ORDER", "an order"
        RETURN = "RETURN", "a return"
        CUSTOMER = "CUSTOMER", "their own page"
        SEARCH = "SEARCH", "a search by e-mail"
        CASE = "CASE", "notes on a case"
        AUDIT = "AUDIT", "notes on the audit page"
        AUDIT_COPY = "AUDIT_COPY", "notes in a copy of the audit list"

    customer_id = models.BigIntegerField()
    page = models.CharField(max_length=10, choices=Page.choices)
    actor = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = append_only()
        constraints: ClassVar = [
            models.UniqueConstraint(
                F("actor"), F("page"), F("customer_id"), _MINUTE, name="sighting_once_a_minute"
            ),
            models.CheckConstraint(
                condition=Q(
                    page__in=[
                        "ORDER",
                        "RETURN",
                        "CUSTOMER",
                        "SEARCH",
                        "CASE",
                        "AUDIT",
                        "AUDIT_COPY",
                    ]
                ),
                name="sighting_page",
            ),
            models.CheckConstraint(
                condition=Q(actor__startswith="user:"), name="sighting_by_a_person"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["at", "id"], name="sighting_at"),
            models.Index(fields=["customer_id", "at"], name="sighting_customer"),
            models.Index(fields=["actor", "at"], name="sighting_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.page} {self.customer_id}"
