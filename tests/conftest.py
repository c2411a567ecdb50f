"""What holds for every test: no network beyond this machine, cheap passwords. Not for test data."""

import gc
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import TransactionTestCase
from psycopg._preparing import PrepareManager

from integrator.engine import clock
from tests import database, template


def pytest_configure() -> None:
    # Real password hashing takes a tenth of a second per user, on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Each client that a test makes would look through all static files; the live server has them.
    settings.WHITENOISE_USE_FINDERS = False


def pytest_collection_finish() -> None:
    # What was imported stays: no need to look for garbage in it over and over.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True, scope="session")
def _statements_stay_prepared() -> Iterator[None]:
    """The driver forgets them after a ROLLBACK, as it might be that of a table's creation. Nearly
    every test ends in one; what a test alters in a table, PostgreSQL plans anew by itself.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrepareManager, "clear", lambda self: False)
        yield


@pytest.fixture(autouse=True)
def _clocks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests travel in time, and the database stays where it is."""
    monkeypatch.setattr(clock, "is_right", lambda: True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Extends pytest-django's own: test databases are copies of one that was migrated once."""
    template.use()


@pytest.fixture
def _emptied_our_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django empties tables with TRUNCATE, which append-only tables refuse."""
    monkeypatch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: database.empty())


@pytest.fixture
def committed(_emptied_our_way: None, transactional_db: None) -> None:
    """A real, committed database for tests with threads, processes or much to do; emptied after.

    PostgreSQL cannot tidy up inside a transaction: in one that goes on for long every row that
    changes often gets slower and slower.
    """


def _is_this_machine(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    connect, connect_ex, getaddrinfo = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def refuse_strangers(host: object) -> None:
        if not _is_this_machine(host):
            raise RuntimeError(f"A test tried to reach {host!r}; tests stay on this machine.")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse_strangers(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse_strangers(address[0])
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_strangers(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield
