"""Rows of the sealed books, and somebody who changes them behind the product's back."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection as database

from finance.models import LedgerEntry
from integrator.engine import seal_checks, seals
from integrator.engine.seals import BY_NAME
from integrator.engine.states import Trace
from integrator.models import Approval, CaseEvent, SealCheck, Sighting, Transition
from tests.engine import rows

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NEXT_NIGHT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
MODELS = {
    "ledger_entry": LedgerEntry,
    "approval": Approval,
    "approval_decision": Transition,
    "case_event": CaseEvent,
    "sighting": Sighting,
}

_customers = itertools.count(1)


def write(book: str, at: datetime, **values: Any) -> int:
    """A row of a book, dated ``at``."""
    given_ = {BY_NAME[book].at: at, **values}
    if book == "approval":
        given_ |= {"state": "ASKED", "decided_by_id": None, "decided_at": None}
    if book == "approval_decision":
        # About no approval there is: what it decides is compared in a test of its own.
        given_ |= {"record_kind": "approval", "record_id": 0, "new": "USED"}
    if book == "sighting":
        given_ |= {"customer_id": next(_customers)}  # nobody sees one twice in a minute
    if book in ("approval_decision", "case_event"):
        with database.cursor() as cursor:
            cursor.execute("SELECT nextval('integrator_fact_id')")
            given_.setdefault("id", cursor.fetchone()[0])
    with rows.triggers_asleep():
        return int(rows.make(MODELS[book], **given_).pk)


def tamper(statement: str, *values: Any) -> None:
    """Somebody with the keys of the database, who has switched its triggers off."""
    with rows.triggers_asleep(), database.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount == 1


def seal(at: datetime = NEXT_NIGHT) -> None:
    assert seals.seal_due(at=at)


def checked(at: datetime = NEXT_NIGHT) -> SealCheck:
    return seal_checks.check(trace=Trace(at=at, actor="command"))


def found(check: SealCheck) -> list[tuple[str, str, list[int]]]:
    return [(one["book"], one["day"], one["rows"]) for one in check.findings]
