"""What a page or a view of a queue shows, in words: its tab, what narrows it down, its order."""

from __future__ import annotations

from dataclasses import replace

from integrator.desk import case as case_page
from integrator.desk import catalogue, directory, saved_views
from integrator.desk.queue_orders import order_of
from integrator.flows.queue_wanted import TABS, WHO, Wanted


def filters_of(wanted: Wanted, known: directory.Directory) -> list[tuple[str, Wanted]]:
    """What narrows the list, each with the list without it."""
    filters: list[tuple[str, Wanted]] = []
    if wanted.cause:
        filters.append(("One cause", replace(wanted, cause="")))
    if wanted.kind:
        title = case_page.plain_title(catalogue.kinds()[wanted.kind])
        filters.append((title, replace(wanted, kind="", cause="")))
    if wanted.who:
        filters.append((f"Taken by {WHO[wanted.who].lower()}", replace(wanted, who="")))
    if wanted.connection_id:
        filters.append((known.name(wanted.connection_id), replace(wanted, connection_id=0)))
    if wanted.bulk_id:
        filters.append((f"Many at once, B-{wanted.bulk_id}", replace(wanted, bulk_id=0)))
    return filters


def chips_of(wanted: Wanted, known: directory.Directory) -> list[tuple[str, Wanted]]:
    """The filters in force. The tab a list is a part of is one where nothing else names it."""
    filters = filters_of(wanted, known)
    if wanted.tab == "needs" or saved_views.is_built_in(wanted):
        return filters
    return [(tab_of(wanted), replace(wanted, tab="needs")), *filters]


def tab_of(wanted: Wanted) -> str:
    return wanted.system.name if wanted.system is not None else TABS[wanted.tab]


def says(wanted: Wanted, known: directory.Directory) -> str:
    """All of it in one line."""
    parts = [tab_of(wanted), *(label for label, _ in filters_of(wanted, known))]
    if wanted.tab != "solved":
        parts.append(order_of(wanted.sorted_by).label.lower())
    return ", ".join(parts)
