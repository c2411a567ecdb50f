"""What people passed by in a week, beside the week before: by kind of case, and why. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlencode

from django.db.models import CharField, Count, F, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from fulfilment.models import Order
from integrator.desk import catalogue, history, paging, personal, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.by_hand import Row, Table, asked_week, kind_name, week_before
from integrator.desk.figures import Cell, tabs
from integrator.desk.periods import Period
from integrator.engine.together import Skip
from integrator.models import CaseEvent

# What the week is looked at by: the title of each table, and how its keys are called.
VIEWS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "code": ("Kind of case", kind_name),
    "why": ("Reason", lambda key: str(Skip(key).label)),
}


def _rows(week: Period) -> QuerySet[CaseEvent]:
    found = CaseEvent.objects.filter(
        kind=CaseEvent.Kind.SKIPPED, at__gte=week.start, at__lt=week.end
    )
    return found.annotate(
        code=F("case__kind"), why=Cast(KeyTextTransform("why", "data"), CharField())
    )


@require_safe
@needs("figures.see")
def skips(request: DeskRequest) -> HttpResponse:
    """The report of one week. Each number opens its cases."""
    week, wrong = asked_week(request)
    before = week_before(week)
    tables = [_table(by, week, before) for by in VIEWS]
    number = sum(row.now.number for row in tables[0].rows)
    context = {
        "tabs": tabs("skips"),
        "week": week,
        "wrong": wrong,
        "tables": tables,
        "total": Cell("All", number, [], _href(week)),
        "earlier": f"?week={before.first}",
        "later": f"?week={week.last + timedelta(days=1)}" if week.end <= request.at else "",
        "is_running": week.end > request.at,
    }
    return render(request, "desk/skips.html", context)


@require_safe
@needs("figures.see")
def skipped(request: DeskRequest) -> HttpResponse:
    """The cases behind one number, the newest first; the words only for who may see people's."""
    week, wrong = asked_week(request)
    by, of = request.GET.get("by", ""), words.typed(request.GET.get("of", ""))
    rows, named = _rows(week), ""
    if by or of:
        if by not in VIEWS or (by == "why" and of not in Skip.values):
            raise Http404
        rows, named = rows.filter(**{by: of}), VIEWS[by][1](of)
    page = paging.page_of(
        rows.select_related("case", "note"), "at", request.GET.get("after", ""), newest_first=True
    )
    shows_words = personal.may_see(request)
    if shows_words:
        noted = [one.case.order_id for one in page.rows if personal.has_notes([one])]
        bought = Order.objects.filter(pk__in=noted).values_list("customer_id", flat=True)
        personal.saw(request, personal.Page.CASE, bought if noted else ())
    here = urlencode({"week": week.first.isoformat(), **({"by": by, "of": of} if by else {})})
    context = {
        "week": week,
        "wrong": wrong,
        "named": named,
        "number": rows.count(),
        "rows": [
            {
                "event": event,
                "about": catalogue.said_of(event.case).title,
                "why": Skip(event.data["why"]).label,
                "words": event.note.text if shows_words and event.note is not None else "",
                "who": history.who(event.actor),
            }
            for event in page.rows
        ],
        "is_first_page": not request.GET.get("after"),
        "first_page": f"?{here}",
        "next_page": f"?{here}&{urlencode({'after': page.after})}" if page.after else "",
    }
    return render(request, "desk/skips_rows.html", context)


def _table(by: str, week: Period, before: Period) -> Table:
    """The week's counts by one view, the most frequent first."""
    title, name = VIEWS[by]
    now, past = (_counted(one, by) for one in (week, before))
    rows = [
        Row(
            label=name(key),
            now=Cell("", now.get(key, 0), [], _href(week, by=by, of=key)),
            before=Cell("", past.get(key, 0), [], _href(before, by=by, of=key)),
            is_many=False,
        )
        for key in now.keys() | past.keys()
    ]
    return Table(by, title, sorted(rows, key=lambda one: (-one.now.number, one.label)))


def _counted(week: Period, by: str) -> dict[str, int]:
    grouped = _rows(week).order_by().values(by).annotate(number=Count("pk"))
    return dict(grouped.values_list(by, "number"))


def _href(week: Period, **view: str) -> str:
    return f"{reverse('skips_rows')}?{urlencode({'week': week.first.isoformat(), **view})}"
