"""What the end of an attempt means: tried again, in doubt, in front of a person, or done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from integrator.engine import jobs
from integrator.engine.errors import Misconfigured, Refused, Transient, Unknown
from integrator.engine.flow import Flow, Found, NotFound, Nothing
from integrator.models import Attempt, Case, Job, JobState
from tests.engine import toys
from tests.engine.conftest import START, Clock, Shop

Open = Callable[..., Shop]
AFTER_SENDING = [requests.ReadTimeout(), (500, {}), (200, b'{"cut": '), (408, {})]


def raising(error: Exception, **parts: Any) -> Flow:
    def call(work: Any) -> Any:
        raise error

    return toys.flow("send", call=call, **parts)


def run(shop: Open, flow: Flow) -> Shop:
    here = shop(flow)
    here.hear(flow.name, "a/1")
    here.work()
    return here


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


# --- Unknown: in doubt ---------------------------------------------------------------------------


@pytest.mark.parametrize("answer", AFTER_SENDING, ids=str)
def test_a_call_that_may_have_happened_is_looked_up_and_not_sent_again(
    shop: Open, answers: toys.Answers, clock: Clock, answer: Any
) -> None:
    answers.will(answer, (200, {"receipts": ["r-9"]}))
    here = run(shop, toys.flow("pay", call=toys.pay, probe=toys.was_paid, settle_minutes=2))

    assert here.job().state == JobState.IN_DOUBT
    assert Case.objects.count() == 0  # nobody is bothered yet
    clock.forward(seconds=59)
    assert here.work() == 0
    clock.forward(seconds=1)
    here.work()

    assert here.job().state == JobState.DONE
    assert here.job().evidence == {"receipt": "r-9"}
    assert [method for method, _, _ in answers.seen] == ["POST", "GET"]


def test_not_there_is_believed_only_after_two_reads_and_where_a_repeat_is_harmless(
    shop: Open, answers: toys.Answers, clock: Clock
) -> None:
    nowhere = (200, {"receipts": []})
    answers.will(requests.ReadTimeout(), nowhere)
    here = run(shop, toys.flow("pay", call=toys.pay, probe=toys.was_paid, settle_minutes=2))
    clock.forward(minutes=2)
    here.work()
    assert here.job().state == JobState.IN_DOUBT  # one read is not enough

    answers.will(nowhere, (200, {"receipt": 5}))
    clock.forward(minutes=2)
    here.work()

    assert here.job().evidence == {"receipt": 5}
    assert [method for method, _, _ in answers.seen] == ["POST", "GET", "GET", "POST"]


@pytest.mark.parametrize("failure", [(503, {}), (404, {}), (200, b"not json")], ids=str)
def test_a_look_up_that_failed_proves_nothing(
    shop: Open, answers: toys.Answers, clock: Clock, failure: Any
) -> None:
    answers.will(requests.ReadTimeout())
    here = run(shop, toys.flow("pay", call=toys.pay, probe=toys.was_paid, settle_minutes=2))
    retried = 2 if failure[0] == 503 else 1  # a GET is tried once more at once
    for answer in ([failure] * retried, [(200, {"receipts": []})]):
        answers.will(*answer)
        clock.forward(minutes=2)
        here.work()

    # One failed look-up and one answer: not the two answers that a repeat needs.
    assert here.job().state == JobState.IN_DOUBT
    assert "POST" not in [method for method, _, _ in answers.seen[1:]]


def test_not_there_is_not_believed_before_it_has_settled(shop: Open, clock: Clock) -> None:
    """The worker died right after sending: the first look-up comes at once, and is no proof."""

    def call(work: Any) -> Any:
        jobs.mark_sent(work.job, at=clock.at)
        raise RuntimeError("and it broke")

    flow = toys.flow(
        "send",
        call=call,
        probe=lambda work: NotFound(may_repeat=True),
        settle_minutes=10,
        lookups_needed=1,
    )
    here = run(shop, flow)

    assert here.job().state == JobState.IN_DOUBT
    assert Attempt.objects.filter(outcome="REPEAT").count() == 0


def sent(clock: Clock) -> Callable[[Any], Any]:
    """A call that leaves and is never answered."""

    def call(work: Any) -> Any:
        jobs.mark_sent(work.job, at=clock.at)
        raise Unknown("no answer")

    return call


def test_it_is_looked_for_soon_and_missed_only_when_it_has_settled(
    shop: Open, clock: Clock
) -> None:
    """It may show at once, so a look is worth it; that it does not show means nothing yet."""
    looked: list[Any] = []

    def probe(work: Any) -> NotFound:
        looked.append((clock.at - START).total_seconds() / 60)
        return NotFound()

    flow = toys.flow("send", call=sent(clock), probe=probe, settle_minutes=15, due_minutes=60)
    here = run(shop, flow)
    for minute in range(1, 15):
        clock.forward(minutes=1)
        here.work()
        assert Case.objects.count() == 0, f"nobody knows anything after {minute} minutes"
    clock.forward(minutes=1)
    here.work()

    assert [round(minutes) for minutes in looked] == [1, 15]
    assert here.case().kind == "JOB_IN_DOUBT"


def test_a_look_up_that_failed_is_made_again_before_it_has_settled(
    shop: Open, clock: Clock
) -> None:
    tries: list[Any] = [Transient("busy"), Transient("busy"), Found("r-7")]

    def probe(work: Any) -> Any:
        one = tries.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    here = run(shop, toys.flow("send", call=sent(clock), probe=probe, settle_minutes=15))
    for _ in range(3):
        clock.forward(minutes=1)
        here.work()

    assert here.job().evidence == {"receipt": "r-7"}


@pytest.mark.parametrize(
    "probe", [lambda work: NotFound(), None], ids=["a repeat is not harmless", "no look-up"]
)
def test_where_no_look_up_can_decide_a_person_must(shop: Open, clock: Clock, probe: Any) -> None:
    here = run(shop, raising(Unknown("no answer"), probe=probe, settle_minutes=2))
    for _ in range(3):
        clock.forward(minutes=10)
        here.work()

    assert here.job().state == JobState.IN_DOUBT
    assert (here.case().kind, here.case().state) == ("JOB_IN_DOUBT", "OPEN")


def test_a_doubt_nobody_settles_is_looked_at_less_and_less_often(shop: Open, clock: Clock) -> None:
    looked: list[Any] = []

    def probe(work: Any) -> NotFound:
        looked.append(clock.at)
        return NotFound()

    here = run(shop, raising(Unknown("no answer"), probe=probe, settle_minutes=2))
    for _ in range(24 * 4):
        clock.forward(minutes=15)
        here.work()

    assert 8 < len(looked) < 20  # not 720 attempts a day for ever
    assert looked[-1] - looked[-2] > timedelta(hours=2)


def test_a_look_up_that_keeps_failing_is_shown_when_the_promise_is_broken(
    shop: Open, clock: Clock
) -> None:
    def probe(work: Any) -> NotFound:
        raise Transient("the platform is down")

    flow = raising(Unknown("no answer"), probe=probe, settle_minutes=2, due_minutes=15)
    here = run(shop, flow)
    clock.forward(minutes=14)
    here.work()
    assert Case.objects.count() == 0
    clock.forward(minutes=2)
    here.work()

    assert here.case().kind == "JOB_IN_DOUBT"


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
