"""What time alone brings about, as the clock does it: nobody opens a transaction for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.db import OperationalError
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from integrator.engine import cases, clock, maintenance, seal_checks, seals, timer
from integrator.engine.cases import CALLS_RUN_LOW, About
from integrator.engine.flow import LOCAL
from integrator.engine.states import Trace
from integrator.flows import QUEUES, tasks
from integrator.management.commands import drain
from integrator.models import Case, CaseEvent, Connection, JobState, Retailer, Seal, SealCheck
from tests.desk import factories
from tests.story import Stage


@pytest.fixture
def returngo(committed: None, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(timer, "fire", lambda schedule, *, at: 0)
    retailer = Retailer.objects.create(
        slug="shop", name="Shop", timezone="Europe/Berlin", currency="EUR"
    )
    return Connection.objects.create(
        retailer=retailer,
        slug="returngo",
        platform="returngo",
        name="ReturnGO",
        base_url="http://127.0.0.1:1",
        settings={"daily_call_limit": 2000},
    )


def test_the_minute_runs_outside_of_a_transaction(returngo: Connection) -> None:
    """A new day: the warning of yesterday closes, and what is overdue still climbs its ladder."""
    at = clock.now()
    yesterday = Trace(at=at - timedelta(days=2), actor="clock")
    about = About("connection", returngo.pk, connection_id=returngo.pk)
    cases.open_case(CALLS_RUN_LOW, about, trace=yesterday)
    late = cases.open_case(cases.JOB_FAILED, about, trace=yesterday)

    tasks.minute(at=at)

    assert Case.objects.get(kind=CALLS_RUN_LOW.code).state == "SOLVED"
    assert late.events.filter(kind=CaseEvent.Kind.ESCALATED).exists()


def test_the_minute_closes_what_is_asked_about_a_step_that_has_ended(returngo: Connection) -> None:
    """Somebody would be asked to pay again what was settled elsewhere."""
    at = clock.now()
    before = at - timedelta(hours=1)
    ended, stopped = (
        cases.open_case(
            cases.JOB_FAILED,
            About("job", one.pk, connection_id=returngo.pk, job_id=one.pk),
            trace=Trace(at=before, actor="clock"),
        )
        for one in (
            factories.job("x", before, record=("order", place), state=state)
            for place, state in enumerate((JobState.CANCELLED, JobState.PARKED), start=1)
        )
    )

    tasks.minute(at=at)

    states = dict(Case.objects.values_list("pk", "state"))
    assert (states[ended.pk], states[stopped.pk]) == ("SOLVED", "OPEN")


def test_the_minute_seals_the_days_that_are_over(returngo: Connection) -> None:
    at = clock.now()
    about = About("connection", returngo.pk, connection_id=returngo.pk)
    before = Trace(at=at - timedelta(days=3), actor="clock")
    cases.open_case(cases.JOB_FAILED, about, trace=before)

    tasks.minute(at=at)
    tasks.minute(at=at + timedelta(minutes=1))

    assert Seal.objects.filter(book="case_event").latest("day").day == seals.last_day(at=at)
    assert SealCheck.objects.get().result == SealCheck.Result.SOUND


def test_a_part_that_breaks_stops_no_other_and_the_minute_counts_as_failed(
    returngo: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in turn: all others have had theirs, in their order, before anybody hears of it."""
    at = clock.now()
    ran: list[str] = []
    whole = {"MINUTE": list(tasks.MINUTE), "QUARTER": list(tasks.QUARTER)}
    for table, names in whole.items():
        for name in names:
            monkeypatch.setitem(getattr(tasks, table), name, lambda at, name=name: ran.append(name))

    for number, broken in enumerate(everything := [*whole["MINUTE"], *whole["QUARTER"]]):
        table = tasks.MINUTE if broken in tasks.MINUTE else tasks.QUARTER
        with monkeypatch.context() as patch, capture_logs() as logged:
            patch.setitem(table, broken, raises(KeyError(broken)))
            with pytest.raises(KeyError, match=broken):
                tasks.minute(at=at + timedelta(minutes=15 * number))

        assert ran == [name for name in everything if name != broken]
        assert [(one["event"], one["part"]) for one in logged] == [("clock_part_broke", broken)]
        ran.clear()


def test_of_several_failures_the_first_is_raised_and_queues_are_woken_all_the_same(
    returngo: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(tasks, "wake", lambda: woken.append(True))
    monkeypatch.setattr(seal_checks, "daily", raises(RuntimeError("second")))
    monkeypatch.setattr(maintenance, "turn", raises(ValueError("first")))
    about = About("connection", returngo.pk, connection_id=returngo.pk)
    yesterday = Trace(at=clock.now() - timedelta(days=2), actor="clock")
    late = cases.open_case(cases.JOB_FAILED, about, trace=yesterday)

    with capture_logs() as logged, pytest.raises(ValueError, match="first"):
        tasks.tick()

    assert [one["part"] for one in logged] == ["maintenance", "seal of the day"]
    assert late.events.filter(kind=CaseEvent.Kind.ESCALATED).exists()
    assert woken == [True]


def test_the_loop_that_needs_no_cluster_goes_on_but_not_without_a_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = StringIO()
    loop = drain.Command(stderr=said)
    monkeypatch.setattr(tasks, "minute", raises(RuntimeError()))
    loop._minute()
    assert "Part of this minute failed: RuntimeError" in said.getvalue()

    monkeypatch.setattr(tasks, "minute", raises(OperationalError()))
    with pytest.raises(OperationalError):
        loop._minute()


def test_a_process_has_one_worker_for_all_queues_that_call_out() -> None:
    outward = {id(tasks._worker(queue)) for queue in QUEUES if queue != LOCAL}

    assert len(outward) == 1
    assert id(tasks._worker(LOCAL)) not in outward


def raises(error: Exception) -> Callable[..., None]:
    def part(*args: object, **values: object) -> None:
        raise error

    return part


def test_a_quiet_minute_asks_little_and_a_quarter_of_an_hour_all_the_rest(
    returngo: Connection,
) -> None:
    at = clock.now()
    tasks.minute(at=at)

    with CaptureQueriesContext(database) as quiet:
        tasks.minute(at=at + timedelta(minutes=4))
    with CaptureQueriesContext(database) as fifth:
        tasks.minute(at=at + timedelta(minutes=14))
    with CaptureQueriesContext(database) as all_of_it:
        tasks.minute(at=at + timedelta(minutes=15))

    assert len(quiet) <= 14
    # Whether a view has an alert: the hand of that clock, and one look. None has.
    assert len(fifth) == len(quiet) + 2
    assert [one for one in fifth if "integrator_viewalert" in one["sql"]]
    assert len(all_of_it) > len(fifth)
    ended = [one["sql"] for one in all_of_it if "integrator_rolechange" in one["sql"]]
    assert ended and not any("integrator_rolechange" in one["sql"] for one in quiet)


def test_a_quiet_minute_of_a_house_at_work_asks_sixteen_times(stage: Stage) -> None:
    stage.comes_back(stage.sold("JKT-NVY-M"))
    stage.passes(minutes=21, step=5)
    stage.clock.shift(60)

    with CaptureQueriesContext(database) as quiet:
        tasks.minute(at=stage.now())

    assert len(quiet) <= 16
