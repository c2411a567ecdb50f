"""Keeping, changing and deleting saved views, for oneself and for the team, and their alerts.

Who may is decided by the caller. Whoever writes views of one queue takes turns: the team's and the
person's rows are locked, in this order, before anything is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q

from integrator.desk import queue_address, words
from integrator.desk.saved_views import is_built_in
from integrator.flows import tell_view, view_alerts
from integrator.flows.queue_wanted import SYSTEM_VIEWS, TABS, Wanted
from integrator.models import SavedView


class UnableToSave(Exception):
    """The view cannot be kept like this. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A view as somebody saw it who wants it changed. ``version`` counts for a team's only."""

    pk: int
    version: int = 0


def keep(*, person: User, wanted: Wanted, name: str, for_team: bool = False) -> SavedView:
    """Keep what is shown as a new view. UnableToSave when there is one like it, or no place."""
    with transaction.atomic():
        there = _locked(person, wanted.role)
        view = SavedView(person=None if for_team else person, role=wanted.role)
        view.name = _checked_name(name, there, wanted.role)
        view.query = _query_of(wanted)
        _check_shows(view, there)
        view.place = _free_place(view, there)
        view.save(force_insert=True)
        return view


def rename(seen: Seen, *, person: User, role: str, name: str) -> SavedView:
    with transaction.atomic():
        view, others = _found(seen, person, role)
        view.name = _checked_name(name, others, role)
        _save(view, "name")
        return view


def change(seen: Seen, *, person: User, wanted: Wanted, at: datetime) -> SavedView:
    """Let the view show this from now on. Its alert begins afresh."""
    with transaction.atomic():
        view, others = _found(seen, person, wanted.role)
        view.query = _query_of(wanted)
        _check_shows(view, others)
        _save(view, "query")
        view_alerts.begin(view, at=at)
        return view


def give(seen: Seen, *, person: User, role: str, at: datetime) -> SavedView:
    """Let a person's own view be the team's. Its alert goes along, and begins afresh."""
    with transaction.atomic():
        view, others = _found(seen, person, role)
        view.person, view.is_first = None, False
        _check_shows(view, others)
        view.place = _free_place(view, others)
        _save(view, "person", "is_first", "place")
        view_alerts.begin(view, at=at)
        return view


def tell(seen: Seen, *, person: User, role: str, more_than: int | None, at: datetime) -> SavedView:
    """Set the view's alert, or end it with None."""
    with transaction.atomic():
        view, _ = _found(seen, person, role)
        if more_than is not None and not view.is_the_teams:
            why_not = tell_view.why_not_told(person)
            if why_not:
                raise UnableToSave(why_not)
        view.more_than = more_than
        _save(view, "more_than")
        view_alerts.begin(view, at=at)
        return view


def delete(seen: Seen, *, person: User, role: str) -> SavedView:
    with transaction.atomic():
        view, _ = _found(seen, person, role)
        view.delete()
        return view


def open_first(seen: Seen, *, person: User, role: str, yes: bool) -> SavedView:
    """Open the queue with this view of one's own, or again with "Needs us"."""
    with transaction.atomic():
        view, _ = _found(seen, person, role)
        own = SavedView.objects.filter(person=person, role=role)
        own.filter(is_first=True).update(is_first=False)
        if yes:
            own.filter(pk=view.pk).update(is_first=True)
        return view


def number_of(text: str) -> int:
    """The number somebody typed, as that above which they are told."""
    text = text.strip()
    most = SavedView.MOST_TOLD
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        raise UnableToSave(f"Tell when more than: write a number from 0 to {most:,}")
    return int(text)


def _locked(person: User, role: str) -> list[SavedView]:
    """Every view this person has of this queue. Those who change any of them take turns."""
    list(Group.objects.select_for_update(no_key=True).filter(name=role))
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    return list(SavedView.objects.filter(Q(person=person) | Q(person__isnull=True), role=role))


def _found(seen: Seen, person: User, role: str) -> tuple[SavedView, list[SavedView]]:
    """The view as it is now, and the others. UnableToSave when it is not as it was seen."""
    there = _locked(person, role)
    view = next((one for one in there if one.pk == seen.pk), None)
    if view is None:
        raise UnableToSave("This view was deleted in the meantime")
    if view.is_the_teams and view.version != seen.version:
        raise UnableToSave(
            f"Somebody of your team changed “{view.name}” in the meantime. "
            "This is how it is now: look at it, then do it again"
        )
    return view, [one for one in there if one.pk != view.pk]


def _save(view: SavedView, *fields: str) -> None:
    view.version += 1
    view.save(update_fields=[*fields, "version"])


def _of_the_same(view: SavedView, others: Sequence[SavedView]) -> list[SavedView]:
    return [one for one in others if one.is_the_teams == view.is_the_teams]


def _free_place(view: SavedView, others: Sequence[SavedView]) -> int:
    taken = {one.place for one in _of_the_same(view, others)}
    free = set(range(1, SavedView.MOST + 1)) - taken
    if not free:
        who = "Your team has" if view.is_the_teams else "You have"
        raise UnableToSave(
            f"{who} {SavedView.MOST} views of this queue, which is the most. Delete one."
        )
    return min(free)


def _checked_name(name: str, others: Sequence[SavedView], role: str) -> str:
    name = " ".join(words.typed(name).split())
    if not name or len(name) > SavedView.LONGEST:
        raise UnableToSave(f"Name: write 1 to {SavedView.LONGEST} characters")
    taken = {one.name.lower() for one in others}
    taken |= {one.lower() for one in TABS.values()}
    taken |= {one.name.lower() for one in SYSTEM_VIEWS if one.role == role}
    if name.lower() in taken:
        raise UnableToSave(f"Name: there is a tab “{name}” already, choose another name")
    return name


def _query_of(wanted: Wanted) -> str:
    if is_built_in(wanted):
        raise UnableToSave("This is a tab that everybody has: narrow it down or sort it first")
    query = queue_address.write(wanted)
    if len(query) > SavedView.LONGEST_QUERY:
        raise UnableToSave("These filters are too long to be kept: remove one")
    return query


def _check_shows(view: SavedView, others: Sequence[SavedView]) -> None:
    """Refuse what the team, or the person, has already, and what is no list of a team's."""
    query = queue_address.parsed(view.query)
    wanted = queue_address.read(query, role=view.role, user_id=0, connections=())
    if view.is_the_teams and wanted.is_of_whoever_looks:
        raise UnableToSave(
            "“Mine” and “taken by me” are another list for each of you: "
            "take that filter away, or keep the view for yourself"
        )
    same = next((one for one in _of_the_same(view, others) if one.query == view.query), None)
    if same is not None:
        whose = "The team's" if view.is_the_teams else "Your"
        raise UnableToSave(f"{whose} view “{same.name}” shows exactly this already")
