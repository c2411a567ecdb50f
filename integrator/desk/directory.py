"""What every page needs to know about the installation: its name, zone, connections and their lag.

Read at most every 15 seconds per process; never for numbers that stand for rows of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import caches

from integrator.desk.catalogue import Tile, tile_of
from integrator.engine.choices import choice
from integrator.engine.lag import Lag, all_lags
from integrator.models import Connection, ConnectionState, Retailer

FRESH_FOR_SECONDS = 15
_KEY = "desk-directory"


@dataclass(frozen=True, slots=True)
class Known:
    """One connection as the screens name it. ``age`` is None when a stream was never fully read."""

    id: int
    name: str
    platform: str
    tile: Tile
    state: str
    age: timedelta | None
    is_behind: bool
    screen_url: str = ""  # where people work in the platform itself
    return_url: str = ""  # a return's own page there, with {id} for its number

    @property
    def is_fine(self) -> bool:
        return self.state == ConnectionState.ACTIVE and not self.is_behind


@dataclass(frozen=True, slots=True)
class Directory:
    retailer: str
    timezone: str
    currency: str
    connections: Mapping[int, Known]
    executor: str = ""  # who pays refunds, by the policy in force

    def tile(self, connection_id: int | None) -> Tile:
        known = self.connections.get(connection_id or 0)
        return known.tile if known else tile_of("")

    def name(self, connection_id: int | None) -> str:
        known = self.connections.get(connection_id or 0)
        return known.name if known else "Us"


def current(*, at: datetime) -> Directory:
    """The directory, at most 15 seconds old."""
    cache = caches["process"]
    found: Directory | None = cache.get(_KEY)
    if found is None:
        found = _read(at)
        cache.set(_KEY, found, FRESH_FOR_SECONDS)
    return found


def forget() -> None:
    """Read anew on the next page, after something here was changed."""
    caches["process"].delete(_KEY)


def _read(at: datetime) -> Directory:
    retailer = Retailer.objects.order_by("id").first()
    policy = retailer.policies.order_by("-version").first() if retailer else None
    lags: dict[int, list[Lag]] = {}
    for lag in all_lags(at=at):
        lags.setdefault(lag.connection_id, []).append(lag)
    return Directory(
        retailer=retailer.name if retailer else "",
        timezone=retailer.timezone if retailer else "UTC",
        currency=retailer.currency if retailer else "",
        executor=str(choice(policy, "refund_executor") or "") if policy else "",
        connections={
            connection.pk: _known(connection, lags.get(connection.pk, []))
            for connection in Connection.objects.order_by("id").defer("secrets")
        },
    )


def _known(connection: Connection, lags: list[Lag]) -> Known:
    ages = [lag.age for lag in lags]
    known_ages = [age for age in ages if age is not None]
    return Known(
        id=connection.pk,
        name=connection.name,
        platform=connection.platform,
        tile=tile_of(connection.platform),
        state=connection.state,
        age=max(known_ages) if known_ages and len(known_ages) == len(ages) else None,
        is_behind=any(lag.is_behind for lag in lags),
        screen_url=_address(connection.settings.get("screen_url")),
        return_url=_address(connection.settings.get("return_url")),
    )


def _address(value: object) -> str:
    """An address from a connection's settings, if a browser may be sent there."""
    text = str(value or "")
    return text if text.startswith(("https://", "http://127.0.0.1")) else ""
