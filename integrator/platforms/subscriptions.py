"""What a platform shows of our webhook subscriptions. The same for every platform."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscription:
    """``url`` as the platform shows it: credentials in it may be masked."""

    external_id: str
    event: str
    url: str
