"""Promises that are late, and jobs nobody here knows: shown to a person, and only once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from integrator.engine import decisions, jobs
from integrator.engine.errors import PlatformError, Refused, Transient, Unknown
from integrator.engine.flow import Flow, Found, NotFound
from integrator.engine.outcomes import Outcomes, close_ended, report_late
from integrator.models import Case, Job, JobState
from tests.engine import toys
from tests.engine.conftest import Clock, Shop

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


# --- jobs of another version ---------------------------------------------------------------------


def test_a_job_of_a_flow_we_do_not_know_waits_for_who_does(shop: Open, clock: Clock) -> None:
    here = run(shop, raising(Transient("x"), due_minutes=15))
    Job.objects.update(flow="of-tomorrow")
    clock.forward(minutes=20)
    here.work()

    assert here.job().state == JobState.WAITING
    assert report_late(here.routes, at=clock.at) == 1  # and somebody is told
    assert here.case().facts["step"] == "of-tomorrow"


def test_a_doubt_of_a_flow_we_do_not_know_stays_a_doubt(shop: Open, clock: Clock) -> None:
    here = run(shop, raising(Unknown("no answer"), settle_minutes=2))
    Job.objects.update(flow="of-tomorrow")
    clock.forward(minutes=5)
    here.work()

    assert here.job().state == JobState.IN_DOUBT


# --- late ----------------------------------------------------------------------------------------


def test_a_broken_promise_is_told_once_and_closes_with_the_step(shop: Open, clock: Clock) -> None:
    errors: list[PlatformError] = [Transient("busy", retry_after=1800)]

    def call(work: Any) -> Any:
        if errors:
            raise errors.pop()

    here = run(shop, toys.flow("send", call=call, due_minutes=15))
    clock.forward(minutes=14)
    assert report_late(here.routes, at=clock.at) == 0
    clock.forward(minutes=2)
    assert report_late(here.routes, at=clock.at) == 1
    assert report_late(here.routes, at=clock.at) == 0
    assert here.case().kind == "JOB_LATE"
    assert "busy" in here.case().facts["error"]

    clock.forward(minutes=30)
    here.work()

    assert here.case().state == "SOLVED"


def test_a_late_step_that_a_person_knows_of_is_not_told_again_each_minute(
    shop: Open, clock: Clock, trace: Any
) -> None:
    here = run(shop, raising(Transient("busy", retry_after=7200), due_minutes=15))
    clock.forward(minutes=20)
    assert report_late(here.routes, at=clock.at) == 1
    not_an_error = Case.Resolution.NOT_AN_ERROR
    decisions.close(here.case(), resolution=not_an_error, note="known", trace=trace(), by=None)
    clock.forward(minutes=1)
    assert report_late(here.routes, at=clock.at) == 0

    Job.objects.update(due_at=clock.forward(minutes=15))  # what was promised anew
    clock.forward(minutes=1)
    assert report_late(here.routes, at=clock.at) == 1
    assert here.case().state == "OPEN"


def test_two_late_jobs_of_one_record_do_not_take_the_case_from_each_other(
    shop: Open, clock: Clock
) -> None:
    flow = raising(Transient("busy", retry_after=3600))
    here = shop(flow)
    here.hear("send", "a/1")
    here.hear("send", "b/1")
    here.work()
    Job.objects.update(record_id=1)
    clock.forward(minutes=20)

    assert report_late(here.routes, at=clock.at) == 2
    assert report_late(here.routes, at=clock.at) == 0
    assert set(Case.objects.values_list("job", flat=True)) == set(
        Job.objects.values_list("pk", flat=True)
    )


def test_a_step_that_stopped_a_moment_ago_is_not_late(
    shop: Open, clock: Clock, monkeypatch: Any
) -> None:
    """It may be parked for a cause of its own between being found late and being shown."""
    here = run(shop, raising(Transient("busy", retry_after=3600)))
    clock.forward(minutes=20)
    original = Outcomes.tell_late

    def parked_meanwhile(self: Outcomes, *args: Any, **kwargs: Any) -> bool:
        Job.objects.update(state=JobState.PARKED, cause="mapping:1:LOCATION:HH-2")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Outcomes, "tell_late", parked_meanwhile)
    assert report_late(here.routes, at=clock.at) == 0

    assert here.job().cause == "mapping:1:LOCATION:HH-2"
    assert not Case.objects.exists()


def late(shop: Open, clock: Clock, *errors: PlatformError, **parts: Any) -> Shop:
    """A step that crossed its promise, with what its next attempts end in."""
    coming: list[PlatformError] = [Transient("busy", retry_after=1800), *errors]

    def call(work: Any) -> Any:
        raise coming.pop(0)

    here = run(shop, toys.flow("send", call=call, due_minutes=15, **parts))
    clock.forward(minutes=20)
    assert report_late(here.routes, at=clock.at) == 1
    clock.forward(minutes=20)
    here.work()
    return here


def kinds_open() -> set[str]:
    return set(Case.objects.exclude(state="SOLVED").values_list("kind", flat=True))


@pytest.mark.parametrize(
    "error, kind", [(Refused("no"), "JOB_FAILED"), (Unknown("no answer"), "JOB_IN_DOUBT")]
)
def test_a_late_step_that_stops_is_one_problem_and_one_case(
    shop: Open, clock: Clock, error: PlatformError, kind: str
) -> None:
    """Two cases of two teams would each have a button that holds up the other's."""
    here = late(shop, clock, error)

    assert kinds_open() == {kind}
    assert report_late(here.routes, at=clock.at) == 0


def test_a_late_step_that_ended_its_worker_too_often_is_one_case(shop: Open, clock: Clock) -> None:
    here = late(shop, clock, Transient("busy", retry_after=0))
    Job.objects.update(
        state=JobState.RUNNING,
        started_at=clock.at,
        lease_owner="dead",
        lease_until=clock.at,
        crashes=2,
    )
    clock.forward(minutes=2)
    here.work()

    assert here.job().state == JobState.PARKED
    assert kinds_open() == {"JOB_CRASHES"}


def test_what_a_person_set_going_again_is_late_when_it_has_not_ended_in_a_quarter_of_an_hour(
    shop: Open, clock: Clock
) -> None:
    here = late(shop, clock, Refused("no"), Transient("busy", retry_after=3600))
    jobs.release([here.job()], at=clock.at)
    here.work()
    clock.forward(minutes=14)
    assert report_late(here.routes, at=clock.at) == 0
    clock.forward(minutes=2)

    assert report_late(here.routes, at=clock.at) == 1
    assert report_late(here.routes, at=clock.at) == 0
    assert "JOB_LATE" in kinds_open()


def test_a_doubt_that_did_not_happen_is_promised_anew(shop: Open, clock: Clock) -> None:
    here = late(shop, clock, Unknown("no answer"), Transient("busy", retry_after=3600))
    assert jobs.settle_doubt(here.job(), happened=False, at=clock.at, evidence={})
    here.work()

    assert report_late(here.routes, at=clock.at) == 0
    clock.forward(minutes=16)
    assert report_late(here.routes, at=clock.at) == 1


def test_what_waits_behind_a_doubt_is_not_late_beside_it(shop: Open, clock: Clock) -> None:
    """The doubt has its case already: nobody else can do anything about those behind it."""
    here = run(shop, raising(Unknown("no answer"), due_minutes=15))
    here.hear("send", "a/2")
    here.work()
    assert sorted(Job.objects.values_list("state", flat=True)) == ["DUE", "IN_DOUBT"]
    clock.forward(minutes=20)

    assert report_late(here.routes, at=clock.at) == 0
    assert kinds_open() == {"JOB_IN_DOUBT"}


def test_held_work_is_not_late(shop: Open, clock: Clock, trace: Any) -> None:
    from integrator.engine import connections

    here = run(shop, raising(Transient("busy", retry_after=60)))
    connections.pause(here.connection, trace=trace(), reason="x")
    clock.forward(days=2)

    assert report_late(here.routes, at=clock.at) == 0


def test_a_positive_look_up_after_all_ends_the_doubt_and_the_case(shop: Open, clock: Clock) -> None:
    found: list[Any] = []

    def probe(work: Any) -> Found | NotFound:
        return Found(found[0]) if found else NotFound()

    here = run(shop, raising(Unknown("no answer"), probe=probe, settle_minutes=1))
    for _ in range(3):
        clock.forward(minutes=5)
        here.work()
    assert here.case().state == "OPEN"

    found.append("r-1")
    clock.forward(hours=1)
    here.work()

    assert here.job().evidence == {"receipt": "r-1"}
    assert here.case().state == "SOLVED"


def test_what_was_given_up_is_late_no_more(shop: Open, clock: Clock) -> None:
    here = run(shop, raising(Transient("busy", retry_after=1800), due_minutes=15))
    clock.forward(minutes=16)
    assert report_late(here.routes, at=clock.at) == 1
    assert jobs.cancel(here.job(), at=clock.at, reason="paid by hand")
    close_ended(at=clock.at)

    assert (here.case().state, here.case().resolution) == ("SOLVED", "BY_ITSELF")


def test_a_step_that_stopped_and_was_given_up_has_no_case_any_more(
    shop: Open, clock: Clock
) -> None:
    here = run(shop, raising(Refused("no")))
    assert here.case().state == "OPEN"
    assert jobs.cancel(here.job(), at=clock.at, reason="paid by hand")
    close_ended(at=clock.at)

    assert here.case().state == "SOLVED"
