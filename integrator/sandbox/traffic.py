"""Steady simulated business: shoppers order and return, the warehouse ships, inspectors inspect.

It only calls the sandbox's acts. Most of it goes well; the demo mix makes every team's queue fill.
"""

from __future__ import annotations

import argparse
import heapq
import http.client
import itertools
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from integrator.sandbox.stories import STORIES, Deed, Story, other_size

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0
_AWAY_SECONDS = 2.0
_RETURN_RATE = 0.7
_REFILL = 200

Row = dict[str, Any]
Send = Callable[[str, Row], Row]

# What goes wrong on the wire.
_DEMO_RULES: list[Row] = [
    {
        "platform": "scayle",
        "endpoint": "POST /fulfillment/return-items",
        "fault": "drop_after",
        "probability": 0.1,
    },
    {
        "platform": "scayle",
        "endpoint": "POST /fulfillment/return-items",
        "fault": "refund_failed",
        "probability": 0.15,
    },
    {
        "platform": "scayle",
        "endpoint": "*",
        "fault": "error",
        "status": 503,
        "probability": 0.01,
    },
    {
        "platform": "scayle",
        "endpoint": "GET *",
        "fault": "error",
        "status": 429,
        "retry_after": 2,
        "probability": 0.01,
    },
    {
        "platform": "returngo",
        "endpoint": "GET /rma/{id}",
        "fault": "error",
        "status": 503,
        "probability": 0.02,
    },
    {
        "platform": "returngo",
        "endpoint": "RMA_STATUS_UPDATED",
        "fault": "callback_suppress",
        "probability": 0.03,
    },
    {
        "platform": "scayle",
        "endpoint": "*",
        "fault": "callback_duplicate",
        "probability": 0.03,
    },
    {
        "platform": "*",
        "endpoint": "*",
        "fault": "callback_reorder",
        "probability": 0.03,
    },
]
MIXES: dict[str, list[Row]] = {"none": [], "demo": _DEMO_RULES}

# Every third return of the demo mix is a story, dealt like cards, so that each is met within a few
# minutes; the other returns go through clean.
_STORY_RATE = 0.4
CLEAN = Story("nothing goes wrong")
# How often the warehouse sends exchange orders, and how long people have to release one before.
_WAREHOUSE_SECONDS = 20.0
_EXCHANGE_SECONDS = 300


class SandboxAway(Exception):
    """The sandbox does not answer at the moment."""


class ActRefused(Exception):
    """The sandbox does not take this act: its world has moved on."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.message = message


def sender(sandbox: str) -> Send:
    """Posts JSON to the running sandbox."""
    parts = urlsplit(sandbox)

    def send(path: str, body: Any) -> Row:
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS
        )
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise SandboxAway(str(error)) from error
        finally:
            connection.close()
        if response.status >= 500:
            raise SandboxAway(f"{path}: {response.status}")
        if response.status >= 400:
            raise ActRefused(path, json.loads(data)["error"]["message"])
        answer: Row = json.loads(data)
        return answer

    return send


@dataclass(order=True)
class _Step:
    due: float
    number: int
    run: Callable[[float], None] = field(compare=False)


class Traffic:
    """A seeded plan of steps in time. ``advance`` runs those that are due."""

    def __init__(
        self,
        sandbox: str,
        *,
        rate: float = 0.5,
        mix: str = "demo",
        seed: int = 1,
        send: Send | None = None,
    ) -> None:
        self._send = send or sender(sandbox)
        self._random = random.Random(f"{seed}:traffic")
        self._interval = 1 / rate
        self._mix = mix
        self._steps: list[_Step] = []
        self._numbers = itertools.count()
        self._rules_are_set = False
        self._away_since: float | None = None
        self._stood_still = 0.0
        self._deck: list[str] = []
        self.told: Counter[str] = Counter()
        self._plan(0.0, self._shop)
        self._plan(_WAREHOUSE_SECONDS, self._send_what_was_ordered)

    def _plan(self, due: float, run: Callable[[float], None]) -> None:
        heapq.heappush(self._steps, _Step(due, next(self._numbers), run))

    def _soon(self, at: float, lowest: float, highest: float, run: Callable[[float], None]) -> None:
        self._plan(at + self._random.uniform(lowest, highest), run)

    def _act(self, platform: str, action: str, **values: Any) -> Row:
        return self._send(f"/_act/{platform}/{action}", values)

    def advance(self, until: float) -> int:
        """Run every step due by ``until``. While the sandbox is away business stands still."""
        if self._away_since is not None:
            if until < self._away_since + _AWAY_SECONDS:
                return 0
            self._stood_still += until - self._away_since
            self._away_since = None
        done = 0
        while self._steps and self._steps[0].due <= until - self._stood_still:
            step = heapq.heappop(self._steps)
            try:
                self._set_rules()
                step.run(step.due)
                done += 1
            except SandboxAway as error:
                logger.warning("the sandbox is away: %s", error)
                # A sandbox that was restarted has an empty switchboard.
                self._rules_are_set = False
                self._away_since = until
                heapq.heappush(self._steps, step)
                return done
            except ActRefused as error:
                logger.info("left out: %s", error)
        return done

    def run(self) -> None:
        """For ever, in real time."""
        start = time.monotonic()
        while True:
            self.advance(time.monotonic() - start)
            time.sleep(0.1)

    def _set_rules(self) -> None:
        if not self._rules_are_set:
            self._send("/_faults", MIXES[self._mix])  # type: ignore[arg-type]
            self._rules_are_set = True

    # The shop

    def _shop(self, at: float) -> None:
        try:
            self._order(at)
        except ActRefused as error:
            self._refill(error.message)
        # Last: when the sandbox is away this step is run again, and there must be one shop only.
        self._plan(at + self._interval, self._shop)

    def _order(self, at: float) -> None:
        dice = self._random.random()
        extras: Row = {"bundle": dice < 0.08}
        if 0.08 <= dice < 0.15:
            extras["gift_card"] = 1000
        elif 0.15 <= dice < 0.25:
            extras["voucher"] = 500
        order = self._act("scayle", "place_order", **extras)
        if self._random.random() < 0.04:
            self._soon(at, 1, 3, lambda _: self._cancel(order))
        else:
            self._soon(at, 2, 6, lambda then: self._ship(order, then))

    def _refill(self, refusal: str) -> None:
        """The purchasing department notices what is sold out."""
        sku, sold_out, _ = refusal.partition(" is sold out")
        if sold_out:
            logger.info("refilling %s", sku)
            self._act("scayle", "change_stock", sku=sku, quantity=_REFILL)

    def _cancel(self, order: Row) -> None:
        self._act("scayle", "cancel_order", order_id=order["id"])

    def _ship(self, order: Row, at: float) -> None:
        self._act("scayle", "ship_order", order_id=order["id"])
        if self._random.random() < _RETURN_RATE:
            self._soon(at, 2, 8, lambda then: self._ask_to_return(order, then))

    # Returns

    def _story(self) -> str:
        if self._mix != "demo" or self._random.random() >= _STORY_RATE:
            return ""
        if not self._deck:
            self._deck = self._random.sample(list(STORIES), len(STORIES))
        return self._deck.pop()

    def _ask_to_return(self, order: Row, at: float) -> None:
        name = self._story()
        story = STORIES.get(name, CLEAN)
        wish = story.wish(order, self._random)
        spent = story.most is not None and self.told[name] >= story.most
        if wish is None or spent:
            # Not for this order: the card goes back, the return goes through clean.
            self._deck[:0] = [] if spent else [name]
            name, story, wish = "", CLEAN, {}
        if name:
            self.told[name] += 1
        wish = self._usual_wish(order, clean=not name) | wish
        rma = self._act("returngo", story.action, **wish)
        self._do(story.asked, rma, at)
        self._soon(at, 1, 4, lambda then: self._approve(rma, story, then))

    def _usual_wish(self, order: Row, *, clean: bool) -> Row:
        units = [item["id"] for item in order["items"] if not item["cancelled"]]
        wish: Row = {"order_id": order["id"], "reason": self._reason()}
        wish["units"] = self._random.sample(units, self._random.randint(1, len(units)))
        dice = self._random.random()
        if clean and dice < 0.1:
            wish["resolution"] = "RefundToStoreCredit"
        elif clean and dice < 0.2:
            wish["units"] = [self._exchange(order, wish["units"][0])]
        elif clean and dice < 0.25:
            wish["return_fee"] = 250
        return wish

    def _do(self, deeds: tuple[Deed, ...], rma: Row, at: float) -> None:
        for deed in deeds:
            values = deed.values(rma)
            if deed.after == (0, 0):
                self._act(deed.platform, deed.action, **values)
            else:
                self._soon(at, *deed.after, partial(self._done_later, deed, values))

    def _done_later(self, deed: Deed, values: Row, _: float) -> None:
        self._act(deed.platform, deed.action, **values)

    def _reason(self) -> str:
        return self._random.choice(("Too small", "Too big", "Not as pictured", "Changed my mind"))

    def _exchange(self, order: Row, item_id: int) -> Row:
        """The same article in another size; a bundle has none and is simply returned."""
        sku = next(item["sku"] for item in order["items"] if item["id"] == item_id)
        wanted = other_size(sku, self._random)
        return {"item_id": item_id} | ({"exchange_sku": wanted} if wanted else {})

    def _approve(self, rma: Row, story: Story, at: float) -> None:
        if story is CLEAN and self._random.random() < 0.05:
            self._act("returngo", "reject", rma_id=rma["id"])
            return
        self._act("returngo", "approve", rma_id=rma["id"])
        self._soon(at, 1, 4, lambda then: self._send_parcel(rma, story, then))

    def _send_parcel(self, rma: Row, story: Story, at: float) -> None:
        self._act("returngo", "ship_parcel", rma_id=rma["id"])
        self._do(story.sent, rma, at)
        self._soon(at, 5, 10, lambda then: self._receive(rma, story, then))

    def _receive(self, rma: Row, story: Story, at: float) -> None:
        self._act("returngo", "receive", rma_id=rma["id"])
        self._do(story.received, rma, at)
        self._soon(at, 2, 6, lambda then: self._inspect(rma, story, then))

    def _inspect(self, rma: Row, story: Story, at: float) -> None:
        self._act("returngo", "validate_all", rma_id=rma["id"], **story.verdict)
        self._do(story.inspected, rma, at)

    # The warehouse

    def _send_what_was_ordered(self, at: float) -> None:
        self._act("scayle", "send_imported_due", seconds=_EXCHANGE_SECONDS)
        self._plan(at + _WAREHOUSE_SECONDS, self._send_what_was_ordered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sandbox", default="http://127.0.0.1:8100")
    parser.add_argument("--rate", type=float, default=0.5, help="orders per second")
    parser.add_argument("--faults", choices=sorted(MIXES), default="demo")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    Traffic(options.sandbox, rate=options.rate, mix=options.faults, seed=options.seed).run()


if __name__ == "__main__":
    main()
