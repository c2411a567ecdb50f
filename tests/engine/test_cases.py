"""Cases: once per problem, never forgotten, never closed by their age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils import timezone

from integrator.engine import cases
from integrator.engine import clock as now_clock
from integrator.engine.case_facts import moment_fact
from integrator.engine.case_words import say
from integrator.engine.cases import About, CaseKind
from integrator.engine.states import Trace, UnableToMove
from integrator.models import Case, CaseEvent, CaseState, Note, Transition
from tests.engine.conftest import Clock
from tests.engine.test_router import in_threads

Now = Callable[[], Trace]
KIND = replace(cases.JOB_FAILED, code="BROKEN", due_hours=4, ladder=("OPERATIONS", "ADMIN"))
KINDS = {KIND.code: KIND}


def open_one(now: Now, *, kind: CaseKind = KIND, cause: str = "", **about: Any) -> Case:
    facts = about.pop("facts", {"step": "Pay", "error": "no"})
    return cases.open_case(
        kind,
        About("order", about.pop("record_id", 7), **about),
        trace=now(),
        cause=cause,
        facts=facts,
    )


def events(case: Case) -> list[str]:
    return list(case.events.order_by("id").values_list("kind", flat=True))


# --- opening -------------------------------------------------------------------------------------


def test_a_case_has_an_owner_a_promise_and_what_is_at_stake(trace: Now, clock: Clock) -> None:
    case = open_one(trace, order_id=7, money_minor=4999, currency="EUR", customers_waiting=1)

    assert (case.owner, case.severity, case.state) == ("ADMIN", 2, CaseState.OPEN)
    assert case.due_at == clock.at + timedelta(hours=4)
    assert (case.order_id, case.money_minor, case.customers_waiting) == (7, 4999, 1)
    assert events(case) == ["OPENED"]


def test_the_same_problem_is_one_case_however_often_it_is_seen(trace: Now, clock: Clock) -> None:
    first = open_one(trace, money_minor=100)
    clock.forward(hours=1)
    again = open_one(trace, money_minor=300)

    again.refresh_from_db()
    assert again == first
    assert (again.seen, again.money_minor) == (2, 300)
    assert again.due_at == first.due_at  # seeing it again does not move the promise
    assert events(again) == ["OPENED"]  # and nothing new was said


def test_an_amount_that_is_known_only_later_brings_its_currency(trace: Now) -> None:
    open_one(trace)

    open_one(trace, money_minor=300, currency="CHF")

    again = Case.objects.get()
    assert (again.money_minor, again.currency) == (300, "CHF")


def test_another_record_or_another_cause_is_another_case(trace: Now) -> None:
    kinds = {open_one(trace).pk, open_one(trace, record_id=8).pk, open_one(trace, cause="x").pk}

    assert len(kinds) == 3


def test_what_changed_is_kept(trace: Now) -> None:
    open_one(trace)
    case = open_one(trace, facts={"error": "another"})

    case.refresh_from_db()
    assert case.facts == {"error": "another"}
    assert events(case) == ["OPENED", "SEEN_AGAIN"]


def test_two_workers_with_the_same_problem_end_with_one_case(committed: None) -> None:
    def now() -> Trace:
        return Trace(at=now_clock.now(), actor="flow")

    in_threads(*[lambda: open_one(now)] * 6)

    assert Case.objects.get().seen == 6
    assert CaseEvent.objects.filter(kind="OPENED").count() == 1


# --- solving and coming back ---------------------------------------------------------------------


def test_a_case_is_solved_with_a_reason(trace: Now, omar: User) -> None:
    case = open_one(trace)

    cases.solve(
        case,
        resolution="FIXED_THERE",
        trace=trace(),
        reason="Done there",
        note="In SCAYLE",
        by=omar,
    )

    case.refresh_from_db()
    assert (case.state, case.resolution) == (CaseState.SOLVED, "FIXED_THERE")
    assert case.solved_at is not None
    written = case.events.get(kind="SOLVED")
    assert (written.actor, written.note.text, written.note.author) == ("omar", "In SCAYLE", omar)
    assert Transition.objects.get(record_kind="case").new == "SOLVED"


def test_the_database_refuses_a_solution_without_a_reason(trace: Now) -> None:
    case = open_one(trace)

    with pytest.raises(DatabaseError, match="case_solved_has_reason"), transaction.atomic():
        cases.solve(case, resolution="", trace=trace(), reason="x")


def test_solving_twice_changes_nothing(trace: Now) -> None:
    case = open_one(trace)
    cases.solve(case, resolution="DUPLICATE", trace=trace(), reason="x")
    cases.solve(case, resolution="FIXED_HERE", trace=trace(), reason="y")

    assert Case.objects.get().resolution == "DUPLICATE"


def test_a_solved_problem_that_returns_comes_back_with_its_history(
    trace: Now, clock: Clock
) -> None:
    case = open_one(trace)
    clock.forward(hours=30)
    for _ in range(3):
        cases.escalate(KINDS, trace=trace())
    cases.solve(case, resolution="FIXED_HERE", trace=trace(), reason="x")
    clock.forward(days=20)

    back = open_one(trace)

    back.refresh_from_db()
    assert back == case
    assert (back.state, back.regressions, back.seen) == (CaseState.OPEN, 1, 2)
    assert (back.resolution, back.solved_at, back.escalation) == ("", None, 0)
    assert (back.opened_at, back.due_at) == (clock.at, clock.at + timedelta(hours=4))
    assert events(back)[-2:] == ["SOLVED", "REOPENED"]
    clock.forward(hours=5)
    assert cases.escalate(KINDS, trace=trace()) == 1  # its ladder begins at the bottom again


def test_a_later_fact_closes_what_it_made_untrue_and_nothing_else(trace: Now) -> None:
    mine, other = open_one(trace), open_one(trace, record_id=8)
    another_kind = open_one(trace, kind=replace(KIND, code="OTHER"))
    cases.snooze(mine, until=None, awaiting="CHANGE", trace=trace(), note="later")

    closed = cases.close_by_fact(
        trace=trace(), reason="It arrived", kinds=[KIND], record_kind="order", record_id=7
    )

    assert closed == 1
    mine.refresh_from_db()
    assert (mine.state, mine.resolution) == (CaseState.SOLVED, "BY_ITSELF")
    for untouched in (other, another_kind):
        untouched.refresh_from_db()
        assert untouched.state == CaseState.OPEN


def test_cases_of_one_cause_close_together(trace: Now) -> None:
    for record_id in range(3):
        open_one(trace, record_id=record_id, cause="mapping:1")
    open_one(trace, record_id=9, cause="mapping:2")

    assert cases.close_by_fact(trace=trace(), reason="mapped", cause="mapping:1") == 3
    assert Case.objects.exclude(state="SOLVED").count() == 1


def test_cases_of_several_records_close_together_and_those_of_none_stay(trace: Now) -> None:
    for record_id in range(3):
        open_one(trace, record_id=record_id)

    assert cases.close_by_fact(trace=trace(), reason="x", record_kind="order", record_id=[]) == 0
    assert cases.close_by_fact(trace=trace(), reason="x", record_kind="return", record_id=[0]) == 0
    assert (
        cases.close_by_fact(trace=trace(), reason="x", record_kind="order", record_id=(0, 2)) == 2
    )
    assert list(Case.objects.exclude(state="SOLVED").values_list("record_id", flat=True)) == [1]


# --- snoozing ------------------------------------------------------------------------------------


def test_a_snoozed_case_comes_back_at_its_time(trace: Now, clock: Clock) -> None:
    case = open_one(trace)
    until = clock.at + timedelta(hours=2)
    cases.snooze(case, until=until, awaiting="", trace=trace(), note="they call back")

    clock.forward(minutes=119)
    assert cases.escalate(KINDS, trace=trace()) == 0
    clock.forward(minutes=1)
    assert cases.escalate(KINDS, trace=trace()) == 1

    case.refresh_from_db()
    assert (case.state, case.snoozed_until) == (CaseState.OPEN, None)
    assert events(case) == ["OPENED", "SNOOZED", "WOKE"]


@pytest.mark.parametrize(
    ("awaiting", "seen", "wakes"),
    [
        ("CHANGE", {"facts": {"error": "new"}}, True),
        ("CHANGE", {}, False),
        ("WORSE", {"money_minor": 200}, True),
        ("WORSE", {"money_minor": 50, "facts": {"error": "new"}}, False),
    ],
)
def test_a_case_sleeps_until_it_changes_or_gets_worse(
    trace: Now, awaiting: str, seen: dict[str, Any], wakes: bool
) -> None:
    case = open_one(trace, money_minor=100)
    cases.snooze(case, until=None, awaiting=awaiting, trace=trace(), note="x")

    open_one(trace, **{"money_minor": 100, **seen})

    case.refresh_from_db()
    assert (case.state == CaseState.OPEN) is wakes


def test_a_sleep_needs_an_end(trace: Now) -> None:
    with pytest.raises(ValueError, match="needs an end"):
        cases.snooze(open_one(trace), until=None, awaiting="NEVER", trace=trace(), note="x")


def test_a_solved_case_cannot_be_snoozed(trace: Now) -> None:
    case = open_one(trace)
    cases.solve(case, resolution="DUPLICATE", trace=trace(), reason="x")

    with pytest.raises(UnableToMove):
        cases.snooze(case, until=None, awaiting="CHANGE", trace=trace(), note="x")


# --- overdue -------------------------------------------------------------------------------------


@pytest.mark.requirement("R112")
def test_an_overdue_case_climbs_its_ladder_step_by_step(trace: Now, clock: Clock) -> None:
    case = open_one(trace)
    told = []
    for _ in range(20):
        clock.forward(hours=1)
        cases.escalate(KINDS, trace=trace())
        cases.escalate(KINDS, trace=trace())  # the next minute: nothing new
    for event in case.events.filter(kind="ESCALATED").order_by("id"):
        told.append((event.data["role"], (event.at - case.opened_at) / timedelta(hours=1)))

    assert told == [("OPERATIONS", 4), ("ADMIN", 8)]
    case.refresh_from_db()
    assert (case.escalation, case.state) == (2, CaseState.OPEN)  # nothing is closed by age


def test_nobody_on_the_ladder_is_skipped_after_a_long_night(trace: Now, clock: Clock) -> None:
    case = open_one(trace)
    clock.forward(days=3)
    for _ in range(5):
        cases.escalate(KINDS, trace=trace())

    roles = [event.data["role"] for event in case.events.filter(kind="ESCALATED").order_by("id")]
    assert roles == ["OPERATIONS", "ADMIN"]


def test_cases_at_the_top_of_their_ladder_do_not_hide_the_others(trace: Now, clock: Clock) -> None:
    for record_id in range(5):
        open_one(trace, record_id=record_id)
    clock.forward(days=3)
    for _ in range(2):
        cases.escalate(KINDS, trace=trace())
    new = open_one(trace, record_id=99)
    clock.forward(hours=5)

    assert cases.escalate(KINDS, trace=trace(), limit=3) == 1
    new.refresh_from_db()
    assert new.escalation == 1


def test_a_case_of_a_kind_that_is_no_more_stops_nobody(trace: Now, clock: Clock) -> None:
    open_one(trace, kind=replace(KIND, code="RETIRED"))
    open_one(trace)
    clock.forward(hours=5)

    assert cases.escalate(KINDS, trace=trace()) == 1


# --- people --------------------------------------------------------------------------------------


def test_of_two_people_who_claim_at_once_one_wins(trace: Now, omar: User, fiona: User) -> None:
    case = open_one(trace)
    seen_by_fiona = Case.objects.get()

    assert cases.assign(case, to=omar, trace=trace())
    assert not cases.assign(seen_by_fiona, to=fiona, trace=trace())

    assert Case.objects.get().assignee == omar
    assert events(case) == ["OPENED", "ASSIGNED"]


def test_claims_that_really_race(committed: None) -> None:
    def now() -> Trace:
        return Trace(at=now_clock.now(), actor="x")

    people = [User.objects.create_user(f"person-{number}") for number in range(5)]
    open_one(now)
    copies = [Case.objects.get() for _ in people]
    won: list[bool] = []

    in_threads(
        *[
            lambda case=case, to=to: won.append(cases.assign(case, to=to, trace=now()))
            for case, to in zip(copies, people, strict=True)
        ]
    )

    assert sorted(won) == [False] * 4 + [True]


def test_a_case_can_be_handed_on_and_given_back(trace: Now, omar: User, fiona: User) -> None:
    case = open_one(trace)
    cases.assign(case, to=omar, trace=trace())

    assert cases.assign(case, to=fiona, trace=trace(), note="yours")
    assert cases.assign(case, to=None, trace=trace())
    assert Case.objects.get().assignee is None


def test_a_decision_is_a_fact_with_its_words_kept_apart(trace: Now, omar: User) -> None:
    case = open_one(trace)

    event = cases.decided(
        case, cases.GIVE_UP, data={"amount": 5, "note": "Mrs Smith called"}, trace=trace(), by=omar
    )

    assert (event.kind, event.action, event.actor) == ("DECIDED", "give_up", "omar")
    assert event.data == {"amount": 5}  # free text may hold personal data: it can be erased
    assert Note.objects.get().text == "Mrs Smith called"


def test_a_note_is_kept_with_its_author(trace: Now, omar: User) -> None:
    event = cases.note(open_one(trace), text="called them", trace=trace(), by=omar)

    assert (event.kind, event.note.text, event.note.author) == ("NOTED", "called them", omar)


def test_sentences_are_filled_and_never_break() -> None:
    said = say(cases.JOB_LATE, {"step": "Pay", "due": "12:00"})

    assert said.title == "“Pay” is late"
    assert said.happened.endswith("(unknown)")


def test_a_moment_among_the_facts_is_told_by_the_readers_clock() -> None:
    at = datetime(2026, 7, 1, 23, 30, 12, tzinfo=UTC)
    facts = {"step": "Read it", "due": moment_fact(at), "error": "2026-07-01"}

    with timezone.override(ZoneInfo("Europe/Berlin")):
        said = say(cases.JOB_LATE, facts)

    assert "should have been done by 2 Jul 01:30" in said.happened
    assert said.happened.endswith("2026-07-01")  # what is no moment of ours stays as it is
