"""A call that may have happened: looked up, never repeated on a guess, and asked about in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from integrator.engine import jobs
from integrator.engine.errors import Transient, Unknown
from integrator.engine.flow import Found, NotFound
from integrator.models import Attempt, Case, Connection, JobState
from tests.engine import toys
from tests.engine.conftest import START, Clock
from tests.engine.failing import Open, raising, run

AFTER_SENDING = [requests.ReadTimeout(), (500, {}), (200, b'{"cut": '), (408, {})]


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


BUSY, KEY_REFUSED = (429, {}, {"Retry-After": "5"}), (401, {})


def pay_and_look(work: Any) -> Any:
    """A 2xx means accepted, so what was written is read back."""
    receipt = toys.pay(work)
    toys.client(work).get("/paid")
    return receipt


@pytest.mark.parametrize("answer", [BUSY, KEY_REFUSED], ids=["busy", "key refused"])
def test_a_reading_that_fails_after_a_write_leaves_a_doubt(
    shop: Open, answers: toys.Answers, clock: Clock, answer: Any
) -> None:
    answers.will((200, {"receipt": "r-1"}), answer)
    here = run(shop, toys.flow("pay", call=pay_and_look, probe=toys.was_paid, settle_minutes=2))
    assert (here.job().state, here.job().error_class) == (JobState.IN_DOUBT, "Unknown")
    assert Attempt.objects.get().outcome == "IN_DOUBT"

    Connection.objects.update(state="ACTIVE")
    answers.will((200, {"receipts": ["r-1"]}))
    clock.forward(minutes=1)
    here.work()

    assert here.job().evidence == {"receipt": "r-1"}
    assert [method for method, _, _ in answers.seen] == ["POST", "GET", "GET"]


def test_a_platform_that_asks_for_time_is_not_looked_at_before(
    shop: Open, answers: toys.Answers, clock: Clock
) -> None:
    answers.will((200, {"receipt": "r-1"}), (429, {}, {"Retry-After": "300"}))
    here = run(shop, toys.flow("pay", call=pay_and_look, probe=toys.was_paid, settle_minutes=2))

    assert here.job().not_before == clock.at + timedelta(minutes=5)


def test_a_write_that_a_step_has_noted_leaves_no_doubt(
    shop: Open, answers: toys.Answers, clock: Clock
) -> None:
    def call(work: Any) -> Any:
        if "receipt" not in work.kept:
            receipt = toys.pay(work)
            with work.step():
                work.keep(receipt=receipt)
        toys.client(work).get("/paid")
        return work.kept["receipt"]

    answers.will((200, {"receipt": "r-1"}), BUSY, (200, {}))
    here = run(shop, toys.flow("pay", call=call, probe=toys.was_paid, settle_minutes=2))
    assert here.job().state == JobState.WAITING
    clock.forward(seconds=5)
    here.work()

    assert here.job().evidence == {"receipt": "r-1"}
    assert [method for method, _, _ in answers.seen] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("answer", [BUSY, KEY_REFUSED], ids=["busy", "key refused"])
def test_a_write_that_was_turned_away_leaves_no_doubt(
    shop: Open, answers: toys.Answers, answer: Any
) -> None:
    answers.will(answer)
    here = run(shop, toys.flow("pay", call=toys.pay, probe=toys.was_paid))

    assert here.job().state == JobState.WAITING


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
