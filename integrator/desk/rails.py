"""The two rails of a returned unit: where it is, and where its money is. Never folded into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from fulfilment.models import StockMovement
from fulfilment.states import Bucket
from integrator.desk import return_says, words
from integrator.desk.catalogue import Tile, tile_of
from integrator.models import BatchItem, BatchItemState, Transition
from returns.models import ReturnItem
from returns.shapes import Method, Resolution
from returns.states import Custody, Disposition, Money

CUSTODY_STEPS: tuple[Custody, ...] = (
    Custody.REQUESTED,
    Custody.AUTHORISED,
    Custody.IN_TRANSIT,
    Custody.RECEIVED,
    Custody.INSPECTED,
)
MONEY_STEPS: tuple[tuple[Money, str], ...] = (
    (Money.PROPOSED, "Proposed"),
    (Money.AUTHORISED, "Authorised"),
    (Money.SENT, "Sent"),
    (Money.RECORDED, "Recorded"),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """One platform that has a step. ``when`` is empty where it should have it and does not."""

    tile: Tile
    when: str


@dataclass(frozen=True, slots=True)
class Stop:
    """One step of a rail. ``css`` is done, here, next or block; dashed means not known."""

    label: str
    sub: str
    css: str
    ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A returned unit with its two rails and its last verdict."""

    item: ReturnItem
    custody: list[Stop]
    money: list[Stop]
    verdict: str


Reached = Mapping[tuple[int, str, str], datetime]


def reached(transitions: Iterable[Transition]) -> Reached:
    """When each unit last came to each status."""
    return {
        (one.record_id, one.field, one.new): one.at
        for one in transitions
        if one.record_kind == "return_item"
    }


@dataclass(frozen=True, slots=True)
class Told:
    """Who must have the steps of a return, and when the shop was told of each.

    ``shop`` is None where the shop of the order is told of none.
    """

    portal: Tile
    shop: Tile | None
    payer: Tile | None
    steps: Mapping[tuple[int, str, str], datetime | None]

    def ticks(
        self, item: ReturnItem, status: str, when: datetime | None, at: datetime
    ) -> tuple[Tick, ...]:
        """The returns platform said it; the shop was told, or is still to be."""
        said = (Tick(self.portal, _when(when, at)),)
        key = (item.pk, "custody", status)
        if self.shop is None or key not in self.steps:
            return said
        return (*said, Tick(self.shop, _when(self.steps[key], at)))

    def paid(self, item: ReturnItem, when: datetime | None, at: datetime) -> tuple[Tick, ...]:
        """The payer recorded it; the returns platform shows the return as done, or not yet."""
        done = Tick(self.portal, _when(item.return_record.completed_at, at))
        if self.payer is None or self.payer == self.portal:
            return (done,)
        return (Tick(self.payer, _when(when, at)), done)


def told_by(
    transitions: Iterable[Transition],
    items: Iterable[BatchItem],
    *,
    portal: Tile,
    shop: Tile | None,
    payer: Tile | None,
) -> Told:
    """What is told is the state at that time: a later batch tells what came before it as well."""
    told = sorted(
        (one.ended_at, max(one.changes, default=0))
        for one in items
        if one.ended_at is not None and one.state in SHOWN_THERE
    )
    steps = {
        (one.record_id, one.field, one.new): next(
            (moment for moment, newest in told if newest >= one.pk), None
        )
        for one in transitions
        if one.record_kind == ReturnItem.RECORD_KIND
    }
    return Told(portal, shop, payer, steps)


SHOWN_THERE = (BatchItemState.POSTED, BatchItemState.UNCHANGED)


def unit_of(
    item: ReturnItem,
    *,
    times: Reached,
    movements: Iterable[StockMovement],
    at: datetime,
    told: Told | None = None,
) -> Unit:
    """``told`` adds to each step that is reached which platforms have it."""
    disposition = getattr(item, "disposition", None)
    verdict = str(Disposition(disposition).label) if disposition else ""
    return Unit(
        item=item,
        custody=_custody(item, times, verdict, list(movements), at, told),
        money=_no_money(item) or _money(item, times, at, told),
        verdict=verdict,
    )


def _custody(
    item: ReturnItem,
    times: Reached,
    verdict: str,
    movements: list[StockMovement],
    at: datetime,
    told: Told | None,
) -> list[Stop]:
    """A unit the customer keeps has no way back; a closed one stopped where it was."""
    steps = CUSTODY_STEPS
    if item.method == Method.KEPT:
        steps = CUSTODY_STEPS[:2]
    order = list(steps)
    closed = item.custody == Custody.CLOSED
    known = [status for status in order if (item.pk, "custody", status.value) in times]
    place = order.index(Custody(item.custody)) if item.custody in order else -1
    if closed and known:
        place = order.index(known[-1])
    stops = []
    for number, status in enumerate(steps):
        moment = _moment(item, status, times)
        when = _when(moment, at)
        if number > place:
            css, sub = "next", "will not come" if closed else "not yet"
        else:
            css, sub = "done", when
        if status == Custody.INSPECTED and css == "done" and verdict:
            sub = ", ".join(part for part in (when, verdict.lower()) if part)
        ticks: tuple[Tick, ...] = ()
        if told is not None and css == "done":
            ticks = told.ticks(item, status.value, moment, at)
            sub = verdict.lower() if status == Custody.INSPECTED else ""
        stops.append(Stop(str(status.label), sub, css, ticks))
    if item.method == Method.KEPT:
        return [*stops, Stop("Kept by the customer", "nothing comes back", "done")]
    if closed:
        return [
            *stops,
            _end(item, times, movements, checked=place == len(steps) - 1, at=at, told=told),
        ]
    return _mark_here([*stops, _shelf(item, movements, at, told)], blocked=bool(item.blocked_by))


def _moment(item: ReturnItem, status: Custody, times: Reached) -> datetime | None:
    """When a unit came to a step; of a verdict when it was given, not when we learnt of it."""
    learnt = times.get((item.pk, "custody", status.value))
    if status == Custody.INSPECTED and learnt is not None:
        return getattr(item, "checked_at", None) or learnt
    if status == Custody.REQUESTED and learnt is None:
        return item.return_record.requested_at
    return learnt


def _end(
    item: ReturnItem,
    times: Reached,
    movements: list[StockMovement],
    *,
    checked: bool,
    at: datetime,
    told: Told | None,
) -> Stop:
    """Where a unit of which nothing more will come has ended. One that never came was cut short."""
    shelf = _shelf(item, movements, at, told)
    if shelf.css == "done":
        return shelf
    if return_says.lies_unsold(item, movements):
        return replace(shelf, css="here")
    when = _when(times.get((item.pk, "custody", Custody.CLOSED.value)), at)
    return Stop("Closed", when, "done" if checked else "block")


def _shelf(
    item: ReturnItem, movements: list[StockMovement], at: datetime, told: Told | None
) -> Stop:
    """Where the unit ended: on sale, put aside, or not yet anywhere."""
    mine = [one for one in movements if one.return_item_id == item.pk]
    last = mine[-1] if mine else None
    if last is None or last.to_bucket not in (
        Bucket.SELLABLE,
        Bucket.QUARANTINE,
        Bucket.WRITTEN_OFF,
    ):
        return Stop("On sale", "not yet", "next")
    label = {"SELLABLE": "On sale", "QUARANTINE": "Put aside", "WRITTEN_OFF": "Written off"}
    if last.location is None:
        return Stop(label[last.to_bucket], _when(last.at, at), "done")
    if told is not None and last.to_bucket == Bucket.SELLABLE:
        # A unit is counted as sellable once whoever counts the place has shown the new figure.
        counts = Tick(tile_of(last.location.authority), _when(last.at, at))
        return Stop(label[last.to_bucket], str(last.location), "done", (counts,))
    return Stop(label[last.to_bucket], f"{_when(last.at, at)}, {last.location}", "done")


def _no_money(item: ReturnItem) -> list[Stop]:
    """The one stop where none will move; nothing where some may."""
    if item.money != Money.NONE:
        return []
    if item.resolution == Resolution.EXCHANGE:
        return [Stop("No money", "goods are sent instead", "done")]
    if item.custody == Custody.CLOSED:
        return [Stop("No money", "none was paid", "done")]
    return []


def _money(item: ReturnItem, times: Reached, at: datetime, told: Told | None) -> list[Stop]:
    status = Money(item.money)
    place = _money_place(status)
    stops = []
    for number, (step, label) in enumerate(MONEY_STEPS):
        when = times.get((item.pk, "money", step.value))
        if number <= place and (when or number == place):
            ticks: tuple[Tick, ...] = ()
            if told is not None and step == Money.RECORDED:
                ticks = told.paid(item, when, at)
            stops.append(Stop(label, "" if ticks else _when(when, at), "done", ticks))
        elif number <= place:
            stops.append(Stop(label, "not needed", "done"))
        elif status == Money.IN_DOUBT and step == Money.SENT:
            stops.append(Stop("In doubt", "may have been sent", "doubt"))
        elif status == Money.REFUSED and step == Money.SENT:
            stops.append(Stop("Not paid", "proved", "block"))
        elif status == Money.WAIVED and step == Money.SENT:
            stops.append(Stop("Settled in another way", "said by a person", "done"))
        elif status == Money.WAIVED:
            stops.append(Stop(label, "not by us", "done"))
        else:
            stops.append(Stop(label, "not yet", "next"))
    return _mark_here(stops, blocked=False)


def _money_place(status: Money) -> int:
    """How many steps of the rail are behind, less one."""
    order = [step for step, _ in MONEY_STEPS]
    if status in (Money.IN_DOUBT, Money.REFUSED, Money.WAIVED):
        return order.index(Money.SENT) - 1
    if status == Money.SETTLED:
        return order.index(Money.RECORDED)
    return order.index(status) if status in order else -1


def _mark_here(stops: list[Stop], *, blocked: bool) -> list[Stop]:
    """The first step that is not reached is where things stand now."""
    for number, stop in enumerate(stops):
        if stop.css == "next":
            css = "block" if blocked else "here"
            sub = "held for a person" if blocked else stop.sub
            return [*stops[:number], replace(stop, sub=sub, css=css), *stops[number + 1 :]]
        if stop.css in ("doubt", "block"):
            return stops
    return stops


def _when(moment: datetime | None, at: datetime) -> str:
    return words.moment_text(moment, at=at) if moment is not None else ""
