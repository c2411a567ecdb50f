"""For tests of the engine: a connection, a clock that stands still, the toy business at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from structlog.testing import capture_logs

from integrator.engine import http, limits
from integrator.engine.flow import Flow
from integrator.engine.seals import BOOKS
from integrator.engine.states import Trace
from integrator.engine.worker import Worker
from integrator.models import Case, Connection, Job
from tests.engine import sealed, toys

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    limits.forget()
    yield
    limits.forget()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What was logged. Errors are the subject here, and printing each with its stack is slow."""
    with capture_logs() as entries:
        yield entries


class Clock:
    """The time. It stands still until a test moves it."""

    def __init__(self, traveller: Any) -> None:
        self._traveller = traveller

    @property
    def at(self) -> datetime:
        return datetime.now(UTC)

    def forward(self, **how_far: float) -> datetime:
        self._traveller.shift(timedelta(**how_far))
        return self.at

    def to(self, moment: datetime) -> datetime:
        self._traveller.move_to(moment)
        return self.at


@pytest.fixture
def clock() -> Iterator[Clock]:
    with time_machine.travel(START, tick=False) as traveller:
        yield Clock(traveller)


@pytest.fixture
def connection(db: None, clock: Clock) -> Connection:
    return toys.connect()


@pytest.fixture
def answers() -> Iterator[toys.Answers]:
    adapter = toys.Answers()
    http.mount(toys.PLACE, adapter)
    yield adapter
    http.mount(toys.PLACE, None)
    assert not adapter.script, f"answers nobody asked for: {adapter.script}"


class Shop:
    """The toy business at work in this process: hear, work, look."""

    def __init__(self, connection: Connection, clock: Clock, flows: Sequence[Flow]) -> None:
        self.connection = connection
        self.clock = clock
        self.routes = toys.routes(*flows)
        self.queues = sorted({flow.queue for flow in flows})
        self.worker = Worker(self.routes)

    def hear(self, topic: str, resource_id: str, connection: Connection | None = None) -> None:
        assert toys.hear(connection or self.connection, topic, resource_id, at=self.clock.at)

    def work(self) -> int:
        """Rounds until nothing is found."""
        ran = 0
        for _ in range(100):
            found = self.worker.round(self.queues)
            if not found:
                return ran
            ran += found
        raise AssertionError("the work never ends")

    def job(self, **which: Any) -> Job:
        return Job.objects.get(**which)

    def case(self, **which: Any) -> Case:
        return Case.objects.get(**which)


@pytest.fixture
def shop(connection: Connection, clock: Clock) -> Callable[..., Shop]:
    """A worker that knows the given flows."""
    return lambda *flows: Shop(connection, clock, flows)


@pytest.fixture
def trace(db: None, clock: Clock) -> Callable[[], Trace]:
    """Who and when, now: the clock may have moved since the last one."""
    return lambda: Trace(at=clock.at, actor="omar")


@pytest.fixture
def omar(db: None) -> User:
    return User.objects.create_user("omar")


@pytest.fixture
def fiona(db: None) -> User:
    return User.objects.create_user("fiona")


@pytest.fixture
def written(db: None) -> dict[str, list[int]]:
    """Three days with three rows of each book."""
    return {
        book.name: [
            sealed.write(book.name, sealed.NOON - timedelta(days=before, minutes=minute))
            for before in (2, 1, 0)
            for minute in (3, 2, 1)
        ]
        for book in BOOKS
    }
