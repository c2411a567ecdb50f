"""Many returns in flight at once, and everything going wrong with them that can.

What is thrown and what is judged is said in ``test_never_twice``; this is how.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from finance.models import Refund
from finance.states import REFUND_OPEN
from integrator.flows import QUEUES, tasks
from integrator.models import Case, CaseState, Connection, Job, JobState
from integrator.sandbox.calls import Refusal
from tests.house import InTurn
from tests.proofs.people import People
from tests.story import Row, Stage
from tests.wire import Death

ROUNDS_MAX = 120
EFFECT_SECONDS = 20.0  # what SCAYLE accepted becomes true so much later
LEASE_AND_A_BIT = 61.0
# Work of the clock: it is never finished, and nobody waits for it.
CLOCKWORK = ("sweep_scayle", "sweep_returngo", "compare_scayle_returngo")


def promises(*also: JobState) -> list[str]:
    """Jobs that will still be done by themselves, or are in these states, and unproved refunds."""
    states = (JobState.DUE, JobState.WAITING, JobState.RUNNING, JobState.IN_DOUBT, *also)
    jobs = Job.objects.filter(state__in=states).exclude(flow__in=CLOCKWORK)
    open_refunds = Refund.objects.filter(status__in=REFUND_OPEN)
    return [
        *(f"{one.flow} {one.state} {one.error}" for one in jobs),
        *(f"{one}: {one.status}" for one in open_refunds),
    ]


@dataclass
class Journey:
    """One return, and what is still to happen to it at its platforms, in this order."""

    order: Row
    places: Sequence[int]
    acts: list[Callable[[Journey], None]] = field(default_factory=list)
    rma: Row = field(default_factory=dict)

    @property
    def units(self) -> list[int]:
        return [int(self.order["items"][place]["id"]) for place in self.places]


@dataclass
class Storm:
    """A seeded run. Whatever happens once in it happens again with the same seed."""

    stage: Stage
    dice: Random
    people: People
    journeys: list[Journey] = field(default_factory=list)
    deaths: int = 0
    frozen: int = 0
    races: int = 0
    said_again: int = 0
    rounds: int = 0
    _inside: bool = False

    @classmethod
    def over(cls, stage: Stage, seed: int, thrown: Sequence[Row]) -> Storm:
        random.seed(seed)  # the waits of the product's own retries
        dice = Random(f"{seed}:storm")
        storm = cls(stage, dice, People(stage, dice))
        stage.configure(status_posting="daily at 23:00")  # nobody judges here what an ERP is told
        stage.sandbox.world.effect_delay = EFFECT_SECONDS
        stage.wire.meanwhile = storm.meanwhile
        # What nobody told us is found by the sweeps; reading all the rest again proves nothing.
        returngo = stage.connection("returngo")
        settings = returngo.settings | {"reread_minutes": 30}
        Connection.objects.filter(pk=returngo.pk).update(settings=settings)
        stage.sandbox.add_faults(*thrown)
        return storm

    # --- what shoppers, inspectors and agents are going to do -------------------------------------

    def sell(self, units: int) -> None:
        """Orders of several units, and returns of one to four of them."""
        while units > 0:
            skus = ["JKT-NVY-M", "TEE-BLK-L", "SHT-OXF-S"]
            count = min(self.dice.randint(1, 6), units)
            sold = [self.dice.choice(skus) for _ in range(count)]
            order = self.stage.ships(self.stage.shop_sells(*sold))
            places = list(range(count))
            while places:
                some = self.dice.choice((1, 1, 2, 3, 4))
                mine, places = places[:some], places[some:]
                self.journeys.append(self._journey(order, mine))
            units -= count

    def _journey(self, order: Row, places: Sequence[int]) -> Journey:
        wish: Row = {"restocking_fee": 500} if self.dice.random() < 0.05 else {}
        acts = [
            lambda one: self._request(one, wish),
            lambda one: self._there("approve", one),
            lambda one: self._there("ship_parcel", one),
            lambda one: self._there("receive", one),
        ]
        verdicts = [partial(self.verdict, place=place) for place in range(len(places))]
        acts += self.dice.sample(verdicts, len(verdicts))
        odd = self.dice.random()
        if odd < 0.05:
            acts.insert(self.dice.randint(2, len(acts)), self._returngo_pays)
        elif odd < 0.10:
            acts.insert(self.dice.randint(1, len(acts)), self._panel_pays)
        elif odd < 0.13:
            acts[self.dice.randint(2, 4) :] = [lambda one: self._there("cancel", one)]
        elif odd < 0.16:
            acts[2:2] = [lambda one: self._there("cancel", one), self._reopened, acts[1]]
        elif odd < 0.20 and len({item["sku"] for item in order["items"]}) == len(order["items"]):
            # Where the order has another unit of the article, that one may be meant.
            acts.append(self._asks_again)
        return Journey(order, places, acts)

    def _request(self, one: Journey, wish: Row) -> None:
        one.rma = self.stage.act(
            "returngo", "request_return", order_id=one.order["id"], units=one.units, **wish
        )

    def _there(self, action: str, one: Journey) -> None:
        self.stage.act("returngo", action, rma_id=one.rma["id"])

    def _reopened(self, one: Journey) -> None:
        self.stage.act("returngo", "reopen", rma_id=one.rma["id"], status="Pending")

    def verdict(self, one: Journey, place: int) -> None:
        drawn = self.dice.random()
        outcome: Row = {"returned": False} if drawn < 0.03 else {"restockable": drawn < 0.2}
        self.stage.checks_only(one.rma, place, **outcome)

    def _returngo_pays(self, one: Journey) -> None:
        """ReturnGO pays every unit by itself, before anybody else was told to."""
        if self._untouched(one):
            for item in one.rma["items"]:
                about: Row = {"rma_id": one.rma["id"], "item_ids": [item["id"]]}
                asked = self.stage.act("returngo", "request_refund_transaction", **about)
                self.stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
                self.people.paid_there.add(asked["id"])

    def _panel_pays(self, one: Journey) -> None:
        """Somebody pays the whole units in the shop's Panel, past everybody."""
        if self._untouched(one):
            order = one.order["id"]
            self.stage.act("scayle", "refund_by_hand", order_id=order, item_ids=one.units)

    def _untouched(self, one: Journey) -> bool:
        """Whoever pays past us looks first: what was paid, or is being paid, is not paid again."""
        sent = {row.item_id for row in self.stage.sandbox.world.scayle.returns}
        return not set(one.units) & (sent | set(self.people.paid()))

    def _asks_again(self, one: Journey) -> None:
        """The shopper returns the same units once more, and the portal lets it through."""
        again = Journey(one.order, one.places)
        again.acts = [
            lambda two: self._request(two, {"unchecked": True}),
            lambda two: self._there("approve", two),
            lambda two: self._there("ship_parcel", two),
            lambda two: self._there("receive", two),
            partial(self.verdict, place=0),
        ]
        self.journeys.append(again)

    # --- the run ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Until nothing is owed any more, faults and all."""
        for self.rounds in range(1, ROUNDS_MAX + 1):
            under_way = [one for one in self.journeys if one.acts]
            for one in self.dice.sample(under_way, len(under_way)):
                self._goes_on(one, steps=self.dice.randint(0, 7))
            self._say_again()
            self._time_passes(calm=not under_way)
            self.people.work_off()
            if not under_way and not self.owed():
                return

    @staticmethod
    def _goes_on(one: Journey, *, steps: int) -> None:
        for act in one.acts[:steps]:
            one.acts.remove(act)
            try:
                act(one)
            except Refusal:  # the return was cancelled meanwhile
                one.acts.clear()
                return

    def owed(self) -> list[str]:
        """Promises not kept, refunds without proof, and cases not solved, in words."""
        cases = Case.objects.exclude(state=CaseState.SOLVED)
        return promises(JobState.PARKED) + [f"{one.kind} {one.facts}" for one in cases]

    def _time_passes(self, *, calm: bool) -> None:
        """Platforms carry out, call us, and we work, a few times; then the minute's clock."""
        for _ in range(3):
            self.stage.sandbox.tick()
            self.stage.deliver()
            self._work()
            self.stage.clock.shift(EFFECT_SECONDS)
        self.stage.clock.shift(self.dice.choice((90, 400, 1500) if calm else (20, 60, 200)))
        tasks.tick()
        self._work()

    def _work(self) -> None:
        while True:
            try:
                self.stage.work()
                return
            except Death:
                self.deaths += 1
                self.stage.worker = InTurn()

    def _say_again(self) -> None:
        """The platform, or somebody with a REST client, sends an old approval once more."""
        outbox = self.stage.sandbox.world.outbox
        approvals = [one for one in outbox.callbacks[-200:] if one.event == "RMA_STATUS_UPDATED"]
        for old in self.dice.sample(approvals, min(2, len(approvals))):
            subscription = outbox.subscriptions[old.platform, old.subscription_id]
            outbox._append(old.platform, subscription, old.body, self.stage.now())
            self.said_again += 1

    def meanwhile(self) -> None:
        """While a worker waits for an answer: another one works; or it dies; or it was frozen."""
        if self._inside:
            return
        drawn = self.dice.random()
        if drawn < 0.01:
            raise Death("killed in the middle of a call")
        if drawn < 0.03:
            self.frozen += 1
            self.stage.clock.shift(LEASE_AND_A_BIT)
        if drawn < 0.10:
            self.races += 1
            self._inside = True
            try:
                InTurn().round(QUEUES)
            finally:
                self._inside = False
