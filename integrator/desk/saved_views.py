"""A person's own views of a queue: which they have, and keeping, changing and deleting one.

Everything here is asked with the person it belongs to: nobody sees or changes another's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from integrator.desk import directory, queue_address, words
from integrator.flows.queue_wanted import SYSTEM_VIEWS, TABS, Wanted
from integrator.models import SavedView

KEPT = "first_views"


class UnableToSave(Exception):
    """The view cannot be kept like this. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class View:
    """A saved view and what it shows. ``is_whole``: nothing it was saved with is gone since."""

    saved: SavedView
    wanted: Wanted
    is_whole: bool

    @property
    def href(self) -> str:
        return queue_address.href(self.wanted, view=self.saved.pk)


def wanted_of(query: Any, *, role: str, user_id: int, at: datetime) -> Wanted:
    """What an address or a saved view asks for."""
    known = directory.current(at=at).connections
    return queue_address.read(query, role=role, user_id=user_id, connections=known)


def views_of(request: Any, *, at: datetime) -> dict[str, list[View]]:
    """The views of whoever asks, by role: the first, then as they were made. Read once a page."""
    found: dict[str, list[View]] | None = getattr(request, "saved_views", None)
    if found is None:
        found = defaultdict(list)
        rows = SavedView.objects.filter(person=request.user).order_by("-is_first", "place")
        for row in rows:
            found[row.role].append(_view(row, at=at))
        request.saved_views = found
    return found


def first_of(views: Sequence[View]) -> View | None:
    """What a queue opens with, where that is a view of the person's own."""
    return next((one for one in views if one.saved.is_first), None)


def opened_with(request: Any, role: str, *, at: datetime) -> Wanted:
    """What a queue opens with: the person's first view, or "Needs us".

    Every page counts it, so it is kept with the session. Another browser of the same person sees a
    change there when it next shows the queue.
    """
    kept: dict[str, str] | None = request.session.get(KEPT)
    if kept is None:
        kept = remember(request, at=at)
    query = queue_address.parsed(kept.get(role, ""))
    return wanted_of(query, role=role, user_id=request.user.pk or 0, at=at)


def remember(request: Any, *, at: datetime) -> dict[str, str]:
    """Keep with the session what this person's queues open with."""
    views = views_of(request, at=at)
    firsts = {role: first_of(those) for role, those in views.items()}
    kept = {role: view.saved.query for role, view in firsts.items() if view is not None}
    if request.session.get(KEPT) != kept:
        request.session[KEPT] = kept
    return kept


def _view(row: SavedView, *, at: datetime) -> View:
    wanted = wanted_of(queue_address.parsed(row.query), role=row.role, user_id=row.person_id, at=at)
    return View(row, wanted, queue_address.write(wanted) == row.query)


def is_built_in(wanted: Wanted) -> bool:
    """Whether it is a tab everybody has, without filters and in its own order."""
    return not wanted.is_narrowed and not wanted.order


def keep(*, person: User, wanted: Wanted, name: str) -> SavedView:
    """Keep what is shown as a new view. UnableToSave when there is one like it, or no place."""
    with transaction.atomic():
        others = _locked(person, wanted.role)
        name = _checked_name(name, others, wanted.role)
        _check_wanted(wanted, others)
        free = set(range(1, SavedView.MOST + 1)) - {one.place for one in others}
        if not free:
            raise UnableToSave(
                f"You have {SavedView.MOST} views of this queue, which is the most. Delete one."
            )
        return SavedView.objects.create(
            person=person,
            role=wanted.role,
            name=name,
            query=queue_address.write(wanted),
            place=min(free),
        )


def rename(view: SavedView, *, name: str) -> None:
    with transaction.atomic():
        others = [one for one in _locked(view.person, view.role) if one.pk != view.pk]
        view.name = _checked_name(name, others, view.role)
        view.save(update_fields=["name"])


def change(view: SavedView, *, wanted: Wanted) -> None:
    """Let the view show this from now on."""
    with transaction.atomic():
        others = [one for one in _locked(view.person, view.role) if one.pk != view.pk]
        _check_wanted(wanted, others)
        view.query = queue_address.write(wanted)
        view.save(update_fields=["query"])


def open_first(view: SavedView, *, yes: bool) -> None:
    """Open the queue with this view, or again with "Needs us"."""
    with transaction.atomic():
        _locked(view.person, view.role)
        SavedView.objects.filter(person=view.person, role=view.role, is_first=True).update(
            is_first=False
        )
        if yes:
            SavedView.objects.filter(pk=view.pk).update(is_first=True)


def _locked(person: User, role: str) -> list[SavedView]:
    """The person's views of this queue. Two windows of one person take turns."""
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    return list(SavedView.objects.filter(person=person, role=role))


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


def _check_wanted(wanted: Wanted, others: Sequence[SavedView]) -> None:
    if is_built_in(wanted):
        raise UnableToSave("This is a tab that everybody has: narrow it down or sort it first")
    query = queue_address.write(wanted)
    if len(query) > SavedView.LONGEST_QUERY:
        raise UnableToSave("These filters are too long to be kept: remove one")
    same = next((one for one in others if one.query == query), None)
    if same is not None:
        raise UnableToSave(f"Your view “{same.name}” shows exactly this already")
