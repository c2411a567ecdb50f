"""Lists that are longer than a worker's time: each page is read once, whoever goes on with them."""

from __future__ import annotations

import pytest

from finance.models import Reconciliation
from integrator.engine.flow import LOCAL
from integrator.engine.work import Work
from integrator.flows import (
    compare_scayle_returngo,
    sweep_returngo,
    sweep_scayle,
    sweeping,
    tasks,
)
from integrator.models import Connection, Cursor, Job, JobState, Message
from integrator.platforms.contract import Contract
from tests.journeys.causing import ORDERS, SKU
from tests.story import Stage
from tests.wire import Death

LISTS = (sweep_scayle.FLOW, sweep_returngo.FLOW, compare_scayle_returngo.FLOW)
NUMBER = 7
PAGES = 4  # of two rows each


@pytest.fixture
def short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a page, and a worker that stops after two calls."""
    number = Contract.number

    def two_rows(self: Contract, name: str) -> int:
        return 2 if name == "page_size" else number(self, name)

    def is_out_of_time(self: Work) -> bool:
        return self.flow in LISTS and len(self.calls) >= 2

    monkeypatch.setattr(Contract, "number", two_rows)
    monkeypatch.setattr(Work, "_is_out_of_time", is_out_of_time)


def sold_unheard(stage: Stage, number: int = NUMBER) -> None:
    stage.breaks("*", "*", "callback_suppress")
    for _ in range(number):
        stage.ships(stage.shop_sells(SKU))
    stage.mended()
    stage.clock.shift(120)


def newest(flow: str) -> Job:
    return Job.objects.filter(flow=flow, state=JobState.DONE).latest("id")


def test_a_sweep_that_its_worker_has_no_time_for_is_gone_on_with(
    stage: Stage, short_time: None
) -> None:
    sold_unheard(stage)
    before = len(stage.calls())
    stage.passes(minutes=5, step=1)

    swept = newest("sweep_scayle")
    assert (swept.evidence["seen"], swept.evidence["missed"]) == (NUMBER, NUMBER)
    assert swept.attempts == PAGES // 2
    assert stage.calls()[before:].count(ORDERS) == PAGES
    assert Message.objects.filter(kind="missed", resource_kind="order").count() == NUMBER
    cursor = Cursor.objects.get(stream="order")
    assert (cursor.found, cursor.missed_total) == (NUMBER, NUMBER)
    assert stage.open_cases() == []
    stage.passes(minutes=6, step=1)
    assert newest("sweep_scayle").evidence["missed"] == 0


def half_read(stage: Stage) -> Job:
    """The sweep when its first worker has stopped: two of its pages are written down."""
    sold_unheard(stage)
    stage.clock.shift(300)
    tasks.tick()
    for _ in range(9):
        stage.worker.round([LOCAL, "scayle"])
        job = Job.objects.filter(flow="sweep_scayle", state=JobState.WAITING).first()
        if job is not None:
            break
    assert job is not None
    assert (job.kept["orders"]["found"]["seen"], job.error_class) == (4, "OutOfTime")
    return job


def test_a_worker_that_dies_leaves_what_is_written_down(stage: Stage, short_time: None) -> None:
    job = half_read(stage)
    stage.dies_at("GET", ORDERS.removeprefix("GET "), after=True)
    before = len(stage.calls())
    with pytest.raises(Death):
        stage.passes(minutes=1, step=1)
    stage.new_worker()
    stage.clock.shift(61)
    while job.state != JobState.DONE:
        stage.tick_and_work()
        stage.clock.shift(15)
        job.refresh_from_db()

    assert job.evidence["seen"] == NUMBER
    assert stage.calls()[before:].count(ORDERS) == 1 + PAGES // 2  # one page once more


def test_a_place_that_is_not_known_there_any_more_is_a_new_beginning(
    stage: Stage, short_time: None
) -> None:
    job = half_read(stage)
    rule = stage.breaks("scayle", ORDERS, "error", status=400, times=1)
    stage.passes(minutes=4, step=1)

    job.refresh_from_db()
    assert (rule.struck, job.state, job.evidence["seen"]) == (1, JobState.DONE, NUMBER)
    assert Message.objects.filter(kind="missed", resource_kind="order").count() == NUMBER
    assert stage.open_cases() == []


def test_a_list_that_is_refused_from_its_beginning_is_a_persons(
    stage: Stage, short_time: None
) -> None:
    sold_unheard(stage)
    stage.breaks("scayle", ORDERS, "error", status=400)
    stage.passes(minutes=6, step=1)
    assert Job.objects.filter(flow="sweep_scayle", state=JobState.PARKED).exists()


def test_a_list_that_never_ends_is_a_persons_however_many_workers_read_it(
    stage: Stage, short_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "PAGES_MAX", PAGES - 1)
    sold_unheard(stage)
    stage.passes(minutes=6, step=1)

    stopped = Job.objects.filter(flow="sweep_scayle", state=JobState.PARKED).earliest("id")
    assert (stopped.error, stopped.attempts) == ("the list has more than 3 pages", 2)


def test_a_long_comparison_is_one_run_and_asks_each_question_once(
    stage: Stage, short_time: None
) -> None:
    sold_unheard(stage)
    stage.passes(minutes=30, step=5)
    first, *_, last = stage.sandbox.world.scayle.orders.values()
    for order in (first, last):
        order.billing_code = "billing_refunded"
    runs = Reconciliation.objects.count()
    while Reconciliation.objects.count() == runs:
        stage.passes(minutes=1, step=1)

    run = Reconciliation.objects.latest("id")
    assert (run.compared, run.equal, run.different) == (NUMBER, NUMBER - 2, 2)
    assert run.differences.count() == 2
    assert stage.open_cases() == ["SYSTEMS_DIFFER", "SYSTEMS_DIFFER"]
    compared = newest("compare_scayle_returngo")
    assert compared.attempts == (PAGES + 2) // 2

    for order in (first, last):
        order.billing_code = ""
    stage.passes(minutes=70, step=5)
    assert stage.open_cases() == []


def test_every_page_of_returns_is_looked_at(stage: Stage, short_time: None) -> None:
    orders = [stage.sold(SKU) for _ in range(NUMBER)]
    stage.breaks("*", "*", "callback_suppress")
    rmas = [stage.act("returngo", "request_return", order_id=one["id"]) for one in orders]
    stage.mended()
    stage.clock.shift(120)
    stage.passes(minutes=6, step=1)

    swept = Job.objects.filter(flow="sweep_returngo", evidence__missed=NUMBER).get()
    assert swept.attempts > 1
    known = Connection.objects.get(platform="returngo").return_set
    assert {one.external_id for one in known.all()} == {str(one["id"]) for one in rmas}
