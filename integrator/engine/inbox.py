"""``store()``: keep what a platform told us, once, before anything is answered or done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection as database
from django.db import transaction

from integrator.engine.shapes import Heard
from integrator.models import Message, Stranger

KNOWN = "KNOWN"
STRANGERS_READABLE = timedelta(days=30)  # for whoever looks for the cause of a refused callback

_STORE = """
    WITH heard AS (
        INSERT INTO integrator_message (connection_id, origin, verdict, topic, kind, resource_kind,
            resource_id, event_id, digest, order_id, occurred_at, received_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s,
            (SELECT order_id FROM integrator_link
              WHERE connection_id = %s AND external_kind = %s AND external_id = %s),
            %s, %s)
        ON CONFLICT DO NOTHING RETURNING id)
    INSERT INTO integrator_payload (message_id, body, headers)
    SELECT id, %s::bytea, %s::jsonb FROM heard RETURNING message_id
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one heard thing: its verdict (or KNOWN) and the message, if it is new."""

    verdict: str
    message_id: int | None


def store(
    *,
    connection_id: int,
    heard: Sequence[Heard],
    body: bytes,
    headers: Mapping[str, str],
    origin: str,
    at: datetime,
) -> list[Stored]:
    """Keep every part of one delivery, all or none. Safe to call twice with the same.

    A known event id with the same identity is KNOWN; with another identity it is kept as
    QUARANTINED and shown to a person, never taken for a repeat. Without an event id a nudge is
    KNOWN only while an equal one is still unrouted. Returns after commit.
    """
    if len(heard) == 1:
        return [_store_one(connection_id, heard[0], body, headers, origin, at)]
    with transaction.atomic():
        return [_store_one(connection_id, one, body, headers, origin, at) for one in heard]


def nudge(
    *,
    connection_id: int,
    topic: str,
    kind: str,
    resource: tuple[str, str],
    origin: str,
    at: datetime,
) -> Stored:
    """A fact of our own: the platform said nothing, but (kind, id) of it is to be looked at."""
    return store(
        connection_id=connection_id,
        heard=[Heard(topic, kind, *resource)],
        body=b"",
        headers={},
        origin=origin,
        at=at,
    )[0]


def forget_strangers(*, at: datetime) -> int:
    """Erase what nobody could vouch for once it is old: it may be a customer's, sent with a wrong
    key. Its hash and count stay. Returns how many were erased.
    """
    old = Stranger.objects.filter(day__lt=(at - STRANGERS_READABLE).date()).exclude(head=b"")
    return old.update(head=b"")


def _store_one(
    connection_id: int,
    heard: Heard,
    body: bytes,
    headers: Mapping[str, str],
    origin: str,
    at: datetime,
) -> Stored:
    digest = hashlib.sha256(heard.identity or body).digest()
    verdict = Message.Verdict.ACCEPTED if heard.understood else Message.Verdict.UNKNOWN
    message_id = _insert(connection_id, heard, body, headers, origin, at, digest, verdict)
    if message_id is not None:
        return Stored(verdict, message_id)
    if not heard.event_id or _is_known(connection_id, heard.event_id, digest):
        return Stored(KNOWN, None)
    verdict = Message.Verdict.QUARANTINED
    return Stored(
        verdict, _insert(connection_id, heard, body, headers, origin, at, digest, verdict)
    )


def _insert(
    connection_id: int,
    heard: Heard,
    body: bytes,
    headers: Mapping[str, str],
    origin: str,
    at: datetime,
    digest: bytes,
    verdict: str,
) -> int | None:
    with database.cursor() as cursor:
        cursor.execute(
            _STORE,
            [
                connection_id,
                origin,
                verdict,
                heard.topic,
                _storable(heard.kind, 80),
                heard.resource_kind,
                _storable(heard.resource_id, 120),
                _storable(heard.event_id, 200),
                digest,
                connection_id,
                heard.resource_kind,
                _storable(heard.resource_id, 120),
                heard.occurred_at,
                at,
                body,
                json.dumps({name: _storable(value, 500) for name, value in headers.items()}),
            ],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _storable(text: str, length: int) -> str:
    """PostgreSQL keeps no NUL in a text, and a delivery must not be refused for one."""
    return text.replace("\x00", "\ufffd")[:length]


def _is_known(connection_id: int, event_id: str, digest: bytes) -> bool:
    return Message.objects.filter(
        connection_id=connection_id, event_id=_storable(event_id, 200), digest=digest
    ).exists()
