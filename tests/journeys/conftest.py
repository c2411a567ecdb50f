"""A stage for every story."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.story import Stage, opened


@pytest.fixture
def stage(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with opened(monkeypatch) as stage:
        yield stage


@pytest.fixture
def long_stage(committed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The same for a long story, on committed data."""
    with opened(monkeypatch) as stage:
        yield stage
