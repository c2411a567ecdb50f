"""The people of the desk tests, each with a signed-in client. Not for test data: see factories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrator.desk import directory
from integrator.models import Connection
from tests.desk import factories

ROLES = {
    "carla": "CX",
    "omar": "OPERATIONS",
    "fiona": "FINANCE",
    "frank": "FINANCE",
    "clara": "CONTROLLER",
    "ada": "ADMIN",
    "otto": "AUDITOR",
}


@pytest.fixture(autouse=True)
def _fresh_directory() -> Iterator[None]:
    """The directory is kept for some seconds per process: every test starts without it."""
    directory.forget()
    yield
    directory.forget()


@pytest.fixture
def at() -> datetime:
    return timezone.now()


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """Carla (CX), Omar (operations), Fiona and Frank (finance), Clara (controller) and so on."""
    found = {name: factories.person(name, role) for name, role in ROLES.items()}
    found["nobody"] = factories.person("nobody", email="nobody@shop.test")
    return found


@pytest.fixture
def as_(people: dict[str, User]) -> Callable[[str], Client]:
    """A client signed in as somebody: ``as_("fiona").get(...)``."""

    def signed_in(name: str) -> Client:
        client = Client()
        client.force_login(people[name])
        return client

    return signed_in


@pytest.fixture
def scayle(db: None) -> Connection:
    return factories.connection()


@pytest.fixture
def returngo(db: None) -> Connection:
    return factories.connection("returngo", "ReturnGO")
