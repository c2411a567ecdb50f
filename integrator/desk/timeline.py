"""One time line of an order: heard, changed, moved, owed and decided, in the order it happened.

Built from rows that are already read; asks the database nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from finance.states import RefundStatus
from fulfilment.models import StockMovement
from fulfilment.states import Bucket, OrderStatus
from integrator.desk import catalogue, directory, history, personal, proofs, telling, words
from integrator.desk.catalogue import OURS, PERSON, Tile, tile_of
from integrator.desk.steps import NOTHING, had_nothing
from integrator.models import CaseEvent, Job, JobState, Message, Transition
from returns.states import (
    Custody,
    DifferenceStatus,
    Disposition,
    ExchangeStatus,
    Money,
    ReturnStatus,
)

NEWEST = 10  # are shown at once, all others by one press
THEMES = {"all": "All", "money": "Money", "stock": "Stock", "people": "People"}
_STATUS_WORDS = {
    "order": ("The order is", OrderStatus),
    "return": ("The return is", ReturnStatus),
    "return_item.custody": ("The unit is", Custody),
    "return_item.money": ("Money for the unit:", Money),
    "inspection": ("Verdict:", Disposition),
    "exchange.status": ("The replacement:", ExchangeStatus),
    "exchange.difference": ("The replacement's price difference:", DifferenceStatus),
    "refund": ("Refund:", RefundStatus),
}
MISSED = "missed"  # what a sweep found and no callback had told
# Why we looked by ourselves, by the kind of the message that asked for it; else a routine look.
_LOOKED_WHY = {
    "order-known": "Its order moved on.",
    "refund-without-proof": "Its refund had no proof yet.",
    "listed": "What it showed may change who is paid.",
}
_ASKED = {
    ("return", "REQUESTED"): "The return was asked for",
    ("return_item", "REQUESTED"): "A return of the unit was asked for",
}
_HOUSEKEEPING = frozenset({"case", "approval", "connection", "job", "batch", "batch_item"})


@dataclass(slots=True)
class Event:
    """One line. ``happened`` sorts, ``learnt`` is when we knew, ``repeats`` are equal ones."""

    happened: datetime
    learnt: datetime
    tile: Tile
    says: str
    themes: frozenset[str]
    key: str
    small: str = ""
    goes_out: bool = False
    missed: bool = False
    waits: bool = False
    amount: tuple[int, str] | None = None
    repeats: list[datetime] = field(default_factory=list)
    rank: int = 0
    is_note: bool = False
    is_look: bool = False  # we looked by ourselves: no platform said anything
    tell: str = ""  # what the customer may be told of it

    @property
    def learnt_words(self) -> str:
        return "ours" if self.goes_out else words.learnt_text(self.happened, self.learnt)[0]

    @property
    def is_late(self) -> bool:
        return not self.goes_out and words.learnt_text(self.happened, self.learnt)[1]


@dataclass(frozen=True, slots=True)
class Day:
    title: str
    events: list[Event]


def build(
    *,
    messages: Iterable[Message],
    transitions: Iterable[Transition],
    movements: Iterable[StockMovement],
    jobs: Iterable[Job],
    case_events: Iterable[CaseEvent],
    known: directory.Directory,
) -> list[Event]:
    """Every line, newest first, with repeats folded into the first of them."""
    events = [
        *(_heard(one, known) for one in messages),
        *(_changed(one) for one in transitions if one.record_kind not in _HOUSEKEEPING),
        *(_moved(one) for one in movements),
        *(_owed(one) for one in jobs if one.connection_id is not None),
        *(_case(one) for one in case_events if one.kind != CaseEvent.Kind.SEEN_AGAIN),
    ]
    return _folded(sorted(events, key=lambda one: (one.happened, one.rank)))


def narrowed(events: list[Event], theme: str) -> list[Event]:
    return events if theme == "all" else [one for one in events if theme in one.themes]


def by_day(events: list[Event], *, at: datetime) -> list[Day]:
    today = words.day_of(at)
    return [
        Day(f"{title}, today" if title == today else title, list(inside))
        for title, inside in groupby(events, key=lambda one: words.day_of(one.happened))
    ]


def panel_of(
    events: list[Event], asked: str, known: directory.Directory, *, at: datetime
) -> dict[str, Any]:
    """What ``fulfilment/_timeline.html`` shows. ``asked`` narrows it to one theme."""
    theme = asked if asked in THEMES else "all"
    shown = narrowed(events, theme)
    lanes = {one.tile.lane: one.tile for one in known.connections.values()}
    return {
        "days": by_day(shown[:NEWEST], at=at),
        "older_days": by_day(shown[NEWEST:], at=at),
        "shown": len(shown),
        "counts": {key: len(narrowed(events, key)) for key in THEMES},
        "themes": THEMES,
        "theme": theme,
        "repeats": sum(len(one.repeats) for one in shown),
        "missed": sum(one.missed for one in shown),
        "lanes": [lanes[lane] for lane in sorted(lanes)],  # the heads of its columns
    }


def _folded(events: list[Event]) -> list[Event]:
    """The newest first. What came twice stands where it came first: that it was heard again changed
    nothing. What we did again by ourselves stands where it was done last.
    """
    of_key: dict[str, int] = {}
    kept: list[Event | None] = []
    for event in events:
        place = of_key.get(event.key) if event.key else None
        original = kept[place] if place is not None else None
        if place is not None and original is not None:
            if not event.is_look:
                original.repeats.append(event.learnt)
                continue
            event.repeats.extend([*original.repeats, original.learnt])
            kept[place] = None
        if event.key:
            of_key[event.key] = len(kept)
        kept.append(event)
    return [event for event in reversed(kept) if event is not None]


def _heard(message: Message, known: directory.Directory) -> Event:
    name = known.name(message.connection_id)
    if message.origin == Message.Origin.PERSON:
        return _asked(message, name)
    if message.origin == Message.Origin.SWEEP:
        return _looked(message, name, known)
    small = ""
    if message.verdict == Message.Verdict.QUARANTINED:
        small = "Known before with other content: kept aside, nothing was changed."
    occurred = message.occurred_at or message.received_at
    return Event(
        happened=min(occurred, message.received_at),
        learnt=message.received_at,
        tile=known.tile(message.connection_id),
        says=f"{name} told us: {_event_words(message)}",
        themes=_themes(message.kind),
        key=f"m:{message.connection_id}:{message.kind}:{message.resource_id}"
        if not message.event_id
        else "",
        small=small,
    )


def _looked(message: Message, name: str, known: directory.Directory) -> Event:
    """A sweep found what no callback had told, or something made us read the record once more."""
    missed = message.kind == MISSED
    about = f"{catalogue.kind_says(message.resource_kind)} {message.resource_id}"
    why = _LOOKED_WHY.get(message.kind, "A routine look.")
    return Event(
        happened=message.received_at,
        learnt=message.received_at,
        tile=known.tile(message.connection_id),
        says=f"Our own look found news at {name} ({about})"
        if missed
        else f"We read it again from {name} ({about})",
        themes=_themes(message.kind),
        key=f"l:{message.connection_id}:{message.kind}:{message.resource_id}",
        small="No callback had told us." if missed else why,
        missed=missed,
        goes_out=not missed,
        is_look=True,
    )


def _asked(message: Message, name: str) -> Event:
    """The platform said nothing: somebody here wanted to know."""
    about = catalogue.kind_says(message.resource_kind)
    return Event(
        happened=message.received_at,
        learnt=message.received_at,
        tile=PERSON,
        says=f"A person asked to read it again from {name} ({about} {message.resource_id})",
        themes=frozenset({"people"}),
        key="",
    )


def _event_words(message: Message) -> str:
    text = message.kind.replace("-", " ").replace("_", " ").replace(".", " ").lower()
    about = catalogue.kind_says(message.resource_kind)
    text = re.sub(r"\brma\b", catalogue.kind_says("rma"), text)
    return f"{text} ({about} {message.resource_id})"


def _themes(kind: str) -> frozenset[str]:
    lowered = kind.lower()
    found = set()
    if any(word in lowered for word in ("refund", "payment", "invoice", "transaction")):
        found.add("money")
    if any(word in lowered for word in ("stock", "ship", "returned", "package")):
        found.add("stock")
    return frozenset(found)


def step_says(one: Transition) -> str:
    """A change of a record in words: the unit is received."""
    named = _STATUS_WORDS.get(f"{one.record_kind}.{one.field}") or _STATUS_WORDS.get(
        one.record_kind
    )
    if named is None:
        return f"{one.record_kind.replace('_', ' ').capitalize()}: {one.new.lower()}"
    if (one.record_kind, one.new) in _ASKED:
        return _ASKED[one.record_kind, one.new]
    start, enum = named
    label = enum(one.new).label if one.new in enum.values else one.new
    return f"{start} {str(label).lower()}"


def _changed(one: Transition) -> Event:
    money = one.record_kind == "refund" or one.field == "money"
    person = one.actor.startswith("user:")
    themes = {"money"} if money else {"stock"} if one.field == "custody" else set()
    if person:
        themes.add("people")
    return Event(
        happened=one.at,
        learnt=one.at,
        tile=PERSON if person else OURS,
        says=step_says(one),
        themes=frozenset(themes),
        key="",
        small=one.reason,
        rank=1,
        tell=telling.of_change(one.record_kind, one.field, one.new),
    )


def _moved(one: StockMovement) -> Event:
    here, there = Bucket(one.from_bucket).label, Bucket(one.to_bucket).label
    place = f" at {one.location}" if one.location is not None else ""
    return Event(
        happened=one.at,
        learnt=one.at,
        tile=OURS,
        says=f"{one.quantity} × {one.sku.code}: {str(here).lower()} → {str(there).lower()}{place}",
        themes=frozenset({"stock"}),
        key="",
        small=one.reason,
        rank=2,
    )


def _owed(job: Job) -> Event:
    """A step. One that looked and found nothing to do told no platform anything."""
    when = job.finished_at or job.sent_at or job.started_at or job.created_at
    says, looked = catalogue.flow_says(job.flow), had_nothing(job)
    state = {
        JobState.DONE: _ended(job),
        JobState.CANCELLED: "Not owed any more.",
        JobState.IN_DOUBT: "In doubt: it may have happened.",
        JobState.PARKED: f"Stopped: {job.error}" if job.error else "Stopped.",
        JobState.WAITING: "Waits for its next try.",
    }.get(JobState(job.state), "Not done yet.")
    return Event(
        happened=when,
        learnt=when,
        tile=OURS if looked else tile_of(job.queue),
        says=says,
        themes=_step_themes(job) if not looked else frozenset(),
        key=f"j:{job.flow}:{state}" if looked or _changed_nothing(job) else "",
        small=state,
        is_look=True,
        goes_out=not looked,
        waits=job.state not in (JobState.DONE, JobState.CANCELLED),
        rank=3,
    )


def _step_themes(job: Job) -> frozenset[str]:
    return frozenset(
        {"money"} if "refund" in job.flow else {"stock"} if "stock" in job.flow else ()
    )


def _changed_nothing(job: Job) -> bool:
    """A reading that found the record as it was known."""
    return job.state == JobState.DONE and job.evidence.get("steps") == 0


def _ended(job: Job) -> str:
    if had_nothing(job):
        return f"Nothing to do: {job.evidence[NOTHING]}."
    proof = proofs.in_words(job.evidence)
    return f"Done. Proof: {proof}" if proof else "Done."


def _case(event: CaseEvent) -> Event:
    who = history.who(event.actor) if event.actor.startswith("user:") else "we"
    told = history.told(event, at=event.at, kind=event.case.kind)
    says = f"Case C-{event.case_id}: {who} {told.says}"
    person = event.actor.startswith("user:")
    return Event(
        happened=event.at,
        learnt=event.at,
        tile=PERSON if person else OURS,
        says=says,
        themes=frozenset(
            [*(["people"] if person else ()), *(["money"] if event.case.money_minor else ())]
        ),
        key="",
        small=event.note.text if event.note is not None else catalogue.said_of(event.case).title,
        rank=4,
        is_note=personal.has_notes([event]),
    )
