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
from typing import Any
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0
_AWAY_SECONDS = 2.0
_RETURN_RATE = 0.7
_REFILL = 200
# Each takes a SKU off sale for good, and there are forty.
_DISCONTINUED_MOST = 4

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

# Every third return of the demo mix is one of these, dealt like cards, so that each is met within a
# minute or two; the other returns go through clean.
STORIES = (
    "unmapped_location",
    "unknown_resolution",
    "discontinued",
    "tampered_price",
    "unknown_order",
    "wrong_customer",
    "not_in_parcel",
    "damaged",
    "corrected",
    "refund_by_hand",
)
_STORY_RATE = 0.34


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
            self._deck = self._random.sample(STORIES, len(STORIES))
        story = self._deck.pop()
        if story == "discontinued" and self.told[story] >= _DISCONTINUED_MOST:
            return ""
        self.told[story] += 1
        return story

    def _ask_to_return(self, order: Row, at: float) -> None:
        story = self._story()
        wish: Row = {"order_id": order["id"], "reason": self._reason()}
        units = [item["id"] for item in order["items"] if not item["cancelled"]]
        wish["units"] = self._random.sample(units, self._random.randint(1, len(units)))
        dice = self._random.random()
        if story == "unknown_resolution":
            wish["resolution"] = "KeepAndDonate"
        elif story == "" and dice < 0.1:
            wish["resolution"] = "RefundToStoreCredit"
        elif story == "" and dice < 0.2:
            wish["units"] = [self._exchange(order, wish["units"][0])]
        elif story == "" and dice < 0.25:
            wish["return_fee"] = 250
        action = story if story in {"unknown_order", "wrong_customer"} else "request_return"
        rma = self._act("returngo", action, **wish)
        if story == "tampered_price":
            self._act("returngo", "tamper", rma_id=rma["id"], amount=2000)
        self._soon(at, 1, 4, lambda then: self._approve(rma, story, then))

    def _reason(self) -> str:
        return self._random.choice(("Too small", "Too big", "Not as pictured", "Changed my mind"))

    def _exchange(self, order: Row, item_id: int) -> Row:
        """The same article in another size; a bundle has none and is simply returned."""
        sku = next(item["sku"] for item in order["items"] if item["id"] == item_id)
        if sku.startswith("SET-"):
            return {"item_id": item_id}
        style, _, size = sku.rpartition("-")
        other = self._random.choice([each for each in ("S", "M", "L", "XL") if each != size])
        return {"item_id": item_id, "exchange_sku": f"{style}-{other}"}

    def _approve(self, rma: Row, story: str, at: float) -> None:
        if story == "" and self._random.random() < 0.05:
            self._act("returngo", "reject", rma_id=rma["id"])
            return
        self._act("returngo", "approve", rma_id=rma["id"])
        self._soon(at, 1, 4, lambda then: self._send_parcel(rma, story, then))

    def _send_parcel(self, rma: Row, story: str, at: float) -> None:
        self._act("returngo", "ship_parcel", rma_id=rma["id"])
        if story == "refund_by_hand":
            self._act("scayle", "refund_by_hand", order_id=rma["order_id"])
        self._soon(at, 3, 8, lambda then: self._receive(rma, story, then))

    def _receive(self, rma: Row, story: str, at: float) -> None:
        self._act("returngo", "receive", rma_id=rma["id"])
        if story == "discontinued":
            self._act("scayle", "discontinue_sku", sku=rma["items"][0]["sku"])
        self._soon(at, 2, 6, lambda then: self._inspect(rma, story, then))

    def _inspect(self, rma: Row, story: str, at: float) -> None:
        outcome: Row = {"rma_id": rma["id"]}
        if story == "unmapped_location":
            outcome["location"] = "WH-9"
        elif story == "damaged":
            outcome |= {"restockable": False, "reason": "Stained"}
        elif story == "not_in_parcel":
            outcome |= {"returned": False, "reason": "Box was empty"}
        self._act("returngo", "validate_all", **outcome)
        if story == "corrected":
            self._soon(at, 4, 10, lambda _: self._correct(rma))

    def _correct(self, rma: Row) -> None:
        self._act(
            "returngo",
            "correct_validation",
            rma_id=rma["id"],
            item_id=rma["items"][0]["id"],
            restockable=False,
            reason="Zip is broken",
        )


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
