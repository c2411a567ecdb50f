"""Returns: the newest first, narrowed to a stage, a team or a platform. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrator.desk import columns, directory, paging, return_says, screens, words
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.lists import number
from integrator.desk.return_about import records_of
from integrator.models import Case, CaseState, Transition
from integrator.roles import Role
from returns.models import Return
from returns.stages import ENDED, OWNER
from returns.states import ReturnStatus

# Who answers for a return in which stages: the counts add up to those of all.
TEAMS: Mapping[str, frozenset[str]] = {
    role: frozenset(stage for stage, owner in OWNER.items() if owner == role)
    for role in (Role.CX.value, Role.OPERATIONS.value, Role.FINANCE.value)
} | {"nobody": frozenset(ENDED)}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address narrows the list to; empty is all."""

    stage: str = ""
    team: str = ""
    platform: int = 0

    @property
    def query(self) -> str:
        asked = {"stage": self.stage, "team": self.team, "platform": self.platform}
        return urlencode({key: value for key, value in asked.items() if value})

    def holds(self, status: str, connection_id: int) -> bool:
        return (
            self.stage in ("", status)
            and (not self.team or status in TEAMS[self.team])
            and self.platform in (0, connection_id)
        )


@dataclass(frozen=True, slots=True)
class Chip:
    """One way to narrow the list, with how long it then is."""

    label: str
    href: str
    count: int
    is_on: bool


@dataclass(frozen=True, slots=True)
class Row:
    """``stage`` is in the words of the ways to narrow; ``money`` is symbol and words."""

    rma: Return
    name: str
    symbol: str
    stage: str
    units: int
    codes: str
    since: datetime
    money: tuple[str, str]
    cases: Sequence[Case]
    due: words.Due | None

    @property
    def case_href(self) -> str:
        """To the case where it is one, else to the list of them on the return's page."""
        if len(self.cases) == 1:
            return reverse("case", args=[self.cases[0].pk])
        return f"{reverse('return', args=[self.rma.pk])}#oc-h"


@require_safe
@needs("order.see")
def returns(request: DeskRequest) -> HttpResponse:
    """One page of returns, with how many there are in each stage, of each team and platform."""
    known = directory.current(at=request.at)
    counted = _counted()
    counted_for = {key[1] for key in counted}
    portals = [one for one in known.connections.values() if one.id in counted_for]
    asked = _asked(request, [one.id for one in portals])
    after = request.GET.get("after", "")
    page = paging.page_of(_rows(asked), "requested_at", after, newest_first=True)
    older = f"{asked.query}&{urlencode({'after': page.after})}".lstrip("&") if page.after else ""
    platforms = [(one.id, one.name) for one in portals]
    context = {
        "rows": _shown(page.rows, known, at=request.at),
        "total": _count(counted, asked),
        "stages": _chips(
            counted,
            asked,
            [("", "All"), *((one.value, str(one.label)) for one in ReturnStatus)],
            lambda value: replace(asked, stage=value),
        ),
        "teams": _chips(
            counted,
            asked,
            [("", "Any team"), *((team, _team(team)) for team in TEAMS)],
            lambda value: replace(asked, team=value),
        ),
        "platforms": _chips(
            counted,
            asked,
            [(0, "Any platform"), *platforms],
            lambda value: replace(asked, platform=value),
        )
        if len(platforms) > 1
        else [],
        "table": screens.shown(request, columns.RETURNS),
        "is_narrowed": asked != Asked(),
        "narrowed": _in_words(asked, dict(platforms)),
        "is_first_page": page.is_first,
        "first_page": f"?{asked.query}",
        "next_page": f"?{older}" if older else "",
    }
    return render(request, "returns/returns.html", context)


def _team(team: str) -> str:
    return str(Role(team).label) if team in Role.values else "Ended"


def _in_words(asked: Asked, platforms: Mapping[int, str]) -> str:
    """What the list is narrowed to, for paper."""
    said = [
        str(ReturnStatus(asked.stage).label) if asked.stage else "",
        _team(asked.team) if asked.team else "",
        platforms.get(asked.platform, ""),
    ]
    return ", ".join(one for one in said if one)


def _asked(request: DeskRequest, platforms: Sequence[int]) -> Asked:
    """What is asked for; what nobody knows narrows nothing."""
    stage, team = request.GET.get("stage", ""), request.GET.get("team", "")
    platform = number(request.GET.get("platform", ""))
    return Asked(
        stage=stage if stage in ReturnStatus.values else "",
        team=team if team in TEAMS else "",
        platform=platform if platform in platforms else 0,
    )


def _counted() -> Counter[tuple[str, int]]:
    """How many returns there are, by status and connection: every count here is a sum of these."""
    rows = Return.objects.order_by().values_list("status", "connection_id")
    found: Counter[tuple[str, int]] = Counter()
    for status, connection_id, count in rows.annotate(count=Count("pk")):
        found[status, connection_id] = count
    return found


def _count(counted: Counter[tuple[str, int]], asked: Asked) -> int:
    return sum(count for key, count in counted.items() if asked.holds(*key))


def _chips(
    counted: Counter[tuple[str, int]],
    asked: Asked,
    options: Sequence[tuple[Any, str]],
    narrowed: Callable[[Any], Asked],
) -> list[Chip]:
    chips = []
    for value, label in options:
        then = narrowed(value)
        chips.append(Chip(label, f"?{then.query}", _count(counted, then), then == asked))
    return chips


def _rows(asked: Asked) -> QuerySet[Return]:
    """The returns asked for; ``since`` is when each came to its stage."""
    moved = Transition.objects.filter(
        record_kind=Return.RECORD_KIND, record_id=OuterRef("pk"), field="status"
    ).order_by("-id")
    rows: QuerySet[Return] = (
        Return.objects.select_related("order")
        .annotate(since=Coalesce(Subquery(moved.values("at")[:1]), "requested_at"))
        .prefetch_related("items", "refunds", "exchanges")
    )
    if asked.stage:
        rows = rows.filter(status=asked.stage)
    if asked.team:
        rows = rows.filter(status__in=TEAMS[asked.team])
    return rows.filter(connection=asked.platform) if asked.platform else rows


def _shown(rows: Sequence[Return], known: directory.Directory, *, at: datetime) -> list[Row]:
    cases = _open_cases(rows)
    shown = []
    for one in rows:
        units, mine = list(one.items.all()), cases.get(one.pk, [])
        shown.append(
            Row(
                rma=one,
                name=known.name(one.connection_id),
                symbol=return_says.SYMBOLS.get(ReturnStatus(one.status), "wait"),
                stage=str(one.get_status_display()),
                units=len(units),
                codes=", ".join(dict.fromkeys(unit.sku_code for unit in units)),
                since=one.since,  # type: ignore[attr-defined]  # comes with the query
                money=return_says.money_state(units),
                cases=mine,
                due=words.due_of(mine[0].due_at, at=at) if mine else None,
            )
        )
    return shown


def _open_cases(rows: Sequence[Return]) -> Mapping[int, list[Case]]:
    """The open cases of each return, the next due first, in one statement."""
    records = records_of(
        rows,
        units=[unit for one in rows for unit in one.items.all()],
        refunds=[refund for one in rows for refund in one.refunds.all()],
        exchanges=[exchange for one in rows for exchange in one.exchanges.all()],
    )
    found: dict[int, list[Case]] = {}
    is_open = Case.objects.exclude(state=CaseState.SOLVED).filter(records.among())
    for case in is_open.order_by("due_at", "pk"):
        pk = records.return_of(case.record_kind, case.record_id)
        found.setdefault(pk, []).append(case)
    return found
