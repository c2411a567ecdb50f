"""For the platform packages: stored bodies, and an Http that records what would leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from integrator.engine.shapes import Reply

HERE = Path(__file__).parent


class FakeHttp:
    """Answers in the order given and records every call. A call nobody planned fails the test."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.scopes: list[str] = []
        self._answers: list[Any] = []

    def answer(self, *answers: Any) -> FakeHttp:
        self._answers += answers
        return self

    def get(self, path: str, *, params: Mapping[str, str] | None = None, scope: str = "") -> Reply:
        return self._next("GET", path, dict(params or {}), scope)

    def send(
        self, method: str, path: str, *, json: Any = None, params: Any = None, scope: str = ""
    ) -> Reply:
        assert params is None
        return self._next(method, path, json, scope)

    def _next(self, method: str, path: str, content: Any, scope: str) -> Reply:
        self.sent.append((method, path, content))
        self.scopes.append(scope)
        assert self._answers, f"unplanned call {method} {path}"
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Reply(200, answer)


@pytest.fixture
def http() -> FakeHttp:
    return FakeHttp()


@pytest.fixture
def body() -> Callable[[str, str], Any]:
    """A fresh copy of one fixture's body: ``body("scayle", "order")``."""

    def read(slug: str, name: str) -> Any:
        return json.loads((HERE / slug / "fixtures" / f"{name}.json").read_text("utf-8"))["body"]

    return read
