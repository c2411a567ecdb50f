"""How a case keeps what it knows, and how people read it. Facts are JSON: a moment is text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+00:00")


def moment_fact(at: datetime) -> str:
    """A moment, to the minute, as a case keeps it among its facts."""
    return at.astimezone(UTC).isoformat(timespec="minutes")


class Facts(dict[str, Any]):
    """A fact that was not given is shown as unknown instead of breaking the sentence."""

    def __getitem__(self, key: str) -> str:
        return fact_text(super().__getitem__(key))

    def __missing__(self, key: str) -> str:
        return "(unknown)"


def fact_text(value: Any) -> str:
    """A fact as people read it: a moment by the clock of their own zone."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        local = timezone.localtime(datetime.fromisoformat(value))
        return f"{local.day} {local:%b %H:%M}"
    return str(value)
