"""Lanes, leases and fences: who may run what, and who may still write what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from integrator.engine import claims, jobs, router
from integrator.engine.errors import Refused, Transient, Yields
from integrator.engine.flow import LOCAL, Flow
from integrator.models import Attempt, Job, JobState
from tests.engine import toys
from tests.engine.conftest import Clock, Shop

Open = Callable[..., Shop]


def quiet(name: str = "quiet", **parts: Any) -> Flow:
    return toys.flow(name, record=lambda work, result: {}, **parts)


@pytest.fixture
def owed(shop: Open, clock: Clock) -> Callable[..., list[Job]]:
    """Jobs of a flow, one per name, in this order, created by the router."""

    def owe(flow: Flow, *names: str) -> list[Job]:
        here = shop(flow)
        for name in names:
            here.hear(flow.name, name)
        router.route(here.routes, at=clock.at)
        return list(Job.objects.filter(flow=flow.name).order_by("id"))

    return owe


def claim(clock: Clock, *, owner: str = "w1", queue: str = LOCAL, limit: int = 10) -> list[Job]:
    return claims.claim(queue=queue, owner=owner, at=clock.at, limit=limit)


def nobody(job: Job) -> None:
    raise AssertionError(f"{job} was set aside")


# --- lanes ---------------------------------------------------------------------------------------


def test_only_the_head_of_each_lane_is_claimed(owed: Any, clock: Clock) -> None:
    a1, _a2, b1, _a3 = owed(quiet(), "a/1", "a/2", "b/1", "a/3")

    assert claim(clock) == [a1, b1]
    assert claim(clock, owner="w2") == []  # both lanes are taken


def test_a_lane_goes_on_in_order_also_past_a_head_that_waits(owed: Any, clock: Clock) -> None:
    first, second = owed(quiet(), "a/1", "a/2")
    [claimed] = claim(clock)
    jobs.begin(claimed, at=clock.at)
    jobs.wait(claimed, at=clock.at, error=Transient("not now"), retry_after=60)

    assert claim(clock) == []  # the second must not overtake the first
    clock.forward(seconds=60)
    assert claim(clock) == [first]
    jobs.done(Job.objects.get(pk=first.pk), at=clock.at, evidence={})
    assert claim(clock) == [second]


def test_who_waits_for_another_of_its_lane_lets_it_pass(owed: Any, clock: Clock) -> None:
    """The one it waits for may stand behind it: keeping its place it would wait for ever."""
    first, second = owed(quiet(), "a/1", "a/2")
    [claimed] = claim(clock)
    jobs.begin(claimed, at=clock.at)
    jobs.wait(claimed, at=clock.at, error=Yields("the other first"), retry_after=60)

    assert claim(clock) == [second]
    clock.forward(seconds=60)
    assert claim(clock, owner="w2") == []  # still one at a time
    jobs.done(Job.objects.get(pk=second.pk), at=clock.at, evidence={})
    assert claim(clock) == [first]


def test_who_is_due_again_goes_first_again(owed: Any, clock: Clock) -> None:
    first, _second = owed(quiet(), "a/1", "a/2")
    [claimed] = claim(clock)
    jobs.begin(claimed, at=clock.at)
    jobs.wait(claimed, at=clock.at, error=Yields("the other first"), retry_after=60)
    clock.forward(seconds=60)

    assert claim(clock) == [first]


def test_a_parked_job_blocks_only_itself(owed: Any, clock: Clock) -> None:
    first, second = owed(quiet(), "a/1", "a/2")
    [claimed] = claim(clock)
    jobs.park(claimed, at=clock.at, error=Refused("no"))

    assert claim(clock) == [second]
    assert Job.objects.get(pk=first.pk).state == JobState.PARKED


def test_a_job_in_doubt_blocks_its_lane_until_somebody_decides(owed: Any, clock: Clock) -> None:
    first, second = owed(quiet(), "a/1", "a/2")
    [claimed] = claim(clock)
    jobs.doubt(claimed, at=clock.at, error=Refused("?"), look_after=timedelta())

    assert claim(clock) == []
    assert jobs.settle_doubt(first, happened=True, at=clock.at, evidence={"seen": "R-1"})
    assert claim(clock) == [second]


def test_more_urgent_work_comes_first(owed: Any, shop: Open, clock: Clock) -> None:
    slow, fast = quiet("slow", priority=80), quiet("fast", priority=10)
    here = shop(slow, fast)
    here.hear("slow", "a/1")
    here.hear("fast", "b/1")
    router.route(here.routes, at=clock.at)

    assert [job.flow for job in claim(clock)] == ["fast", "slow"]


def test_at_most_as_many_as_asked_for_and_only_of_this_queue(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1", "b/1", "c/1")

    assert claim(clock, queue="elsewhere") == []
    assert len(claim(clock, limit=2)) == 2


def test_work_is_not_claimed_before_its_time(owed: Any, shop: Open, clock: Clock) -> None:
    def later(facts: Any) -> Any:
        return {
            fact.id: toys.Aim("message", fact.record_id, "x", delay_seconds=30) for fact in facts
        }

    [held] = owed(quiet(aim=later), "a/1")

    assert claim(clock) == []
    clock.forward(seconds=30)
    assert claim(clock) == [held]


def test_facts_join_the_job_that_has_not_started_and_only_that(shop: Open, clock: Clock) -> None:
    here = shop(quiet("read", joins=True, aim=joined_by_lane))
    here.hear("read", "a/1")
    here.hear("read", "a/2")
    router.route(here.routes, at=clock.at)
    here.hear("read", "a/3")
    router.route(here.routes, at=clock.at)
    [one] = Job.objects.all()
    assert len([one.fact, *one.joined]) == 3

    claim(clock)
    here.hear("read", "a/4")
    router.route(here.routes, at=clock.at)

    assert Job.objects.count() == 2  # the first has started: what it read may be too old


def joined_by_lane(facts: Any) -> Any:
    return {
        fact.id: toys.Aim("message", fact.record_id, toys.aim(fact).lane, join=toys.aim(fact).lane)
        for fact in facts
    }


def test_a_lost_batch_does_not_collide_with_the_job_that_newer_facts_joined(
    shop: Open, clock: Clock
) -> None:
    here = shop(quiet("read", joins=True, aim=joined_by_lane))
    here.hear("read", "a/1")
    router.route(here.routes, at=clock.at)
    claim(clock)  # and this worker dies before it began
    here.hear("read", "a/2")
    router.route(here.routes, at=clock.at)

    clock.forward(seconds=61)
    claims.take_back_lost(at=clock.at, set_aside=nobody)
    here.work()

    assert set(Job.objects.values_list("state", flat=True)) == {JobState.DONE}


# --- leases and fences ---------------------------------------------------------------------------


@pytest.mark.requirement("R020")
def test_a_frozen_worker_whose_job_was_claimed_again_cannot_write(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1")
    [frozen] = claim(clock)
    jobs.begin(frozen, at=clock.at)
    clock.forward(seconds=61)
    claims.take_back_lost(at=clock.at, set_aside=nobody)
    clock.forward(seconds=10)
    [again] = claim(clock, owner="w2")
    before = Attempt.objects.count()

    for write in (
        lambda: jobs.done(frozen, at=clock.at, evidence={"by": "the frozen one"}),
        lambda: jobs.wait(frozen, at=clock.at, error=Transient("x")),
        lambda: jobs.park(frozen, at=clock.at, error=Refused("x")),
        lambda: jobs.begin(frozen, at=clock.at),
        lambda: jobs.mark_sent(frozen, at=clock.at),
        lambda: jobs.hold(frozen, at=clock.at),
        lambda: jobs.done_together([(frozen, {})], at=clock.at),
    ):
        with pytest.raises(jobs.LostLease), transaction.atomic():
            write()

    now = Job.objects.get(pk=again.pk)
    assert (now.state, now.lease_owner, now.evidence) == (JobState.RUNNING, "w2", {})
    assert Attempt.objects.count() == before


def test_a_frozen_worker_whose_job_only_waits_cannot_write_either(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1")
    [frozen] = claim(clock)
    jobs.begin(frozen, at=clock.at)
    clock.forward(seconds=61)
    claims.take_back_lost(
        at=clock.at, set_aside=nobody
    )  # waits for its next try; nobody has claimed it yet

    with pytest.raises(jobs.LostLease):
        jobs.park(frozen, at=clock.at, error=Refused("too late"))

    assert Job.objects.get().state == JobState.WAITING


def test_the_result_of_a_frozen_worker_leaves_no_trace(
    shop: Open, answers: toys.Answers, clock: Clock
) -> None:
    """Its call took two minutes. By then another worker has done the job."""
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    other = Shop(here.connection, clock, [toys.PAY])
    answers.will((200, {"receipt": "late"}), (200, {"receipts": ["first"]}))

    def sleep() -> None:
        answers.before = None
        clock.forward(seconds=120)
        other.work()  # takes the job back, looks up, finds it paid

    answers.before = sleep
    here.work()

    job = here.job()
    assert job.state == JobState.DONE
    assert job.evidence == {"receipt": "first"}
    assert toys.Note.objects.count() == 1  # the late result was not written down a second time


@pytest.mark.requirement("R020")
def test_a_job_of_a_dead_worker_resumes_within_two_minutes(
    shop: Open, answers: toys.Answers, clock: Clock
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    router.route(here.routes, at=clock.at)
    [job] = claim(clock, queue=toys.PLATFORM)
    jobs.begin(job, at=clock.at)  # and here its worker dies
    answers.will((200, {"receipt": 1}))

    waited = 0
    while here.job().state != JobState.DONE:
        assert waited < 120
        clock.forward(seconds=5)
        waited += 5
        here.work()

    assert here.job().crashes == 1


@pytest.mark.requirement("R020")
def test_what_left_before_the_worker_died_is_looked_up_at_once_and_not_sent_again(
    shop: Open, answers: toys.Answers, clock: Clock
) -> None:
    here = shop(toys.PAY)
    here.hear("pay", "a/1")
    router.route(here.routes, at=clock.at)
    [job] = claim(clock, queue=toys.PLATFORM)
    jobs.begin(job, at=clock.at)
    jobs.mark_sent(job, at=clock.at)
    clock.forward(seconds=61)
    answers.will((200, {"receipts": [7]}))

    here.work()

    assert here.job().state == JobState.DONE
    assert here.job().evidence == {"receipt": 7}
    assert [method for method, _, _ in answers.seen] == ["GET"]


def test_three_crashes_park_a_job_with_a_case(shop: Open, clock: Clock) -> None:
    here = shop(toys.BOMB)
    here.hear("bomb", "a/1")
    router.route(here.routes, at=clock.at)
    for _ in range(jobs.CRASHES_MAX):
        [job] = claim(clock)
        jobs.begin(job, at=clock.at)
        clock.forward(seconds=61)
        claims.take_back_lost(at=clock.at, set_aside=here.worker.outcomes.set_aside)
        clock.forward(minutes=30)

    assert here.job().state == JobState.PARKED
    assert here.case().kind == "JOB_CRASHES"
    assert here.case().facts["crashes"] == 3


def crash_three_times(here: Shop, clock: Clock, set_aside: Any) -> None:
    here.hear("bomb", "a/1")
    router.route(here.routes, at=clock.at)
    for _ in range(jobs.CRASHES_MAX):
        [job] = claim(clock)
        jobs.begin(job, at=clock.at)
        clock.forward(minutes=30)
        claims.take_back_lost(at=clock.at, set_aside=set_aside)
        clock.forward(minutes=30)


def test_a_job_is_set_aside_together_with_its_case_or_not_at_all(shop: Open, clock: Clock) -> None:
    here = shop(toys.BOMB)

    def dies(_: Job) -> None:
        raise SystemExit("killed before the case is written")

    with pytest.raises(SystemExit):
        crash_three_times(here, clock, dies)
    assert here.job().state == JobState.RUNNING

    claims.take_back_lost(at=clock.at, set_aside=here.worker.outcomes.set_aside)
    assert here.job().state == JobState.PARKED
    assert here.job().cause == here.case().cause


def test_a_job_of_a_flow_we_do_not_know_is_set_aside_with_a_case_too(
    shop: Open, clock: Clock
) -> None:
    crash_three_times(shop(toys.BOMB), clock, shop(toys.NOTE).worker.outcomes.set_aside)

    here = shop(toys.BOMB)
    assert here.job().state == JobState.PARKED
    assert (here.case().kind, here.case().facts["step"]) == ("JOB_CRASHES", "bomb")
    assert here.job().cause == here.case().cause


def test_a_job_that_was_claimed_and_never_begun_is_not_charged(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1", "b/1")
    claim(clock)
    clock.forward(seconds=61)

    assert claims.take_back_lost(at=clock.at, set_aside=nobody) == []
    for job in Job.objects.all():
        assert (job.state, job.crashes, job.attempts, job.alone) == (JobState.WAITING, 0, 0, True)
    assert len(claim(clock)) == 2  # at once, without a wait


def test_a_heartbeat_keeps_a_lease(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1")
    [job] = claim(clock)
    jobs.begin(job, at=clock.at)
    for _ in range(5):
        clock.forward(seconds=40)
        assert claims.renew(owner="w1", at=clock.at) == 1
        claims.take_back_lost(at=clock.at, set_aside=nobody)

    jobs.done(job, at=clock.at, evidence={})
    assert Job.objects.get().state == JobState.DONE


def test_a_lapsed_lease_cannot_be_renewed(owed: Any, clock: Clock) -> None:
    owed(quiet(), "a/1")
    claim(clock)
    clock.forward(seconds=60)

    assert claims.renew(owner="w1", at=clock.at) == 0


def test_a_slow_batch_does_not_end_the_drain(shop: Open, clock: Clock) -> None:
    """Jobs that run alone wait behind each other: a lease may run out before its job begins."""

    def slow(work: Any, _: Any) -> dict[str, Any]:
        clock.forward(seconds=61)
        return {}

    here = shop(toys.flow("slow", record=slow))
    here.hear("slow", "a/1")
    here.hear("slow", "b/1")
    router.route(here.routes, at=clock.at)
    Job.objects.update(alone=True)

    for _ in range(4):
        here.worker.round([LOCAL])
        clock.forward(seconds=61)

    assert set(Job.objects.values_list("state", flat=True)) == {JobState.DONE}
