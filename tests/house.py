"""The house that every story begins in: its retailer, its people, its worker, what is around it.

What happens there then is told by ``tests.story``.
"""

from __future__ import annotations

import logging
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import Group, User

from integrator import configuration
from integrator.api import callbacks
from integrator.engine import choices, http, limits
from integrator.engine.states import Trace
from integrator.engine.worker import Worker
from integrator.flows import ROUTES
from integrator.models import Retailer
from integrator.roles import Role
from integrator.sandbox.app import Sandbox
from integrator.sandbox.world import World
from tests.settled import Settled
from tests.wire import Wire

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DEMO = Path(settings.BASE_DIR) / "demo.toml"
PEOPLE: Mapping[str, Role | None] = {
    "carla": Role.CX,
    "omar": Role.OPERATIONS,
    "fiona": Role.FINANCE,
    "fred": Role.FINANCE,
    "conrad": Role.CONTROLLER,
    "ada": Role.ADMIN,
    "nobody": None,
}
USUAL_SEED = 1
_SETTLED: dict[int, Settled] = {}


class InTurn(Worker):
    """Claims like a worker with eight threads, and runs what it has claimed one after another."""

    def __init__(self) -> None:
        super().__init__(ROUTES, threads=8)
        self._pool = None


# --- Who is there --------------------------------------------------------------------------------


def configure(*, trace: Trace, **policy_values: Any) -> Retailer:
    """Set the retailer up from the demo's file, with other policy values if given."""
    content = tomllib.loads(DEMO.read_text())
    content["policy"] |= policy_values
    configuration.apply(content, trace=trace)
    return retailer()


def retailer() -> Retailer:
    return Retailer.objects.get(slug="demo-sport")


def hire() -> dict[str, User]:
    """Everybody who works there, each with a role; one has none."""
    for name, role in PEOPLE.items():
        person = User.objects.create_user(name, f"{name}@demo-sport.test")
        if role is not None:
            person.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return people()


def people() -> dict[str, User]:
    return {one.username: one for one in User.objects.filter(username__in=PEOPLE)}


# --- Set up once a process -----------------------------------------------------------------------


def keep(seed: int, world: World) -> None:
    """Keep the house as it stands now for the next story with the usual dice."""
    if seed == USUAL_SEED:
        _SETTLED[seed] = Settled.keep(world)


def put_back(seed: int) -> World | None:
    """The house as it was kept, and its sandbox; None while nothing is kept for these dice."""
    kept = _SETTLED.get(seed)
    return kept.put_back() if kept is not None else None


# --- What is around it ---------------------------------------------------------------------------


@contextmanager
def surroundings(
    monkeypatch: pytest.MonkeyPatch, *, seed: int
) -> Iterator[tuple[Any, Sandbox, Wire]]:
    """A clock that stands at nine in the morning, the platforms, and the wire to them."""
    monkeypatch.setenv("SCAYLE_ACCESS_TOKEN", "sandbox-scayle-key")
    monkeypatch.setenv("RETURNGO_API_KEY", "sandbox-returngo-key")
    monkeypatch.setattr(settings, "ALERT_EMAILS", ["alerts@demo-sport.test"])
    # It would end the connection that holds the test's transaction.
    monkeypatch.setattr(callbacks, "close_old_connections", lambda: None)
    # What a process remembers of the limits is as old as the stage's clock says.
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=time.time))
    prefix = f"http://127.0.0.1:{settings.SANDBOX_PORT}/"
    with time_machine.travel(START, tick=False) as clock:
        sandbox = Sandbox(seed, lambda: datetime.now(UTC))
        wire = Wire(sandbox, lambda: datetime.now(UTC), clock.shift)
        http.mount(prefix, wire)
        # Faults are the point of many stories, and writing out a traceback takes seconds.
        logging.disable(logging.CRITICAL)
        limits.forget()
        choices.version.cache_clear()  # stages have the same numbers, and policies of their own
        try:
            yield clock, sandbox, wire
        finally:
            logging.disable(logging.NOTSET)
            http.mount(prefix, None)
            limits.forget()
