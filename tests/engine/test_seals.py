"""Making the daily seals: each row is in exactly one, also a late one, whoever is at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.db import connections

from integrator.engine import approvals, seals
from integrator.engine.seals import BOOKS
from integrator.engine.states import Trace
from integrator.models import CaseEvent, Note, Seal, SealCheck
from tests import database as test_database
from tests.engine import rows
from tests.engine.sealed import (
    DAY,
    NEXT_NIGHT,
    NOON,
    checked,
    found,
    seal,
    tamper,
    write,
)

pytestmark = pytest.mark.requirement("R040")

# --- When -----------------------------------------------------------------------------------------


def test_each_day_of_each_book_is_sealed_once_upon_the_day_before(
    written: dict[str, list[int]],
) -> None:
    seal()
    seal()

    for book in BOOKS:
        made = list(Seal.objects.filter(book=book.name).order_by("day"))
        assert [one.day for one in made] == [DAY - timedelta(days=n) for n in (2, 1, 0)]
        assert [one.row_count for one in made] == [3, 3, 3]
        assert [one.previous_id for one in made] == [None, made[0].pk, made[1].pk]
        assert [one.after_id for one in made][1:] == [one.last_id for one in made][:-1]
        assert made[-1].last_id == written[book.name][-1]
    assert checked().result == SealCheck.Result.SOUND


def test_a_day_is_sealed_when_it_is_over_and_an_hour_has_passed(written: object) -> None:
    seals.seal_due(at=NEXT_NIGHT - timedelta(seconds=1))
    assert not Seal.objects.filter(day=DAY).exists()

    seals.seal_due(at=NEXT_NIGHT)
    assert Seal.objects.filter(day=DAY).count() == len(BOOKS)


def test_a_day_on_which_nothing_happened_is_sealed_too(written: object) -> None:
    """Else a day that was emptied would look like one on which nothing happened."""
    seal(NEXT_NIGHT + timedelta(days=2))

    quiet = Seal.objects.filter(day__gt=DAY)
    assert quiet.count() == 2 * len(BOOKS)
    assert {one.row_count for one in quiet} == {0}


def test_years_of_history_are_caught_up_in_steps(db: None) -> None:
    write("ledger_entry", NOON - timedelta(days=12))

    assert not seals.seal_due(at=NEXT_NIGHT)
    assert Seal.objects.count() == seals.DAYS_AT_ONCE
    assert seals.seal_due(at=NEXT_NIGHT)
    assert Seal.objects.count() == 13


def test_every_column_is_sealed_or_says_why_it_is_not() -> None:
    """A new column must be put on one of the lists, and a new form of writing down be numbered."""
    for book in BOOKS:
        columns = {field.column for field in book.meta.concrete_fields}
        assert columns == {*book.columns, *(name for name, _ in book.open)}, book.name


def test_the_seal_does_not_depend_on_the_session(written: object) -> None:
    seal()
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL DateStyle = 'ISO, DMY'")
        cursor.execute("SET LOCAL bytea_output = 'escape'; SET LOCAL extra_float_digits = -3")

    assert checked().result == SealCheck.Result.SOUND


# --- What may change lawfully ---------------------------------------------------------------------


def test_what_may_change_later_is_not_sealed(db: None) -> None:
    """A decision is routed, a note is erased, an approval is answered: all is sound."""
    fiona, clara = User.objects.create_user("fiona"), User.objects.create_user("clara")
    note = Note.objects.create(text="Called Lena Berg", at=NOON)
    event = write("case_event", NOON, note_id=note.pk, routed_at=None)
    asked = approvals.ask(
        verb="refund.decide",
        record_kind="case",
        record_id=1,
        content={"amount": 1},
        by=fiona,
        trace=Trace(at=NOON, actor="user:fiona"),
    )
    seal()

    CaseEvent.objects.filter(pk=event).update(routed_at=NEXT_NIGHT)
    Note.objects.update(text="(erased)")
    later = Trace(at=NEXT_NIGHT, actor="user:clara")
    approvals.decide(asked, grant=True, by=clara, trace=later)

    assert checked().result == SealCheck.Result.SOUND
    seal(NEXT_NIGHT + timedelta(days=1))
    assert checked(NEXT_NIGHT + timedelta(days=1)).result == SealCheck.Result.SOUND
    assert Seal.objects.filter(book="approval_decision", row_count=1).exists()
    with rows.triggers_asleep():  # what the foreign keys point at is not there
        CaseEvent.objects.filter(pk=event)._raw_delete("default")


# --- Rows that come late, workers at once ---------------------------------------------------------


@contextmanager
def another_session() -> Iterator[psycopg.Connection]:
    with psycopg.connect(test_database.address()) as session:
        session.execute("SET session_replication_role = replica")
        yield session
        session.rollback()


def _event(session: psycopg.Connection, at: datetime) -> int:
    found_ = session.execute(
        """INSERT INTO integrator_caseevent (case_id, kind, action, actor, data, at)
           VALUES (1, 'NOTED', '', 'worker', '{}', %s) RETURNING id""",
        [at],
    ).fetchone()
    assert found_ is not None
    return int(found_[0])


def test_a_row_that_commits_late_is_waited_for(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id is drawn and nobody sees it yet: passed over now, it would be in no seal."""
    monkeypatch.setattr(seals, "SETTLE_SECONDS", 0.2)
    with another_session() as slow, another_session() as quick:
        late = _event(slow, NOON)
        _event(quick, NOON)
        quick.commit()

        assert not seals.seal_due(at=NEXT_NIGHT)
        assert not Seal.objects.filter(book="case_event").exists()

        slow.commit()
        assert seals.seal_due(at=NEXT_NIGHT)
    made = Seal.objects.get(book="case_event")
    assert (made.row_count, made.late) == (2, 0)
    assert late < made.last_id
    assert checked().result == SealCheck.Result.SOUND


def test_a_row_dated_into_a_sealed_day_is_shown_and_then_sealed_with_the_next(
    written: dict[str, list[int]],
) -> None:
    seal()
    row = write("ledger_entry", NOON)

    check = checked()
    assert check.result == SealCheck.Result.LATE
    assert found(check) == [("ledger_entry", "2026-11-20", [row])]

    morrow = NEXT_NIGHT + timedelta(days=1)
    seal(morrow)
    check = checked(morrow)
    assert Seal.objects.get(book="ledger_entry", day=DAY + timedelta(days=1)).late == 1
    assert check.result == SealCheck.Result.LATE
    assert found(check) == [("ledger_entry", "2026-11-21", [row])]
    tamper("UPDATE finance_ledgerentry SET amount_minor = 7 WHERE id = %s", row)
    assert checked(morrow).result == SealCheck.Result.BROKEN


def test_two_workers_make_one_chain(committed: None) -> None:
    for before in range(6):
        write("case_event", NOON - timedelta(days=before))
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        for _ in range(4):
            seals.seal_due(at=NEXT_NIGHT)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert Seal.objects.filter(book="case_event").count() == 6
    assert checked().result == SealCheck.Result.SOUND


def test_a_worker_that_dies_half_way_leaves_whole_seals(
    written: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, made = seals._insert, []

    def dies(*args: Any, **values: Any) -> None:
        insert(*args, **values)
        made.append(args)
        if len(made) == 2:
            raise ConnectionError("the plug was pulled")

    monkeypatch.setattr(seals, "_insert", dies)
    with pytest.raises(ConnectionError):
        seals.seal_due(at=NEXT_NIGHT)
    assert Seal.objects.count() == 1
    monkeypatch.setattr(seals, "_insert", insert)

    seal()

    assert Seal.objects.count() == 3 * len(BOOKS)
    assert checked().result == SealCheck.Result.SOUND
