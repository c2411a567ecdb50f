"""Rate limits: asked before every call, shared by all processes, with a reserve for writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrator.engine import limits
from integrator.engine.errors import Transient
from integrator.engine.http import Http
from integrator.engine.shapes import Limit
from integrator.models import Connection, RateWindow
from tests.engine import toys
from tests.engine.conftest import Clock
from tests.engine.test_router import in_threads

DAILY = replace(toys.DIALECT, daily_limit_setting="calls_per_day")


@pytest.fixture
def daily(connection: Connection) -> Http:
    connection.settings = {"calls_per_day": 8}
    return Http(connection, DAILY)


def until_refused(call: Any) -> tuple[int, Transient]:
    for count in range(100):
        try:
            call()
        except Transient as error:
            return count, error
    raise AssertionError("never refused")


def test_reads_stop_while_a_quarter_is_left_for_writes(
    daily: Http, answers: toys.Answers, clock: Clock
) -> None:
    answers.will(*[(200, {})] * 8)

    reads, error = until_refused(lambda: daily.get("/x"))
    writes, last = until_refused(lambda: daily.send("POST", "/x"))

    assert (reads, writes) == (6, 2)
    assert "kept for writes" in str(error)
    assert error.retry_after == last.retry_after == 15 * 3600  # it is nine: until midnight
    assert len(answers.seen) == 8  # nothing left after that


def test_a_new_day_starts_full(daily: Http, answers: toys.Answers, clock: Clock) -> None:
    answers.will(*[(200, {})] * 12)
    until_refused(lambda: daily.get("/x"))
    clock.forward(hours=15)

    assert until_refused(lambda: daily.get("/x"))[0] == 6


def test_a_raised_allowance_counts_at_once(daily: Http, answers: toys.Answers) -> None:
    answers.will(*[(200, {})] * 6)
    until_refused(lambda: daily.get("/x"))
    daily.connection.settings = {"calls_per_day": 16}
    answers.will(*[(200, {})] * 6)

    assert until_refused(lambda: daily.get("/x"))[0] == 6  # 12 of 16 in all


def test_what_the_platform_says_is_left_is_believed(
    connection: Connection, answers: toys.Answers, clock: Clock
) -> None:
    told = [Limit("orders", 100, 1, 60), Limit("orders", 100, 0, 60)]
    dialect = replace(
        toys.DIALECT, limit=lambda headers, scope: told.pop(0) if scope == "orders" else None
    )
    toy = Http(connection, dialect)
    answers.will((200, {}), (200, {}), (200, {}), (200, {}))
    toy.get("/x", scope="orders")
    toy.get("/x", scope="orders")

    with pytest.raises(Transient) as error:
        toy.get("/x", scope="orders")

    assert error.value.retry_after == 60
    toy.get("/x", scope="products")  # another scope is free
    told.append(Limit("orders", 100, 99, 60))
    clock.forward(seconds=61)
    limits.forget()
    assert toy.get("/x", scope="orders").status == 200


def test_another_process_hears_of_it_within_a_second(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits.spend(connection, "orders", "", for_write=False)  # this process remembers: free
    RateWindow.objects.create(
        connection=connection,
        scope="orders",
        limit=9,
        remaining=0,
        resets_at=limits.now() + limits.timedelta(minutes=5),
    )
    moment = limits.time.monotonic() + 1.0
    monkeypatch.setattr(limits.time, "monotonic", lambda: moment)

    with pytest.raises(Transient):
        limits.spend(connection, "orders", "", for_write=False)


def test_racing_processes_do_not_overspend(committed: None) -> None:
    connection = toys.connect(settings={"calls_per_day": 10})
    spent: list[int] = []

    def spend() -> None:
        for _ in range(5):
            try:
                limits.spend(connection, "", "calls_per_day", for_write=True)
            except Transient:
                continue
            spent.append(1)

    in_threads(*[spend] * 5)

    assert len(spent) == 10
    assert RateWindow.objects.get().remaining == 0
