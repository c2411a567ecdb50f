"""The last 90 days of a connection: a strip, its incidents in words, and people's notes on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrator.desk import (
    charts,
    connection,
    connection_days,
    connection_forms,
    history,
    words,
)
from integrator.desk.auth import DeskRequest, may, needs
from integrator.desk.case_forms import Filled
from integrator.desk.connection_days import KINDS, Day
from integrator.desk.lists import number
from integrator.desk.periods import Period
from integrator.engine import incidents
from integrator.engine.incidents import Incident, Phase
from integrator.engine.maintenance import PLANNED
from integrator.models import Connection, ConnectionState, IncidentNote, Message, Transition

PAGE = 15
# A sweep comes every few minutes and reads what it missed: what it finds so soon was missed then.
CAUGHT_UP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Part:
    """One phase in words."""

    symbol: str
    says: str
    since: datetime
    when: str
    lasted: str
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """One incident as it is read. ``is_caught_up``: looks have told what it missed, if anything.

    ``is_unseen``: no look of that time is kept, so nobody can say.
    """

    id: int
    symbol: str
    title: str
    since: datetime
    until: datetime | None
    lasted: str
    is_new: bool
    parts: list[Part]
    ended: str
    ended_when: str
    waited: int | None
    missed: int
    is_caught_up: bool
    is_unseen: bool
    notes: list[tuple[str, datetime, str]]
    form: Filled | None


@require_safe
@needs("connection.see")
def page(request: DeskRequest, connection_id: int) -> HttpResponse:
    """All of it; ``?day=`` shows one day's incidents, ``?note=`` opens the form for a note."""
    wanted = number(request.GET.get("note", ""))
    form = connection_forms.blank("note") if wanted and may(request, "connection.note") else None
    return _show(request, connection_id, wanted, form)


def _show(
    request: DeskRequest, connection_id: int, about: int, form: Filled | None, *, status: int = 200
) -> HttpResponse:
    at = request.at
    one = get_object_or_404(Connection.objects.defer("secrets"), pk=connection_id)
    shown = connection_days.period(at)
    found = incidents.since(one, start=shown.start)
    unseen = connection_days.unseen_per_day(one, shown, at=at)
    days = connection_days.days_of(
        found,
        connection_days.missed_per_day(one, shown),
        unseen,
        shown,
        known_from=connection_days.known_from(one, unseen, shown),
        at=at,
    )
    day = _day(request.GET.get("day", ""), shown)
    listed, older = _listed(found, shown, day, request, about)
    numbers = Counter(one.kind for one in days)
    context = {
        "connection": one,
        "tabs": connection.tabs(one.pk, "connection_history"),
        "period": shown,
        "strip": charts.strip([(f"d-{one.kind}", KINDS[one.kind][0]) for one in days]),
        "legend": [
            (f"d-{key}", symbol, says, numbers[key]) for key, (_, symbol, says) in KINDS.items()
        ],
        **_unseen(days, shown),
        "days": days[::-1],
        "known_from": next((one.day for one in days if one.is_known), None),
        "is_all_known": days[0].is_known,
        "day": day,
        "about": about,
        "rows": _rows(one, listed, about, form, at=at),
        "total": len(found),
        "first_page": reverse("connection_history", args=[one.pk]),
        "is_first_page": not request.GET.get("before"),
        "next_page": f"?before={listed[-1].id}#incidents" if older else "",
        "may_note": may(request, "connection.note"),
    }
    return render(request, "desk/connection_history.html", context, status=status)


def _unseen(days: Sequence[Day], shown: Period) -> dict[str, Any]:
    """The line of how long nothing was seen, from the first day of which that is known.

    One day makes no line: it is said in words.
    """
    known = [(one.day, one.unseen) for one in days if one.unseen is not None]
    if not known:
        return {"unseen": None}
    if len(known) == 1:
        return {"unseen": None, "only_unseen": next(one for one in days if one.unseen is not None)}
    line = charts.lines([charts.Series("", [minutes for _, minutes in known])])
    since = Period(known[0][0], shown.last, shown.zone)
    return {"unseen": replace(line, ends=[]), "unseen_period": since}


def _day(text: str, shown: Period) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if shown.first <= found <= shown.last else None


def _listed(
    found: Sequence[Incident], shown: Period, day: date | None, request: DeskRequest, about: int
) -> tuple[list[Incident], bool]:
    """A page of incidents: of one day, or the newest; or the one that a note is written on."""
    if about:
        return [one for one in found if one.id == about], False
    if day is not None:
        one = shown.of_day(day)
        found = [incident for incident in found if incident.touches(one.start, one.end)]
    before = number(request.GET.get("before", ""))
    rest = [one for one in found if not before or one.id < before]
    return rest[:PAGE], len(rest) > PAGE


def _rows(
    one: Connection, listed: Sequence[Incident], about: int, form: Filled | None, *, at: datetime
) -> list[Row]:
    waited = connection_days.waited(one, listed)
    missed = _missed(one, listed, at=at)
    seen = connection_days.seen(one, listed, after=CAUGHT_UP)
    notes: dict[int, list[IncidentNote]] = {}
    ids = [incident.id for incident in listed]
    for note in IncidentNote.objects.filter(fact__in=ids).order_by("id") if ids else ():
        notes.setdefault(note.fact_id, []).append(note)
    return [
        _row(
            incident,
            waited,
            missed,
            seen,
            notes.get(incident.id, []),
            form if about == incident.id else None,
            at=at,
        )
        for incident in listed
    ]


def _row(
    one: Incident,
    waited: Mapping[int, int],
    missed: Mapping[int, int],
    seen: Set[int],
    notes: list[IncidentNote],
    form: Filled | None,
    *,
    at: datetime,
) -> Row:
    _, symbol, says = KINDS[connection_days.worst(one.phases)]
    why, who = one.ended_by
    length = (one.until or at) - one.since
    is_past = one.until is not None and one.until + CAUGHT_UP <= at
    is_told = one.id in seen or missed.get(one.id, 0) > 0
    return Row(
        id=one.id,
        symbol=symbol,
        title=says,
        since=one.since,
        until=one.until,
        lasted=words.lasted(length),
        is_new=one.until is None and length < words.MINUTE,
        parts=[_part(phase, at=at) for phase in one.phases],
        ended=_by(who, why) if why else "",
        ended_when=_on(one.until, at=at) if one.until is not None else "",
        waited=waited.get(one.id),
        missed=missed.get(one.id, 0),
        is_caught_up=is_past and is_told,
        is_unseen=is_past and not is_told,
        notes=[(history.who(one.actor), one.at, one.text) for one in notes],
        form=form,
    )


def _part(phase: Phase, *, at: datetime) -> Part:
    kind = connection_days.kind_of(phase)
    _, symbol, says = KINDS[kind]
    if kind == "pause":
        says = f"Paused by {history.who(phase.actor)}"
    lasted = words.lasted((phase.until or at) - phase.since)
    why = phase.reason.removeprefix(f"{PLANNED}: ")
    return Part(symbol, says, phase.since, _on(phase.since, at=at), lasted, why)


def _on(moment: datetime, *, at: datetime) -> str:
    """At 10:30 today, on Sun 15 Feb at 10:30 before."""
    local = timezone.localtime(moment)
    if local.date() == timezone.localtime(at).date():
        return f"at {local:%H:%M}"
    year = f" {local.year}" if local.year != timezone.localtime(at).year else ""
    return f"on {local:%a} {local.day} {local:%b}{year} at {local:%H:%M}"


def _by(actor: str, why: str) -> str:
    is_person = actor.startswith("user:")
    return f"{why} ({history.who(actor)})" if is_person else why


def _missed(one: Connection, listed: Sequence[Incident], *, at: datetime) -> dict[int, int]:
    """What sweeps found during each incident and right after it. One statement."""
    if not listed:
        return {}
    ends = {incident.id: (incident.until or at) + CAUGHT_UP for incident in listed}
    rows = Message.objects.filter(
        connection=one,
        origin=Message.Origin.SWEEP,
        kind="missed",
        received_at__gte=min(incident.since for incident in listed),
        received_at__lt=max(ends.values()),
    ).values_list("received_at", flat=True)
    found: Counter[int] = Counter()
    for moment in rows:
        # The newest that had begun by then: nothing is counted for two of them.
        for incident in listed:
            if incident.since <= moment:
                found[incident.id] += moment < ends[incident.id]
                break
    return found


@require_POST
@needs("connection.note")
def note(request: DeskRequest, fact_id: int) -> HttpResponse:
    """Keep what somebody wrote on an incident. It stays, with its name. A second press is none."""
    with transaction.atomic():
        rows = Transition.objects.select_for_update(no_key=True).exclude(new=ConnectionState.ACTIVE)
        fact = get_object_or_404(
            rows,
            pk=fact_id,
            record_kind=Connection.RECORD_KIND,
            field="state",
            old=ConnectionState.ACTIVE,
        )
        texts, _, form = connection_forms.read("note", request.POST)
        if not form.errors:
            _keep(fact, texts["note"], request)
    if form.errors:
        return _show(request, fact.record_id, fact.pk, form, status=422)
    where = reverse("connection_history", args=[fact.record_id])
    day = timezone.localtime(fact.at).date()
    return HttpResponseRedirect(f"{where}?day={day}#i-{fact.pk}")


def _keep(fact: Transition, text: str, request: DeskRequest) -> None:
    actor = f"user:{request.user.get_username()}"
    last = IncidentNote.objects.filter(fact=fact).order_by("-id").first()
    if last is None or (last.actor, last.text) != (actor, text):
        IncidentNote.objects.create(fact=fact, text=text, actor=actor, at=request.at)
