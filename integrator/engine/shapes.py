"""The engine's own shapes: what crosses the border between a platform package and the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing a platform told us, cut out of a callback or found by a sweep.

    ``topic`` is the key routed on (``heard:<platform>:<topic>``), ``kind`` the platform's own event
    name. ``event_id`` is the platform's id of the event, empty if it has none. ``identity`` is the
    part of the body that must be equal whenever the same ``event_id`` comes again. ``understood``
    is false for an event the package does not know: it is kept and shown to a person.
    """

    topic: str
    kind: str
    resource_kind: str
    resource_id: str
    event_id: str = ""
    identity: bytes = b""
    occurred_at: datetime | None = None
    understood: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """A platform's answer to one call. ``data`` is the parsed JSON, None for an empty body."""

    status: int
    data: Any
    headers: dict[str, str] = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure or state that would be another, in words: before and after."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Call:
    """One thing a flow is going to do, said in words for a preview before anything is sent.

    A call of a platform; or, where ``platform`` is empty, what is written down here. ``says`` is
    empty where the button that was pressed says it already.
    """

    platform: str
    method: str
    path: str
    says: str
    money_minor: int | None = None
    currency: str = ""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """What a platform's headers said about its rate limit: ``remaining`` calls until
    ``reset_seconds`` pass.
    """

    scope: str
    limit: int
    remaining: int
    reset_seconds: float
