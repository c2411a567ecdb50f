"""The strip under every record: its ids in each platform, how fresh, by which rules, how much told.

Built from rows that are already read; asks the database nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models.functions import JSONObject

from integrator.desk import catalogue
from integrator.desk.catalogue import Tile
from integrator.desk.directory import Directory
from integrator.models import Link

LINKS = 20  # ids of one record; more than this is an accident


@dataclass(frozen=True, slots=True)
class Id:
    """What a platform calls one record. ``kind`` is the platform's own word for it."""

    connection_id: int
    kind: str
    number: str
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An id on the screen. ``href`` opens the record there; empty where the way is not known."""

    kind: str
    number: str
    href: str
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """One platform with everything of this record that it knows."""

    tile: Tile
    name: str
    ids: list[Shown]


@dataclass(frozen=True, slots=True)
class Trust:
    """``version`` is of the rules in force, ``used`` of those a step was made under."""

    places: list[Place]
    version: int | None
    history: int
    history_href: str
    used: int | None = None


def ids_of(links: Iterable[Link]) -> list[Id]:
    return [Id(link.connection_id, link.external_kind, link.external_id) for link in links]


def linked(**about: Any) -> ArraySubquery:
    """What platforms call a record, as a column of its own row: it costs no statement more."""
    row = JSONObject(connection_id="connection_id", kind="external_kind", number="external_id")
    return ArraySubquery(Link.objects.filter(**about).order_by("id").values(row=row)[:LINKS])


def ids_in(column: Iterable[Mapping[str, Any]]) -> list[Id]:
    """The ids of such a column."""
    return [Id(**one) for one in column]


def trust_of(
    ids: Iterable[Id],
    known: Directory,
    *,
    history: int,
    history_href: str,
    used: int | None = None,
) -> Trust:
    """Each id once, with the reading that is known of it, by platform and in the order given."""
    once: dict[tuple[int, str, str], Id] = {}
    for one in ids:
        key = (one.connection_id, one.kind, one.number)
        if one.number and (key not in once or once[key].read_at is None):
            once[key] = one
    found: dict[int, Place] = {}
    for one in once.values():
        place = found.setdefault(
            one.connection_id,
            Place(known.tile(one.connection_id), known.name(one.connection_id), []),
        )
        place.ids.append(_shown(one, known))
    own = next((one for one in found if one in known.connections), next(iter(known.connections), 0))
    version = known.connections[own].policy_version if own else None
    return Trust(list(found.values()), version, history, history_href, used)


def _shown(one: Id, known: Directory) -> Shown:
    href = known.page(one.connection_id, one.kind, one.number)
    return Shown(catalogue.kind_says(one.kind), one.number, href, one.read_at)
