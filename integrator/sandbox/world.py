"""Everything one sandbox holds: clock, dice, books, outbox and the effects still to come."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from integrator.sandbox import catalogue
from integrator.sandbox.callbacks import Outbox
from integrator.sandbox.catalogue import Catalogue
from integrator.sandbox.faults import Switchboard
from integrator.sandbox.returngo.books import ReturngoBooks
from integrator.sandbox.scayle.books import ScayleBooks
from integrator.sandbox.shelf import Shelf

Clock = Callable[[], datetime]

# First ids, far apart, so that an id of one kind is never mistaken for one of another.
_FIRST_IDS = {
    "order": 70001,
    "item": 880001,
    "customer": 501,
    "address": 9001,
    "package": 4001,
    "invoice": 6001,
    "refund": 1,
    "return": 1,
    "reservation": 31001,
    "subscription": 201,
    "rma": 10030001,
    "returned_item": 5500001,
    "shipment": 9754001,
    "transaction": 6070001,
    "webhook": 301,
    "draft": 81001,
}


def utc_clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class Effect:
    """Something accepted now that happens later. ``due_at`` None: when somebody settles."""

    due_at: datetime | None
    run: Callable[[datetime], None]


@dataclass
class Limits:
    """How much each platform lets through: so much that only who asks for less meets a limit."""

    scayle_per_minute: dict[str, int]
    scayle_default: int = 100_000
    returngo_daily: int = 1_000_000


class World:
    def __init__(self, *, seed: int, clock: Clock, effect_delay: float | None) -> None:
        self.seed = seed
        self.clock = clock
        self.effect_delay = effect_delay
        # Baskets and callback keys have dice of their own: how often a client calls must not change
        # what the next shopper buys.
        self.random = random.Random(f"{seed}:world")
        self._key_random = random.Random(f"{seed}:keys")
        self.switchboard = Switchboard(seed)
        self.outbox = Outbox(self.switchboard)
        self.limits = Limits(scayle_per_minute={})
        self.spent: Counter[tuple[str, str]] = Counter()
        self.catalogue: Catalogue = catalogue.demo(opened_at=clock())
        self.scayle = ScayleBooks(self.catalogue, opened_at=clock())
        self.returngo = ReturngoBooks()
        self._effects: list[Effect] = []
        self._ids: Counter[str] = Counter()

    def now(self) -> datetime:
        return self.clock()

    def next_id(self, kind: str) -> int:
        number = _FIRST_IDS[kind] + self._ids[kind]
        self._ids[kind] += 1
        return number

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._key_random.getrandbits(128), version=4))

    def later(
        self, run: Callable[[datetime], None], *, at: datetime, extra: timedelta = timedelta(0)
    ) -> None:
        """Let ``run`` happen after the usual delay and ``extra``."""
        due_at = None
        if self.effect_delay is not None:
            due_at = at + timedelta(seconds=self.effect_delay) + extra
        self._effects.append(Effect(due_at, run))

    def tick(self, at: datetime) -> int:
        """Apply the effects that are due; how many."""
        due = [effect for effect in self._effects if effect.due_at and effect.due_at <= at]
        return self._apply(due, at)

    def settle(self, at: datetime) -> int:
        """Apply every delayed effect now, show what was hidden, make held callbacks due."""
        applied = self._apply(list(self._effects), at)
        for shelf in self.shelves("scayle") + self.shelves("returngo"):
            shelf.reveal()
        self.outbox.release_all(at)
        return applied

    def shelves(self, platform: str) -> list[Shelf[Any, Any]]:
        return self.scayle.shelves() if platform == "scayle" else self.returngo.shelves()

    def _apply(self, effects: list[Effect], at: datetime) -> int:
        for effect in effects:
            self._effects.remove(effect)
            effect.run(at)
        return len(effects)
