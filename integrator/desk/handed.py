"""Where a case lies that was handed over, and the note that came with it. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrator.desk import history
from integrator.engine import together
from integrator.models import Case, CaseEvent, CaseState


@dataclass(frozen=True, slots=True)
class Handed:
    """The team a case was handed to and, until it is handed back, the note that came with it; of
    one that came back, until somebody takes it.
    """

    team: str
    is_back: bool
    note: history.Told | None


def of(case: Case, events: list[CaseEvent], *, at: datetime) -> Handed | None:
    undone = {one.data.get("event") for one in events if one.kind == CaseEvent.Kind.UNDONE}
    moved = {CaseEvent.Kind.HANDED_OVER, CaseEvent.Kind.SOLVED}
    if not case.handed_to:  # handed back it is answered; until then the note is the question
        moved.add(CaseEvent.Kind.ASSIGNED)
    last = next((one for one in events if one.kind in moved and one.pk not in undone), None)
    note = None
    is_free = bool(case.handed_to) or case.assignee_id is None
    if last is not None and last.kind == CaseEvent.Kind.HANDED_OVER and is_free:
        note = history.told(last, at=at)
    if case.state == CaseState.SOLVED or (note is None and not case.handed_to):
        return None
    return Handed(history.team(together.with_team(case)), not case.handed_to, note)
