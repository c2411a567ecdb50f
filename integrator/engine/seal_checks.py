"""Comparing the seals with the rows: what was changed, removed or added since, and by which day.

Reads only, and keeps each result. Making seals is ``engine.seals``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection as database
from django.db import transaction
from django.db.models import Sum

from integrator.engine import cases, seals
from integrator.engine.seal_cases import SEAL_BROKEN
from integrator.engine.seals import BOOKS, BY_NAME, CONTENT, Book, digest_of, rows_of
from integrator.engine.states import Trace
from integrator.models import Case, CaseState, Seal, SealCheck

CLOCK = "clock"
# How many rows the clock reads again each night, newest days first: some fifteen seconds' work. The
# chain itself is always read from its first seal, and the command reads every row.
ROWS_MAX_BY_CLOCK = 1_000_000
NAMED = 20  # rows named for one day; the count says how many there are


@dataclass(slots=True)
class Finding:
    """What is wrong with one day of one book. ``is_late``: nothing but rows that came after it.

    ``record`` is what a case about it is about.
    """

    book: str
    day: str
    record: tuple[str, int]
    says: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    is_late: bool = True

    @property
    def text(self) -> str:
        return "; ".join(self.says)


class _Findings(dict[tuple[str, str], Finding]):
    def add(
        self,
        book: Book,
        day: date,
        record: tuple[str, int],
        says: str,
        *,
        rows: list[int] | None = None,
        is_late: bool = False,
    ) -> None:
        found = self.setdefault(
            (book.name, day.isoformat()), Finding(book.name, day.isoformat(), record)
        )
        found.says.append(says)
        found.rows = sorted({*found.rows, *(rows or [])})[:NAMED]
        found.is_late = found.is_late and is_late


def daily(*, at: datetime) -> SealCheck | None:
    """Once a day, when it is over: seal it, check, and say what was found. None if nothing is due.

    What holds up a seal, somebody who is still writing, is waited for until the next call.
    """
    day = seals.last_day(at=at)
    if SealCheck.objects.filter(day=day, actor=CLOCK).exists() or not seals.seal_due(at=at):
        return None
    return check(trace=Trace(at=at, actor=CLOCK), rows_max=ROWS_MAX_BY_CLOCK)


def check(*, trace: Trace, rows_max: int | None = None) -> SealCheck:
    """Compare, keep the result, and open a case for each day that is not as it was sealed."""
    since = _since(rows_max) if rows_max is not None else None
    found = _Findings()
    for book in BOOKS:
        _links(book, found)
        _contents(book, since, found)
        _unsealed(book, found)
        _heads(book, found)
        _newest(book, seals.last_day(at=trace.at), found)
    _approvals(found)
    read = Seal.objects.filter(day__gte=since) if since is not None else Seal.objects.all()
    with transaction.atomic():
        kept = SealCheck.objects.create(
            at=trace.at,
            actor=trace.actor,
            day=seals.last_day(at=trace.at),
            since=since,
            seals=Seal.objects.count(),
            row_count=read.aggregate(rows=Sum("row_count", default=0))["rows"],
            result=_result(found),
            findings=[asdict(one) for one in found.values()],
            heads={one.book: bytes(one.digest).hex() for one in _newest_seals()},
        )
        _tell(list(found.values()), since, trace)
    return kept


def is_in_chain(digest: str) -> bool:
    """Whether a digest that was noted elsewhere is the digest of one of the seals."""
    try:
        return Seal.objects.filter(digest=bytes.fromhex(digest)).exists()
    except ValueError:
        return False


def _result(found: _Findings) -> str:
    if not found:
        return SealCheck.Result.SOUND
    is_late = all(one.is_late for one in found.values())
    return SealCheck.Result.LATE if is_late else SealCheck.Result.BROKEN


def _newest_seals() -> list[Seal]:
    return list(Seal.objects.order_by("book", "-day").distinct("book").defer("prints"))


def _since(rows_max: int) -> date | None:
    """The first of the newest days that hold at most so many rows; None when all of them do."""
    days = Seal.objects.values_list("day").annotate(rows=Sum("row_count")).order_by("-day")
    total = 0
    since: date | None = None
    for day, rows in days:
        total += rows
        if total > rows_max and since is not None:
            return since
        since = day
    return None


# --- One book -------------------------------------------------------------------------------------


def _links(book: Book, found: _Findings) -> None:
    """Each seal is as it was made, and follows upon the one of the day before."""
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT s.id, s.day, s.late, s.previous_id, s.after_id,
                       s.digest IS DISTINCT FROM {digest_of("s", "s.before")},
                       s.before_id, s.before_day, s.before_last
                  FROM (SELECT one.*, lag(digest) OVER days AS before,
                               lag(id) OVER days AS before_id,
                               lag(day) OVER days AS before_day,
                               lag(last_id) OVER days AS before_last
                          FROM integrator_seal one WHERE book = %s
                        WINDOW days AS (ORDER BY day)) s
                 ORDER BY s.day""",  # noqa: S608
            [book.name],
        )
        rows = cursor.fetchall()
    for pk, day, late, previous, after, is_altered, before, before_day, before_last in rows:
        about = ("seal", pk)
        if before_day is not None and before_day != day - timedelta(days=1):
            gap = before_day + timedelta(days=1)
            found.add(book, gap, about, "the seal of this day is missing")
        elif previous != before or (before is not None and after != before_last):
            found.add(book, day, about, "the seal does not follow upon the one before")
        elif is_altered:
            found.add(book, day, about, "the seal itself, or the one before, was changed")
        if late:
            said = f"{_rows(late)} came after the day they are dated into had been sealed"
            found.add(book, day, about, said, rows=_late_rows(book, pk), is_late=True)


def _late_rows(book: Book, seal_id: int) -> list[int]:
    seal = Seal.objects.defer("prints").get(pk=seal_id)
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT id FROM ({rows_of(book)}) one WHERE at < %s
                 ORDER BY id LIMIT {NAMED}""",  # noqa: S608
            [seal.after_id, seal.last_id, seals.start_of(seal.day)],
        )
        return [row[0] for row in cursor.fetchall()]


def _contents(book: Book, since: date | None, found: _Findings) -> None:
    """The rows of each day say what they said when it was sealed."""
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT s.id FROM integrator_seal s
                 CROSS JOIN LATERAL (
                     SELECT {CONTENT} AS content
                       FROM ({rows_of(book, after="s.after_id", last="s.last_id")}) one) fresh
                 WHERE s.book = %s AND s.day >= %s AND fresh.content IS DISTINCT FROM s.content
                 ORDER BY s.day""",  # noqa: S608
            [book.name, since or date.min],
        )
        broken = [row[0] for row in cursor.fetchall()]
    for pk in broken:
        seal = Seal.objects.get(pk=pk)
        says, rows = _differences(book, seal)
        found.add(book, seal.day, ("seal", pk), says, rows=rows)


def _differences(book: Book, seal: Seal) -> tuple[str, list[int]]:
    """Which rows differ, by the short print of each that the seal keeps."""
    sealed = dict(struct.iter_unpack(">q8s", bytes(seal.prints)))
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT id, substring(print FROM 1 FOR 8) FROM ({rows_of(book)}) one",  # noqa: S608
            [seal.after_id, seal.last_id],
        )
        now = {pk: bytes(mark) for pk, mark in cursor.fetchall()}
    kinds = {
        "changed": sorted(pk for pk in now.keys() & sealed.keys() if now[pk] != sealed[pk]),
        "removed": sorted(sealed.keys() - now.keys()),
        "added": sorted(now.keys() - sealed.keys()),
    }
    says = [f"{_rows(len(rows))} {kind}: {_named(rows)}" for kind, rows in kinds.items() if rows]
    return (
        ", ".join(says) or "the rows differ, and it cannot be told which",
        [pk for rows in kinds.values() for pk in rows],
    )


def _unsealed(book: Book, found: _Findings) -> None:
    """Rows that are dated into a sealed day, and that no seal holds yet."""
    last = Seal.objects.filter(book=book.name).order_by("-day").defer("prints").first()
    if last is None:
        return
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT (r.{book.at} AT TIME ZONE 'UTC')::date, array_agg(r.id ORDER BY r.id)
                  FROM {book.table} r
                 WHERE {book.where} AND r.id > %s AND r.{book.at} < %s
                 GROUP BY 1 ORDER BY 1""",  # noqa: S608
            [last.last_id, seals.start_of(last.day + timedelta(days=1))],
        )
        for day, ids in cursor.fetchall():
            said = f"{_rows(len(ids))} came after this day had been sealed: {_named(ids)}"
            found.add(book, day, ("seal", last.pk), said, rows=ids, is_late=True)


def _heads(book: Book, found: _Findings) -> None:
    """What was the newest seal at any check is still there: the end was not cut off.

    Of all checks, not of the last: that one may have seen a chain which had been made anew.
    """
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT c.at, c.day FROM integrator_sealcheck c
                WHERE c.heads ->> %s IS NOT NULL
                  AND NOT EXISTS (SELECT FROM integrator_seal s
                                   WHERE s.book = %s AND s.digest = decode(c.heads ->> %s, 'hex'))
                ORDER BY c.id LIMIT 1""",
            [book.name, book.name, book.name],
        )
        first = cursor.fetchone()
    if first is not None:
        at, day = first
        says = f"the newest seal of the check of {at:%Y-%m-%d %H:%M} UTC is gone"
        found.add(book, day, ("seal", 0), says)


def _newest(book: Book, day: date, found: _Findings) -> None:
    """The newest seal is of yesterday, or of the day before while yesterday's is being made."""
    last = Seal.objects.filter(book=book.name).order_by("-day").defer("prints").first()
    if last is not None and last.day < day - timedelta(days=1):
        found.add(book, last.day, ("seal", last.pk), "no day was sealed after this one")


def _approvals(found: _Findings) -> None:
    """An approval stands as the record of its decisions says, which is sealed."""
    book = BY_NAME["approval_decision"]
    people = User._meta.db_table
    with database.cursor() as cursor:
        cursor.execute(
            f"""SELECT a.id, (coalesce(said.at, a.asked_at) AT TIME ZONE 'UTC')::date
                  FROM integrator_approval a
                  LEFT JOIN LATERAL (
                      SELECT new FROM integrator_transition
                       WHERE record_kind = 'approval' AND record_id = a.id
                       ORDER BY id DESC LIMIT 1) newest ON true
                  LEFT JOIN LATERAL (
                      SELECT at, actor FROM integrator_transition
                       WHERE record_kind = 'approval' AND record_id = a.id
                         AND new IN ('GRANTED', 'REFUSED')
                       ORDER BY id LIMIT 1) said ON true
                  LEFT JOIN {people} who ON who.id = a.decided_by_id
                 WHERE a.state <> coalesce(newest.new, 'ASKED')
                    OR a.decided_at IS DISTINCT FROM said.at
                    OR (said.actor <> 'user:' || who.username
                        AND EXISTS (SELECT FROM {people} other
                                     WHERE said.actor = 'user:' || other.username))
                 ORDER BY a.id""",  # noqa: S608
        )
        for pk, day in cursor.fetchall():
            says = f"approval {pk} does not stand as it was decided"
            found.add(book, day, ("approval", pk), says, rows=[pk])


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _named(ids: list[int]) -> str:
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return ", ".join(str(one) for one in ids[:NAMED]) + more


# --- Telling people -------------------------------------------------------------------------------


def _tell(found: list[Finding], since: date | None, trace: Trace) -> None:
    """A case for each day that differs; one whose day is as it was sealed again closes.

    What a person has looked at and explained is not asked again while it stays the same.
    """
    for one in found:
        facts = {"book": BY_NAME[one.book].says, "day": one.day, "finding": one.text}
        if not _is_explained(one, facts):
            cases.open_case(
                SEAL_BROKEN, cases.About(*one.record), trace=trace, cause=_cause(one), facts=facts
            )
    still = {_cause(one) for one in found}
    for cause in _open_causes():
        day = cause.rpartition(":")[2]
        if cause not in still and (since is None or day >= since.isoformat()):
            cases.close_by_fact(
                trace=trace,
                reason="The day is as it was sealed",
                kinds=[SEAL_BROKEN],
                cause=cause,
            )


def _cause(one: Finding) -> str:
    return f"seal:{one.book}:{one.day}"


def _open_causes() -> Iterator[str]:
    about = Case.objects.filter(kind=SEAL_BROKEN.code).exclude(state=CaseState.SOLVED)
    yield from list(about.values_list("cause", flat=True))


def _is_explained(one: Finding, facts: dict[str, str]) -> bool:
    return Case.objects.filter(
        kind=SEAL_BROKEN.code,
        cause=_cause(one),
        state=CaseState.SOLVED,
        resolution=Case.Resolution.NOT_AN_ERROR,
        facts=facts,
    ).exists()
