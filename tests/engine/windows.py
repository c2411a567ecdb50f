"""Announcing maintenance in tests, and what stands of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from integrator.engine import maintenance
from integrator.engine.states import Trace
from integrator.models import Connection, MaintenanceWindow, Transition
from tests.engine.conftest import Clock, Shop

Open = Callable[..., Shop]
Traced = Callable[[], Trace]


def announce(
    connection: Connection, clock: Clock, trace: Traced, *, hours: float, length: float = 2
) -> MaintenanceWindow:
    starts = clock.at + timedelta(hours=hours)
    return maintenance.announce(
        connection,
        starts_at=starts,
        ends_at=starts + timedelta(hours=length),
        reason="They move house",
        trace=trace(),
    )


def cancel(window: MaintenanceWindow, trace: Traced) -> None:
    maintenance.cancel(window, reason="They stay where they are", trace=trace())


def state(of: Connection) -> str:
    return Connection.objects.get(pk=of.pk).state


def stands(window: MaintenanceWindow) -> str:
    return MaintenanceWindow.objects.get(pk=window.pk).state


def told() -> list[tuple[str, str]]:
    rows = Transition.objects.filter(record_kind="connection").order_by("id")
    return [(row.new, row.actor) for row in rows]
