"""The outbox of callbacks: what a platform wants to tell, to whom, and how it was answered."""

from __future__ import annotations

import base64
import copy
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from integrator.sandbox.faults import CALLBACK, Rule, Switchboard

Post = Callable[[str, dict[str, str], bytes], int]

# Retries of ordinary events are not documented by either platform: assumed.
ATTEMPTS = 6
_BACKOFF_SECONDS = 2.0
# A reordered callback waits for the next one of its platform, at most this long.
_REORDER_SECONDS = 5.0
_OLD_SECRET = "old-secret"


@dataclass
class Subscription:
    id: int
    event: str
    url: str
    version: int = 1
    filters: list[Any] = field(default_factory=list)
    created_at: datetime | None = None

    @property
    def secret(self) -> str:
        """What identifies the sender to the receiver: the password or the last part of the path."""
        parts = urlsplit(self.url)
        return parts.password or parts.path.rstrip("/").rsplit("/", 1)[-1]


@dataclass
class Answer:
    at: datetime
    status: int


@dataclass
class Callback:
    id: int
    platform: str
    event: str
    subscription_id: int
    url: str
    body: dict[str, Any]
    created_at: datetime
    due_at: datetime
    sequence: float
    state: str = "pending"  # pending, answered, gave_up, suppressed
    waits_for_next: bool = False
    answers: list[Answer] = field(default_factory=list)
    fault: str = ""

    def request(self) -> tuple[str, dict[str, str], bytes]:
        """URL without credentials, headers with them, body."""
        parts = urlsplit(self.url)
        headers = {"Content-Type": "application/json", "User-Agent": f"sandbox-{self.platform}"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        host = parts.hostname or ""
        address = f"{host}:{parts.port}" if parts.port else host
        url = urlunsplit((parts.scheme, address, parts.path, parts.query, ""))
        return url, headers, json.dumps(self.body).encode()


class Outbox:
    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self.subscriptions: dict[tuple[str, int], Subscription] = {}
        self.callbacks: list[Callback] = []
        # Those not yet answered well, by id: the only ones looked at when time passes.
        self._open: dict[int, Callback] = {}

    def subscribed(self, platform: str) -> list[Subscription]:
        return [row for (slug, _), row in self.subscriptions.items() if slug == platform]

    def emit(
        self,
        platform: str,
        event: str,
        body: dict[str, Any],
        *,
        at: datetime,
        other_body: dict[str, Any],
    ) -> None:
        """Queue one event for every subscription to it. ``other_body`` is for the fault only."""
        for subscription in self.subscribed(platform):
            if subscription.event == event:
                rule = self._switchboard.strike(platform, event, CALLBACK)
                self._queue(platform, subscription, body, at, rule, other_body)

    def _queue(
        self,
        platform: str,
        subscription: Subscription,
        body: dict[str, Any],
        at: datetime,
        rule: Rule | None,
        other_body: dict[str, Any],
    ) -> None:
        fault = rule.fault if rule else ""
        callback = self._append(platform, subscription, body, at)
        callback.fault = fault
        # Those that waited for a next one go out behind it.
        for waiting in self._open.values():
            if waiting.waits_for_next and waiting is not callback and waiting.platform == platform:
                waiting.waits_for_next = False
                waiting.due_at = at
                waiting.sequence = callback.sequence + 0.5
        if rule is None:
            return
        if fault == "callback_suppress":
            callback.state = "suppressed"
            del self._open[callback.id]
        elif fault == "callback_delay":
            callback.due_at = at + timedelta(seconds=rule.seconds)
        elif fault == "callback_reorder":
            callback.waits_for_next = True
            callback.due_at = at + timedelta(seconds=rule.seconds or _REORDER_SECONDS)
        elif fault == "callback_old_secret":
            # The new secret is not yet known to this sender: the receiver must refuse it.
            callback.url = _replaced(subscription)
        elif fault == "callback_duplicate":
            self._append(platform, subscription, body, at).fault = fault
        elif fault == "callback_same_id_other_body":
            self._append(platform, subscription, other_body, at).fault = fault

    def _append(
        self, platform: str, subscription: Subscription, body: dict[str, Any], at: datetime
    ) -> Callback:
        number = len(self.callbacks) + 1
        callback = Callback(
            id=number,
            platform=platform,
            event=subscription.event,
            subscription_id=subscription.id,
            url=subscription.url,
            body=copy.deepcopy(body),
            created_at=at,
            due_at=at,
            sequence=float(number),
        )
        self.callbacks.append(callback)
        self._open[number] = callback
        return callback

    def release_all(self, at: datetime) -> None:
        for callback in self._open.values():
            callback.waits_for_next = False
            callback.due_at = min(callback.due_at, at)

    def due(self, at: datetime) -> list[Callback]:
        return [row for row in self.pending() if row.due_at <= at]

    def pending(self) -> list[Callback]:
        return sorted(self._open.values(), key=lambda row: row.sequence)

    def record(self, callback: Callback, status: int, at: datetime) -> None:
        callback.answers.append(Answer(at, status))
        if 200 <= status < 300:
            callback.state = "answered"
            self._open.pop(callback.id, None)
        elif len(callback.answers) >= ATTEMPTS:
            callback.state = "gave_up"
            self._open.pop(callback.id, None)
        else:
            wait = _BACKOFF_SECONDS ** len(callback.answers)
            callback.due_at = at + timedelta(seconds=wait)

    def shown(self, platform: str) -> list[dict[str, Any]]:
        """The books' view: no credentials."""
        return [
            {
                "id": row.id,
                "event": row.event,
                "subscription_id": row.subscription_id,
                "url": row.request()[0],
                "body": row.body,
                "state": row.state,
                "fault": row.fault,
                "created_at": row.created_at.isoformat(),
                "answers": [
                    {"at": answer.at.isoformat(), "status": answer.status} for answer in row.answers
                ],
            }
            for row in self.callbacks
            if row.platform == platform
        ]


def _replaced(subscription: Subscription) -> str:
    """The subscription's URL with a secret that is no longer valid."""
    return subscription.url.replace(subscription.secret, _OLD_SECRET)


def deliver(
    outbox: Outbox, lock: threading.RLock, clock: Callable[[], datetime], post: Post
) -> int:
    """Send what is due, oldest first, and record each answer; how many were sent.

    ``post`` runs outside the lock: the receiver may call the sandbox before it answers. A
    connection that fails counts as status 0.
    """
    with lock:
        due = outbox.due(clock())
    for callback in due:
        try:
            status = post(*callback.request())
        except OSError:
            status = 0
        with lock:
            outbox.record(callback, status, clock())
    return len(due)
