"""From a connection to a client that is bound to one job. The only place flows get clients from.

The ``…_now`` are for a person who waits for the answer: they belong to no job, so they only read.
"""

from __future__ import annotations

from typing import cast

from integrator.engine.http import Http
from integrator.engine.work import Work
from integrator.models import Connection
from integrator.platforms import PLATFORMS
from integrator.platforms.returngo.client import ReturnGO
from integrator.platforms.scayle.client import Scayle


def scayle(work: Work, connection: Connection) -> Scayle:
    return _scayle(connection, work.http(connection, PLATFORMS["scayle"].dialect))


def scayle_now(connection: Connection) -> Scayle:
    return _scayle(connection, Http(connection, PLATFORMS["scayle"].dialect))


def _scayle(connection: Connection, http: Http) -> Scayle:
    assert connection.platform == "scayle", connection.platform
    return cast(Scayle, PLATFORMS["scayle"].client(http, connection.settings))


def returngo(work: Work, connection: Connection) -> ReturnGO:
    return _returngo(connection, work.http(connection, PLATFORMS["returngo"].dialect))


def returngo_now(connection: Connection) -> ReturnGO:
    return _returngo(connection, Http(connection, PLATFORMS["returngo"].dialect))


def _returngo(connection: Connection, http: Http) -> ReturnGO:
    assert connection.platform == "returngo", connection.platform
    return cast(ReturnGO, PLATFORMS["returngo"].client(http, connection.settings))
