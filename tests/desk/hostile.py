"""What people do not type, and which names an address looks for in what was sent.

The names stand in no list: a page is asked for once, and what it looks for is noted. So a parameter
that is added tomorrow is tried too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.handlers import wsgi
from django.http import QueryDict, request

# By what they are, so that a failure says it. Bytes are sent as they are.
VALUES: dict[str, str | bytes] = {
    "nothing": "",
    "NUL": "a\x00b",
    "half a character": b"\xed\xa0\x80",
    "no text": b"\xff\xfe",
    "one beyond a bigint": str(2**63),
    "more digits than Python reads": "9" * 5000,
    "as much as an amount may be": "9999999999.99",
    "an exponent": "1e999999",
    "negative": "-1",
    "a digit that is none": "²",
    "ten kilobytes": "x" * 10_000,
    "half an address": "http://[",
    "the first moment": "0001-01-01T00:00",
    "the last moment, elsewhere, as a key": "9999-12-31T23:59:59-12:00_1",
    "the last week": "9999-W53",
}
# Those that ever made a page fail, here or elsewhere: sent in each parameter by itself.
SHARPEST = (
    "NUL",
    "one beyond a bigint",
    "more digits than Python reads",
    "as much as an amount may be",
    "an exponent",
)


@contextmanager
def listening(patch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The names that are looked for, while this is open, in the query or the form of a request."""
    asked: set[str] = set()

    class Noting(QueryDict):
        def __getitem__(self, key: str) -> Any:
            asked.add(key)
            return super().__getitem__(key)

        def __contains__(self, key: object) -> bool:
            asked.add(str(key))
            return super().__contains__(key)

        def getlist(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return super().getlist(key, default)

    with patch.context() as here:
        here.setattr(wsgi, "QueryDict", Noting)
        here.setattr(request, "QueryDict", Noting)
        yield asked
