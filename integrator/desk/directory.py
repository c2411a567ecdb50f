"""What every page needs to know about the installation: its name, zone, connections and their lag.

Read at most every 15 seconds per process; never for numbers that stand for rows of a list, unless
the moment at which they were counted stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db.models import (
    Case,
    Count,
    IntegerField,
    JSONField,
    OuterRef,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.functions import JSONObject

from integrator.desk.catalogue import Tile, tile_of
from integrator.engine import maintenance
from integrator.engine.choices import CHOICES, choice
from integrator.engine.lag import Lag, all_lags
from integrator.models import (
    Connection,
    ConnectionState,
    Job,
    MaintenanceState,
    PolicyVersion,
    Retailer,
)
from integrator.models.states import JOB_OPEN
from integrator.platforms import PLATFORMS, pages

FRESH_FOR_SECONDS = 15
_KEY = "desk-directory"


@dataclass(frozen=True, slots=True)
class Hold:
    """The next time a connection is held with an end that is known, or the one that is going on."""

    starts_at: datetime
    ends_at: datetime
    reason: str
    is_on: bool
    is_by_hand: bool


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
    stage_hours: Mapping[str, float] = field(default_factory=dict)  # until a return stands still
    since: datetime | None = None  # since when it is in its state, and why
    reason: str = ""
    hold: Hold | None = None
    waits: int = 0  # steps, counted only while it is stopped

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
    read_at: datetime | None = None
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
        read_at=at,
        executor=str(choice(policy, "refund_executor") or "") if policy else "",
        hours=_hours(policy),
        connections={
            connection.pk: _known(
                connection,
                lags.get(connection.pk, []),
                policies.get(connection.retailer_id),
                _hold(connection.next_hold),
                connection.waits or 0,
            )
            for connection in _connections()
        },
    )


def _hours(policy: PolicyVersion | None) -> tuple[str, str]:
    begins, ends = choice(policy, "working_hours") if policy else HOURS
    return begins, ends


def _connections() -> QuerySet[Any]:
    """Every connection, with the window that holds it or will do so next, and what waits for one
    that is stopped.
    """
    windows = maintenance.open_windows().filter(connection=OuterRef("pk"))
    next_one = windows.annotate(
        as_object=JSONObject(
            starts_at="starts_at", ends_at="ends_at", reason="reason", state="state", made="made_at"
        )
    ).values("as_object")[:1]
    rows = Connection.objects.order_by("id").defer("secrets")
    waiting = Job.objects.filter(connection=OuterRef("pk"), state__in=JOB_OPEN).order_by()
    counted = waiting.values("connection").annotate(count=Count("id")).values("count")
    return rows.annotate(
        next_hold=Subquery(next_one, output_field=JSONField()),
        waits=Case(
            When(state=ConnectionState.ACTIVE, then=0),
            default=Subquery(counted),
            output_field=IntegerField(),
        ),
    )


def _hold(window: Mapping[str, Any] | None) -> Hold | None:
    if window is None:
        return None
    starts_at = datetime.fromisoformat(window["starts_at"])
    return Hold(
        starts_at=starts_at,
        ends_at=datetime.fromisoformat(window["ends_at"]),
        reason=window["reason"],
        is_on=window["state"] == MaintenanceState.BEGUN,
        is_by_hand=starts_at == datetime.fromisoformat(window["made"]),
    )


def _known(
    connection: Connection,
    lags: list[Lag],
    policy: PolicyVersion | None,
    hold: Hold | None,
    waits: int,
) -> Known:
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
        stage_hours=choice(policy, "stage_hours") if policy is not None else {},
        since=connection.state_since,
        reason=connection.state_reason,
        hold=hold,
        waits=waits,
    )
