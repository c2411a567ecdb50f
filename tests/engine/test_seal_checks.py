"""Checking the seals: whatever is changed, removed or added behind them is found, by its day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finance.models import LedgerEntry
from integrator.engine import approvals, cases, seal_checks, seals
from integrator.engine.seals import BOOKS
from integrator.engine.states import Trace
from integrator.models import Approval, Case, Seal, SealCheck
from tests.engine import rows
from tests.engine.sealed import (
    DAY,
    MODELS,
    NEXT_NIGHT,
    NOON,
    checked,
    found,
    seal,
    tamper,
    write,
)

pytestmark = pytest.mark.requirement("R040")
every_book = pytest.mark.parametrize("book", BOOKS, ids=lambda one: one.name)

# --- Tampering ------------------------------------------------------------------------------------


@every_book
def test_a_changed_row_is_found_by_its_day_and_name(
    book: seals.Book, written: dict[str, list[int]]
) -> None:
    seal()
    row = written[book.name][4]
    column = {"approval": "verb", "approval_decision": "reason"}.get(book.name, "actor")
    tamper(f"UPDATE {book.table} SET {column} = 'user:x' WHERE id = %s", row)  # noqa: S608

    check = checked()

    assert check.result == SealCheck.Result.BROKEN
    assert found(check) == [(book.name, "2026-11-19", [row])]
    assert check.findings[0]["says"] == [f"1 row changed: {row}"]


@every_book
def test_a_removed_row_is_found(book: seals.Book, written: dict[str, list[int]]) -> None:
    seal()
    row = written[book.name][8]
    tamper(f"DELETE FROM {book.table} WHERE id = %s", row)  # noqa: S608

    check = checked()

    assert found(check) == [(book.name, "2026-11-20", [row])]
    assert check.findings[0]["says"] == [f"1 row removed: {row}"]


@every_book
def test_an_added_row_is_found(book: seals.Book, written: dict[str, list[int]]) -> None:
    first = written[book.name][0]
    removed = written[book.name][1]
    tamper(f"DELETE FROM {book.table} WHERE id = %s", removed)  # noqa: S608
    seal()
    write(book.name, NOON, id=removed)
    write(book.name, NOON, id=first - 1_000_000)  # below everything there ever was

    check = checked()

    assert found(check) == [(book.name, "2026-11-18", [first - 1_000_000, removed])]
    assert check.result == SealCheck.Result.BROKEN


def test_every_column_counts(written: dict[str, list[int]]) -> None:
    """Whatever is written into whichever column: it is found."""
    seal()
    for book in BOOKS:
        row = written[book.name][0]
        for field in book.meta.concrete_fields:
            name = field.column
            if name in dict(book.open) or field.primary_key or name in book.where:
                continue
            with transaction.atomic():
                kept = MODELS[book.name].objects.filter(pk=row).values_list(name, flat=True).get()
                now = _other(kept, field.choices)
                with rows.triggers_asleep():
                    MODELS[book.name].objects.filter(pk=row).update(**{name: now})
                found_ = found(checked())
                assert [one[2] for one in found_ if one[0] == book.name] == [[row]], (
                    f"{book.name}.{name}"
                )
                transaction.set_rollback(True)


def _other(value: Any, choices: Any) -> Any:
    if choices:
        return next(one for one, _ in choices if one != value)
    match value:
        case datetime():
            return value + timedelta(microseconds=1)
        case int():
            return value + 1
        case str():
            return value[:-1] if len(value) > 1 else "y"
        case dict():
            return {"other": "thing"}
    return None


@pytest.mark.parametrize(
    ("statement", "day"),
    [
        ("UPDATE integrator_seal SET row_count = 99 WHERE id = %s", "2026-11-19"),
        ("UPDATE integrator_seal SET prints = '' WHERE id = %s", "2026-11-19"),
        ("UPDATE integrator_seal SET digest = '\\x00' WHERE id = %s", "2026-11-19"),
        ("UPDATE integrator_seal SET previous_id = NULL WHERE id = %s", "2026-11-19"),
        ("DELETE FROM integrator_seal WHERE id = %s", "2026-11-19"),
    ],
)
def test_whoever_changes_a_seal_breaks_the_chain(statement: str, day: str, written: object) -> None:
    seal()
    middle = Seal.objects.get(book="ledger_entry", day=DAY - timedelta(days=1))
    with transaction.atomic():
        with database.cursor() as cursor:  # else one of these could not even be tried
            cursor.execute("DROP INDEX seal_first_once")
        tamper(statement, middle.pk)

        assert ("ledger_entry", day, []) in found(checked())
        transaction.set_rollback(True)


def test_a_chain_whose_end_was_cut_off_is_found_by_the_last_check(written: object) -> None:
    seal()
    assert checked().result == SealCheck.Result.SOUND
    tamper("DELETE FROM integrator_seal WHERE book = 'approval' AND day = %s", DAY)

    [finding] = checked().findings
    assert (finding["book"], finding["says"]) == (
        "approval",
        ["the newest seal of the check of 2026-11-21 01:00 UTC is gone"],
    )


def test_a_day_that_was_sealed_anew_stays_broken_until_a_person_explains_it(
    written: dict[str, list[int]],
) -> None:
    assert seal_checks.daily(at=NEXT_NIGHT)
    tamper("DELETE FROM integrator_seal WHERE book = 'ledger_entry' AND day = %s", DAY)
    row = written["ledger_entry"][-1]
    tamper("UPDATE finance_ledgerentry SET refund_id = 7 WHERE id = %s", row)

    for night in (1, 2, 3):
        check = seal_checks.daily(at=NEXT_NIGHT + timedelta(days=night))
        assert check is not None and check.result == SealCheck.Result.BROKEN
        case = Case.objects.get(kind="SEAL_BROKEN")
        assert (case.state, case.facts["day"]) == ("OPEN", str(DAY))

    _explain(case)
    assert seal_checks.daily(at=NEXT_NIGHT + timedelta(days=4))
    assert _state(case) == "SOLVED"


def test_a_clock_that_makes_no_seals_is_found(written: object) -> None:
    seal()
    assert checked(NEXT_NIGHT + timedelta(days=1)).result == SealCheck.Result.SOUND
    assert checked(NEXT_NIGHT + timedelta(days=2)).result == SealCheck.Result.BROKEN


_ACTS = st.lists(
    st.tuples(st.sampled_from(["change", "remove"]), st.integers(0, 8)),
    unique_by=lambda act: act[1],
)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(acts=_ACTS)
def test_exactly_the_rows_somebody_touched_are_named(
    acts: list[tuple[str, int]], written: dict[str, list[int]]
) -> None:
    """Whichever rows are changed and removed: these are named, no other, and none if none was."""
    mine = written["case_event"]
    with transaction.atomic():
        seal()
        for act, place in acts:
            if act == "remove":
                tamper("DELETE FROM integrator_caseevent WHERE id = %s", mine[place])
            else:
                tamper(
                    "UPDATE integrator_caseevent SET action = action || 'x' WHERE id = %s",
                    mine[place],
                )
        named = {row for _, _, ids in found(checked()) for row in ids}
        assert named == {mine[place] for _, place in acts}
        transaction.set_rollback(True)


def test_an_approval_that_says_something_else_than_its_decision_is_found(db: None) -> None:
    fiona, clara = User.objects.create_user("fiona"), User.objects.create_user("clara")
    frank = User.objects.create_user("frank")
    asked = approvals.ask(
        verb="refund.decide",
        record_kind="case",
        record_id=1,
        content={"amount": 1},
        by=fiona,
        trace=Trace(at=NOON, actor="user:fiona"),
    )
    approvals.decide(asked, grant=False, by=clara, trace=Trace(at=NOON, actor="user:clara"))
    assert checked().result == SealCheck.Result.SOUND
    for change, value in (("state", "GRANTED"), ("decided_by_id", frank.pk), ("decided_at", None)):
        before = Approval.objects.filter(pk=asked.pk).values_list(change, flat=True).get()
        tamper(f"UPDATE integrator_approval SET {change} = %s WHERE id = %s", value, asked.pk)  # noqa: S608

        assert found(checked()) == [("approval_decision", "2026-11-20", [asked.pk])]
        tamper(f"UPDATE integrator_approval SET {change} = %s WHERE id = %s", before, asked.pk)  # noqa: S608


# --- Who is told ----------------------------------------------------------------------------------


def test_the_clock_seals_and_checks_once_a_day(written: object) -> None:
    first = seal_checks.daily(at=NEXT_NIGHT)

    assert first is not None
    assert (first.result, first.seals, first.row_count) == ("SOUND", 3 * len(BOOKS), 9 * len(BOOKS))
    assert seal_checks.daily(at=NEXT_NIGHT + timedelta(hours=3)) is None
    assert seal_checks.daily(at=NEXT_NIGHT + timedelta(days=1)) is not None


def test_an_installation_without_a_row_is_sound(db: None) -> None:
    check = seal_checks.daily(at=NEXT_NIGHT)

    assert check is not None and check.result == SealCheck.Result.SOUND
    assert seal_checks.daily(at=NEXT_NIGHT + timedelta(minutes=1)) is None


def test_the_clock_reads_the_newest_days_when_there_are_too_many_rows(
    written: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_checks, "ROWS_MAX_BY_CLOCK", 3 * len(BOOKS))
    check = seal_checks.daily(at=NEXT_NIGHT)
    assert check is not None and check.since == DAY and check.row_count == 3 * len(BOOKS)
    old = written["ledger_entry"][0]
    tamper("UPDATE finance_ledgerentry SET currency = 'X' WHERE id = %s", old)

    by_clock = seal_checks.daily(at=NEXT_NIGHT + timedelta(days=1))

    assert by_clock is not None and by_clock.result == SealCheck.Result.SOUND
    assert checked(NEXT_NIGHT + timedelta(days=1)).result == SealCheck.Result.BROKEN


def test_a_broken_day_is_a_case_until_it_is_explained_or_mended(
    written: dict[str, list[int]],
) -> None:
    seal()
    row = written["ledger_entry"][0]
    change = "UPDATE finance_ledgerentry SET refund_id = %s WHERE id = %s"
    before = LedgerEntry.objects.get(pk=row).refund_id
    tamper(change, 7, row)

    checked()
    checked()
    case = Case.objects.get(kind="SEAL_BROKEN")
    assert (case.owner, case.state, case.facts["day"]) == ("ADMIN", "OPEN", "2026-11-18")
    assert case.facts["finding"] == f"1 row changed: {row}"

    _explain(case)
    checked()
    assert _state(case) == "SOLVED"
    tamper(change, 8, written["ledger_entry"][1])
    checked()
    assert _state(case) == "OPEN"

    tamper(change, before, row)
    tamper(change, before, written["ledger_entry"][1])
    checked()
    assert (_state(case), case.resolution) == ("SOLVED", "BY_ITSELF")


def _explain(case: Case) -> None:
    case.refresh_from_db()
    cases.solve(
        case,
        resolution=Case.Resolution.NOT_AN_ERROR,
        trace=Trace(at=NEXT_NIGHT, actor="user:ada"),
        reason="A copy was put back",
    )


def _state(case: Case) -> str:
    case.refresh_from_db()
    return str(case.state)


# --- By hand --------------------------------------------------------------------------------------


@pytest.fixture
def tells(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What ``manage.py check_seals`` says on the next night; its error, if it fails."""
    monkeypatch.setattr("integrator.engine.clock.now", lambda: NEXT_NIGHT)

    def run(*args: str) -> str:
        said = StringIO()
        try:
            call_command("check_seals", *args, stdout=said)
        except CommandError as error:
            return f"{said.getvalue()}FAILED: {error}"
        return said.getvalue()

    return run


def test_the_command_says_that_all_is_well(written: object, tells: Callable[..., str]) -> None:
    seal()
    head = bytes(Seal.objects.filter(book="approval").latest("day").digest).hex()

    said = tells()

    assert f"{9 * len(BOOKS)} rows under {3 * len(BOOKS)} seals" in said
    assert "Nothing was changed." in said
    assert head in said
    assert "FAILED" not in tells("--expect", head)
    assert "FAILED" in tells("--expect", "00" * 32)
    assert "FAILED" in tells("--expect", "not a digest")


def test_the_command_names_table_day_and_row(
    written: dict[str, list[int]], tells: Callable[..., str]
) -> None:
    seal()
    row = written["case_event"][3]
    tamper("UPDATE integrator_caseevent SET actor = 'x' WHERE id = %s", row)

    said = tells()

    line = f"What was done about cases (integrator_caseevent), 2026-11-19: 1 row changed: {row}"
    assert line in said
    assert "FAILED" in said
