"""How many cases are open is kept as they change; whatever happened, it equals the cases."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.db import transaction

from integrator.engine import case_counts, cases
from integrator.engine.cases import About
from integrator.engine.states import Trace
from integrator.flows import CASE_KINDS
from integrator.models import Case, CaseCount, CaseState
from integrator.models.case_counts import COUNTED_BY

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ALONE, SHARED = CASE_KINDS["RESTOCK_FAILED"], CASE_KINDS["MAPPING_MISSING"]
Sort = tuple[object, ...]


def trace(hours: int = 0) -> Trace:
    return Trace(at=AT + timedelta(hours=hours), actor="clock")


def opened(number: int, *, kind: cases.CaseKind = ALONE, hours: int = 0, **about: object) -> Case:
    cause = f"word:{number % 3}" if kind is SHARED else ""
    told = About("return_item", number, 1, **{"money_minor": 500, "currency": "EUR", **about})  # type: ignore[arg-type]
    return cases.open_case(kind, told, trace=trace(hours), cause=cause)


def kept() -> dict[Sort, tuple[int, int, int]]:
    """Per sort its number, money and customers, as readers add them up."""
    sums: dict[Sort, Counter[str]] = {}
    for row in CaseCount.objects.values():
        sort = tuple(row[name] for name in COUNTED_BY)
        held = sums.setdefault(sort, Counter())
        for name in ("number", "money_minor", "customers_waiting"):
            held[name] += row[name]
    found = {
        sort: (one["number"], one["money_minor"], one["customers_waiting"])
        for sort, one in sums.items()
    }
    return {sort: one for sort, one in found.items() if any(one)}


def counted_afresh() -> dict[Sort, tuple[int, int, int]]:
    """The same from the cases, in Python."""
    found: dict[Sort, tuple[int, int, int]] = {}
    for one in Case.objects.exclude(state=CaseState.SOLVED):
        sort = (
            one.owner,
            one.kind,
            one.state,
            one.shares_cause,
            one.cause if one.shares_cause else "",
            one.severity,
            one.escalation,
            one.connection_id,
            one.assignee_id,
            one.currency if one.money_minor > 0 else "",
            one.due_at.astimezone(UTC).date(),
        )
        number, money, customers = found.get(sort, (0, 0, 0))
        found[sort] = (number + 1, money + one.money_minor, customers + one.customers_waiting)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_to_cases_their_counts_follow(db: None, seed: int) -> None:
    dice = random.Random(seed)
    person = User.objects.create_user("omar")

    def see(number: int, hours: int) -> None:
        kind = SHARED if number % 2 else ALONE
        money = dice.choice((0, 500, 900))
        customers = dice.choice((0, 1))
        opened(number, kind=kind, hours=hours, money_minor=money, customers_waiting=customers)

    for hours in range(60):
        see(dice.randrange(12), hours)
        case = dice.choice(list(Case.objects.order_by("id")))
        at = trace(hours)
        drawn = dice.randrange(6)
        if drawn == 0 and case.state != CaseState.SOLVED:
            cases.solve(case, resolution="FIXED_HERE", trace=at, reason="done")
        elif drawn == 1 and case.state == CaseState.OPEN:
            cases.snooze(case, until=None, awaiting="CHANGE", trace=at, note="later")
        elif drawn == 2:
            cases.assign(case, to=dice.choice((person, None)), trace=at)
        elif drawn == 3:
            cases.escalate(CASE_KINDS, trace=at)
        elif drawn == 4:
            cases.close_by_fact(
                trace=at, reason="true again", record_kind="return_item", record_id=case.record_id
            )
        else:
            Case.objects.filter(pk__gte=case.pk).update(due_at=at.at + timedelta(days=hours % 3))
        if dice.random() < 0.1:
            case_counts.fold(above=0)

        assert kept() == counted_afresh()

    assert case_counts.recount(CASE_KINDS) == 0
    person.delete()
    assert kept() == counted_afresh() != {}


def test_what_is_rolled_back_was_never_counted(db: None) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        opened(1)
        raise RuntimeError

    assert kept() == {}


def test_seeing_a_case_again_as_it_is_writes_no_count(db: None) -> None:
    opened(1)
    opened(1)

    assert CaseCount.objects.count() == 1


def test_rows_of_a_sort_are_folded_into_one(db: None) -> None:
    """And those that add up to nothing into none, once there are enough of them."""
    for number in range(30):
        opened(number)
    gone = opened(99, kind=SHARED)
    cases.solve(gone, resolution="FIXED_HERE", trace=trace(), reason="done")
    before = kept()

    assert not case_counts.fold(above=40)
    assert CaseCount.objects.count() == 32
    assert case_counts.fold(above=20)

    assert kept() == before
    assert CaseCount.objects.get().number == 30


def test_counts_written_past_the_triggers_are_corrected(db: None) -> None:
    opened(1)
    opened(2, kind=SHARED)
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
    Case.objects.update(escalation=1)
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert kept() != counted_afresh()

    assert case_counts.recount(CASE_KINDS) == 4  # two sorts too many, two too few

    assert kept() == counted_afresh()
    assert case_counts.recount(CASE_KINDS) == 0


def test_a_kind_that_begins_to_share_causes_is_counted_by_them(db: None) -> None:
    """As after an update of the product."""
    case = opened(1, kind=SHARED)
    Case.objects.update(shares_cause=False)

    case_counts.recount(CASE_KINDS)

    case.refresh_from_db()
    assert case.shares_cause
    assert [sort[4] for sort in kept()] == [case.cause]


def test_it_is_counted_again_once_a_day(db: None) -> None:
    opened(1)
    case_counts.recount_daily(CASE_KINDS, at=AT)
    CaseCount.objects.all().delete()

    case_counts.recount_daily(CASE_KINDS, at=AT + timedelta(hours=23))
    assert kept() == {}
    case_counts.recount_daily(CASE_KINDS, at=AT + timedelta(hours=24))
    assert kept() == counted_afresh() != {}


def test_two_that_fold_at_once_while_others_write_lose_nothing(committed: None) -> None:
    ready = threading.Barrier(4)

    def writes(first: int) -> None:
        ready.wait()
        for number in range(first, first + 40):
            case = opened(number, kind=SHARED if number % 2 else ALONE)
            if number % 4 == 0:
                cases.solve(case, resolution="FIXED_HERE", trace=trace(), reason="done")
        database.close()

    def folds() -> None:
        ready.wait()
        for _ in range(25):
            case_counts.fold(above=0)
        database.close()

    threads = [
        *(threading.Thread(target=writes, args=(first,)) for first in (0, 1000)),
        *(threading.Thread(target=folds) for _ in range(2)),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert kept() == counted_afresh()
    assert sum(number for number, _, _ in kept().values()) == 60
