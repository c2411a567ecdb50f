"""The two rails of a returned unit: where it is, and where its money is. Never folded into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fulfilment.models import StockMovement
from fulfilment.states import Bucket
from integrator.desk import words
from integrator.models import Transition
from returns.models import ReturnItem
from returns.shapes import Method, Resolution
from returns.states import Custody, Disposition, Money

CUSTODY_STEPS: tuple[tuple[Custody, str], ...] = (
    (Custody.REQUESTED, "Requested"),
    (Custody.AUTHORISED, "Agreed"),
    (Custody.IN_TRANSIT, "On its way"),
    (Custody.RECEIVED, "Received"),
    (Custody.INSPECTED, "Checked"),
)
MONEY_STEPS: tuple[tuple[Money, str], ...] = (
    (Money.PROPOSED, "Proposed"),
    (Money.AUTHORISED, "Authorised"),
    (Money.SENT, "Sent"),
    (Money.RECORDED, "Recorded"),
    (Money.SETTLED, "Settled"),
)


@dataclass(frozen=True, slots=True)
class Stop:
    """One step of a rail. ``css`` is done, here, next or block; dashed means not known."""

    label: str
    sub: str
    css: str


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


def unit_of(
    item: ReturnItem, *, times: Reached, movements: Iterable[StockMovement], at: datetime
) -> Unit:
    disposition = getattr(item, "disposition", None)
    verdict = str(Disposition(disposition).label) if disposition else ""
    return Unit(
        item=item,
        custody=_custody(item, times, verdict, list(movements), at),
        money=_no_money(item) or _money(item, times, at),
        verdict=verdict,
    )


def _custody(
    item: ReturnItem, times: Reached, verdict: str, movements: list[StockMovement], at: datetime
) -> list[Stop]:
    """A unit the customer keeps has no way back; a closed one stopped where it was."""
    steps = CUSTODY_STEPS
    if item.method == Method.KEPT:
        steps = CUSTODY_STEPS[:2]
    order = [status for status, _ in steps]
    closed = item.custody == Custody.CLOSED
    known = [status for status in order if (item.pk, "custody", status.value) in times]
    place = order.index(Custody(item.custody)) if item.custody in order else -1
    if closed and known:
        place = order.index(known[-1])
    stops = []
    for number, (status, label) in enumerate(steps):
        moment = times.get((item.pk, "custody", status.value))
        if status == Custody.REQUESTED and moment is None:
            moment = item.return_record.requested_at
        when = _when(moment, at)
        if number > place:
            css, sub = "next", "will not come" if closed else "not yet"
        else:
            css, sub = "done", when
        if status == Custody.INSPECTED and css == "done" and verdict:
            sub = ", ".join(part for part in (when, verdict.lower()) if part)
        stops.append(Stop(label, sub, css))
    if item.method == Method.KEPT:
        return [*stops, Stop("Kept by the customer", "nothing comes back", "done")]
    if closed:
        return [*stops, _end(item, times, movements, checked=place == len(steps) - 1, at=at)]
    return _mark_here([*stops, _shelf(item, movements, at)], blocked=bool(item.blocked_by))


def _end(
    item: ReturnItem,
    times: Reached,
    movements: list[StockMovement],
    *,
    checked: bool,
    at: datetime,
) -> Stop:
    """Where a unit of which nothing more will come has ended. One that never came was cut short."""
    shelf = _shelf(item, movements, at)
    if shelf.css == "done":
        return shelf
    when = _when(times.get((item.pk, "custody", Custody.CLOSED.value)), at)
    return Stop("Closed", when, "done" if checked else "block")


def _shelf(item: ReturnItem, movements: list[StockMovement], at: datetime) -> Stop:
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
    place = f", {last.location}" if last.location is not None else ""
    return Stop(label[last.to_bucket], f"{_when(last.at, at)}{place}", "done")


def _no_money(item: ReturnItem) -> list[Stop]:
    """The one stop where none will move; nothing where some may."""
    if item.money != Money.NONE:
        return []
    if item.resolution == Resolution.EXCHANGE:
        return [Stop("No money", "goods are sent instead", "done")]
    if item.custody == Custody.CLOSED:
        return [Stop("No money", "none was paid", "done")]
    return []


def _money(item: ReturnItem, times: Reached, at: datetime) -> list[Stop]:
    order = [status for status, _ in MONEY_STEPS]
    status = Money(item.money)
    place = order.index(status) if status in order else -1
    if status in (Money.IN_DOUBT, Money.REFUSED, Money.WAIVED):
        place = order.index(Money.SENT) - 1
    stops = []
    for number, (step, label) in enumerate(MONEY_STEPS):
        when = times.get((item.pk, "money", step.value))
        if number <= place and (when or number == place):
            stops.append(Stop(label, _when(when, at), "done"))
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


def _mark_here(stops: list[Stop], *, blocked: bool) -> list[Stop]:
    """The first step that is not reached is where things stand now."""
    for number, stop in enumerate(stops):
        if stop.css == "next":
            css = "block" if blocked else "here"
            sub = "held for a person" if blocked else stop.sub
            return [*stops[:number], Stop(stop.label, sub, css), *stops[number + 1 :]]
        if stop.css in ("doubt", "block"):
            return stops
    return stops


def _when(moment: datetime | None, at: datetime) -> str:
    return words.moment_text(moment, at=at) if moment is not None else ""
