"""Where a case lies that was handed over, and the note that came with it. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrator.desk import history
from integrator.engine import together
from integrator.models import Case, CaseEvent, CaseState


@dataclass(frozen=True, slots=True)
class Handed:
    """The team a case was handed to, and, until somebody there takes it, the note that came."""

    team: str
    is_back: bool
    note: history.Told | None


def of(case: Case, events: list[CaseEvent], *, at: datetime) -> Handed | None:
    undone = {one.data.get("event") for one in events if one.kind == CaseEvent.Kind.UNDONE}
    moved = (CaseEvent.Kind.HANDED_OVER, CaseEvent.Kind.ASSIGNED, CaseEvent.Kind.SOLVED)
    last = next((one for one in events if one.kind in moved and one.pk not in undone), None)
    note = None
    if last is not None and last.kind == CaseEvent.Kind.HANDED_OVER and case.assignee_id is None:
        note = history.told(last, at=at)
    if case.state == CaseState.SOLVED or (note is None and not case.handed_to):
        return None
    return Handed(history.team(together.with_team(case)), not case.handed_to, note)
