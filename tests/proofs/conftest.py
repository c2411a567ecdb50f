"""The stage of a proof: like that of a story, with dice that fall as the seed says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection as database

from tests.story import Stage, opened


@pytest.fixture
def stage(committed: None, monkeypatch: pytest.MonkeyPatch, seed: int) -> Iterator[Stage]:
    with database.cursor() as cursor:
        # Nothing of it need outlive a failure of the machine.
        cursor.execute("SET synchronous_commit = off")
    with opened(monkeypatch, seed=seed) as stage:
        yield stage
