"""Reading what came back from a call, or why nothing did. Judging it is ``engine.http``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_SECONDS = 86_400.0


def refused(error: BaseException | None) -> bool:
    """Whether the connection was refused or the name not found: proof that nothing was sent."""
    seen = 0
    while error is not None and seen < 10:
        name = type(error).__name__
        if name in ("NewConnectionError", "NameResolutionError", "ConnectionRefusedError"):
            return True
        reason = getattr(error, "reason", None)
        nested = reason if isinstance(reason, BaseException) else None
        arg = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
        error = nested or arg or error.__cause__ or error.__context__
        seen += 1
    return False


def seconds_to(date: str, *, at: datetime) -> float | None:
    """From ``at`` to the moment that a header names; None when it names none."""
    try:
        return (parsedate_to_datetime(date) - at) / timedelta(seconds=1)
    except (TypeError, ValueError):
        return None


def retry_after(
    headers: Mapping[str, str], *, at: datetime, default: float | None = 30.0
) -> float | None:
    """Seconds the platform asks us to wait: a number, a date, or nothing.

    Absurd values are capped.
    """
    asked = headers.get("retry-after") or headers.get("x-ratelimit-reset") or ""
    try:
        seconds: float | None = float(asked)
    except ValueError:
        seconds = seconds_to(asked, at=at)
    if seconds is None or math.isnan(seconds):
        return default
    return min(max(seconds, 1.0), RETRY_AFTER_MAX_SECONDS)
