"""Where a platform calls us: a connection's callback address, and its registration over there.

Both sides of the same thing, so one function does both. Its readers are in ``api.callbacks``.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from integrator.engine import secrets
from integrator.engine.http import Http
from integrator.models import Connection
from integrator.platforms import PLATFORMS
from integrator.platforms.subscriptions import Subscription


def subscribe(connection: Connection) -> int:
    """Register every event we use under a new unguessable address, and end what pointed at the
    connection before. Returns how many were registered; raises what the platform answers.

    The order of the steps keeps callbacks coming whatever fails: a wrong key is found before
    anything changes, and the old address is the connection's until the new one is registered for
    every event. A run that broke off leaves registrations nobody knows: the next one ends them.
    """
    platform = PLATFORMS[connection.platform]
    client = platform.client(Http(connection, platform.dialect), connection.settings)
    client.check()
    before = client.subscriptions()
    address, fields = _new_address(connection)
    for event in platform.events:
        client.subscribe(event, address)
    Connection.objects.filter(pk=connection.pk).update(**fields)
    for old in _ours(connection, before):
        client.unsubscribe(old.external_id)
    connection.refresh_from_db()
    return len(platform.events)


def _new_address(connection: Connection) -> tuple[str, dict[str, Any]]:
    """The address with credentials where the platform sends them, and what is stored of it.

    Only hashes are stored: nobody can read the address here afterwards.
    """
    token = secrets.new_token()
    address = f"{_place(connection)}/{token}"
    fields = {
        "callback_token_hash": secrets.hashed(token),
        "callback_user": "",
        "callback_password_hash": "",
        "version": connection.version + 1,
    }
    if PLATFORMS[connection.platform].webhook.AUTH == "basic":
        password = secrets.new_token()
        fields |= {
            "callback_user": "integrator",
            "callback_password_hash": secrets.hashed(password),
        }
        scheme, rest = address.split("://", 1)
        address = f"{scheme}://integrator:{password}@{rest}"
    return address, fields


def _place(connection: Connection) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/callbacks/{connection.platform}"


def _ours(connection: Connection, there: tuple[Subscription, ...]) -> list[Subscription]:
    """Those whose address is this connection's, or nobody's.

    A platform lists the registrations of the whole account: those of our other connections stay.
    """
    place = _place(connection).split("://", 1)[1]
    others = set(
        Connection.objects.exclude(pk=connection.pk).values_list("callback_token_hash", flat=True)
    )
    found = []
    for one in there:
        # The platform may mask the credentials in front of the host.
        where, _, token = one.url.rpartition("://")[2].rpartition("@")[2].rpartition("/")
        if where == place and one.external_id and secrets.hashed(token) not in others:
            found.append(one)
    return found
