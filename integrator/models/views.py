"""What a person arranged for themselves: their views of a queue, their keys, their screens."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower


class SavedView(models.Model):
    """A person's own tab of one role's queue: filters, order and columns under a name.

    ``query`` is their one spelling as an address (``desk.queue_address.write``). ``place`` is one
    of the ``MOST`` places a person has per queue. ``is_first`` opens instead of "Needs us".
    """

    MOST: ClassVar = 12
    LONGEST: ClassVar = 40
    LONGEST_QUERY: ClassVar = 1000

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    role = models.CharField(max_length=20)
    name = models.CharField(max_length=40)
    query = models.CharField(max_length=1000)
    place = models.PositiveSmallIntegerField()
    is_first = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("person", "role", Lower("name"), name="view_name_once"),
            models.UniqueConstraint(fields=["person", "role", "query"], name="view_query_once"),
            models.UniqueConstraint(fields=["person", "role", "place"], name="view_place_once"),
            models.UniqueConstraint(
                fields=["person", "role"], condition=Q(is_first=True), name="view_first_once"
            ),
            models.CheckConstraint(
                condition=Q(place__gte=1, place__lte=12), name="view_places_limited"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="view_has_name"),
        ]

    def __str__(self) -> str:
        return f"{self.person} {self.role}: {self.name}"


class KeyChoice(models.Model):
    """The single keys of a person: whether they do anything, and which command each starts.

    ``keys`` holds all of them by command (``desk.keys``), so that two commands never share one.
    """

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="key_choice"
    )
    is_on = models.BooleanField(default=True)
    keys = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.person}: {'on' if self.is_on else 'off'}"


class ScreenChoice(models.Model):
    """How a person likes their screens: light or dark, close rows or wide ones, which columns.

    ``theme`` is empty for what the system has. ``hidden`` holds, by table (``desk.columns``), the
    columns that were taken away: one that is new is shown to everybody.
    """

    class Theme(models.TextChoices):
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="screen_choice"
    )
    theme = models.CharField(max_length=5, choices=Theme.choices, blank=True)
    is_compact = models.BooleanField(default=False)
    hidden = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(theme__in=["", "light", "dark"]), name="screen_theme_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.theme or 'as the system'}"
