"""Daily seals over what must never change: made by the clock, each upon the one before.

A day is one of UTC: it never moves, whatever zone a retailer is in or changes to. Its rows are
those up to the last id that was dated into it, so each row is in exactly one seal, also one that
commits late. ``engine.seal_checks`` compares; why it is done this way: ``docs/decisions/0015``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection as database
from django.db import models, transaction

from integrator.models import Seal

FORM = 1  # how rows are written down; another list of columns is another form
GRACE = timedelta(hours=1)  # after the end of a day: everything dated into it has begun long since
DAYS_AT_ONCE = 7  # of one book in one call: years of history are caught up in steps
SETTLE_SECONDS = 2.0
_BEFORE_ALL = 1 - 2**63
_LOCK = 7_311
_WRITES = ("RowExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")


@dataclass(frozen=True, slots=True)
class Book:
    """A table, or a part of one, and those of its columns that may never change.

    ``open`` are the others, and why they are left out. Named by labels: the engine knows that these
    records exist and nothing else about them.
    """

    name: str
    says: str
    model: str
    columns: tuple[str, ...]
    at: str = "at"
    where: str = "true"
    open: tuple[tuple[str, str], ...] = ()

    @property
    def meta(self) -> Any:
        return apps.get_model(self.model)._meta

    @property
    def table(self) -> str:
        return str(self.meta.db_table)


BOOKS = (
    Book(
        "ledger_entry",
        "The books",
        "finance.LedgerEntry",
        (
            *("id", "key", "period_id", "from_account", "to_account", "amount_minor", "currency"),
            *("order_id", "refund_id", "job_id", "message_id", "policy_version", "actor"),
            *("reason", "happened_at", "at"),
        ),
    ),
    Book(
        "approval",
        "What a second person was asked",
        "integrator.Approval",
        ("id", "verb", "record_kind", "record_id", "content", "digest", "asked_by_id", "asked_at"),
        at="asked_at",
        open=(
            ("state", "the second person's word comes later: it is a book of its own"),
            ("decided_by_id", "as the state"),
            ("decided_at", "as the state"),
        ),
    ),
    Book(
        "approval_decision",
        "What the second person said",
        "integrator.Transition",
        (
            *("id", "record_kind", "record_id", "field", "old", "new", "reason", "actor"),
            *("order_id", "job_id", "message_id", "policy_version", "at"),
        ),
        where="r.record_kind = 'approval'",
        open=(("routed_at", "set when the fact is looked up in ROUTES"),),
    ),
    Book(
        "case_event",
        "What was done about cases",
        "integrator.CaseEvent",
        # The note's number and not its text: what a person wrote can be erased.
        ("id", "case_id", "kind", "action", "actor", "data", "note_id", "at"),
        open=(("routed_at", "set when the fact is looked up in ROUTES"),),
    ),
    Book(
        "sighting",
        "Who saw customers’ data",
        "integrator.Sighting",
        ("id", "customer_id", "page", "actor", "at"),
    ),
)
BY_NAME = {book.name: book for book in BOOKS}


def last_day(*, at: datetime) -> date:
    """The newest day that is over for certain."""
    return (at - GRACE).astimezone(UTC).date() - timedelta(days=1)


def start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def seal_due(*, at: datetime) -> bool:
    """Seal every book up to yesterday. Whether all is done; what is not is done by a later call.

    Safe in several workers and when it dies at any point: a seal is one transaction.
    """
    done = [_seal_book(book, at=at) for book in BOOKS]  # one that must wait holds up no other
    return all(done)


def _seal_book(book: Book, *, at: datetime) -> bool:
    for _ in range(DAYS_AT_ONCE):
        day = _next_day(book)
        if day is None or day > last_day(at=at):
            return True
        if not _seal(book, day, at=at):
            return False
    return False


def _next_day(book: Book) -> date | None:
    """The day after the newest seal; for the first, the day of the oldest row, if there is one."""
    newest = Seal.objects.filter(book=book.name).order_by("-day").values_list("day", flat=True)
    if (day := newest.first()) is not None:
        return day + timedelta(days=1)
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT min(r.{book.at}) FROM {book.table} r WHERE {book.where}"  # noqa: S608
        )
        oldest = cursor.fetchone()[0]
    return oldest.astimezone(UTC).date() if oldest is not None else None


def _seal(book: Book, day: date, *, at: datetime) -> bool:
    """Seal one day, unless somebody is still writing or sealing. Whether it is sealed now.

    Before and after the last id is chosen everybody who is writing just then must have ended: ids
    are drawn before they are committed, and one that is drawn must not be passed over.
    """
    if not _settled(book):
        return False
    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, f"seal {book.name}"]
        )
        if not cursor.fetchone()[0]:
            return False
        before = Seal.objects.filter(book=book.name).order_by("-day").first()
        if before is not None and before.day >= day:
            return True  # another worker was faster
        after = before.last_id if before is not None else _BEFORE_ALL
        cursor.execute(
            f"""SELECT coalesce(max(r.id), %s) FROM {book.table} r
                 WHERE {book.where} AND r.id > %s AND r.{book.at} < %s""",  # noqa: S608
            [after, after, start_of(day + timedelta(days=1))],
        )
        last = cursor.fetchone()[0]
        if not _settled(book):
            return False
        _insert(cursor, book, day, before, after, last, at=at)
    return True


def _settled(book: Book) -> bool:
    """Wait for everybody who is writing to the table at this moment, for two seconds at most.

    Who has drawn an id holds the table's lock until they commit, so nobody is overlooked; nobody is
    held up either. New writers do not matter: their rows are of today.
    """
    until = time.monotonic() + SETTLE_SECONDS
    writing = _writers(book)
    while writing and time.monotonic() < until:
        time.sleep(0.05)
        writing &= _writers(book)
    return not writing


def _writers(book: Book) -> set[str]:
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT virtualtransaction FROM pg_locks
                WHERE locktype = 'relation' AND relation = %s::regclass AND mode = ANY(%s)
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND pid IS DISTINCT FROM pg_backend_pid()""",
            [book.table, list(_WRITES)],
        )
        return {row[0] for row in cursor.fetchall()}


def _insert(
    cursor: Any,
    book: Book,
    day: date,
    before: Seal | None,
    after: int,
    last: int,
    *,
    at: datetime,
) -> None:
    late_before = start_of(day) if before is not None else None
    cursor.execute(
        f"""
        WITH summed AS (
            SELECT count(*) AS row_count,
                   count(*) FILTER (WHERE at < %s::timestamptz) AS late,
                   {CONTENT} AS content,
                   coalesce(string_agg(int8send(id) || substring(print FROM 1 FOR 8),
                                       ''::bytea ORDER BY id), ''::bytea) AS prints
              FROM ({rows_of(book)}) one),
        made AS (
            SELECT %s::text AS book, %s::date AS day, {FORM} AS form, %s::bigint AS after_id,
                   %s::bigint AS last_id, summed.*, %s::bigint AS previous_id,
                   %s::timestamptz AS made_at, %s::bytea AS before
              FROM summed)
        INSERT INTO integrator_seal (book, day, form, after_id, last_id, row_count, late, content,
                                     prints, previous_id, made_at, digest)
        SELECT book, day, form, after_id, last_id, row_count, late, content, prints, previous_id,
               made_at, {digest_of("made", "made.before")}
          FROM made
        """,  # noqa: S608  (names come from the models, values are parameters)
        [
            late_before,
            after,
            last,
            book.name,
            day,
            after,
            last,
            before.pk if before is not None else None,
            at,
            bytes(before.digest) if before is not None else None,
        ],
    )


# --- How rows and seals are written down: form 1 --------------------------------------------------

# Over rows with ``id`` and ``print``: one digest of all of them, in id order.
CONTENT = "sha256(coalesce(string_agg(print, ''::bytea ORDER BY id), ''::bytea))"


def rows_of(book: Book, *, after: str = "%s", last: str = "%s") -> str:
    """A SELECT of id, time and digest of a book's rows in a range of ids: no row's text leaves it.

    A row is its columns as a JSON object, whose text PostgreSQL keeps in one form; times are in UTC
    whatever the session's zone is.
    """
    parts = ", ".join(f"'{name}', {_value(book, name)}" for name in book.columns)
    return f"""SELECT r.id, r.{book.at} AS at,
                      sha256(convert_to(jsonb_build_object({parts})::text, 'UTF8')) AS print
                 FROM {book.table} r
                WHERE {book.where} AND r.id > {after} AND r.id <= {last}"""  # noqa: S608


def _value(book: Book, name: str) -> str:
    field = next(one for one in book.meta.concrete_fields if one.column == name)
    is_moment = isinstance(field, models.DateTimeField)
    return f"r.{name} AT TIME ZONE 'UTC'" if is_moment else f"r.{name}"


def digest_of(seal: str, before: str) -> str:
    """The digest of a seal, as SQL over its own columns and the digest of the one before."""
    return f"""sha256(convert_to(concat_ws('|', {seal}.book, to_char({seal}.day, 'YYYY-MM-DD'),
        {seal}.form, {seal}.after_id, {seal}.last_id, {seal}.row_count, {seal}.late,
        encode({seal}.content, 'hex'), encode(sha256({seal}.prints), 'hex'),
        to_char({seal}.made_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'),
        coalesce(encode({before}, 'hex'), 'first')), 'UTF8'))"""
