"""The stage for stories: the whole product and the sandbox in one process, and a clock we move.

People and platforms act by readable verbs; the sandbox's own books are the judge. How the house is
set up before a story begins is ``tests.house``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import reverse
from django.utils.html import strip_tags
from werkzeug.test import Client

from fulfilment.models import Order, OrderItem, StockMovement
from integrator import subscriptions
from integrator.api import callbacks
from integrator.engine import decisions, jobs
from integrator.engine.states import Trace
from integrator.flows import CASE_KINDS, QUEUES, tasks
from integrator.models import Approval, ApprovalState, Case, CaseState, Connection, Job, Retailer
from integrator.platforms import PLATFORMS
from integrator.sandbox.app import Sandbox
from integrator.sandbox.faults import Rule
from returns.models import Return, ReturnItem
from tests import house
from tests.wire import Trap, Wire, post_to

Row = dict[str, Any]


class Stage:
    """One retailer with SCAYLE and ReturnGO connected, as ``demo.toml`` sets it up."""

    def __init__(self, clock: Any, sandbox: Sandbox, wire: Wire) -> None:
        self.clock = clock
        self.sandbox = sandbox
        self.wire = wire
        self.worker = house.InTurn()
        self.api = Client(sandbox)  # somebody else's key to the platforms
        self.people: dict[str, User] = {}
        self.browsers: dict[int, Browser] = {}
        self.retailer: Retailer

    # --- the house ---------------------------------------------------------------------------

    def begins(self, seed: int) -> None:
        """Set up the house, the same for every story that is told with these dice."""
        if (world := house.put_back(seed)) is not None:
            self.sandbox.world = world
            self.retailer, self.people = house.retailer(), house.people()
            return
        self.configure()
        for slug in PLATFORMS:
            subscriptions.subscribe(self.connection(slug))
        self.people = house.hire()
        tasks.tick()  # the clocks start; there is nothing to find yet
        self.settle()
        self.wire.calls.clear()
        house.keep(seed, self.sandbox.world)

    def configure(self, **policy_values: Any) -> None:
        """Set the retailer up from the demo's file, with other policy values if given."""
        self.retailer = house.configure(trace=self.trace("configure"), **policy_values)

    def connection(self, platform: str) -> Connection:
        return Connection.objects.get(retailer=self.retailer, platform=platform)

    def __getattr__(self, name: str) -> User:
        """People by their first name: ``stage.carla`` is customer service."""
        people = self.__dict__.get("people", {})
        if name in people:
            return people[name]
        raise AttributeError(name)

    def trace(self, actor: str) -> Trace:
        return Trace(at=self.now(), actor=actor)

    # --- time --------------------------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.now(UTC)

    def passes(self, *, step: float = 2, **length: float) -> None:
        """Time passes: every ``step`` minutes the clock ticks and everything due is done."""
        end = self.now() + timedelta(**length)
        while self.now() < end:
            self.clock.move_to(min(self.now() + timedelta(minutes=step), end))
            tasks.tick()
            self.settle()

    def work(self) -> None:
        """The workers run until they find nothing more that is due."""
        for _ in range(300):
            due = jobs.due_queues(at=self.now())
            if not self.worker.round([queue for queue in QUEUES if queue in due]):
                return
        raise AssertionError("the workers never come to rest")

    def deliver(self) -> int:
        """The platforms send the callbacks that are due."""
        return self.sandbox.deliver(lambda *call: post_to(callbacks.application, *call))

    def settle(self) -> None:
        """The platforms carry out what they accepted, call us, and we work until nobody moves."""
        for _ in range(60):
            moved = self.sandbox.settle() + self.deliver()
            before = len(self.wire.calls)
            self.work()
            wrote = any(one.method != "GET" for one in self.wire.calls[before:])
            if not moved and not wrote:
                return
        raise AssertionError("the platforms never come to rest")

    def tick_and_work(self) -> None:
        """One minute's clock, and our work only: the platforms do nothing meanwhile."""
        tasks.tick()
        self.work()

    def new_worker(self) -> None:
        """The old process is gone; another one starts."""
        self.worker = house.InTurn()

    # --- what people do in the platforms -----------------------------------------------------

    def act(self, platform: str, action: str, /, **values: Any) -> Row:
        # People need time: no two acts in the same second.
        self.clock.shift(1)
        return self.sandbox.act(platform, action, **values)

    def shop_sells(self, *skus: str, **extras: Any) -> Row:
        items = [{"sku": sku} for sku in skus or ("JKT-NVY-M",)]
        return self.act("scayle", "place_order", items=items, **extras)

    def ships(self, order: Row) -> Row:
        return self.act("scayle", "ship_order", order_id=order["id"])

    def sold(self, *skus: str, **extras: Any) -> Row:
        """An order that was placed, shipped, and taken over by us."""
        order = self.ships(self.shop_sells(*skus, **extras))
        self.settle()
        return order

    def shopper_returns(self, order: Row, *units: int, **wish: Any) -> Row:
        """Asks to return units by their place in the order; all when none are named."""
        if units:
            wish["units"] = [order["items"][place]["id"] for place in units]
        rma = self.act("returngo", "request_return", order_id=order["id"], **wish)
        self.settle()
        return rma

    def approves(self, rma: Row) -> None:
        self.act("returngo", "approve", rma_id=rma["id"])
        self.settle()

    def hands_in(self, rma: Row) -> None:
        self.act("returngo", "ship_parcel", rma_id=rma["id"])
        self.settle()

    def arrives(self, rma: Row) -> None:
        self.act("returngo", "receive", rma_id=rma["id"])
        self.settle()

    def comes_back(self, order: Row, *units: int, **wish: Any) -> Row:
        """A return whose parcel lies on the inspector's table."""
        rma = self.shopper_returns(order, *units, **wish)
        self.approves(rma)
        self.hands_in(rma)
        self.arrives(rma)
        return rma

    def warehouse_checks(self, rma: Row, unit: int | None = None, **outcome: Any) -> None:
        """An inspector's verdict, and the minutes until it is seen: there is no callback for it."""
        self.checks_only(rma, unit, **outcome)
        self.passes(minutes=6, step=6)

    def checks_only(self, rma: Row, unit: int | None = None, **outcome: Any) -> None:
        """The verdict itself; nothing of ours has run yet."""
        if unit is None:
            self.act("returngo", "validate_all", rma_id=rma["id"], **outcome)
        else:
            item = rma["items"][unit]["id"]
            self.act("returngo", "validate", rma_id=rma["id"], item_id=item, **outcome)

    def breaks(self, platform: str, endpoint: str, fault: str, **more: Any) -> Rule:
        """From now on this goes wrong there. ``struck`` on the answer says how often it did."""
        row = {"platform": platform, "endpoint": endpoint, "fault": fault, **more}
        return self.sandbox.add_faults(row)[0]

    def mended(self) -> None:
        self.sandbox.clear_faults()

    def dies_at(self, method: str, path: str, *, after: bool) -> None:
        self.wire.traps.append(Trap(method, path, after))

    def hears(self, platform: str, body: Row) -> int:
        """The platform calls us with a body of its own making. Returns our answer."""
        subscription = self.sandbox.world.outbox.subscribed(platform)[0]
        shown = self.sandbox.world.outbox._append(platform, subscription, body, self.now())
        self.deliver()
        return shown.answers[-1].status

    # --- the judge ---------------------------------------------------------------------------

    def books(self, platform: str) -> dict[str, list[Row]]:
        return self.sandbox.books(platform)

    def order_there(self, order: Row) -> Row:
        return next(row for row in self.books("scayle")["orders"] if row["id"] == order["id"])

    def rma_there(self, rma: Row) -> Row:
        return next(row for row in self.books("returngo")["rmas"] if row["id"] == rma["id"])

    def refunds_there(self, order: Row) -> list[Row]:
        return [row for row in self.books("scayle")["refunds"] if row["order_id"] == order["id"]]

    def stock_there(self, sku: str, warehouse: str = "WH-HAM") -> Row:
        rows = self.books("scayle")["stock"]
        return next(row for row in rows if (row["sku"], row["warehouse"]) == (sku, warehouse))

    def sellable(self, sku: str) -> int:
        return int(self.stock_there(sku)["sellable"])

    def transactions_there(self, rma: Row) -> list[Row]:
        rows = self.books("returngo")["transactions"]
        return [row for row in rows if row["rma_id"] == rma["id"]]

    def calls(self, *methods: str) -> list[str]:
        """What we sent, in order; only these methods when some are named."""
        return [str(one) for one in self.wire.calls if not methods or one.method in methods]

    def compare(self) -> str:
        """What ``manage.py compare`` says, leaving nothing out as being on its way."""
        self.passes(minutes=3, step=3)
        said = StringIO()
        try:
            call_command("compare", "--strict", stdout=said)
        except CommandError as error:
            said.write(str(error))
        return said.getvalue()

    # --- our own records ---------------------------------------------------------------------

    def order(self, row: Row) -> Order:
        return Order.objects.get(external_id=str(row["id"]))

    def sold_unit(self, row: Row, place: int = 0) -> OrderItem:
        return OrderItem.objects.get(external_id=str(row["items"][place]["id"]))

    def shares(self, row: Row) -> dict[str, list[int]]:
        """What each component of the order's bundles was really paid, by SKU."""
        units = self.order(row).items.exclude(parent=None).select_related("sku").order_by("id")
        found: dict[str, list[int]] = {}
        for unit in units:
            found.setdefault(unit.sku.code, []).append(unit.paid_minor)
        return found

    def returned(self, rma: Row) -> Return:
        return Return.objects.get(external_id=str(rma["id"]))

    def unit(self, rma: Row, place: int = 0) -> ReturnItem:
        return ReturnItem.objects.get(external_id=str(rma["items"][place]["id"]))

    def movements(self, rma: Row) -> list[str]:
        """The ways of the return's units from bucket to bucket, oldest first."""
        units = [str(item["id"]) for item in rma["items"]]
        ids = ReturnItem.objects.filter(external_id__in=units).values_list("pk", flat=True)
        rows = StockMovement.objects.filter(return_item_id__in=ids).order_by("id")
        return [f"{row.from_bucket}>{row.to_bucket}" for row in rows]

    def open_cases(self) -> list[str]:
        rows = Case.objects.exclude(state=CaseState.SOLVED)
        return sorted(rows.values_list("kind", flat=True))

    def case(self, kind: str) -> Case:
        """The one open case of a kind."""
        found = list(Case.objects.filter(kind=kind).exclude(state=CaseState.SOLVED))
        assert len(found) == 1, f"{len(found)} open {kind}; open are {self.open_cases()}"
        return found[0]

    def some_case(self, kind: str) -> Case:
        """The oldest open case of a kind, where there may be several."""
        return Case.objects.filter(kind=kind).exclude(state=CaseState.SOLVED).order_by("id")[0]

    def owed(self) -> list[str]:
        """Promises that are not kept yet."""
        rows = Job.objects.exclude(state__in=["DONE", "CANCELLED"])
        return [f"{job.flow}: {job.state} {job.error}" for job in rows]

    # --- what people do here -----------------------------------------------------------------

    def decide(
        self,
        case: Case,
        key: str,
        *,
        by: User,
        second: User | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Press a button on the case's page, and let ``second`` agree where two people must.

        PermissionDenied when the page refuses one of them. Without a ``second`` it stays asked, and
        what was asked already is not asked again.
        """
        if second is None or not self._is_asked(case, key, by):
            self.presses(case, key, by=by, **(data or {}))
        if second is not None:
            self.agrees(case, by=second)
        self.work()
        self.passes(minutes=2, step=1)

    @staticmethod
    def _is_asked(case: Case, key: str, by: User) -> bool:
        return Approval.objects.filter(
            record_kind="case",
            record_id=case.pk,
            state=ApprovalState.ASKED,
            asked_by=by,
            content__action=key,
        ).exists()

    def agrees(self, case: Case, *, by: User) -> None:
        """The second person's word on what was asked last; nothing when nothing is asked."""
        asked = Approval.objects.filter(
            record_kind="case", record_id=case.pk, state=ApprovalState.ASKED
        ).order_by("-id")
        if (newest := asked.first()) is not None:
            self.posts(by, "case_agree", case.pk, newest.pk, answer="agree")

    def presses(self, case: Case, key: str, *, by: User, **data: Any) -> None:
        """Fill in and send the form of one action, exactly as the page does. Nothing runs yet."""
        action = next(one for one in CASE_KINDS[case.kind].actions if one.key == key)
        notes = {one.name: "seen" for one in action.fields if one.kind == "note"}
        seen = case.events.filter(kind__in=decisions.TO_BE_SEEN).order_by("-id").first()
        version = seen.pk if seen is not None else ""
        answer = self.posts(by, "case_act", case.pk, key, version=version, **{**notes, **data})
        assert answer.status_code == 302, strip_tags(answer.content.decode())
        self.work()

    def posts(self, person: User, page: str, *where: Any, **data: Any) -> HttpResponse:
        """Send a form of a page of ours. PermissionDenied when this person may not."""
        if person.pk not in self.browsers:
            self.browsers[person.pk] = Browser()
            self.browsers[person.pk].force_login(person)
        answer: HttpResponse = self.browsers[person.pk].post(reverse(page, args=where), data)
        if answer.status_code == 403:
            raise PermissionDenied(f"{person} may not post to {page}")
        return answer


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch, *, seed: int = house.USUAL_SEED) -> Iterator[Stage]:
    """A stage at nine in the morning, everybody at work, nothing sold yet.

    The platforms' dice, their faults among them, fall as ``seed`` says.
    """
    with house.surroundings(monkeypatch, seed=seed) as (clock, sandbox, wire):
        stage = Stage(clock, sandbox, wire)
        stage.begins(seed)
        yield stage
