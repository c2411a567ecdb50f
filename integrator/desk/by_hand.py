"""What people did by hand in a week, beside the week before: by type, person and cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator.desk import catalogue, history, paging, periods, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.copies import copy_of
from integrator.desk.figure_rows import Sums
from integrator.desk.figures import Cell, money_of, tabs
from integrator.desk.periods import Period, UnableToReadPeriod
from integrator.engine import by_hand as counting
from integrator.engine import choices
from integrator.engine.by_hand import Tally
from integrator.engine.case_words import say
from integrator.models import CaseEvent, PolicyVersion

# What the week is looked at by: the title of each table and the head of its first column.
VIEWS = {"type": "What was done", "cause": "Because of", "person": "Who did it"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: this week with its value, the week before, and how much more or less it is."""

    label: str
    now: Cell
    before: Cell
    is_many: bool

    @property
    def change(self) -> str:
        more = self.now.number - self.before.number
        return f"+{more:,}" if more > 0 else f"\N{MINUS SIGN}{-more:,}" if more else "0"


@dataclass(frozen=True, slots=True)
class Table:
    key: str
    title: str
    rows: list[Row]


def asked_week(request: DeskRequest) -> tuple[Period, str]:
    try:
        return periods.read_week(request.GET.get("week", "").strip(), at=request.at), ""
    except UnableToReadPeriod as wrong:
        return periods.read_week("", at=request.at), f"{wrong}. Shown is this week."


def week_before(week: Period) -> Period:
    return periods.week_of(week.first - timedelta(days=7), week.zone)


def _rows(week: Period) -> QuerySet[CaseEvent]:
    return counting.decisions_between(catalogue.kinds(), week.start, week.end)


@require_safe
@needs("figures.see")
def by_hand(request: DeskRequest) -> HttpResponse:
    """The report of one week."""
    week, wrong = asked_week(request)
    before = week_before(week)
    limit = _limit()
    tables = [_table(key, week, before, limit) for key in VIEWS]
    total = Sums()
    for row in tables[0].rows:
        total += Sums(row.now.number, {currency: minor for minor, currency in row.now.money})
    context = {
        "tabs": tabs("by_hand"),
        "week": week,
        "wrong": wrong,
        "tables": tables,
        "limit": limit,
        "total": Cell("All", total.number, money_of(total), _href(week)),
        "earlier": f"?week={before.first}",
        "later": f"?week={week.last + timedelta(days=1)}" if week.end <= request.at else "",
        "is_running": week.end > request.at,
        "file": f"{reverse('by_hand_file')}?week={week.first}",
    }
    return render(request, "desk/by_hand.html", context)


@require_safe
@needs("figures.see")
def decisions(request: DeskRequest) -> HttpResponse:
    """The decisions behind one number, the newest first."""
    week, wrong = asked_week(request)
    by, of = request.GET.get("by", ""), request.GET.get("of", "")
    if (by or of) and by not in VIEWS:
        raise Http404
    rows = _rows(week)
    named = "All steps by hand"
    if by:
        rows = rows.filter(**{by: words.typed(of)})
        named = _namer(by)(of)
    number = rows.count()
    page = paging.page_of(
        rows.select_related("case"), "at", request.GET.get("after", ""), newest_first=True
    )
    label = _namer("type")
    here = urlencode({"week": week.first.isoformat(), **({"by": by, "of": of} if by else {})})
    context = {
        "week": week,
        "wrong": wrong,
        "named": named,
        "number": number,
        "rows": [
            {
                "event": event,
                "label": label(event.type),
                "who": history.who(event.actor),
                "about": catalogue.said_of(event.case).title,
            }
            for event in page.rows
        ],
        "is_first_page": not request.GET.get("after"),
        "first_page": f"?{here}",
        "next_page": f"?{here}&{urlencode({'after': page.after})}" if page.after else "",
    }
    return render(request, "desk/by_hand_rows.html", context)


@require_safe
@needs("figures.see")
def by_hand_file(request: DeskRequest) -> HttpResponseBase:
    """The report as a file: a line per table, name and currency."""
    week, wrong = asked_week(request)
    if wrong:
        raise Http404
    tables = [_table(key, week, week_before(week), _limit()) for key in VIEWS]

    def rows() -> Iterator[list[object]]:
        for table in tables:
            for row in table.rows:
                money = row.now.money or [(0, "")]
                for minor, currency in money:
                    value = words.plain_number(minor, currency) if currency else ""
                    yield [
                        table.title,
                        row.label,
                        row.now.number,
                        row.before.number,
                        value,
                        currency,
                    ]

    return copy_of(
        request,
        "what was done by hand",
        {"Week": week.text},
        name=f"by-hand-{week.first}",
        heads=["By", "Name", "This week", "Week before", "Value", "Currency"],
        rows=rows(),
    )


def _limit() -> int:
    """How often a week is not worth a word, by the retailer's choice."""
    policy = PolicyVersion.objects.order_by("retailer_id", "-version").first()
    if policy is None:
        return int(choices.CHOICES["by_hand_per_week"])
    return int(choices.choice(policy, "by_hand_per_week"))


def _table(by: str, week: Period, before: Period, limit: int) -> Table:
    """The week's counts by one view, the most frequent first; what ended since is at the end."""
    name = _namer(by)
    now, past = (counting.tallies(_rows(one), by) for one in (week, before))
    rows = [
        Row(
            label=name(key),
            now=_cell(by, key, now.get(key, Tally()), week),
            before=_cell(by, key, past.get(key, Tally()), before),
            is_many=by == "type" and now.get(key, Tally()).number > limit,
        )
        for key in now.keys() | past.keys()
    ]
    return Table(by, VIEWS[by], sorted(rows, key=lambda one: (-one.now.number, one.label)))


def _cell(by: str, key: str, tally: Tally, week: Period) -> Cell:
    return Cell("", tally.number, money_of(Sums(0, tally.money)), _href(week, by=by, of=key))


def _href(week: Period, **view: str) -> str:
    return f"{reverse('by_hand_rows')}?{urlencode({'week': week.first.isoformat(), **view})}"


def _namer(by: str) -> Callable[[str], str]:
    """How the keys of a view are called on screen."""
    if by == "person":
        return history.who
    if by == "type":
        labels: Mapping[str, Any] = counting.labels(catalogue.kinds())
        return lambda key: str(labels.get(key, key.replace("_", " ")))
    return kind_name


def kind_name(code: str) -> str:
    """A kind of case without the details of one: what is not known reads as three dots."""
    kind = catalogue.kinds().get(code)
    if kind is None:
        return code.replace("_", " ").capitalize()
    return say(kind, {}).title.replace("(unknown)", "…")
