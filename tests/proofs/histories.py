"""Ways in which we may come to hear of a history, and where everything is at its end.

``Telling`` plays a history on a stage; two of them differ only in the order, number and time of
what we hear and when we look.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

import pytest
from django.db.models import Q

from finance.cases import SYSTEMS_DIFFER
from fulfilment.models import StockMovement
from integrator.flows import tasks
from integrator.models import Case, CaseState, Connection, Job, JobState
from returns.models import Return, ReturnItem
from returns.shapes import PlatformStatus
from tests.database import empty, hasty
from tests.proofs.acts import SKUS, Act
from tests.proofs.storm import EFFECT_SECONDS, promises
from tests.story import Row, Stage, opened

# How old a reading may get: callbacks tell of no verdict. At the end not every round reads again,
# because the comparison leaves out what is being read.
REREAD_MINUTES = 10
CALM_REREAD_MINUTES = 30
CALM_SECONDS = 1300  # longer than the callbacks are delayed
CALM_ROUNDS = 20
_CORRECTED = re.compile(r"correction:unit:(\d+)$")
# Lost for ever is only what a later reading can make up for. How a payment ended is said in its
# callback alone, so that one may come late, twice and out of order, but it comes.
FAULTS: tuple[Row, ...] = (
    *(
        {"platform": "scayle", "endpoint": "POST /variants/{variant}/stocks", **fault}
        for fault in (
            {"fault": "drop_after", "probability": 0.2},
            {"fault": "error", "status": 503, "probability": 0.2},
            {"fault": "visible_after", "seconds": 70, "probability": 0.2},
        )
    ),
    {"platform": "scayle", "endpoint": "payment-refund", "fault": "callback_duplicate"},
    {"platform": "*", "endpoint": "*", "fault": "callback_duplicate", "probability": 0.25},
    {"platform": "*", "endpoint": "*", "fault": "callback_reorder", "probability": 0.3},
    {"platform": "*", "endpoint": "*", "fault": "callback_suppress", "probability": 0.3},
    {"platform": "*", "endpoint": "*", "fault": "callback_delay", "seconds": 900},
)


# --- telling it ----------------------------------------------------------------------------------


@dataclass
class Telling:
    """One way of coming to hear of a history."""

    stage: Stage
    dice: Random
    orders: list[Row] = field(default_factory=list)
    rmas: list[Row] = field(default_factory=list)
    # What shoppers are about to buy: while we read its stock, or at the end.
    wanted: list[str] = field(default_factory=list)
    # Units whose verdict was changed: their article, and since when.
    taken_back: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def play(self, history: Sequence[Act]) -> None:
        for act in history:
            getattr(self, f"_{act.verb}")(act)
            self._meanwhile()
            self.nothing_is_oversold()
        while self.wanted:
            self.stage.shop_sells(self.wanted.pop())
        self._calm()
        self.nothing_is_oversold()

    def _meanwhile(self) -> None:
        """Between two acts: nothing; or callbacks come; or we work; or the clock goes on."""
        drawn = self.dice.random()
        if drawn < 0.4:
            return
        self.stage.clock.shift(self.dice.choice((1, 20, 70)))
        self.stage.sandbox.tick()
        self.stage.deliver()
        if drawn < 0.6:
            return
        self.stage.work()
        if drawn < 0.75:
            self.stage.clock.shift(self.dice.choice((60, 200, 400)))
            tasks.tick()  # sweeps look for what we were not told
            self.stage.work()

    def _calm(self) -> None:
        """Until all was told and read and nothing is owed; the platforms stay as they are."""
        reads_again(self.stage, minutes=CALM_REREAD_MINUTES)
        began = self.stage.now()
        for _ in range(CALM_ROUNDS):
            self.stage.clock.shift(CALM_SECONDS)
            self.stage.sandbox.tick()
            self.stage.deliver()
            tasks.tick()
            self.stage.work()
            self.stage.clock.shift(EFFECT_SECONDS)
            lacks = [*self._unheard(), *self._unread(began), *promises(), *self._differences()]
            if not lacks:
                return
        raise AssertionError(f"never at rest: {lacks}")

    def _unheard(self) -> list[str]:
        """What the platforms accepted and have not done, or have done and not told."""
        world = self.stage.sandbox.world
        return [
            *(f"effect due {one.due_at}" for one in world._effects),
            *(one.event for one in world.outbox.pending()),
        ]

    @staticmethod
    def _unread(since: datetime) -> list[str]:
        """Returns not read since, of those whose changes no list and no callback tells."""
        ended = (PlatformStatus.REQUESTED, PlatformStatus.REJECTED, PlatformStatus.CANCELLED)
        unread = Return.objects.filter(read_at__lt=since).exclude(platform_status__in=ended)
        return list(unread.values_list("external_id", flat=True))

    @staticmethod
    def _differences() -> list[str]:
        """What a comparison found while it was on its way; the next one that sees it closes it."""
        found = Case.objects.filter(kind=SYSTEMS_DIFFER.code).exclude(state=CaseState.SOLVED)
        return list(found.values_list("cause", flat=True))

    def nothing_is_oversold(self) -> None:
        """What shoppers can buy lies checked on a shelf, at every moment.

        Or it did by the last verdict we could know: a unit taken back there stays on sale until its
        return was read and the shop was told.
        """
        for row in self.stage.sandbox.world.scayle.stock.values():
            late = row.sellable - row.truth
            assert late <= 0 or late <= self._not_yet_off_sale(row.sku), (
                f"{row.sku}: {row.sellable} on sale, {row.truth} are there"
            )

    def _not_yet_off_sale(self, sku: str) -> int:
        """Units whose verdict was changed, unread or with the shop still to be told."""
        going = Job.objects.filter(flow="restock").exclude(
            state__in=[JobState.DONE, JobState.CANCELLED]
        )
        units = going.values_list("record_id", flat=True)
        found = 0
        for name, (its_sku, at) in self.taken_back.items():
            its = ReturnItem.objects.filter(external_id=name)
            unread = Q(return_record__read_at__lte=at)
            found += its_sku == sku and its.filter(unread | Q(pk__in=units)).exists()
        return found

    def buys_meanwhile(self) -> None:
        """Shoppers do not wait for us: they buy just after we have read how many there are."""
        last = self.stage.wire.calls[-1] if self.stage.wire.calls else None
        if last is None or last.method != "GET" or not last.path.endswith("/stocks"):
            return
        found = self.stage.sandbox.world.catalogue.by_variant_id(int(last.path.split("/")[2]))
        if found is not None and found[1].sku in self.wanted:
            self.wanted.remove(found[1].sku)
            self.stage.shop_sells(found[1].sku)

    # --- the acts ---

    def _sell(self, act: Act) -> None:
        self.orders.append(self.stage.ships(self.stage.shop_sells(*act.values)))

    def _buy(self, act: Act) -> None:
        self.wanted.append(act.values[0])

    def _request(self, act: Act) -> None:
        order = self.orders[act.which]
        units = [order["items"][place]["id"] for place in act.values]
        wish = {"order_id": order["id"], "units": units}
        self.rmas.append(self.stage.act("returngo", "request_return", **wish))

    def _validate(self, act: Act) -> None:
        place, outcome = act.values
        self.stage.checks_only(self.rmas[act.which], place, **dict(outcome))

    def _correct(self, act: Act) -> None:
        place, outcome = act.values
        rma = self.rmas[act.which]
        item = rma["items"][place]
        wish = {"rma_id": rma["id"], "item_id": item["id"]}
        self.stage.act("returngo", "correct_validation", **wish, **dict(outcome))
        self.taken_back[str(item["id"])] = (item["sku"], self.stage.now())

    def _look_again(self, act: Act) -> None:
        """Somebody opens it again where it is done; an agent of theirs ends it after that."""
        rma = self.rmas[act.which]
        if self.stage.sandbox.world.returngo.rmas[rma["id"]].status == "Done":
            self.stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")

    def _finish(self, act: Act) -> None:
        self.stage.act("returngo", "done", rma_id=self.rmas[act.which]["id"])

    def _reopen(self, act: Act) -> None:
        self.stage.act("returngo", "reopen", rma_id=self.rmas[act.which]["id"], status="Pending")

    def _stay_ended(self, act: Act) -> None:
        """It stays ended."""

    def _simply(self, act: Act) -> None:
        self.stage.act("returngo", act.verb, rma_id=self.rmas[act.which]["id"])

    _approve = _reject = _cancel = _ship_parcel = _receive = _simply


def reads_again(stage: Stage, *, minutes: int) -> None:
    """Sweeps read again what was read before so many minutes."""
    returngo = stage.connection("returngo")
    pauses = {f"reread_{whose}minutes": minutes for whose in ("", "ours_", "done_")}
    Connection.objects.filter(pk=returngo.pk).update(settings=returngo.settings | pauses)


@contextmanager
def told(monkeypatch: pytest.MonkeyPatch, seed: int, way: int) -> Iterator[Telling]:
    """A stage of its own for one telling, on committed data, which is gone when it is over."""
    random.seed(f"{seed}:{way}")
    hasty()
    with opened(monkeypatch, seed=seed) as stage:
        stage.configure(status_posting="daily at 23:00")  # nobody judges here what an ERP is told
        stage.sandbox.world.effect_delay = EFFECT_SECONDS
        stage.sandbox.world.switchboard._random = Random(f"{seed}:{way}:faults")
        stage.sandbox.add_faults(*FAULTS)
        reads_again(stage, minutes=REREAD_MINUTES)
        telling = Telling(stage, Random(f"{seed}:{way}:telling"))
        stage.wire.meanwhile = telling.buys_meanwhile
        yield telling
    empty()


# --- how it ends ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """Where everything is when nothing moves any more, by the platforms' own numbers."""

    balances: dict[str, dict[str, int]]
    on_sale: dict[str, int]
    refunded: dict[int, int]  # by returned item: the shop numbers its units as they are sold
    units: dict[str, tuple[str, str]]
    rmas: dict[int, str]
    cases: list[tuple[str, str]]


def end_of(telling: Telling) -> End:
    world = telling.stage.sandbox.world
    lines = {
        int(item.shop_line_item_id): item.id
        for rma in world.returngo.rmas.values()
        for item in rma.items
    }
    refunded: Counter[int] = Counter()
    for refund in world.scayle.refunds:
        amounts = {item.id: item.paid for item in world.scayle.orders[refund.order_id].items}
        for unit in refund.item_ids:
            refunded[lines[unit]] += amounts[unit]
    on_sale = dict.fromkeys(SKUS, 0)
    for row in world.scayle.stock.values():
        if row.sku in on_sale:
            on_sale[row.sku] += row.sellable
    return End(
        balances=_balances(),
        on_sale=on_sale,
        refunded=dict(refunded),
        units={one.external_id: (one.custody, one.money) for one in ReturnItem.objects.all()},
        rmas={rma.id: rma.status for rma in world.returngo.rmas.values()},
        cases=sorted(
            (one.kind, _name(one)) for one in Case.objects.exclude(state=CaseState.SOLVED)
        ),
    )


def _balances() -> dict[str, dict[str, int]]:
    """Per returned unit the buckets that do not sum up to zero."""
    names = dict(ReturnItem.objects.values_list("pk", "external_id"))
    held: dict[str, Counter[str]] = {name: Counter() for name in names.values()}
    for one in StockMovement.objects.all():
        held[names[one.return_item_id]][one.from_bucket] -= one.quantity
        held[names[one.return_item_id]][one.to_bucket] += one.quantity
    return {
        unit: {bucket: n for bucket, n in buckets.items() if n} for unit, buckets in held.items()
    }


def _name(case: Case) -> str:
    if case.record_kind == "return_item":
        return str(ReturnItem.objects.get(pk=case.record_id).external_id)
    unit = _CORRECTED.match(case.cause)
    if unit is not None:  # the case is the refund's, the question one unit's
        return str(ReturnItem.objects.get(pk=int(unit[1])).external_id)
    if case.record_kind == "return":
        return str(Return.objects.get(pk=case.record_id).external_id)
    return case.record_kind
