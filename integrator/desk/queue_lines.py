"""The lines of a queue as they are shown: words, amounts and sections. Counts nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from integrator.desk import case as case_page
from integrator.desk import (
    catalogue,
    columns,
    directory,
    history,
    presence,
    queue_address,
    screens,
    timeline,
    words,
)
from integrator.desk.auth import DeskRequest
from integrator.desk.queue_orders import order_of
from integrator.desk.queue_rows import Row
from integrator.engine import together
from integrator.flows.queue_wanted import SystemView, Wanted
from integrator.models import Case, Transition

RECORD_WORDS = {
    "return": "return",
    "return_item": "returned unit",
    "order": "order",
    "refund": "refund",
    "job": "step",
    "connection": "connection",
    "message": "message",
    "reconciliation": "difference",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a queue as it is shown. ``step``: how old, and the last that is known of it.

    ``on_it``: who else has it open.
    """

    id: int
    case: Case
    href: str
    symbol: str
    title: str
    money_minor: int
    currency: str
    right: str
    tile: catalogue.Tile | None
    sub: str
    due: str
    is_current: bool
    section: int
    step: str = ""
    on_it: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    lines: list[Line]


def cases_of(request: DeskRequest, rows: list[Row], *chosen: int) -> Mapping[int, Case]:
    """The cases of these lines, and those that are chosen, in one statement."""
    ids = [row.id for row in rows] + [one for one in chosen if one]
    return presence.with_others(case_page.whole(), request).in_bulk(ids) if ids else {}


def lines_of(
    request: DeskRequest,
    rows: list[Row],
    wanted: Wanted,
    cases: Mapping[int, Case],
    *,
    current: int = 0,
    view: int = 0,
) -> list[Line]:
    known = directory.current(at=request.at)
    table = table_of(request, wanted)
    about = wanted.system if table.shows("step") else None
    listed = [cases[row.id] for row in rows if row.id in cases]
    steps = _last_steps(listed, about) if about is not None else {}
    return [
        _line(
            row,
            cases[row.id],
            wanted,
            known,
            at=request.at,
            current=current,
            href=queue_address.href(wanted, view=view, case=row.id),
            step=_step_words(row, steps.get(row.id), at=request.at) if about is not None else "",
            table=table,
        )
        for row in rows
        if row.id in cases
    ]


def table_of(request: DeskRequest, wanted: Wanted) -> columns.Shown:
    """The columns of this queue: those the address says, else what the person usually has."""
    without = [] if wanted.system else ["step"]
    return screens.shown(request, columns.QUEUE, instead=wanted.hidden, without=without)


def sections_of(lines: list[Line], wanted: Wanted, *, currency: str) -> list[Section]:
    """The lines under their titles. Two sections of one title are one for the reader."""
    cuts = order_of(wanted.sorted_by).cuts
    return [
        Section(title.format(home=currency), list(inside))
        for title, inside in groupby(lines, key=lambda line: cuts[line.section].title)
    ]


def _line(
    row: Row,
    case: Case,
    wanted: Wanted,
    known: directory.Directory,
    *,
    at: datetime,
    current: int,
    href: str,
    step: str,
    table: columns.Shown,
) -> Line:
    due = words.due_of(row.due_at, at=at)
    symbol, text = due.symbol, due.short if due.symbol != "idle" else f"due {due.short}"
    if wanted.tab == "solved":
        symbol, text = "ok", f"solved {words.moment_text(row.solved_at or at, at=at)}"
    elif wanted.tab == "snoozed":
        symbol, text = "pause", case_page.snoozed_words(case, at=at)
    right = ""
    if row.currencies > 1:
        right = f"{row.currencies} currencies"
    elif row.customers_waiting and (not row.money_minor or wanted.sorted_by == "customers"):
        right = words.plural(row.customers_waiting, "customer")
    shows_money = row.currencies <= 1 and wanted.sorted_by != "customers"
    return Line(
        id=row.id,
        case=case,
        href=href,
        symbol=symbol,
        title=catalogue.said_of(case).title,
        money_minor=row.money_minor if shows_money else 0,
        currency=row.currency,
        right=right,
        tile=known.tile(case.connection_id)
        if case.connection_id and table.shows("platform")
        else None,
        sub=", ".join(
            text for key, text in _parts(row, case, wanted, at=at) if not key or table.shows(key)
        ),
        due=text if table.shows("due") else "",
        is_current=row.id == current,
        section=row.section,
        step=step,
        on_it=presence.line_of(case, at=at),
    )


def _parts(row: Row, case: Case, wanted: Wanted, *, at: datetime) -> Iterator[tuple[str, str]]:
    """What the second line says, each with the column it is of; without one it always stays."""
    if row.members > 1:
        yield "", words.plural(row.members, RECORD_WORDS.get(case.record_kind, "record"))
    else:
        yield "", f"C-{case.pk}"
    order = case.facts.get("order") or case.order_number  # type: ignore[attr-defined]
    if order and row.members == 1:
        yield "", f"order {order}"
    if case.seen > 1 and row.members == 1:
        yield "seen", f"seen {case.seen} times"
    if together.with_team(case) != wanted.role:
        yield "", f"with {history.team(together.with_team(case))}"
    elif case.handed_to:
        yield "", f"from {history.team(case.owner)}"
    if case.regressions:
        yield "seen", "came back"
    if wanted.sorted_by == "oldest":
        yield "age", _age(row, at)
    if wanted.tab == "solved":
        yield "who", str(Case.Resolution(case.resolution).label).lower()
    elif case.assignee is not None:
        yield "who", case.assignee.first_name or case.assignee.get_username()


def _age(row: Row, at: datetime) -> str:
    """An age that is not cut at the end of a line."""
    return f"{words.lasted(at - row.opened_at)} old".replace(" ", "\N{NO-BREAK SPACE}")


def _last_steps(cases: list[Case], view: SystemView) -> dict[int, Transition]:
    """The newest change of each case's record, in one query."""
    kinds = {case.record_kind for case in cases}
    found = Transition.objects.filter(
        view.steps, record_kind__in=kinds, record_id__in={case.record_id for case in cases}
    )
    newest = {
        (one.record_kind, one.record_id): one
        for one in found.order_by("record_kind", "record_id", "-id").distinct(
            "record_kind", "record_id"
        )
    }
    steps = {case.pk: newest.get((case.record_kind, case.record_id)) for case in cases}
    return {pk: step for pk, step in steps.items() if step is not None}


def _step_words(row: Row, step: Transition | None, *, at: datetime) -> str:
    last = "not known"
    if step is not None:
        last = f"“{timeline.step_says(step)}”, known since {words.moment_text(step.at, at=at)}"
    return f"{_age(row, at)}, last step: {last}"
