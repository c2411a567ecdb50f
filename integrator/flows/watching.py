"""What the looks for what does not move have in common. They ask nobody but our own account."""

from __future__ import annotations

from collections.abc import Collection

from integrator.engine import cases
from integrator.engine.cases import CaseKind
from integrator.engine.work import Work
from integrator.models import Case, CaseState, Connection

# A case of a look: its kind, the record it is about, and what it stands still since or for.
Key = tuple[str, int, str]


def close_others(
    connection: Connection,
    kinds: Collection[CaseKind],
    still_true: Collection[Key],
    *,
    work: Work,
    reason: str,
) -> int:
    """Close a connection's open cases of these kinds that this look did not find again.

    Returns how many.
    """
    stale = (
        Case.objects.filter(kind__in=[kind.code for kind in kinds], connection_id=connection.pk)
        .exclude(state=CaseState.SOLVED)
        .select_for_update(no_key=True)
        .order_by("id")
    )
    closed = [one for one in stale if (one.kind, one.record_id, one.cause) not in still_true]
    for case in closed:
        cases.solve(case, resolution=Case.Resolution.BY_ITSELF, trace=work.trace, reason=reason)
    return len(closed)
