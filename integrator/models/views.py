"""Views of a queue that were kept, with their alerts; a person's keys and screens."""

from __future__ import annotations

from typing import ClassVar

import pghistory
import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from integrator.models.protection import guarded_moves
from integrator.models.states import VIEW_ALERT_MOVES, ViewAlertState

_IS_THE_TEAMS = pgtrigger.Q(new__person__isnull=True)
_IS_CHANGED = (
    pgtrigger.Q(old__name__df=pgtrigger.F("new__name"))
    | pgtrigger.Q(old__query__df=pgtrigger.F("new__query"))
    | pgtrigger.Q(old__more_than__df=pgtrigger.F("new__more_than"))
    | pgtrigger.Q(old__person__isnull=False)
)


@pghistory.track(
    pghistory.InsertEvent("kept", condition=_IS_THE_TEAMS),
    pghistory.UpdateEvent("changed", condition=_IS_THE_TEAMS & _IS_CHANGED),
    pghistory.DeleteEvent("deleted", condition=pgtrigger.Q(old__person__isnull=True)),
    exclude=["person", "place", "is_first", "version"],
)
class SavedView(models.Model):
    """A tab of one role's queue: filters, order and columns under a name.

    It is ``person``'s own, or the team's of that role where there is none; only of the latter a
    history is kept. ``query`` is the one spelling of what it shows (``desk.queue_address.write``).
    ``place`` is one of the ``MOST`` places that a person, or the team, has per queue. ``is_first``
    opens instead of "Needs us". ``more_than``: whoever it belongs to is told when it lists more
    (``ViewAlert``). ``version`` counts its changes, so that nobody changes what they did not see.
    """

    MOST: ClassVar = 12
    LONGEST: ClassVar = 40
    LONGEST_QUERY: ClassVar = 1000
    MOST_TOLD: ClassVar = 9_999  # what is solved is counted no further

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="saved_views"
    )
    role = models.CharField(max_length=20)
    name = models.CharField(max_length=40)
    query = models.CharField(max_length=1000)
    place = models.PositiveSmallIntegerField()
    is_first = models.BooleanField(default=False)
    more_than = models.PositiveSmallIntegerField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "person", "role", Lower("name"), nulls_distinct=False, name="view_name_once"
            ),
            models.UniqueConstraint(
                fields=["person", "role", "query"], nulls_distinct=False, name="view_query_once"
            ),
            models.UniqueConstraint(
                fields=["person", "role", "place"], nulls_distinct=False, name="view_place_once"
            ),
            models.UniqueConstraint(
                fields=["person", "role"], condition=Q(is_first=True), name="view_first_once"
            ),
            models.CheckConstraint(
                condition=Q(place__gte=1, place__lte=12), name="view_places_limited"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="view_has_name"),
            models.CheckConstraint(
                condition=Q(person__isnull=False) | Q(is_first=False), name="view_first_of_a_person"
            ),
            # To each who looks it would be another list, and its alert would count nobody's.
            models.CheckConstraint(
                condition=Q(person__isnull=False) | ~Q(query__regex="(^|&)(tab=mine|who=me)(&|$)"),
                name="view_of_team_same_for_all",
            ),
            models.CheckConstraint(
                condition=Q(more_than__isnull=True) | Q(more_than__lte=9_999),
                name="view_more_than_counted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person or 'team'} {self.role}: {self.name}"

    @property
    def is_the_teams(self) -> bool:
        return self.person_id is None


class ViewAlert(models.Model):
    """How the length of a view with an alert stood to it when it was last counted.

    There is one for every view that says ``more_than``. It begins afresh whenever the view or its
    alert changes. ``told_at``: when a mail or a call last said that there are more.
    """

    RECORD_KIND: ClassVar = "view_alert"
    MOVES: ClassVar = {"state": VIEW_ALERT_MOVES}

    view = models.OneToOneField(SavedView, on_delete=models.CASCADE, related_name="alert")
    state = models.CharField(max_length=10, choices=ViewAlertState.choices)
    count = models.PositiveIntegerField()
    told_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("state", VIEW_ALERT_MOVES)

    def __str__(self) -> str:
        return f"{self.view_id}: {self.state}"


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
