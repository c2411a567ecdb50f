"""What can go wrong with a return, as data: who does what, at which station, to whom.

``traffic`` deals these out between returns that go well. A story changes what is asked for, adds
acts at the stations of the return, or gives the inspector another verdict. Nothing here knows what
anybody makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

Row = dict[str, Any]


def _nothing(order: Row, dice: Random) -> Row:
    return {}


@dataclass(frozen=True, slots=True)
class Deed:
    """One act somebody does because of a story. ``after``: seconds from the station, from-to."""

    platform: str
    action: str
    values: Callable[[Row], Row]
    after: tuple[float, float] = (0, 0)


@dataclass(frozen=True, slots=True)
class Story:
    """``says`` is for people who watch. ``wish`` is worked out from the order; None: not for it."""

    says: str
    action: str = "request_return"
    wish: Callable[[Row, Random], Row | None] = _nothing
    verdict: Mapping[str, Any] = field(default_factory=dict)
    asked: tuple[Deed, ...] = ()
    sent: tuple[Deed, ...] = ()
    received: tuple[Deed, ...] = ()
    inspected: tuple[Deed, ...] = ()
    most: int | None = None  # how often it may be told: what it breaks stays broken


def other_size(sku: str, dice: Random) -> str:
    """The same article in another size; empty for a bundle, which has none."""
    style, _, size = sku.rpartition("-")
    if size not in ("S", "M", "L", "XL") or sku.startswith("SET-"):
        return ""
    return f"{style}-{dice.choice([one for one in ('S', 'M', 'L', 'XL') if one != size])}"


def _first(order: Row) -> Row:
    item: Row = next(one for one in order["items"] if not one["cancelled"])
    return item


def _dearer(order: Row, dice: Random) -> Row | None:
    """A wish that costs more than what comes back; the difference is billed and not yet paid."""
    item = _first(order)
    wanted = other_size(item["sku"], dice)
    if not wanted:
        return None
    unit = {"item_id": item["id"], "exchange_sku": wanted, "exchange_price": item["paid"] + 1500}
    return {"units": [unit]}


def _swap(order: Row, dice: Random) -> Row | None:
    item = _first(order)
    wanted = other_size(item["sku"], dice)
    return {"units": [{"item_id": item["id"], "exchange_sku": wanted}]} if wanted else None


def _one_part(order: Row, dice: Random) -> Row | None:
    """One component of a bundle comes back, the others stay."""
    bundle = next((one for one in order["items"] if one["components"]), None)
    if bundle is None:
        return None
    part = dice.choice([sku for sku, _ in bundle["components"]])
    return {"units": [{"item_id": bundle["id"], "component": part}]}


def _rma(rma: Row) -> Row:
    return {"rma_id": rma["id"]}


def _wanted(rma: Row) -> str:
    return str(rma["items"][0]["exchange_items"][0]["sku"])


def _regraded(rma: Row) -> Row:
    return {
        "rma_id": rma["id"],
        "item_id": rma["items"][0]["id"],
        "restockable": False,
        "reason": "Zip is broken",
    }


STORIES: Mapping[str, Story] = {
    "unmapped_location": Story(
        "the warehouse names a place nobody knows", verdict={"location": "WH-9"}
    ),
    "unknown_resolution": Story(
        "the shopper is promised something with a new name",
        wish=lambda order, dice: {"resolution": "KeepAndDonate"},
    ),
    "discontinued": Story(
        "the article is taken off sale while it travels back",
        received=(Deed("scayle", "discontinue_sku", lambda rma: {"sku": rma["items"][0]["sku"]}),),
        most=4,  # each takes a SKU off sale for good, and there are forty
    ),
    "tampered_price": Story(
        "the returns platform says another price than was paid",
        asked=(Deed("returngo", "tamper", lambda rma: _rma(rma) | {"amount": 2000}),),
    ),
    "unknown_order": Story("the return is for an order nobody has", action="unknown_order"),
    "wrong_customer": Story("somebody else returns it", action="wrong_customer"),
    "not_in_parcel": Story(
        "the parcel was empty", verdict={"returned": False, "reason": "Box was empty"}
    ),
    "damaged": Story(
        "the unit is not fit for sale", verdict={"restockable": False, "reason": "Stained"}
    ),
    "corrected": Story(
        "the inspector looks again at once",
        inspected=(Deed("returngo", "correct_validation", _regraded, (4, 10)),),
    ),
    "corrected_late": Story(
        "the inspector looks again when the money is back and the unit on sale",
        inspected=(Deed("returngo", "correct_validation", _regraded, (60, 90)),),
    ),
    "refund_by_hand": Story(
        "somebody pays in the shop's panel",
        sent=(Deed("scayle", "refund_by_hand", lambda rma: {"order_id": rma["order_id"]}),),
    ),
    "one_part_of_a_bundle": Story("one part of a bundle comes back", wish=_one_part),
    "dearer_exchange": Story(
        "the wanted article costs more, and the shopper pays late",
        wish=_dearer,
        inspected=(Deed("returngo", "pay_difference", _rma, (60, 120)),),
    ),
    "exchange": Story("the shopper wants another size", wish=_swap),
    "sold_out_exchange": Story(
        "the wanted size is sold out by then",
        wish=_swap,
        asked=(
            Deed(
                "scayle",
                "change_stock",
                lambda rma: {"sku": _wanted(rma), "quantity": 0},
            ),
        ),
    ),
    "unheard_of_event": Story(
        "the shop announces something it has never announced before",
        sent=(Deed("scayle", "new_event", lambda rma: {"order_id": rma["order_id"]}),),
        most=3,
    ),
    "cancelled_and_reopened": Story(
        "an agent cancels the return and takes that back",
        sent=(
            Deed("returngo", "cancel", _rma),
            Deed("returngo", "reopen", lambda rma: _rma(rma) | {"status": "Approved"}, (2, 4)),
        ),
    ),
}
