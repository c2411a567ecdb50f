"""When a connection did not work as it should: derived from the facts of its state, kept nowhere.

An incident begins with the fact that leads away from ACTIVE and ends with the one that leads back.
Its phases are the states in between: no answer, key refused, paused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Max, Subquery, Value
from django.db.models.functions import Coalesce

from integrator.engine.holds import HOLDS
from integrator.models import Connection, ConnectionState, Transition


@dataclass(frozen=True, slots=True)
class Phase:
    """One state of a connection for a while: why and by whom. ``until`` is None while it lasts."""

    fact: int
    state: str
    since: datetime
    until: datetime | None
    reason: str
    actor: str

    @property
    def is_planned(self) -> bool:
        """The clock pauses a connection only where somebody announced it."""
        return self.state == ConnectionState.PAUSED and self.actor == "clock"

    def within(self, since: datetime, until: datetime) -> timedelta:
        """How much of this time it lasted."""
        return max(min(self.until or until, until) - max(self.since, since), timedelta())


@dataclass(frozen=True, slots=True)
class Incident:
    """``id`` is the fact it began with. ``ended_by`` says why and by whom it is over."""

    id: int
    phases: tuple[Phase, ...]
    ended_by: tuple[str, str] = ("", "")

    @property
    def since(self) -> datetime:
        return self.phases[0].since

    @property
    def until(self) -> datetime | None:
        return self.phases[-1].until

    def touches(self, since: datetime, until: datetime) -> bool:
        return self.since < until and (self.until is None or self.until >= since)


def since(connection: Connection, *, start: datetime) -> list[Incident]:
    """Every incident that was not over at ``start``, the newest first. One statement."""
    facts = Transition.objects.filter(
        record_kind=Connection.RECORD_KIND, record_id=connection.pk, field="state"
    )
    # What began before and lasted into these days counts from its own beginning.
    fine_before = (
        facts.filter(at__lt=start, new=ConnectionState.ACTIVE)
        .order_by()
        .values("record_kind")
        .annotate(last=Max("id"))
        .values("last")
    )
    rows = facts.alias(fine=Coalesce(Subquery(fine_before), Value(0))).filter(pk__gt=F("fine"))
    found = of_facts(rows.order_by("id"))
    return [one for one in reversed(found) if one.until is None or one.until >= start]


def of_facts(facts: Iterable[Transition]) -> list[Incident]:
    """The incidents that a connection's facts tell of, oldest first."""
    found: list[Incident] = []
    phases: list[Phase] = []
    for fact in facts:
        if phases:
            phases[-1] = _ended(phases[-1], fact.at)
        if fact.new != ConnectionState.ACTIVE:
            phases.append(Phase(fact.pk, fact.new, fact.at, None, fact.reason, fact.actor))
        elif phases:
            found.append(Incident(phases[0].fact, tuple(phases), (fact.reason, fact.actor)))
            phases = []
    if phases:
        found.append(Incident(phases[0].fact, tuple(phases)))
    return found


def _ended(phase: Phase, at: datetime) -> Phase:
    return Phase(phase.fact, phase.state, phase.since, at, phase.reason, phase.actor)


def held_for(found: Iterable[Incident], *, start: datetime, at: datetime) -> timedelta:
    """For how long work was held between two moments: in that time no promise could be kept."""
    phases = (phase for one in found for phase in one.phases)
    return sum((one.within(start, at) for one in phases if one.state in HOLDS), timedelta())
