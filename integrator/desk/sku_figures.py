"""Why a sellable figure is what it is: the equation behind it, made of what we know and no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.urls import reverse

from fulfilment.models import Location, StockLevel
from fulfilment.queries import Change, made_by
from fulfilment.states import Bucket
from integrator.desk.directory import Directory
from returns.queries import Counted

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Term:
    """One number of an equation, with the sign before it and what is behind it. ``at``: as of."""

    sign: str
    number: int
    label: str
    href: str = ""
    is_sum: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """What one shop may sell at one place. No terms: it never confirmed a figure."""

    level: StockLevel
    shop: str
    terms: list[Term]
    change: Change | None


@dataclass(slots=True)
class Place:
    """A location with the figures told for it, and the returned units on its shelves."""

    id: int
    name: str
    authority: str
    is_ours: bool  # whether we may write its figure
    figures: list[Figure] = field(default_factory=list)
    sellable: int = 0
    quarantine: int = 0


def places_of(
    levels: list[StockLevel], changes: list[Change], counts: Iterable[Counted], known: Directory
) -> list[Place]:
    """Every place where the article has a figure or a returned unit of ours, by name."""
    places: dict[int, Place] = {}
    for level in levels:
        at = level.location
        place = places.setdefault(at.pk, _place(at.pk, at.name, at.authority))
        place.figures.append(_figure(level, made_by(level, changes), known))
    for one in counts:
        if one.place is not None:
            place = places.setdefault(one.place[0], _place(*one.place))
            if one.bucket == Bucket.SELLABLE:
                place.sellable += one.units
            else:
                place.quarantine += one.units
    return sorted(places.values(), key=lambda place: (place.name, place.id))


def _place(pk: int, name: str, authority: str) -> Place:
    known = Location.Authority(authority)
    return Place(pk, name, str(known.label), known == Location.Authority.SCAYLE)


def _figure(level: StockLevel, change: Change | None, known: Directory) -> Figure:
    shop = known.name(level.connection_id)
    if level.confirmed is None:
        return Figure(level, shop, [], None)
    if change is None or change.before is None:
        return Figure(level, shop, [Term("", level.confirmed, f"{shop} shows", is_sum=True)], None)
    return Figure(level, shop, _terms(level, change, change.before, shop), change)


def _terms(level: StockLevel, change: Change, before: int, shop: str) -> list[Term]:
    """What it showed, what we changed, and what else must have happened for the two to fit."""
    assert level.confirmed is not None
    sent = level.confirmed if level.sent is None else level.sent
    up = change.movement.to_bucket == Bucket.SELLABLE
    terms = [
        Term("", before, f"{shop} showed", _proof(change)),
        Term(
            "+" if up else MINUS,
            abs(change.by),
            "put back on sale" if up else "taken off sale",
            f"?movement={change.movement.pk}#list",
        ),
    ]
    terms += _rest(sent - before - change.by, "is never below zero", "sold earlier and missing")
    terms += _rest(level.confirmed - sent, "changed by others meanwhile", "sold meanwhile")
    told = f"{shop} shows, as counted"
    return [*terms, Term("=", level.confirmed, told, is_sum=True, at=level.counted_at)]


def _rest(number: int, more: str, less: str) -> list[Term]:
    if not number:
        return []
    return [Term("+", number, more)] if number > 0 else [Term(MINUS, -number, less)]


def _proof(change: Change) -> str:
    """The time line of the order whose returned unit it was: every call is there."""
    order_id = change.movement.order_id
    return f"{reverse('order', args=[order_id])}?show=stock#timeline" if order_id else ""


def counted_at(levels: list[StockLevel]) -> dict[int, datetime]:
    """The instant of the oldest figure of each shop: later sales are in none of them for sure."""
    found: dict[int, datetime] = {}
    for level in levels:
        if level.counted_at is not None:
            before = found.get(level.connection_id, level.counted_at)
            found[level.connection_id] = min(before, level.counted_at)
    return found
