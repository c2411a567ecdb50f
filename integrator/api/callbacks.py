"""Platforms' callbacks: authenticate, keep, answer. A small WSGI function in front of Django.

``/callbacks/<platform>/<token>``. What is kept is a nudge; the work reads the platform itself. The
answer's code is the platform's (``REPLIES``), and it is sent after commit.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections
from django.db import connection as database

from integrator.engine import clock
from integrator.engine.errors import Malformed
from integrator.engine.inbox import KNOWN, store
from integrator.engine.secrets import hashed
from integrator.engine.shapes import Heard
from integrator.flows import tasks
from integrator.models import Connection, Message
from integrator.platforms import PLATFORMS, Platform

log = structlog.get_logger(__name__)

BODY_MAX = 1_000_000
REMEMBER_SECONDS = 5.0
HEAD_MAX = 2048
STRANGERS_PER_ADDRESS_AND_DAY = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What a callback needs of a connection."""

    id: int
    platform: str
    user: str
    password_hash: str
    settings: Mapping[str, Any]


_remembered: dict[str, tuple[float, Known | None]] = {}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one callback. Never raises: a fault of ours is answered as unavailable."""
    slug, token = _address(environ)
    platform = PLATFORMS.get(slug)
    try:
        outcome = "unauthenticated"
        if platform is not None:
            body = _body(environ)
            outcome = _connected(partial(_receive, platform, token, body, environ))
    except DatabaseError:
        log.exception("callback_not_stored", platform=slug)
        outcome = "unavailable"
    replies = platform.webhook.REPLIES if platform is not None else _STRANGER
    status, headers, body = replies[outcome]
    start_response(
        f"{status} {HTTPStatus(status).phrase}",
        [*headers.items(), ("Content-Length", str(len(body)))],
    )
    return [body]


_STRANGER: Mapping[str, tuple[int, dict[str, str], bytes]] = {
    "unauthenticated": (404, {"Content-Type": "application/json"}, b'{"result":"not found"}'),
    "unavailable": (503, {"Content-Type": "application/json"}, b'{"result":"unavailable"}'),
}


def _address(environ: WSGIEnvironment) -> tuple[str, str]:
    parts = environ.get("PATH_INFO", "").strip("/").split("/")
    return (parts[1], parts[2]) if len(parts) == 3 else ("", "")


def _connected(receive: Callable[[], str]) -> str:
    """Receive, and once more when our idle database connection turned out to be dead.

    Asking the database before every callback whether it is still there would cost a third of the
    time. Receiving the same twice is harmless: ``store()`` knows it.
    """
    close_old_connections()
    backend: Any = database  # Django's types know the common wrapper only, not PostgreSQL's
    backend.health_check_done = True
    try:
        return receive()
    except (InterfaceError, OperationalError):
        close_old_connections()
        if database.connection is not None:
            raise
        return receive()


def _receive(platform: Platform, token: str, body: bytes | None, environ: WSGIEnvironment) -> str:
    at = clock.now()
    known = _connection(token)
    if known is None or known.platform != platform.slug:
        _stranger(platform.slug, "unknown address", environ, body or b"", at)
        return "unauthenticated"
    if platform.webhook.AUTH == "basic" and not _basic_fits(known, environ):
        _stranger(platform.slug, "wrong credentials", environ, body or b"", at)
        return "unauthenticated"
    if body is None or environ["REQUEST_METHOD"] != "POST":
        return "malformed"
    return _keep(platform, known, body, environ, at)


def _keep(
    platform: Platform, known: Known, body: bytes, environ: WSGIEnvironment, at: datetime
) -> str:
    headers = _headers(environ)
    try:
        heard = platform.webhook.split(body, headers, known.settings)
        outcome = "stored"
    except Malformed as error:
        # Genuine, but not readable: kept and shown to a person, not lost with a 400 in some log.
        heard = [Heard("", f"unreadable: {error.message}"[:80], "", "", understood=False)]
        outcome = "malformed"
    if not heard:
        return "stored"
    stored = store(
        connection_id=known.id,
        heard=heard,
        body=body,
        headers=headers,
        origin=Message.Origin.CALLBACK,
        at=at,
    )
    if any(one.message_id is not None for one in stored):
        tasks.nudge()
    if outcome == "stored" and any(one.verdict == Message.Verdict.QUARANTINED for one in stored):
        return "quarantined"
    if outcome == "stored" and all(one.verdict == KNOWN for one in stored):
        return "known"
    return outcome


def _body(environ: WSGIEnvironment) -> bytes | None:
    """The body, or None when its length is missing, absurd or not what was announced.

    One that is sent in chunks announces none; it ends by itself where the server says so.
    """
    if not environ.get("CONTENT_LENGTH") and environ.get("wsgi.input_terminated"):
        chunks = b""
        while more := environ["wsgi.input"].read(BODY_MAX + 1 - len(chunks)):
            chunks += more
        return chunks if len(chunks) <= BODY_MAX else None
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return None
    if length < 0 or length > BODY_MAX:
        return None
    body: bytes = environ["wsgi.input"].read(length)
    return body if len(body) == length else None


def _connection(token: str) -> Known | None:
    """The connection an address belongs to: found by the token's hash, remembered for 5 seconds."""
    digest = hashed(token)
    moment = time.monotonic()
    found = _remembered.get(digest)
    if found is not None and moment - found[0] < REMEMBER_SECONDS:
        return found[1]
    row = (
        Connection.objects.filter(callback_token_hash=digest)
        .values_list("id", "platform", "callback_user", "callback_password_hash", "settings")
        .first()
    )
    known = Known(*row) if row is not None else None
    if len(_remembered) > 1000:
        _remembered.clear()
    _remembered[digest] = (moment, known)
    return known


def _basic_fits(known: Known, environ: WSGIEnvironment) -> bool:
    scheme, _, encoded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        user, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return False
    user_fits = hmac.compare_digest(user.encode(), known.user.encode())
    password_fits = hmac.compare_digest(hashed(password), known.password_hash)
    return bool(known.password_hash) and user_fits and password_fits


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """The request's headers without those that carry secrets."""
    kept = {
        key[5:].replace("_", "-").lower(): str(value)[:500]
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in ("HTTP_AUTHORIZATION", "HTTP_COOKIE")
    }
    return kept | {"content-type": str(environ.get("CONTENT_TYPE", ""))[:100]}


def _stranger(
    platform: str, reason: str, environ: WSGIEnvironment, body: bytes, at: datetime
) -> None:
    """Keep a head and a hash of what nobody could vouch for: capped per address and day, then
    counted.
    """
    address = _client_address(environ)
    digest = hashlib.sha256(body).hexdigest()
    with database.cursor() as cursor:
        cursor.execute(
            """INSERT INTO integrator_stranger AS s
                   (day, address, platform, reason, digest, head, count, last_at)
               SELECT %(day)s, %(address)s, %(platform)s, %(reason)s,
                      CASE WHEN full_up THEN '' ELSE %(digest)s END,
                      CASE WHEN full_up THEN ''::bytea ELSE %(head)s END, 1, %(at)s
                 FROM (SELECT count(*) >= %(cap)s AS full_up FROM integrator_stranger
                        WHERE day = %(day)s AND address IS NOT DISTINCT FROM %(address)s) seen
               ON CONFLICT (day, address, digest)
               DO UPDATE SET count = s.count + 1, last_at = %(at)s""",
            {
                "day": at.date(),
                "address": address,
                "platform": platform[:50],
                "reason": reason,
                "digest": digest,
                "head": body[:HEAD_MAX],
                "cap": STRANGERS_PER_ADDRESS_AND_DAY,
                "at": at,
            },
        )


def _client_address(environ: WSGIEnvironment) -> str | None:
    """Who called: the peer, or the address our own proxies put in front."""
    hops = [
        one.strip() for one in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if one.strip()
    ]
    trusted = settings.TRUSTED_PROXIES
    said = hops[-trusted] if trusted and len(hops) >= trusted else environ.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(said))
    except ValueError:
        return None  # a stranger may write anything there; it is counted among the nameless
