"""Keeping the counts of open cases short, and true. The counting itself is done by triggers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import structlog
from django.db import connection as database

from integrator.engine import timer
from integrator.engine.case_kinds import CaseKind
from integrator.models import Case
from integrator.models.case_counts import COUNTED_BY, open_cases, write

log = structlog.get_logger(__name__)
FOLD_ABOVE = 1_000  # rows that say nothing the others could not
DAY_MINUTES = 24 * 60


def fold(*, above: int = FOLD_ABOVE) -> bool:
    """Make one row of all rows of a sort. Says whether there were enough of them.

    Two at once are harmless: each adds up exactly the rows it removed itself.
    """
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*) - count(DISTINCT ({", ".join(COUNTED_BY)})) > %s
                  FROM integrator_casecount""",  # noqa: S608
            [above],
        )
        is_long = bool(cursor.fetchone()[0])
        if is_long:
            cursor.execute(
                f"""WITH removed AS (DELETE FROM integrator_casecount RETURNING *)
                    {write("SELECT * FROM removed")}"""  # noqa: S608
            )
    return is_long


def recount_daily(kinds: Mapping[str, CaseKind], *, at: datetime) -> None:
    """Count again once a day."""
    if timer.strikes("case_counts", DAY_MINUTES, at=at):
        recount(kinds)


def recount(kinds: Mapping[str, CaseKind]) -> int:
    """Count all open cases and correct what differs. Returns how many sorts did: none, ever.

    Also after an update in which a kind began, or ceased, to be one of shared causes, and after
    rows were written with the triggers off. Cases that change meanwhile are counted once: both
    sides are read as of one moment.
    """
    shared = sorted(code for code, kind in kinds.items() if kind.shared_cause)
    Case.objects.filter(shares_cause=True).exclude(kind__in=shared).update(shares_cause=False)
    Case.objects.filter(shares_cause=False, kind__in=shared).update(shares_cause=True)
    is_right = f"{open_cases()} UNION ALL {_KEPT_AWAY}"
    with database.cursor() as cursor:
        cursor.execute(write(is_right))
        wrong = int(cursor.rowcount)
    if wrong:
        log.error("case_counts_wrong", sorts=wrong)
    return wrong


_KEPT_AWAY = f"""SELECT {", ".join(COUNTED_BY)}, -number, -money_minor, -customers_waiting
                   FROM integrator_casecount"""  # noqa: S608
