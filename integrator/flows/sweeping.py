"""What all sweeps share: reading a long list, how far they came, and what could not be read.

Not for what is missed: that is each platform's own sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Max, Q

from integrator.engine import cases, incidents
from integrator.engine.cases import ROW_NOT_READ
from integrator.engine.errors import OutOfTime, Refused, Transient
from integrator.engine.work import Work
from integrator.models import Case, CaseState, Connection, Cursor, Message
from integrator.platforms.paging import Page

T = TypeVar("T")
OVERLAP = timedelta(minutes=10)
FIRST_LOOK_BACK = timedelta(days=7)
PAGES_MAX = 20_000  # of one list, by all attempts: one that is longer never ends
GO_ON_SECONDS = 1.0  # nothing went wrong: only the worker had to stop


def cursor_of(connection: Connection, stream: str) -> Cursor:
    cursor, _ = Cursor.objects.get_or_create(connection=connection, stream=stream)
    return cursor


def due_before(work: Work, looked_at: datetime | None) -> bool:
    """Whether a look that ended later than this one was due has seen everything already.

    While a platform does not answer, looks that are due pile up: one of them is enough.
    """
    due = Message.objects.filter(pk__in=work.facts).aggregate(at=Max("received_at"))["at"]
    return looked_at is not None and looked_at > due


def not_counted(
    connection: Connection, moments: Sequence[datetime | None], at: datetime
) -> Callable[[datetime], timedelta]:
    """How much of the time since one of these moments nothing could be seen there: it was held."""
    earliest = min((one for one in moments if one is not None), default=None)
    found = incidents.since(connection, start=earliest) if earliest is not None else []
    return lambda start: incidents.held_for(found, start=start, at=at)


@dataclass(frozen=True, slots=True)
class Began:
    """When a look began, and from when on it sees what changed: the same for all its attempts."""

    at: datetime
    since: datetime


def began(work: Work, since: datetime) -> Began:
    """Where this look began; ``since`` when it begins only now."""
    if "began" not in work.kept:
        with work.step():
            work.keep(began={"at": work.at.isoformat(), "since": since.isoformat()})
    kept = work.kept["began"]
    return Began(datetime.fromisoformat(kept["at"]), datetime.fromisoformat(kept["since"]))


def changed_since(cursor: Cursor, *, at: datetime) -> datetime:
    """From when on a look at what changed must see everything, with an overlap."""
    if not cursor.position:
        return at - FIRST_LOOK_BACK
    return datetime.fromisoformat(cursor.position) - OVERLAP


@dataclass(frozen=True, slots=True)
class Walked:
    """A list that was read to its end. ``found``: what its flow made of the rows, page by page.

    ``unreadable``: what is wrong with the rows that could not be read, by row. A list that breaks
    off counts as one row without a name.
    """

    found: Mapping[str, Any]
    unreadable: Mapping[str, str]


def walk(
    work: Work,
    name: str,
    pages: Callable[[str], Iterable[Page[T]]],
    take: Callable[[Sequence[T], Mapping[str, Any]], Mapping[str, Any]],
) -> Walked:
    """Read a list page by page, and write each down before the next is asked for.

    However long it is, and however short the time of a worker: the next attempt goes on behind the
    last page that was written down. ``pages`` reads from a cursor on. ``take`` gets the rows of a
    page and what was found before it, and returns what is found now, which must be JSON; it runs in
    the transaction that remembers the page.
    """
    kept: dict[str, Any] = {
        "after": "",
        "pages": 0,
        "is_read": False,
        "found": {},
        "unreadable": {},
    }
    kept |= work.kept.get(name, {})
    has_read = False
    try:
        for page in pages(kept["after"]) if not kept["is_read"] else ():
            with work.step():
                kept = {
                    "after": page.following,
                    "pages": kept["pages"] + 1,
                    "is_read": not page.following,
                    "found": dict(take(page.rows, kept["found"])),
                    "unreadable": {**kept["unreadable"], **page.unreadable},
                }
                work.keep(**{name: kept})
            has_read = True
            if page.following and kept["pages"] >= PAGES_MAX:
                raise Refused(f"the list has more than {PAGES_MAX} pages")
    except OutOfTime as error:
        error.retry_after = GO_ON_SECONDS if has_read else None
        raise
    except Refused as error:
        if has_read or not kept["after"]:
            raise
        with work.step():
            work.keep(**{name: {}})
        raise Transient(f"it is read from its beginning again: {error.message}") from error
    return Walked(kept["found"], kept["unreadable"])


def report_unreadable(
    work: Work, connection: Connection, stream: str, unreadable: Mapping[str, str]
) -> bool:
    """A case per row that cannot be read; those that can be read again close by themselves.

    Returns whether the sweep may go on from here: nothing was unreadable, or a person said of all
    of it that it can be left out, and it still looks the same.
    """
    prefix = cause_of(connection, stream, "")
    causes = {
        cause_of(connection, stream, row): (row, error[:300]) for row, error in unreadable.items()
    }
    known = Case.objects.filter(kind=ROW_NOT_READ.code, cause__startswith=prefix)
    left_out = set(
        known.filter(state=CaseState.SOLVED, resolution=Case.Resolution.NOT_AN_ERROR).values_list(
            "cause", "facts__error"
        )
    )
    new = {cause: said for cause, said in causes.items() if (cause, said[1]) not in left_out}
    for cause, (row, error) in new.items():
        cases.open_case(
            ROW_NOT_READ,
            cases.About("connection", connection.pk, connection_id=connection.pk),
            trace=work.trace,
            cause=cause,
            facts={
                "platform": connection.name,
                "what": _WORDS.get(stream, stream),
                "row": row or "(the whole list)",
                "error": error,
            },
        )
    for case in known.exclude(state=CaseState.SOLVED).exclude(cause__in=causes).order_by("id"):
        cases.solve(
            case,
            resolution=Case.Resolution.BY_ITSELF,
            trace=work.trace,
            reason="It can be read",
        )
    return not new


def cause_of(connection: Connection, stream: str, row: str) -> str:
    return f"unreadable:{connection.pk}:{stream}:{row}"[:200]


def is_asked(connection: Connection, stream: str, row: str, error: str) -> bool:
    """Whether a person looks at this row already, or said to leave it out while it is like this."""
    asked = Case.objects.filter(kind=ROW_NOT_READ.code, cause=cause_of(connection, stream, row))
    left_out = Q(resolution=Case.Resolution.NOT_AN_ERROR, facts__error=error[:300])
    return asked.filter(~Q(state=CaseState.SOLVED) | left_out).exists()


_WORDS = {
    "order": "order",
    "rma": "return",
    "compared-order": "order",
    "compared-rma": "return",
}
