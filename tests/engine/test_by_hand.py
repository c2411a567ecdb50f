"""What people do by hand is counted per week and told once: planted weeks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from integrator.engine import by_hand, cases, choices, decisions
from integrator.engine.by_hand import MANY_BY_HAND, Tally
from integrator.engine.case_words import say
from integrator.flows import CASE_KINDS
from integrator.models import Case, CaseEvent, CaseState, JobState, Retailer
from tests.desk import factories

# A Monday, 00:30 in Berlin: still Sunday in UTC.
MONDAY = datetime(2026, 11, 15, 23, 30, tzinfo=UTC)
WEEK = timedelta(days=7)
FIXED = cases.FIXED_THERE


@pytest.fixture
def fiona(db: None) -> User:
    return factories.person("fiona", "FINANCE")


@pytest.fixture
def shop(db: None) -> Retailer:
    found = factories.retailer()
    choices.save(retailer=found, values={"by_hand_per_week": 3}, made_by="test")
    return found


def decided(
    at: datetime, by: User, *, key: str = "fixed_there", minor: int = 1000, **data: Any
) -> CaseEvent:
    """A decision taken on a case of its own."""
    number = Case.objects.count() + 1
    case = factories.case(
        "SYSTEMS_DIFFER", at, record=("order", number), money_minor=minor, currency="EUR"
    )
    action = next(one for kind in CASE_KINDS.values() for one in kind.actions if one.key == key)
    trace = factories.trace(at, f"user:{by.username}")
    return cases.decided(case, action, data=data, trace=trace, by=by)


def week(at: datetime, by: str = "type") -> dict[str, Tally]:
    monday = by_hand.week_start(at, by_hand.ZoneInfo("Europe/Berlin"))
    return by_hand.tallies(by_hand.decisions_between(CASE_KINDS, monday, monday + WEEK), by)


def alarms() -> list[Case]:
    return list(Case.objects.filter(kind=MANY_BY_HAND.code).order_by("pk"))


@pytest.mark.requirement("R013")
def test_every_button_is_by_hand_unless_it_only_lets_our_own_work_go_on() -> None:
    buttons: dict[str, set[bool]] = {}
    for kind in CASE_KINDS.values():
        for action in kind.actions:
            buttons.setdefault(action.key, set()).add(action.by_hand)

    assert all(len(said) == 1 for said in buttons.values()), "one key, one answer"
    assert {key for key, said in buttons.items() if said == {False}} == {
        "try_again",
        "resume_connection",
        "allow_calls",
    }
    assert buttons.keys() - by_hand.labels(CASE_KINDS).keys() == {
        "try_again",
        "resume_connection",
        "allow_calls",
    }


@pytest.mark.requirement("R013")
def test_a_week_is_counted_by_type_person_and_cause_with_its_value(fiona: User) -> None:
    omar = factories.person("omar", "OPERATIONS")
    decided(MONDAY, fiona)
    decided(MONDAY + timedelta(days=6), fiona, minor=500)
    decided(MONDAY, omar, key="not_an_error", minor=0)
    decided(MONDAY - timedelta(hours=1), fiona)  # Sunday, 23:30
    decided(MONDAY + WEEK, fiona)
    decided(MONDAY, fiona, key="try_again")  # no workaround: our own step goes on

    assert week(MONDAY) == {
        "fixed_there": Tally(2, {"EUR": 1500}),
        "not_an_error": Tally(1, {}),
    }
    assert week(MONDAY, "person") == {
        "user:fiona": Tally(2, {"EUR": 1500}),
        "user:omar": Tally(1, {}),
    }
    assert week(MONDAY, "cause") == {"SYSTEMS_DIFFER": Tally(3, {"EUR": 1500})}


def test_what_two_people_agreed_to_counts_with_that_amount(fiona: User) -> None:
    decided(MONDAY, fiona, key="paid_by_hand", minor=1000, money_minor=700, currency="EUR")

    assert week(MONDAY) == {"paid_by_hand": Tally(1, {"EUR": 700})}


def test_a_case_closed_with_none_of_its_buttons_is_by_hand_too(fiona: User) -> None:
    case = factories.case("SYSTEMS_DIFFER", MONDAY, money_minor=900, currency="EUR")
    trace = factories.trace(MONDAY, "user:fiona")
    decisions.close(case, resolution="ACCEPTED_LOSS", note="old", trace=trace, by=fiona)
    other = factories.case("SYSTEMS_DIFFER", MONDAY, record=("order", 2))
    cases.solve(other, resolution="BY_ITSELF", trace=trace, reason="A later fact")

    assert week(MONDAY) == {"closed:ACCEPTED_LOSS": Tally(1, {"EUR": 900})}
    assert by_hand.labels(CASE_KINDS)["closed:ACCEPTED_LOSS"] == (
        "Closed by hand: accepted as a loss"
    )


def test_what_was_taken_back_in_time_was_not_done(fiona: User) -> None:
    event = decided(MONDAY, fiona)
    job = factories.job("fixed_there", MONDAY, record=("case", event.case_id))
    type(job).objects.filter(pk=job.pk).update(
        fact=event.pk, state=JobState.CANCELLED, finished_at=MONDAY
    )

    assert week(MONDAY) == {}


@pytest.mark.requirement("R013")
def test_operations_are_told_once_when_a_type_passes_its_limit(fiona: User, shop: Retailer) -> None:
    for _ in range(2):
        decided(MONDAY - timedelta(days=2), fiona)
    for number in range(3):
        decided(MONDAY + timedelta(hours=number), fiona)
    assert by_hand.watch(CASE_KINDS, at=MONDAY + timedelta(days=1)) == 0

    decided(MONDAY + timedelta(days=1), fiona)
    decided(MONDAY + timedelta(days=1), fiona, key="not_an_error")
    assert by_hand.watch(CASE_KINDS, at=MONDAY + timedelta(days=1)) == 1

    (case,) = alarms()
    said = say(MANY_BY_HAND, case.facts)
    assert said.title == "“I fixed it in the platform”: 4 times by hand in the week of 16 November"
    assert "whole week before it was 2 times" in said.happened
    assert (case.owner, case.money_minor, case.currency) == ("OPERATIONS", 4000, "EUR")
    assert MANY_BY_HAND.alert

    decided(MONDAY + timedelta(days=2), fiona)
    assert by_hand.watch(CASE_KINDS, at=MONDAY + timedelta(days=2)) == 0
    assert len(alarms()) == 1


def test_an_alarm_that_was_answered_does_not_come_back_in_its_week_but_in_the_next(
    fiona: User, shop: Retailer
) -> None:
    for _ in range(4):
        decided(MONDAY, fiona)
    by_hand.watch(CASE_KINDS, at=MONDAY)
    (case,) = alarms()
    trace = factories.trace(MONDAY, "user:omar")
    cases.solve(case, resolution="NOT_AN_ERROR", trace=trace, reason="looked")

    assert by_hand.watch(CASE_KINDS, at=MONDAY + timedelta(days=3)) == 0

    for _ in range(4):
        decided(MONDAY + WEEK, fiona)
    assert by_hand.watch(CASE_KINDS, at=MONDAY + WEEK) == 1
    assert [one.state for one in alarms()] == [CaseState.SOLVED, CaseState.OPEN]


def test_an_alarm_ends_by_itself_after_a_whole_week_within_the_limit(
    fiona: User, shop: Retailer
) -> None:
    for _ in range(4):
        decided(MONDAY, fiona)
    for _ in range(3):
        decided(MONDAY + WEEK, fiona)
    by_hand.watch(CASE_KINDS, at=MONDAY)

    by_hand.watch(CASE_KINDS, at=MONDAY + WEEK + timedelta(days=6))
    assert [one.state for one in alarms()] == [CaseState.OPEN], "that week is not over"

    by_hand.watch(CASE_KINDS, at=MONDAY + 2 * WEEK)
    (case,) = alarms()
    assert (case.state, case.resolution) == (CaseState.SOLVED, "BY_ITSELF")


def test_an_alarm_stays_while_the_weeks_after_it_are_no_better(fiona: User, shop: Retailer) -> None:
    for number in range(2):
        for _ in range(4):
            decided(MONDAY + number * WEEK, fiona)
    by_hand.watch(CASE_KINDS, at=MONDAY)

    by_hand.watch(CASE_KINDS, at=MONDAY + 2 * WEEK)

    assert [one.state for one in alarms()] == [CaseState.OPEN]


def test_the_answers_to_an_alarm_are_not_counted(fiona: User, shop: Retailer) -> None:
    for _ in range(4):
        decided(MONDAY, fiona)
    by_hand.watch(CASE_KINDS, at=MONDAY)
    (case,) = alarms()
    (action,) = MANY_BY_HAND.actions
    cases.decided(case, action, data={}, trace=factories.trace(MONDAY, "user:omar"), by=fiona)

    assert "not_an_error" not in week(MONDAY)


@pytest.mark.parametrize("wrong", [0, -1, True, "20", 2.5, None])
def test_a_limit_that_would_never_or_always_tell_is_refused(wrong: object) -> None:
    with pytest.raises(choices.UnableToSetPolicy, match="by_hand_per_week"):
        choices.check({"by_hand_per_week": wrong})
