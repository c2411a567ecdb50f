"""Returned units on the way back: where they are, for how long, and what they are worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import BigIntegerField, Case, CharField, Count, QuerySet, Sum, Value, When
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator.desk import columns, paging, screens, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.copies import copy_of
from integrator.desk.figure_rows import Sums
from integrator.desk.figures import Cell, money_of, tabs
from returns.queries import units_inbound
from returns.stages import NEXT
from returns.states import Custody

STAGES = {
    Custody.AUTHORISED: f"{Custody.AUTHORISED.label}, not sent yet",
    Custody.IN_TRANSIT: str(Custody.IN_TRANSIT.label),
    Custody.RECEIVED: f"{Custody.RECEIVED.label}, waits to be checked",
}


@dataclass(frozen=True, slots=True)
class Age:
    """A band of ages: from ``days`` on, up to where the next older one begins."""

    key: str
    label: str
    days: int


# The oldest first: a unit is in the first band whose days it has reached.
AGES = (
    Age("over-14", "Over 14 days", 14),
    Age("over-7", "7 to 14 days", 7),
    Age("over-2", "2 to 7 days", 2),
    Age("new", "Under 2 days", 0),
)
_SHOWN = AGES[::-1]


@dataclass(frozen=True, slots=True)
class Stage:
    """One line of the table: a number for each age, and all of them."""

    key: str
    label: str
    who: str
    cells: list[Cell]
    total: Cell


@require_safe
@needs("figures.see")
def inbound(request: DeskRequest) -> HttpResponse:
    """Every unit that is expected or has arrived unchecked, by stage and age."""
    found = _counted(request.at)
    context = {
        "tabs": tabs("inbound"),
        "ages": _SHOWN,
        "stages": [_stage(one, found) for one in STAGES],
        "file": reverse("inbound_file"),
    }
    return render(request, "desk/inbound.html", context)


@require_safe
@needs("figures.see")
def units(request: DeskRequest) -> HttpResponse:
    """The units behind one number, the longest waiting first."""
    stage, age = request.GET.get("stage", ""), request.GET.get("age", "")
    if stage not in ("", *STAGES) or age not in ("", *(one.key for one in AGES)):
        raise Http404
    found = _narrowed(request.at, stage, age)
    page = paging.page_of(found, "since", request.GET.get("after", ""), newest_first=False)
    here = urlencode({"stage": stage, "age": age})
    sums = _sums(found)
    context = {
        "title": STAGES[Custody(stage)] if stage else "On the way back",
        "age": next((one.label for one in AGES if one.key == age), ""),
        "sums": sums,
        "money": money_of(sums),
        "rows": [(one, STAGES[Custody(one.custody)]) for one in page.rows],
        "is_first_page": not request.GET.get("after"),
        "first_page": f"?{here}",
        "next_page": f"?{here}&{urlencode({'after': page.after})}" if page.after else "",
        "table": screens.shown(request, columns.INBOUND, without=["stage"] if stage else []),
    }
    return render(request, "desk/inbound_units.html", context)


@require_safe
@needs("figures.see")
def inbound_file(request: DeskRequest) -> HttpResponseBase:
    """The same table as a file: one line per stage, age and currency."""
    found = _counted(request.at)

    def rows() -> Iterator[list[object]]:
        for stage, label in STAGES.items():
            for age in _SHOWN:
                for currency, sums in sorted(found[stage.value, age.key].items()):
                    value = words.plain_number(sums.money[currency], currency)
                    yield [label, age.label, sums.number, value, currency]

    return copy_of(
        request,
        "what is on the way back",
        {},
        name=f"on-the-way-back-{request.at:%Y-%m-%d}",
        heads=["Stage", "Since", "Units", "Value", "Currency"],
        rows=rows(),
    )


def _aged(at: datetime) -> QuerySet[Any]:
    whens = [
        When(since__lte=at - timedelta(days=one.days), then=Value(one.key)) for one in AGES[:-1]
    ]
    default = Value(AGES[-1].key)
    return units_inbound(list(STAGES)).annotate(
        age=Case(*whens, default=default, output_field=CharField())
    )


def _narrowed(at: datetime, stage: str, age: str) -> QuerySet[Any]:
    found = _aged(at)
    if stage:
        found = found.filter(custody=stage)
    return found.filter(age=age) if age else found


Found = dict[tuple[str, str], dict[str, Sums]]


def _counted(at: datetime) -> Found:
    """By stage and age: the sums of each currency, in one statement."""
    found: Found = defaultdict(dict)
    rows = _aged(at).order_by().values("custody", "age", "currency")
    counted = rows.annotate(number=Count("pk"), value=Sum("worth", output_field=BigIntegerField()))
    for row in counted.values_list("custody", "age", "currency", "number", "value"):
        custody, age, currency, number, value = row
        found[custody, age][currency] = Sums(number, {currency: int(value or 0)})
    return found


def _sums(rows: QuerySet[Any]) -> Sums:
    counted = rows.order_by().values("currency").annotate(number=Count("pk"), value=Sum("worth"))
    sums = Sums()
    for currency, number, value in counted.values_list("currency", "number", "value"):
        sums += Sums(number, {currency: int(value or 0)})
    return sums


def _stage(stage: Custody, found: Found) -> Stage:
    cells = [_cell(stage, age.key, age.label, found[stage.value, age.key]) for age in _SHOWN]
    whole = [sums for age in AGES for sums in found[stage.value, age.key].values()]
    total = sum(whole, Sums())
    label = STAGES[stage]
    href = f"{reverse('inbound_units')}?{urlencode({'stage': stage.value})}"
    return Stage(
        key=stage.value,
        label=label,
        who=NEXT[stage.value],
        cells=cells,
        total=Cell("All", total.number, money_of(total), href),
    )


def _cell(stage: Custody, age: str, label: str, found: dict[str, Sums]) -> Cell:
    sums = sum(found.values(), Sums())
    query = urlencode({"stage": stage.value, "age": age})
    return Cell(label, sums.number, money_of(sums), f"{reverse('inbound_units')}?{query}")
