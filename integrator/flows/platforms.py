"""From a connection to a client that is bound to one job. The only place flows get clients from."""

from __future__ import annotations

from typing import cast

from integrator.engine.work import Work
from integrator.models import Connection
from integrator.platforms import PLATFORMS
from integrator.platforms.returngo.client import ReturnGO
from integrator.platforms.scayle.client import Scayle


def scayle(work: Work, connection: Connection) -> Scayle:
    assert connection.platform == "scayle", connection.platform
    platform = PLATFORMS["scayle"]
    return cast(
        Scayle, platform.client(work.http(connection, platform.dialect), connection.settings)
    )


def returngo(work: Work, connection: Connection) -> ReturnGO:
    assert connection.platform == "returngo", connection.platform
    platform = PLATFORMS["returngo"]
    return cast(
        ReturnGO, platform.client(work.http(connection, platform.dialect), connection.settings)
    )
