"""The stage of a proof: like that of a story, with dice that fall as the seed says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.database import hasty
from tests.story import Stage, opened


@pytest.fixture
def stage(committed: None, monkeypatch: pytest.MonkeyPatch, seed: int) -> Iterator[Stage]:
    hasty()
    with opened(monkeypatch, seed=seed) as stage:
        yield stage
