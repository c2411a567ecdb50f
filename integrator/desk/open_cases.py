"""The open cases on a record's page, the next due first. Reads only."""

from __future__ import annotations

from django.db.models import Q

from integrator.desk import catalogue, words
from integrator.desk.auth import DeskRequest
from integrator.models import Case, CaseState
from integrator.roles import Role

CASES = 100  # the next due; more than that of one record is an accident


def open_cases(about: Q) -> list[Case]:
    """Open cases, the next due first; one more than are shown, to know that there are more."""
    rows = Case.objects.filter(about).exclude(state=CaseState.SOLVED)
    return list(rows.order_by("due_at", "id")[: CASES + 1])


def told(request: DeskRequest, cases: list[Case]) -> list[tuple[Case, str, str, words.Due]]:
    """Each case with its title, its owner and when it is due."""
    return [
        (
            case,
            catalogue.said_of(case).title,
            str(Role(case.owner).label) if case.owner in Role.values else case.owner,
            words.due_of(case.due_at, at=request.at),
        )
        for case in cases
    ]
