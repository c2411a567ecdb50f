"""What machines ask: alive, ready, and numbers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from integrator.desk import health
from integrator.models import Connection, JobState
from tests.desk import factories


def test_alive_needs_nothing_but_the_process(client: Client) -> None:
    """No database fixture: a query would fail this test."""
    response = client.get("/healthz")

    assert response.status_code == 200


@pytest.mark.requirement("R020")
@pytest.mark.parametrize(
    ("age", "status"),
    [(None, 503), (timedelta(minutes=3), 503), (timedelta(seconds=90), 200)],
)
def test_ready_only_while_a_worker_lives(
    age: timedelta | None, status: int, at: datetime, client: Client, db: None
) -> None:
    if age is not None:
        factories.heartbeat(at - age)

    assert client.get("/readyz").status_code == status


def test_one_living_worker_does_not_hide_behind_a_silent_one(
    at: datetime, client: Client, db: None
) -> None:
    factories.heartbeat(at - timedelta(hours=1), "scayle")
    factories.heartbeat(at, "local")

    assert client.get("/readyz").status_code == 200


@pytest.mark.requirement("R020")
def test_not_ready_while_the_database_does_not_answer(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "newest_beat", gone)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert "database" in response.json()["because"]


def test_numbers_are_read_from_the_database_at_the_moment_of_asking(
    at: datetime, scayle: Connection, client: Client
) -> None:
    factories.stream(scayle, "order", swept_at=at - timedelta(minutes=7))
    factories.stream(scayle, "stock", swept_at=None)
    factories.job("restock", at, record=("order", 1), to=scayle, state=JobState.PARKED)
    factories.case("SYSTEMS_DIFFER", at)

    lines = client.get("/metrics").content.decode().splitlines()

    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['integrator_jobs{queue="scayle",state="PARKED"}'] == "1.0"
    assert values['integrator_cases{kind="SYSTEMS_DIFFER",owner="FINANCE"}'] == "1.0"
    lag = float(values['integrator_lag_seconds{connection="scayle",stream="order"}'])
    assert 420 <= lag < 480
    assert 'integrator_lag_seconds{connection="scayle",stream="stock"}' not in values
    assert values['integrator_connection{slug="scayle",state="ACTIVE"}'] == "1.0"
