"""The tabs of a queue: those everybody has, the team's, a person's own, and what is not saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from integrator.desk import columns, queue_address
from integrator.desk.saved_views import View, is_built_in
from integrator.flows.queue_figures import CAP, Figure
from integrator.flows.queue_wanted import SYSTEM_VIEWS, TABS, Wanted

NOT_SAVED = "Not saved"


@dataclass(frozen=True, slots=True)
class Tab:
    """``tells``: what its alert says, in words; empty where it has none."""

    label: str
    href: str
    count: str
    overdue: int
    is_current: bool
    is_changed: bool = False
    is_the_teams: bool = False
    tells: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows, and how it stands to the views the person has.

    ``own``: the view that shows exactly this. ``began``: the view it began as and differs from.
    """

    wanted: Wanted
    views: list[View]
    own: View | None
    began: View | None

    @property
    def is_saved(self) -> bool:
        return self.own is not None or is_built_in(self.wanted)

    @property
    def view_id(self) -> int:
        view = self.own or self.began
        return view.saved.pk if view is not None else 0

    @property
    def says_columns(self) -> bool:
        """Whether a view or the address says the columns, and not what the person usually has."""
        return bool(self.view_id) or self.wanted.hidden is not None

    def href(self, wanted: Wanted | None = None, **more: object) -> str:
        """This page with something changed, still as the same view."""
        return queue_address.href(wanted or self.wanted, view=self.view_id, **more)


def shown(wanted: Wanted, views: list[View], view_id: int, *, usual: columns.Shown) -> Shown:
    """``view_id`` comes from the address; one that this person does not have means nothing.

    ``usual``: the columns this person has where nothing says which.
    """

    def look(of: Wanted) -> tuple[Wanted, frozenset[str]]:
        return of, usual.hidden if of.hidden is None else frozenset(of.hidden)

    same = [one for one in views if look(one.wanted) == look(wanted)]
    asked = next((one for one in views if one.saved.pk == view_id), None)
    if asked is not None and asked not in same:
        return Shown(wanted, views, None, asked)
    # A person's own may show the same as the team's.
    return Shown(wanted, views, asked or next(iter(same), None), None)


def everybodys(role: str, user_id: int) -> dict[Wanted, str]:
    """The tabs of a queue that everybody has, with their names."""
    named = {key: name for key, name in TABS.items() if key == "needs"}
    named |= {view.key: view.name for view in SYSTEM_VIEWS if view.role == role}
    return {Wanted(role, key, user_id): name for key, name in (named | TABS).items()}


def tabs_of(page: Shown, figures: Mapping[Wanted, Figure]) -> list[Tab]:
    """A person's first view, the tabs everybody has, the other views, and what is not saved."""
    first = [one for one in page.views if one.saved.is_first]
    others = [one for one in page.views if not one.saved.is_first]
    tabs = [_own(one, page, figures) for one in first]
    for wanted, name in everybodys(page.wanted.role, page.wanted.user_id).items():
        is_current = wanted == page.wanted
        tabs.append(_tab(name, queue_address.href(wanted), wanted, figures, is_current=is_current))
    tabs += [_own(one, page, figures) for one in others]
    if not page.is_saved:
        tabs.append(_tab(NOT_SAVED, page.href(), page.wanted, figures, is_current=True))
    return tabs


def _own(view: View, page: Shown, figures: Mapping[Wanted, Figure]) -> Tab:
    saved = view.saved
    return replace(
        _tab(view.label, view.href, view.wanted, figures, is_current=view is page.own),
        is_changed=view is page.began,
        is_the_teams=saved.is_the_teams,
        tells="" if saved.more_than is None else f"tells when more than {saved.more_than:,}",
    )


def _tab(
    label: str,
    href: str,
    wanted: Wanted,
    figures: Mapping[Wanted, Figure],
    *,
    is_current: bool,
) -> Tab:
    figure = figures[wanted]
    capped = wanted.tab == "solved" and figure.count >= CAP
    return Tab(
        label=label,
        href=href,
        count=f"{figure.count:,}+" if capped else f"{figure.count:,}",
        overdue=figure.overdue if wanted.tab != "mine" else 0,
        is_current=is_current,
    )
