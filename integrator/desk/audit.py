"""The audit page: what people decided and changed, a copy of it, and whether the seals hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrator.desk import (
    audit_entry,
    audit_filters,
    audit_rows,
    audit_says,
    audit_tabs,
    columns,
    directory,
    personal,
    screens,
    words,
)
from integrator.desk.audit_filters import Filters
from integrator.desk.audit_sources import KINDS
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.copies import copy_of
from integrator.engine.seal_cases import SEAL_BROKEN
from integrator.engine.seals import BOOKS, BY_NAME
from integrator.models import Case, SealCheck

PEOPLE = 500
CHECK_LATE_AFTER = timedelta(hours=30)
WHAT = "the audit list"


@dataclass(frozen=True, slots=True)
class Found:
    """A day that is not as it was sealed, with the case about it."""

    book: str
    day: str
    says: str
    case_id: int | None


@dataclass(frozen=True, slots=True)
class Seals:
    """The last check of the seals, in words. ``heads`` can be noted elsewhere, to ask for later."""

    symbol: str
    says: str
    check: SealCheck | None
    by: str
    found: tuple[Found, ...]
    heads: tuple[tuple[str, str], ...]

    @property
    def unsealed(self) -> str:
        """What has no seal yet. Settings and roles never have: they have a history of their own."""
        sealed = {name for name, _ in self.heads}
        return "; ".join(one.says.lower() for one in BOOKS if one.says not in sealed)


@require_safe
@needs("audit.see")
def audit(request: DeskRequest) -> HttpResponse:
    """One page of the list, newest first, narrowed by the filters in the address."""
    filters = audit_filters.read(
        request.GET, personal=personal.may_see(request), known=directory.current(at=request.at)
    )
    return _show(request, filters)


def _filters(request: DeskRequest, given: Mapping[str, Any]) -> Filters:
    known = directory.current(at=request.at)
    return audit_filters.read(given, personal=personal.may_see(request), known=known)


def _show(request: DeskRequest, filters: Filters, *, status: int = 200) -> HttpResponse:
    after = audit_filters.key_of(request.GET.get("after", ""))
    limit = audit_rows.PAGE
    rows = [] if filters.errors else audit_rows.page(filters.wanted, after=after, limit=limit + 1)
    personal.saw(request, personal.Page.AUDIT, audit_says.noted(rows[:limit]))
    first = f"?{urlencode(filters.query)}"
    more = audit_filters.text_of(rows[limit - 1].key) if len(rows) > limit else ""
    tabs = audit_tabs.tabs(filters, directory.current(at=request.at))
    context = {
        "tabs": tabs.tabs,
        "shown": tabs,
        "says": tabs.says,
        "entries": audit_says.entries(
            rows[:limit], at=request.at, personal=filters.wanted.personal
        ),
        "filters": filters,
        "narrowed": ", ".join(f"{name} {value}" for name, value in filters.said.items()),
        "table": screens.shown(request, columns.AUDIT),
        "typed": filters.typed,
        "errors": filters.errors,
        "wrong": filters.wrong,
        "record_label": audit_filters.RECORD,
        "kinds": KINDS.items(),
        "switches": [
            (name, says, filters.typed[name] == "1")
            for name, says in audit_filters.SWITCHES.items()
        ],
        "people": User.objects.order_by("username").values_list("username", flat=True)[:PEOPLE],
        "seals": _seals(request),
        "is_first_page": after is None,
        "first_page": first,
        "next_page": f"?{urlencode({**filters.query, 'after': more})}" if more else "",
    }
    return render(request, "desk/audit.html", context, status=status)


# --- The copy -------------------------------------------------------------------------------------


@require_POST
@needs("audit.see")
def copy(request: DeskRequest) -> HttpResponseBase:
    """Everything the filters leave as a file, in the columns that are shown.

    That it was taken is on the list itself from then on.
    Rows that came after the button was pressed are not in it, so the copy is not about itself.
    """
    filters = audit_filters.read(
        request.POST, personal=personal.may_see(request), known=directory.current(at=request.at)
    )
    if filters.errors:
        return _show(request, filters, status=422)
    day = timezone.localtime(request.at).date()
    table = screens.shown(request, columns.AUDIT)
    chosen = filters.said
    if table.left_out:
        chosen = {**chosen, "without": table.left_out.lower()}
    return copy_of(
        request,
        WHAT,
        chosen,
        name=f"audit-{day:%Y-%m-%d}",
        heads=table.file_heads,
        rows=_cells(request, filters, table),
    )


def _cells(request: DeskRequest, filters: Filters, table: columns.Shown) -> Iterator[list[object]]:
    for rows in audit_rows.all_of(filters.wanted, before=request.at):
        personal.saw(request, personal.Page.AUDIT_COPY, audit_says.noted(rows))
        told = audit_says.entries(rows, at=request.at, personal=filters.wanted.personal)
        for one in told:
            known = audit_entry.cells(one)
            yield [known[head] for head in table.file_heads]


# --- Seals ----------------------------------------------------------------------------------------


def _seals(request: DeskRequest) -> Seals:
    check = SealCheck.objects.order_by("-at", "-id").first()
    if check is None:
        return Seals("doubt", "The record was never checked", None, "", (), ())
    causes = [f"seal:{one['book']}:{one['day']}" for one in check.findings]
    cases = dict(
        Case.objects.filter(kind=SEAL_BROKEN.code, cause__in=causes).values_list("cause", "pk")
    )
    symbol, says = _result(request, check)
    return Seals(
        symbol=symbol,
        says=says,
        check=check,
        by="by the clock" if check.actor == "clock" else "by a command on the server",
        found=tuple(
            Found(
                BY_NAME[one["book"]].says if one["book"] in BY_NAME else one["book"],
                one["day"],
                "; ".join(one["says"]),
                cases.get(cause),
            )
            for cause, one in zip(causes, check.findings, strict=True)
        ),
        heads=tuple((BY_NAME[name].says, head) for name, head in check.heads.items()),
    )


def _result(request: DeskRequest, check: SealCheck) -> tuple[str, str]:
    age = request.at - check.at
    if not check.seals:
        return "idle", "Nothing is sealed yet: a day is sealed when it is over"
    match check.result:
        case SealCheck.Result.BROKEN:
            days = words.plural(len(check.findings), "day is", "days are")
            return "bad", f"{days} not as sealed"
        case SealCheck.Result.LATE:
            return "wait", "Nothing was changed, but rows came after their day was sealed"
    if age > CHECK_LATE_AFTER:
        return "wait", f"The record was not checked for {words.span(age)}"
    return "ok", "Nothing sealed was changed"
