"""From facts to jobs: each exactly once, in order, whoever races and whatever commits late."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connections, transaction
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from integrator.engine import cases, choices, router
from integrator.engine import clock as now_clock
from integrator.engine.flow import LOCAL, Aim
from integrator.engine.states import Trace, move
from integrator.engine.worker import Worker
from integrator.models import Case, CaseState, ConnectionState, Job, Message, Note
from tests.engine import toys
from tests.engine.book import Book
from tests.engine.conftest import Clock, Shop

Open = Callable[..., Shop]


def in_threads(*work: Callable[[], Any]) -> None:
    """Run everything at once, each with a database connection of its own; errors are the test's."""
    errors: list[BaseException] = []

    def run(one: Callable[[], Any]) -> None:
        try:
            one()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []


# --- what a fact starts --------------------------------------------------------------------------


def test_jobs_and_the_mark_are_written_together(shop: Open, clock: Clock) -> None:
    here = shop(toys.NOTE)
    here.hear("note", "a/1")

    assert router.route(here.routes, at=clock.at) == {LOCAL}

    job = here.job()
    message = Message.objects.get()
    assert (job.fact, job.record_kind, job.record_id) == (message.pk, "message", message.pk)
    assert (job.lane, job.connection, job.actor) == ("toy:a", here.connection, "toy-1")
    assert job.due_at == clock.at + timedelta(minutes=15)
    assert message.routed_at == clock.at
    assert router.route(here.routes, at=clock.at) is None


def test_a_fact_may_start_several_flows_in_the_order_of_the_table(shop: Open, clock: Clock) -> None:
    first, second = toys.flow("first"), toys.flow("second")
    here = shop(first, second)
    assert toys.hear(here.connection, "both", "a/1", at=clock.at)

    router.route({"heard:toy:both": [second, first]}, at=clock.at)

    assert list(Job.objects.order_by("id").values_list("flow", flat=True)) == ["second", "first"]


def test_a_fact_nobody_waits_for_is_marked_all_the_same(shop: Open, clock: Clock) -> None:
    here = shop()
    here.hear("gossip", "a/1")

    assert router.route(here.routes, at=clock.at) == set()
    assert Job.objects.count() == 0
    assert router.unrouted_since(at=clock.at) == timedelta()


def test_changes_and_decisions_are_facts_too(shop: Open, clock: Clock, omar: Any) -> None:
    def of_case(facts: Any) -> dict[int, Aim]:
        return {fact.id: Aim(fact.record_kind, fact.record_id, fact.key) for fact in facts}

    flow = toys.flow("follow", aim=of_case)
    here = shop(flow)
    trace = Trace(at=clock.at, actor="omar")
    case = cases.open_case(
        cases.JOB_FAILED, cases.About("connection", here.connection.pk), trace=trace
    )
    cases.decided(case, cases.TRY_AGAIN, data={"why": "x"}, trace=trace, by=omar)
    move(here.connection, "state", ConnectionState.PAUSED, reason="x", trace=trace)

    keys = ["case:OPENED", "decided:try_again", "connection.state:PAUSED"]
    router.route({key: [flow] for key in keys}, at=clock.at)

    assert list(Job.objects.order_by("id").values_list("lane", flat=True)) == keys
    assert Job.objects.get(lane="decided:try_again").actor == "omar"


def test_a_job_keeps_the_policy_it_was_made_under(shop: Open, clock: Clock) -> None:
    here = shop(toys.NOTE)
    choices.save(retailer=here.connection.retailer, values={}, made_by="ada")
    here.hear("note", "a/1")
    router.route(here.routes, at=clock.at)
    choices.save(retailer=here.connection.retailer, values={"settling_minutes": 99}, made_by="ada")

    work = toys.Work(here.job(), toys.NOTE, at=clock.at)
    assert work.policy(here.connection.retailer_id).values["settling_minutes"] == 10


def test_at_most_five_hundred_at_a_time_oldest_first(shop: Open, clock: Clock) -> None:
    here = shop(toys.NOTE)
    for number in range(6):
        here.hear("note", f"a/{number}")

    router.route(here.routes, at=clock.at, limit=4)

    oldest = Message.objects.order_by("id").values_list("pk", flat=True)[:4]
    assert list(Job.objects.order_by("id").values_list("fact", flat=True)) == list(oldest)


# --- one fact that cannot be routed --------------------------------------------------------------


def picky(facts: Any) -> dict[int, Aim]:
    aims = {}
    for fact in facts:
        if fact.data["resource_id"].startswith("bad"):
            raise RuntimeError("a bug")
        lane = "x" * 500 if fact.data["resource_id"].startswith("long") else "a"
        aims[fact.id] = Aim("message", fact.record_id, lane)
    return aims


@pytest.mark.parametrize("bad", ["bad/1", "long/1"])
def test_one_fact_that_cannot_be_routed_does_not_stop_the_others(
    shop: Open, clock: Clock, bad: str
) -> None:
    here = shop(toys.flow("note", record=toys.write_down, aim=picky))
    for name in ("a/1", bad, "a/2"):
        here.hear("note", name)

    here.work()

    assert set(Note.objects.values_list("text", flat=True)) == {"a/1", "a/2"}
    case = here.case()
    assert (case.kind, case.facts["fact"]) == ("FACT_NOT_ROUTED", "heard:toy:note")
    stuck = Message.objects.get(resource_id=bad)
    assert (case.record_kind, case.record_id, stuck.routed_at) == ("message", stuck.pk, None)
    assert here.work() == 0  # it is set aside, not tried five times a second
    assert router.unrouted_since(at=clock.forward(hours=1)) == timedelta()


def test_a_fact_is_set_aside_without_the_values_of_a_row(shop: Open, clock: Clock) -> None:
    def aim(facts: Any) -> Any:
        raise IntegrityError("duplicate key\nDETAIL:  Key (email)=(anna.smith@example.org) exists.")

    here = shop(toys.flow("bad", record=toys.write_down, aim=aim))
    here.hear("bad", "a/1")
    here.work()

    assert here.case().facts["error"] == "IntegrityError: duplicate key"


def test_a_fact_for_which_the_database_fails_is_left_for_later_and_stops_no_other(
    shop: Open, clock: Clock
) -> None:
    """For a while nobody is asked: a deadlock or a full disk passes."""

    def aim(facts: Any) -> Any:
        if any(fact.data["resource_id"] == "heavy/1" for fact in facts):
            with database.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")
        return {fact.id: Aim("message", fact.record_id, f"lane:{fact.id}") for fact in facts}

    here = shop(toys.flow("note", record=toys.write_down, aim=aim))
    for name in ("a/1", "heavy/1", "a/2"):
        here.hear("note", name)

    here.work()

    assert set(Note.objects.values_list("text", flat=True)) == {"a/1", "a/2"}
    assert not Case.objects.exists()
    clock.forward(minutes=9)
    here.work()
    assert not Case.objects.exists()
    clock.forward(minutes=1)
    here.work()
    assert (here.case().kind, here.case().facts["error"]) == (
        "FACT_NOT_ROUTED",
        "OperationalError: canceling statement due to statement timeout",
    )


def test_what_was_set_aside_is_taken_again_when_its_case_is_closed(
    shop: Open, clock: Clock, trace: Any
) -> None:
    here = shop(toys.flow("note", record=toys.write_down, aim=picky))
    here.hear("note", "bad/1")
    here.work()
    cases.solve(here.case(), resolution="FIXED_HERE", trace=trace(), reason="mended")

    here.work()
    assert (here.case().state, here.case().regressions) == (CaseState.OPEN, 1)  # it was not

    cases.solve(here.case(), resolution="FIXED_HERE", trace=trace(), reason="mended")
    mended = Shop(here.connection, clock, [toys.NOTE])
    mended.work()

    assert list(Note.objects.values_list("text", flat=True)) == ["bad/1"]
    assert here.case().state == CaseState.SOLVED


# --- races ---------------------------------------------------------------------------------------


@pytest.fixture
def book(committed: None) -> Iterator[Book]:
    outside = Book(pause_seconds=0.002)
    yield outside
    outside.close()


def test_a_fact_that_commits_late_is_routed_once(committed: None) -> None:
    """Its number is lower than those of facts that were routed before it could be seen."""
    connection = toys.connect()
    at = now_clock.now()
    routes = toys.routes(toys.NOTE)
    written, go_on = threading.Event(), threading.Event()

    def slow_writer() -> None:
        with transaction.atomic():
            toys.hear(connection, "note", "late/1", at=at)
            written.set()
            assert go_on.wait(timeout=30)

    def meanwhile() -> None:
        assert written.wait(timeout=30)
        for number in range(3):
            toys.hear(connection, "note", f"early/{number}", at=at)
        router.route(routes, at=at)
        assert Job.objects.count() == 3
        go_on.set()

    in_threads(slow_writer, meanwhile)
    router.route(routes, at=at)
    router.route(routes, at=at)

    late = Message.objects.get(resource_id="late/1")
    assert late.pk < min(Message.objects.exclude(pk=late.pk).values_list("pk", flat=True))
    assert Job.objects.filter(fact=late.pk).count() == 1
    assert Job.objects.count() == 4


def test_no_fact_is_blamed_when_the_database_is_gone(committed: None) -> None:
    def aim(facts: Any) -> Any:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    at = now_clock.now()
    toys.hear(toys.connect(), "note", "a/1", at=at)
    routes = toys.routes(toys.flow("note", record=toys.write_down, aim=aim))

    def route() -> None:
        with pytest.raises(OperationalError):
            router.route(routes, at=at + timedelta(days=1))

    in_threads(route)
    assert not Case.objects.exists()


def test_while_one_router_works_another_has_nothing_to_do(committed: None) -> None:
    connection = toys.connect()
    toys.hear(connection, "note", "a/1", at=now_clock.now())
    found: list[Any] = []
    with transaction.atomic():
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [router._LOCK])
        in_threads(lambda: found.append(router.route(toys.ROUTES, at=now_clock.now())))

    assert found == [None]
    assert Job.objects.count() == 0
    assert router.route(toys.ROUTES, at=now_clock.now()) == {LOCAL}  # freed with its transaction


def test_where_nothing_is_new_one_question_says_so(shop: Open, clock: Clock) -> None:
    """Every round of every worker asks, and most find nothing."""
    here = shop(toys.NOTE)
    here.hear("note", "a/1")
    router.route(here.routes, at=clock.at)

    with CaptureQueriesContext(database) as asked:
        assert router.route(here.routes, at=clock.at) is None

    assert len(asked) == 1


def test_racing_routers_and_workers_keep_order_and_do_everything_once(book: Book) -> None:
    connection = toys.connect(base_url=book.address)
    lanes, each = 8, 6
    names = [f"lane-{lane}/{number}" for number in range(each) for lane in range(lanes)]

    def speak() -> None:
        for name in names:
            toys.hear(connection, "pay", name, at=now_clock.now())
            toys.hear(connection, "note", name.replace("lane", "note"), at=now_clock.now())

    def work() -> None:
        worker = Worker(toys.ROUTES, threads=3)
        until = time.monotonic() + 40
        try:
            while Job.objects.filter(state="DONE").count() < 2 * len(names):
                assert time.monotonic() < until, "it takes too long"
                worker.drain([LOCAL, toys.PLATFORM], seconds=20, linger=0.2)
        finally:
            worker.close()

    in_threads(speak, work, work)

    assert book.counts() == Counter(names)
    for lane in range(lanes):
        receipts = [book.paid[f"lane-{lane}/{number}"][0] for number in range(each)]
        assert receipts == sorted(receipts)
    noted = Counter(Note.objects.values_list("text", flat=True))
    assert noted == Counter(names) + Counter(name.replace("lane", "note") for name in names)
    written = list(
        Note.objects.filter(text__startswith="note-0/")
        .order_by("id")
        .values_list("text", flat=True)
    )
    assert written == [f"note-0/{number}" for number in range(each)]
    assert not Case.objects.exists()


def test_the_database_itself_keeps_a_lane_to_one(shop: Open, clock: Clock) -> None:
    """Even a worker that claims as it likes cannot run two jobs of a lane."""
    here = shop(toys.NOTE)
    here.hear("note", "a/1")
    here.hear("note", "a/2")
    router.route(here.routes, at=clock.at)

    with pytest.raises(IntegrityError, match="job_lane_one"), transaction.atomic():
        Job.objects.update(state="RUNNING", lease_until=clock.at)
