"""The saved views of a queue: a person's own, and those of the team whose queue it is.

A person's own is asked for with the person: nobody sees another's. A team's view is seen by
everybody who may look at that queue. How views are kept and changed is in ``view_writes``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q

from integrator.desk import directory, queue_address
from integrator.flows.queue_wanted import Wanted
from integrator.models import SavedView

KEPT = "first_views"


@dataclass(frozen=True, slots=True)
class View:
    """A saved view and what it shows to whoever asks.

    ``label`` is its name, told apart from a later view of the team that is called the same.
    ``is_whole``: nothing it was saved with is gone since.
    """

    saved: SavedView
    label: str
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
    """Every view whoever asks has, by role: the first, the team's, their own. Read once a page."""
    found: dict[str, list[View]] | None = getattr(request, "saved_views", None)
    if found is None:
        found = defaultdict(list)
        rows = SavedView.objects.filter(Q(person=request.user) | Q(person__isnull=True))
        rows = rows.select_related("alert").order_by(
            "-is_first", F("person").asc(nulls_first=True), "place"
        )
        teams = {(row.role, row.name.lower()) for row in rows if row.is_the_teams}
        for row in rows:
            is_twice = not row.is_the_teams and (row.role, row.name.lower()) in teams
            label = f"{row.name} (yours)" if is_twice else row.name
            found[row.role].append(_view(row, label, user_id=request.user.pk, at=at))
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


def _view(row: SavedView, label: str, *, user_id: int, at: datetime) -> View:
    query = queue_address.parsed(row.query)
    wanted = wanted_of(query, role=row.role, user_id=user_id, at=at)
    return View(row, label, wanted, queue_address.write(wanted) == row.query)


def is_built_in(wanted: Wanted) -> bool:
    """Whether it is a tab everybody has, without filters and in its own order."""
    return not wanted.is_narrowed and not wanted.order
