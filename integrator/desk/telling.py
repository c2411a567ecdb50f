"""What a piece or a parcel of an order is, in plain words, and a sentence for its customer.

A sentence says what is known here and nothing else: no promise, no name, no word of ours. What is
not known for certain has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from fulfilment.models import OrderItem, Shipment
from fulfilment.shapes import UnitStatus
from fulfilment.states import OrderStatus
from returns.models import ReturnItem
from returns.states import Custody


@dataclass(frozen=True, slots=True)
class Saying:
    """``what`` it is about, ``says`` for the team, ``tell`` for the customer; may be empty."""

    what: str
    says: str
    tell: str


# By the status of a piece: what it means, and what a customer may be told of the pieces {what}.
UNITS: Mapping[UnitStatus, tuple[str, str]] = {
    UnitStatus.OPEN: (
        "Ordered. No parcel has left with it.",
        "This has not left our warehouse yet: {what}.",
    ),
    UnitStatus.SHIPPED: (
        "In a parcel that has left. Where the parcel is, only its carrier knows.",
        "This has left our warehouse: {what}.",
    ),
    UnitStatus.CANCELLED: (
        "Cancelled. It will not be sent.",
        "This was cancelled and will not be sent: {what}.",
    ),
    UnitStatus.RETURNED: (
        "The shop counts it as returned.",
        "This is noted as returned: {what}.",
    ),
    UnitStatus.UNKNOWN: (
        "The shop uses a word we do not know. Ask operations before you say anything.",
        "",
    ),
}
# What a customer may be told of a change of a returned piece.
RETURNED: Mapping[Custody, str] = {
    Custody.REQUESTED: "We have your request to return this, and will answer it.",
    Custody.AUTHORISED: "You may send this back to us.",
    Custody.IN_TRANSIT: "Your return is on its way to us.",
    Custody.RECEIVED: "Your return has arrived and will be checked.",
    Custody.INSPECTED: "Your return has arrived and was checked.",
}
ORDERS: Mapping[OrderStatus, str] = {
    OrderStatus.CAPTURED: "We have your order.",
    OrderStatus.SHIPPED: "A parcel of your order has left our warehouse.",
    OrderStatus.COMPLETED: "Everything of your order that will be sent has left our warehouse.",
    OrderStatus.CANCELLED: "Your order was cancelled and will not be sent.",
}


def sayings(
    items: Iterable[OrderItem],
    units: Iterable[ReturnItem],
    shipments: Iterable[Shipment],
    returns: Sequence[Saying],
) -> list[Saying]:
    """Each state that occurs with the pieces in it, in the items' order; ``returns``; parcels.

    A piece that comes back is told of by its return, money included; and of parcels nothing is told
    once every piece does.
    """
    items = list(items)
    sets = {item.parent_id for item in items}  # its parts stand for a set
    units = list(units)
    with_return = {unit.order_item_id for unit in units}
    back = {unit.order_item_id for unit in units if unit.custody in RETURNED}
    found: dict[str, list[str]] = {}
    for item in items:
        state = item.platform_status
        is_told = item.pk in (with_return if state == UnitStatus.RETURNED else back)
        if item.pk not in sets and not is_told:
            found.setdefault(state, []).append(item.sku.name or item.sku.code)
    told = [_of(state, ", ".join(names)) for state, names in found.items()]
    return [*told, *returns, *(_parcel(one) for one in shipments if told or not returns)]


def of_change(kind: str, field: str, new: str) -> str:
    """The sentence for a change on the time line; empty for those a customer is not told of."""
    if kind == "order" and field == "status" and new in OrderStatus.values:
        return ORDERS[OrderStatus(new)]
    if kind == "return_item" and field == "custody" and new in RETURNED:
        return RETURNED[Custody(new)]
    return ""


def _of(state: str, what: str) -> Saying:
    says, tell = UNITS[UnitStatus(state)]
    return Saying(what, says, tell.format(what=what))


def _parcel(one: Shipment) -> Saying:
    carrier = f" with {one.carrier}" if one.carrier else ""
    day = ""
    if one.shipped_at is not None:
        local = timezone.localtime(one.shipped_at)
        day = f" on {local.day} {local:%B}"
    follow = f" You can follow it under the number {one.tracking}." if one.tracking else ""
    return Saying(
        f"{one.carrier or 'Parcel'} {one.tracking or one.external_id}",
        f"Left{day}{carrier}. We are told nothing of it after that.",
        f"Your parcel left our warehouse{day}{carrier}.{follow}",
    )
