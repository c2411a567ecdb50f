"""The figures of the business, day by day: charts, their tables, the rows behind each number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator.desk import charts, columns, directory, figure_rows, paging, periods, screens, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.copies import copy_of
from integrator.desk.figure_rows import FIGURES, GROUPS, Figure, Group, Sums
from integrator.desk.periods import Period, UnableToReadPeriod

_TABS = (
    ("figures", "Per day"),
    ("inbound", "On the way back"),
    ("by_hand", "Done by hand"),
    ("skips", "Skipped"),
    ("stages", "Who has it when"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table and the list behind it."""

    label: str
    number: int
    money: list[tuple[int, str]]
    href: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with its table. ``head`` and ``totals`` are in the order of the columns."""

    group: Group
    chart: charts.Chart
    drawn: list[tuple[str, Cell]]
    totals: list[Cell]
    days: list[tuple[date, list[Cell]]]
    file: str
    is_empty: bool


def tabs(current: str) -> list[dict[str, Any]]:
    """The pages of figures, for the head of each."""
    return [
        {"href": reverse(name), "label": label, "count": "", "is_current": name == current}
        for name, label in _TABS
    ]


def period_of(request: DeskRequest) -> tuple[Period, str]:
    """The period that was asked for; the usual one and what is wrong when there is none."""
    asked = (request.GET.get("from", "").strip(), request.GET.get("to", "").strip())
    try:
        return periods.read(*asked, at=request.at), ""
    except UnableToReadPeriod as wrong:
        return periods.usual(request.at), str(wrong)


@require_safe
@needs("figures.see")
def figures(request: DeskRequest) -> HttpResponse:
    """Every group of figures over some days."""
    period, wrong = period_of(request)
    found = figure_rows.per_day(GROUPS, period)
    context = {
        "tabs": tabs("figures"),
        "retailer": directory.current(at=request.at).retailer,
        "period": period,
        "wrong": wrong,
        "is_running": period.start <= request.at < period.end,
        "panels": [_panel(group, period, found) for group in GROUPS],
    }
    return render(request, "desk/figures.html", context)


@require_safe
@needs("figures.see")
def figure(request: DeskRequest, key: str) -> HttpResponse:
    """The rows behind one figure, the newest first."""
    one = FIGURES.get(key)
    if one is None:
        raise Http404
    period, wrong = period_of(request)
    page = paging.page_of(
        figure_rows.of_period(one, period),
        one.at,
        request.GET.get("after", ""),
        newest_first=True,
    )
    sums = figure_rows.total(one, period)
    context = {
        "figure": one,
        "period": period,
        "wrong": wrong,
        "sums": sums,
        "money": money_of(sums),
        "rows": [
            {
                "line": one.line(row),
                "at": getattr(row, one.at),
                "units": getattr(row, one.units) if one.units else None,
                "minor": getattr(row, one.money) if one.money else None,
                "currency": getattr(row, one.currency) if one.currency else "",
            }
            for row in page.rows
        ],
        "is_first_page": not request.GET.get("after"),
        "first_page": f"?{period.query}",
        "next_page": f"?{period.query}&{urlencode({'after': page.after})}" if page.after else "",
        "table": screens.shown(request, columns.FIGURE, without=_unknown_of(one)),
    }
    return render(request, "desk/figure.html", context)


def _unknown_of(one: Figure) -> list[str]:
    """The columns that say nothing of this figure."""
    known = {"units": one.units, "amount": one.money}
    return [key for key, field in known.items() if not field]


@require_safe
@needs("figures.see")
def figures_file(request: DeskRequest, group: str) -> HttpResponseBase:
    """The table of one group as a file: a row per day, a column per figure and currency."""
    chosen = next((one for one in GROUPS if one.key == group), None)
    if chosen is None:
        raise Http404
    period, wrong = period_of(request)
    if wrong:
        raise Http404
    found = figure_rows.per_day([chosen], period)
    columns = [(one, currency) for one in chosen.figures for currency in _columns(one, found)]
    heads = [f"{one.label}, {currency}" if currency else one.label for one, currency in columns]

    def rows() -> Iterator[list[object]]:
        for day in period.days:
            yield [day, *(_cell(found.get((one.key, day)), money) for one, money in columns)]

    return copy_of(
        request,
        f"the figures: {chosen.title.lower()}",
        {"Period": period.text},
        name=f"{chosen.key}-{period.first}-{period.last}",
        heads=["Day", *heads],
        rows=rows(),
    )


def _columns(one: Figure, found: Mapping[tuple[str, date], Sums]) -> list[str]:
    """The number, and then each currency there is an amount in."""
    currencies = {name for (key, _), sums in found.items() if key == one.key for name in sums.money}
    return ["", *sorted(currencies)]


def _cell(sums: Sums | None, currency: str) -> object:
    sums = sums or Sums()
    if not currency:
        return sums.number
    return words.plain_number(sums.money.get(currency, 0), currency)


def _panel(group: Group, period: Period, found: Mapping[tuple[str, date], Sums]) -> Panel:
    days = period.days
    per_figure = {
        one.key: [found.get((one.key, day), Sums()) for day in days] for one in group.figures
    }
    totals = {
        one.key: _cell_of(one, sum(per_figure[one.key], Sums()), period) for one in group.figures
    }
    drawn = [one for one in group.figures if one.key != group.whole]
    series = [
        charts.Series(one.label, [sums.number for sums in per_figure[one.key]]) for one in drawn
    ]
    draw = charts.bars if group.shape == "bars" else charts.lines
    rows = [
        (
            day,
            [
                _cell_of(one, per_figure[one.key][place], period.of_day(day))
                for one in group.figures
            ],
        )
        for place, day in enumerate(days)
    ]
    return Panel(
        group=group,
        chart=draw(series),
        drawn=[(f"s{place}", totals[one.key]) for place, one in enumerate(drawn, start=1)],
        totals=list(totals.values()),
        days=rows[::-1],
        file=f"{reverse('figures_file', args=[group.key])}?{period.query}",
        is_empty=not any(cell.number for cell in totals.values()),
    )


def _cell_of(one: Figure, sums: Sums, period: Period) -> Cell:
    href = f"{reverse('figure', args=[one.key])}?{period.query}"
    return Cell(one.label, sums.number, money_of(sums), href)


def money_of(sums: Sums) -> list[tuple[int, str]]:
    """Amounts for the screen, one per currency."""
    return [(minor, currency) for currency, minor in sorted(sums.money.items())]
