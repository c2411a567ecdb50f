"""What every page needs to know about the installation: its name, zone, connections and their lag.

Read at most every 15 seconds per process; never for numbers that stand for rows of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import caches

from integrator.desk.catalogue import Tile, tile_of
from integrator.engine.choices import CHOICES, choice
from integrator.engine.lag import Lag, all_lags
from integrator.models import Connection, ConnectionState, PolicyVersion, Retailer
from integrator.platforms import PLATFORMS, pages

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
    pages: Mapping[str, str] = field(default_factory=dict)  # by kind of record, with {id}
    policy_version: int | None = None  # the configuration in force

    @property
    def start(self) -> str:
        """Where people work in the platform itself; empty when nobody said so."""
        return self.pages.get(pages.START, "")

    def page(self, kind: str, number: str) -> str:
        pattern = self.pages.get(kind, "")
        return pages.address(pattern, number) if pattern and number else ""

    @property
    def is_fine(self) -> bool:
        return self.state == ConnectionState.ACTIVE and not self.is_behind


HOURS = (CHOICES["working_hours"][0], CHOICES["working_hours"][1])


@dataclass(frozen=True, slots=True)
class Directory:
    retailer: str
    timezone: str
    currency: str
    connections: Mapping[int, Known]
    executor: str = ""  # who pays refunds, by the policy in force
    hours: tuple[str, str] = HOURS  # when people work, Monday to Friday, by its clock

    def tile(self, connection_id: int | None) -> Tile:
        known = self.connections.get(connection_id or 0)
        return known.tile if known else tile_of("")

    def name(self, connection_id: int | None) -> str:
        known = self.connections.get(connection_id or 0)
        return known.name if known else "Us"

    def page(self, connection_id: int, kind: str, number: str) -> str:
        """A record's own page in the platform; empty when the way there is not known."""
        known = self.connections.get(connection_id)
        return known.page(kind, number) if known else ""


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
    newest = PolicyVersion.objects.order_by("retailer_id", "-version").distinct("retailer_id")
    policies = {one.retailer_id: one for one in newest}
    policy = policies.get(retailer.pk) if retailer else None
    lags: dict[int, list[Lag]] = {}
    for lag in all_lags(at=at):
        lags.setdefault(lag.connection_id, []).append(lag)
    return Directory(
        retailer=retailer.name if retailer else "",
        timezone=retailer.timezone if retailer else "UTC",
        currency=retailer.currency if retailer else "",
        executor=str(choice(policy, "refund_executor") or "") if policy else "",
        hours=_hours(policy),
        connections={
            connection.pk: _known(
                connection, lags.get(connection.pk, []), policies.get(connection.retailer_id)
            )
            for connection in Connection.objects.order_by("id").defer("secrets")
        },
    )


def _hours(policy: PolicyVersion | None) -> tuple[str, str]:
    begins, ends = choice(policy, "working_hours") if policy else HOURS
    return begins, ends


def _known(connection: Connection, lags: list[Lag], policy: PolicyVersion | None) -> Known:
    platform = PLATFORMS.get(connection.platform)
    kinds = platform.pages if platform is not None else ()
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
        pages=pages.of(connection.settings, kinds, demo=settings.DEMO),
        policy_version=policy.version if policy is not None else None,
    )
