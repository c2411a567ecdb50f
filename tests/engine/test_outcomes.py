"""What the end of an attempt means: tried again, in doubt, in front of a person, or done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from integrator.engine import jobs
from integrator.engine.errors import Misconfigured, Refused, Transient
from integrator.engine.flow import Nothing
from integrator.models import Attempt, Job, JobState, Link
from tests.engine import toys
from tests.engine.conftest import Clock
from tests.engine.failing import Open, raising, run

# --- Transient -----------------------------------------------------------------------------------


@pytest.mark.requirement("R027")
def test_a_platform_that_asks_for_time_gets_exactly_that(shop: Open, clock: Clock) -> None:
    start = clock.at
    here = run(shop, raising(Transient("busy", retry_after=97)))

    assert here.job().state == JobState.WAITING
    assert here.job().not_before == start + timedelta(seconds=97)
    clock.forward(seconds=96)
    assert here.work() == 0
    clock.forward(seconds=1)
    assert here.work() > 0


@pytest.mark.requirement("R027")
@pytest.mark.parametrize(
    ("attempts", "ceiling"), [(0, 5), (1, 5), (2, 10), (3, 20), (9, 1280), (10, 1800), (500, 1800)]
)
def test_the_wait_doubles_up_to_half_an_hour_and_is_spread(attempts: int, ceiling: int) -> None:
    waits = [jobs.backoff_seconds(attempts) for _ in range(200)]

    assert all(ceiling / 2 <= wait <= ceiling for wait in waits)
    assert max(waits) - min(waits) > ceiling / 4  # nobody retries in step


@pytest.mark.requirement("R027")
def test_a_failing_platform_is_tried_for_seven_days_then_a_person_is_asked(
    shop: Open, clock: Clock
) -> None:
    start = clock.at
    here = run(shop, raising(Transient("the platform is busy", retry_after=6 * 3600)))

    while here.job().state == JobState.WAITING:
        assert clock.at - start < timedelta(days=8)
        clock.to(here.job().not_before)
        here.work()

    assert clock.at - start >= timedelta(days=7)
    assert here.job().state == JobState.PARKED
    case = here.case()
    assert (case.kind, case.facts["error"]) == ("JOB_FAILED", "the platform is busy")


@pytest.mark.requirement("R027")
def test_every_attempt_can_be_seen(shop: Open, answers: toys.Answers, clock: Clock) -> None:
    answers.will(
        (429, {"error": "slow down"}, {"Retry-After": "60", "X-Request-Id": "r-1"}),
        (503, {"error": "closed"}, {"Retry-After": "120"}),
        (200, {"receipt": 1}),
    )
    here = run(shop, toys.PAY)
    for _ in range(2):
        clock.to(here.job().not_before)
        here.work()

    tries = list(Attempt.objects.order_by("id"))
    assert [(one.number, one.outcome) for one in tries] == [
        (1, "WAITING"),
        (2, "WAITING"),
        (3, "DONE"),
    ]
    assert tries[0].error == "Toy-1: slow down"
    first_call = tries[0].calls[0]
    assert (first_call["method"], first_call["path"], first_call["status"]) == ("POST", "/pay", 429)
    assert first_call["request_id"] == "r-1"
    assert tries[1].started_at - tries[0].started_at == timedelta(seconds=60)
    assert tries[2].started_at - tries[1].started_at == timedelta(seconds=120)


# --- Refused and Misconfigured -------------------------------------------------------------------


@pytest.mark.requirement("R027")
@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
def test_what_the_platform_refuses_is_not_sent_again(
    shop: Open, answers: toys.Answers, clock: Clock, status: int
) -> None:
    answers.will((status, {"error": "the name is too long"}))
    here = run(shop, toys.PAY)
    clock.forward(days=30)
    here.work()

    assert len(answers.seen) == 1
    assert here.job().state == JobState.PARKED
    assert (here.case().kind, here.case().job) == ("JOB_FAILED", here.job())
    assert here.case().facts["error"] == "Toy-1: the name is too long"


def test_an_error_can_name_its_own_case_and_cause(shop: Open) -> None:
    error = Misconfigured(
        "not mapped", case="MAPPING_MISSING", cause="mapping:1:X", facts={"theirs": "HH-2"}
    )
    here = run(shop, raising(error))

    assert (here.case().kind, here.case().cause) == ("MAPPING_MISSING", "mapping:1:X")
    assert here.case().facts["theirs"] == "HH-2"
    assert here.job().state == JobState.PARKED


def test_a_step_whose_record_cannot_be_described_has_its_case_all_the_same(shop: Open) -> None:
    def about(record: Any) -> Any:
        raise ValueError("a fault of ours")

    here = run(shop, raising(Refused("no"), about=about))

    assert here.job().state == JobState.PARKED
    assert (here.case().kind, here.case().facts["error"]) == ("JOB_FAILED", "no")


def test_the_case_closes_when_the_step_succeeds(shop: Open, answers: toys.Answers) -> None:
    answers.will((422, {}), (200, {"receipt": 1}))
    here = run(shop, toys.PAY)
    assert here.case().state == "OPEN"

    jobs.release(Job.objects.all(), at=here.clock.at)
    here.work()

    assert (here.case().state, here.case().resolution) == ("SOLVED", "BY_ITSELF")


def test_nothing_to_do_is_done_and_says_why(shop: Open) -> None:
    here = run(shop, toys.flow("send", call=lambda work: Nothing("it was there already")))

    assert here.job().state == JobState.DONE
    assert here.job().evidence == {"nothing": "it was there already"}
    assert toys.Note.objects.count() == 0


# --- faults of our own ---------------------------------------------------------------------------


def test_a_flow_that_breaks_before_anything_left_is_tried_three_times(
    shop: Open, clock: Clock
) -> None:
    here = run(shop, raising(RuntimeError("a bug")))
    for _ in range(5):
        clock.forward(hours=1)
        here.work()

    assert here.job().state == JobState.PARKED
    assert here.job().attempts == 3
    assert here.case().facts["error"] == "RuntimeError: a bug"


def test_waiting_for_a_platform_does_not_use_up_the_three_tries(shop: Open, clock: Clock) -> None:
    errors: list[Exception] = [*[Transient("busy")] * 5, RuntimeError("a bug")]

    def call(work: Any) -> Any:
        raise errors.pop(0)

    here = run(shop, toys.flow("send", call=call))
    while errors:
        clock.forward(hours=1)
        here.work()

    assert here.job().state == JobState.WAITING


def test_a_flow_that_breaks_after_a_request_left_is_in_doubt(
    shop: Open, answers: toys.Answers
) -> None:
    def call(work: Any) -> Any:
        toys.pay(work)
        raise RuntimeError("a bug")

    answers.will((200, {"receipt": 1}), (200, {"receipts": [1]}))
    here = run(shop, toys.flow("pay", call=call, probe=toys.was_paid))

    assert here.job().state == JobState.DONE  # looked up at once, and found
    assert [method for method, _, _ in answers.seen] == ["POST", "GET"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Refused("no"), Transient("later")])
def test_what_happened_there_and_cannot_be_written_down_here_is_in_doubt(
    shop: Open, answers: toys.Answers, error: Exception
) -> None:
    def record(work: Any, result: Any) -> Any:
        toys.write_down(work, result)
        raise error

    answers.will((200, {"receipt": 1}))
    here = run(shop, toys.flow("pay", call=toys.pay, record=record))

    assert here.job().state == JobState.IN_DOUBT
    assert toys.Note.objects.count() == 0  # what it had written is gone with its transaction


@pytest.mark.parametrize(("times", "state"), [(2, JobState.DONE), (3, JobState.IN_DOUBT)])
def test_what_the_database_takes_back_is_written_again_twice(
    shop: Open, answers: toys.Answers, times: int, state: JobState
) -> None:
    taken_back = [OperationalError("deadlock detected")] * times

    def record(work: Any, result: Any) -> Any:
        work.keep(notes=len(work.kept))
        evidence = toys.keep_receipt(work, result)
        if taken_back:
            raise taken_back.pop()
        return evidence

    answers.will((200, {"receipt": 1}))
    here = run(shop, toys.flow("pay", call=toys.pay, record=record))

    assert here.job().state == state
    assert len(answers.seen) == 1
    if state == JobState.DONE:
        assert (here.job().kept, toys.Note.objects.count()) == ({"notes": 0}, 1)


def test_what_the_database_refuses_is_told_without_the_values_of_the_row(
    shop: Open, answers: toys.Answers
) -> None:
    def record(work: Any, result: Any) -> Any:
        anna = {"external_kind": "customer", "external_id": "anna.smith@example.org"}
        for _ in range(2):
            Link.objects.create(
                connection_id=work.job.connection_id, record_kind="customer", record_id=1, **anna
            )

    answers.will((200, {"receipt": 1}))
    here = run(shop, toys.flow("pay", call=toys.pay, record=record))

    assert "duplicate key" in here.job().error
    kept = f"{here.job().error} {Attempt.objects.get().error} {here.case().facts}"
    assert "anna.smith" not in kept


def test_one_broken_job_of_a_batch_leaves_its_neighbours_alone(shop: Open, clock: Clock) -> None:
    def record(work: Any, _: Any) -> Any:
        toys.write_down(work, None)
        if toys.thing(work).startswith("bad"):
            raise RuntimeError("a bug")
        return {}

    here = shop(toys.flow("note", record=record))
    for name in ("a/1", "bad/1", "c/1"):
        here.hear("note", name)
    here.work()

    states = dict(Job.objects.values_list("lane", "state"))
    assert states == {"toy:a": "DONE", "toy:bad": "WAITING", "toy:c": "DONE"}
    assert toys.Note.objects.count() == 2
    assert list(Job.objects.exclude(state="DONE").values_list("attempts", "crashes")) == [(1, 1)]


def test_local_flows_wait_and_are_refused_like_any(shop: Open, clock: Clock) -> None:
    errors: list[Exception | None] = [Transient("x", retry_after=5), Refused("no")]

    def record(work: Any, _: Any) -> Any:
        error = errors.pop(0)
        raise error or RuntimeError

    here = run(shop, toys.flow("note", record=record))
    assert here.job().state == JobState.WAITING
    clock.forward(seconds=5)
    here.work()

    assert here.job().state == JobState.PARKED
    assert here.case().kind == "JOB_FAILED"


def test_a_handler_that_breaks_the_whole_transaction_costs_the_others_nothing(
    shop: Open, clock: Clock
) -> None:
    """A batch that cannot be committed is run again one by one."""

    def record(work: Any, _: Any) -> Any:
        toys.write_down(work, None)
        if toys.thing(work).startswith("bad"):
            from django.db import connection as database

            with database.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            Job.objects.filter(pk=work.job.pk).update(fence=9000)  # steals its own fence
        return {}

    here = shop(toys.flow("note", record=record))
    for name in ("a/1", "bad/1", "c/1"):
        here.hear("note", name)
    here.work()
    for _ in range(3):
        clock.forward(seconds=61)
        here.work()

    done = Job.objects.filter(state=JobState.DONE).values_list("lane", "crashes")
    assert {("toy:a", 0), ("toy:c", 0)} <= set(done)
    assert toys.Note.objects.filter(text__in=["a/1", "c/1"]).count() == 2
