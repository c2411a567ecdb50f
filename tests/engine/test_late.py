"""Promises that are late, and jobs nobody here knows: shown to a person, and only once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from integrator.engine import jobs
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


def test_a_late_case_does_not_take_the_job_from_the_cause_that_holds_it(
    shop: Open, clock: Clock, monkeypatch: Any
) -> None:
    """A job may be parked for a cause of its own between being found late and being shown."""
    here = run(shop, raising(Transient("busy", retry_after=3600)))
    clock.forward(minutes=20)
    original = Outcomes.open_case

    def parked_meanwhile(self: Outcomes, *args: Any, **kwargs: Any) -> None:
        Job.objects.update(state=JobState.PARKED, cause="mapping:1:LOCATION:HH-2")
        original(self, *args, **kwargs)

    monkeypatch.setattr(Outcomes, "open_case", parked_meanwhile)
    assert report_late(here.routes, at=clock.at) == 1

    assert here.job().cause == "mapping:1:LOCATION:HH-2"


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
