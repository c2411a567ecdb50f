"""What happens at the platforms, drawn by a seed, and ways in which we may come to hear of it.

A history is fixed before anything runs: no act in it depends on what we do. ``Telling`` plays it on
a stage; two of them differ only in the order, number and time of what we hear and when we look.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Q

from fulfilment.models import StockMovement
from integrator.flows import tasks
from integrator.models import Case, CaseState, Connection, Job, JobState
from returns.models import Return, ReturnItem
from returns.shapes import PlatformStatus
from tests.proofs.storm import EFFECT_SECONDS, InTurn, promises
from tests.story import Row, Stage, opened

CALM_SECONDS = 1000  # longer than the callbacks are delayed
CALM_ROUNDS = 20
# Read again is what a sweep finds older than this: callbacks tell of no verdict.
REREAD = {f"reread_{whose}minutes": 10 for whose in ("", "ours_", "done_")}
SKUS = ("JKT-NVY-M", "TEE-BLK-L", "SHT-OXF-S")
RESTOCK: Row = {"returned": True, "restockable": True}
QUARANTINE: Row = {"returned": True, "restockable": False}
MISSING: Row = {"returned": False}
_CORRECTED = re.compile(r"correction:unit:(\d+)$")
OUTCOMES = (RESTOCK, QUARANTINE, MISSING)
VERDICTS = ("validate", "correct")
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


@dataclass(frozen=True)
class Act:
    """One act at a platform. ``which`` is the order or the return it is about, by its number."""

    verb: str
    which: int
    values: tuple[Any, ...] = ()


@dataclass
class Draft:
    """A return as the one who draws a history imagines it."""

    units: int
    step: str = "Requested"
    verdicts: dict[int, Row] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        return self.step not in ("Over", "Judged")


def drawn(seed: int, steps: int) -> list[Act]:
    """So many acts, each possible whatever we have done meanwhile."""
    dice = Random(f"{seed}:history")
    acts: list[Act] = []
    free: dict[int, list[int]] = {}
    drafts: list[Draft] = []
    while len(acts) + sum(one.step == "Looked at" for one in drafts) < steps:
        going = [place for place, one in enumerate(drafts) if one.goes_on]
        judged = [place for place, one in enumerate(drafts) if one.verdicts]
        if judged and dice.random() < 0.2:
            number = dice.choice(judged)
            acts.append(_corrected(dice, number, drafts[number]))
        elif len(going) < 3 and not any(free.values()):
            skus = tuple(dice.choice(SKUS) for _ in range(dice.randint(1, 3)))
            free[len(free)] = list(range(len(skus)))
            acts.append(Act("sell", len(free) - 1, skus))
        elif len(going) < 4 and any(free.values()):
            order = dice.choice([one for one, places in free.items() if places])
            count = dice.randint(1, len(free[order]))
            acts.append(Act("request", order, tuple(free[order][:count])))
            free[order] = free[order][count:]
            drafts.append(Draft(count))
        elif dice.random() < 0.15:
            acts.append(Act("buy", 0, (dice.choice(SKUS),)))
        else:
            number = dice.choice(going)
            acts.append(_next_act(dice, number, drafts[number]))
    for number, draft in enumerate(drafts):
        if draft.step == "Looked at":
            acts.append(_moved(draft, number, "finish"))
    return acts


def _next_act(dice: Random, number: int, draft: Draft) -> Act:
    if draft.step == "Requested":
        return _moved(draft, number, "approve" if dice.random() < 0.85 else "reject")
    if draft.step == "Ended":
        return _moved(draft, number, "reopen" if dice.random() < 0.7 else "stay_ended")
    if draft.step == "Approved":
        return _moved(draft, number, "ship_parcel" if dice.random() < 0.85 else "cancel")
    if draft.step == "Shipped":
        return _moved(draft, number, "receive")
    if draft.step == "Looked at":
        return _moved(draft, number, "finish")
    place = dice.choice([one for one in range(draft.units) if one not in draft.verdicts])
    outcome = dice.choices(OUTCOMES, [5, 3, 1])[0]
    draft.verdicts[place] = outcome
    if len(draft.verdicts) == draft.units:
        draft.step = "Judged"
    return Act("validate", number, (place, tuple(outcome.items())))


def _corrected(dice: Random, number: int, draft: Draft) -> Act:
    """Another verdict on a unit; or a return, once it is done, is opened again for a while."""
    if draft.step == "Judged" and dice.random() < 0.25:
        return _moved(draft, number, "look_again")
    place = dice.choice(list(draft.verdicts))
    others = [one for one in OUTCOMES if one != draft.verdicts[place]]
    outcome = dice.choices(others, [1 if one == MISSING else 4 for one in others])[0]
    draft.verdicts[place] = outcome
    return Act("correct", number, (place, tuple(outcome.items())))


def right_from_the_start(history: Sequence[Act]) -> list[Act]:
    """The same history where each verdict is at once what it became in the end."""
    last = {(act.which, act.values[0]): act.values for act in history if act.verb in VERDICTS}
    return [
        replace(act, values=last[act.which, act.values[0]]) if act.verb == "validate" else act
        for act in history
        if act.verb != "correct"
    ]


_THEN = {
    "approve": "Approved",
    "reject": "Ended",
    "cancel": "Ended",
    "reopen": "Requested",
    "stay_ended": "Over",
    "ship_parcel": "Shipped",
    "receive": "Received",
    "look_again": "Looked at",
    "finish": "Judged",
}


def _moved(draft: Draft, number: int, verb: str) -> Act:
    draft.step = _THEN[verb]
    return Act(verb, number)


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
        """Until everything was told and read and nothing is owed; the platforms stay as they are.

        A round is longer than any callback takes, and than a reading may be old.
        """
        began = self.stage.now()
        for _ in range(CALM_ROUNDS):
            self.stage.clock.shift(CALM_SECONDS)
            self.stage.sandbox.tick()
            self.stage.deliver()
            tasks.tick()
            self.stage.work()
            self.stage.clock.shift(EFFECT_SECONDS)
            if not (self._unheard() or self._unread(began) or promises()):
                return
        raise AssertionError(f"never at rest: {self._unheard()} {self._unread(began)} {promises()}")

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


@contextmanager
def told(monkeypatch: pytest.MonkeyPatch, seed: int, way: int) -> Iterator[Telling]:
    """A stage of its own for one telling; the database is as before when it is over."""
    random.seed(f"{seed}:{way}")
    block = transaction.atomic()
    # As with the transaction of the test itself, calls may be made inside.
    block._from_testcase = True  # type: ignore[attr-defined]
    with block, opened(monkeypatch, seed=seed) as stage:
        stage.worker = InTurn()
        stage.sandbox.world.effect_delay = EFFECT_SECONDS
        stage.sandbox.world.switchboard._random = Random(f"{seed}:{way}:faults")
        stage.sandbox.add_faults(*FAULTS)
        returngo = stage.connection("returngo")
        settings = returngo.settings | REREAD
        Connection.objects.filter(pk=returngo.pk).update(settings=settings)
        telling = Telling(stage, Random(f"{seed}:{way}:telling"))
        stage.wire.meanwhile = telling.buys_meanwhile
        yield telling
        transaction.set_rollback(True)


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
