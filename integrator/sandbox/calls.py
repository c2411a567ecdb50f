"""One call to a simulated platform and its answer: routing, paging, parsing.

It knows no platform.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

Row = TypeVar("Row")


class Refusal(Exception):
    """The platform says no. Each platform writes it in its own error shape."""

    def __init__(
        self, status: int, key: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.key = key
        self.message = message
        self.headers = dict(headers or {})


@dataclass
class Call:
    """A request as a handler sees it. ``path`` is relative to the platform's base URL."""

    method: str
    path: str
    query: MultiDict[str, str]
    headers: Headers
    raw: bytes
    at: datetime
    # Set by faults: where the next page starts, and how much later the effects come.
    page_shift: int = 0
    extra_delay: timedelta = timedelta(0)
    # Faults that the handler itself must play, such as a failed payment.
    behaviours: set[str] = field(default_factory=set)

    def body(self) -> Any:
        try:
            return json.loads(self.raw)
        except ValueError as error:
            raise Refusal(400, "INVALID_JSON", "The request body is not valid JSON.") from error

    def object(self) -> dict[str, Any]:
        body = self.body()
        if not isinstance(body, dict):
            raise Refusal(400, "INVALID_BODY", "The request body must be an object.")
        return body

    def listed(self, name: str) -> list[str]:
        """A comma-separated query value; empty when it was not given."""
        return [part for part in self.query.get(name, "").split(",") if part]


@dataclass
class Reply:
    """An answer for a program; ``page`` instead is one for a person's browser."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    page: str = ""

    @property
    def content_type(self) -> str:
        return "text/html; charset=utf-8" if self.page else "application/json"

    def data(self) -> bytes:
        if self.page:
            return self.page.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Route:
    method: str
    rule: str
    handler: Callable[..., Reply]
    scope: str = ""


class Table:
    """The routes of one platform."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)
        self._map = Map(
            [
                Rule(route.rule, methods=[route.method], endpoint=str(number))
                for number, route in enumerate(self._routes)
            ],
            strict_slashes=False,
        )

    def match(self, method: str, path: str) -> tuple[Route, dict[str, Any]]:
        adapter = self._map.bind("sandbox")
        try:
            endpoint, values = adapter.match(path, method)
        except NotFound as error:
            raise Refusal(404, "NOT_FOUND", f"No such resource: {path}") from error
        except MethodNotAllowed as error:
            message = f"{method} is not allowed for {path}"
            raise Refusal(405, "METHOD_NOT_ALLOWED", message) from error
        return self._routes[int(endpoint)], dict(values)


def moment(text: object, name: str) -> datetime:
    """An ISO-8601 instant; without an offset it is UTC."""
    if not isinstance(text, str):
        raise Refusal(400, "INVALID_PARAMETER", f"{name} must be a date and time.")
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal(400, "INVALID_PARAMETER", f"{name} is not a date: {text}") from error
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def whole_number(value: object, name: str, *, lowest: int = 0) -> int:
    """A JSON integer; ``True`` is not one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise Refusal(400, "INVALID_PARAMETER", f"{name} must be an integer of at least {lowest}.")
    return value


def text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal(400, "INVALID_PARAMETER", f"{name} is required and must be a text.")
    return value


def page(
    rows: Sequence[Row], call: Call, *, size: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """One page of ``rows`` and the opaque cursor of the next one.

    ``call.page_shift`` is a fault: below zero rows come again on the next page, above zero they are
    never shown.
    """
    start = _offset(cursor) if cursor else 0
    shown = list(rows[start : start + size])
    following = start + size
    if following >= len(rows):
        return shown, None
    # Never back to where this page started: a reader that trusts the cursor must come to an end.
    following = max(start + 1, following + call.page_shift)
    return shown, base64.urlsafe_b64encode(f"o{following}".encode()).decode()


def _offset(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor.encode()).decode().removeprefix("o"))
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, "INVALID_CURSOR", "The cursor is not valid.") from error
