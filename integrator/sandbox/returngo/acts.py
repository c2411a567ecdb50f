"""What shoppers, agents and inspectors do in ReturnGO's portal and dashboard."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from integrator.sandbox.acting import Act, Wish
from integrator.sandbox.returngo import process, wished
from integrator.sandbox.returngo.books import (
    EXCHANGE,
    LOCATION,
    NO_SHIPMENT,
    REFUND,
    SHIP,
    Address,
    Parcel,
    ReturnedItem,
    Rma,
    Transaction,
    Validation,
)
from integrator.sandbox.scayle import acts as scayle_acts
from integrator.sandbox.scayle.books import Item, Order
from integrator.sandbox.world import World

_UNKNOWN_ORDER = 99_000_000


def books(world: World) -> dict[str, list[dict[str, Any]]]:
    own = world.returngo
    return {
        "rmas": [rma_row(world, row) for row in own.rmas.values()],
        "transactions": [transaction_row(row) for row in own.transactions.values()],
        "callbacks": world.outbox.shown("returngo"),
    }


def rma_row(world: World, row: Rma) -> dict[str, Any]:
    items = []
    for item in row.items:
        outcome = asdict(item.validation)
        outcome["at"] = item.validation.at.isoformat() if item.validation.at else None
        items.append(asdict(item) | {"validation": outcome})
    return {
        "id": row.id,
        "status": row.status,
        "order_name": row.order_name,
        "order_id": row.order_id,
        "items": items,
        "parcels": [asdict(parcel) for parcel in row.parcels],
        "comments": row.comments,
        "exchange_orders": row.exchange_orders,
        "transactions": [each.id for each in world.returngo.transactions_of(row)],
        "address": asdict(row.address),
        "created_at": row.created_at.isoformat(),
        "last_updated": row.last_updated.isoformat(),
    }


def transaction_row(row: Transaction) -> dict[str, Any]:
    stamps = {name: getattr(row, name).isoformat() for name in ("created_at", "last_updated")}
    return asdict(row) | stamps


def find_rma(world: World, wish: Wish) -> Rma:
    row = world.returngo.rmas.get(wish.number("rma_id", lowest=1))
    if row is None:
        raise wish.refuse("rma_id", "no such RMA")
    return row


def find_item(rma: Rma, wish: Wish) -> ReturnedItem:
    item = rma.item(wish.number("item_id", lowest=1))
    if item is None:
        raise wish.refuse("item_id", "not of this RMA")
    return item


def request_return(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """A shopper asks to return units: all that were shipped, or ``units``.

    A unit is an order item id, or {"item_id", "component", "exchange_sku"}; with ``unnamed`` it
    names no line of the order; with ``sku`` it is another article. ``unchecked`` lets through what
    the portal would refuse: units not shipped or asked for before.
    """
    order = scayle_acts.find_order(world, wish)
    method = wish.choice("method", {SHIP, NO_SHIPMENT}, SHIP)
    units = wish.rows("units") or [item.id for item in order.items if _returnable(world, item)]
    if not units:
        raise wish.refuse("units", "nothing of this order can be returned")
    parcel = Parcel(world.next_id("shipment")) if method == SHIP else None
    items = [
        _returned_item(
            world,
            order,
            Wish(unit if isinstance(unit, dict) else {"item_id": unit}),
            wish,
            parcel,
            number,
        )
        for number, unit in enumerate(units)
    ]
    rma = _opened(world, order, items, parcel, at)
    if wish.has("exchange_sku"):
        rma.exchange_items = wished.items(world, wish)
    return rma_row(world, rma)


def _returnable(world: World, item: Item) -> bool:
    if not item.shipped_at or item.returned_at or item.cancelled_at:
        return False
    asked = {
        each.shop_line_item_id
        for rma in world.returngo.rmas.values()
        if rma.status not in {"Rejected", "Canceled"}
        for each in rma.items
    }
    return str(item.id) not in asked


def _returned_item(
    world: World, order: Order, unit: Wish, wish: Wish, parcel: Parcel | None, number: int
) -> ReturnedItem:
    item = order.item(unit.number("item_id", lowest=1))
    if item is None:
        raise wish.refuse(f"units[{number}].item_id", "not of this order")
    component = unit.has("component")
    if not component and not wish.flag("unchecked", False) and not _returnable(world, item):
        raise wish.refuse(f"units[{number}].item_id", "cannot be returned (again)")
    sku, paid = unit.text("sku", item.sku), item.paid
    if component:
        sku = unit.text("component")
        paid = _component_price(world, item, sku, wish)
    found = world.catalogue.by_sku(sku)
    return ReturnedItem(
        id=world.next_id("returned_item"),
        shop_line_item_id="" if unit.flag("unnamed", False) else str(item.id),
        shop_product_id=str(item.product_id),
        variant_id=str(found[1].id if found else item.variant_id),
        sku=sku,
        barcode=found[1].ean if found else None,
        name=found[0].name if found else item.name,
        variant_name=(found[1].size if found else "") or "one size",
        paid_price=paid,
        reason=wish.text("reason", "Does not fit"),
        # Any text is taken: the list of real resolution types is not public.
        resolution=wish.text("resolution", EXCHANGE if unit.has("exchange_sku") else REFUND),
        method=NO_SHIPMENT if parcel is None else SHIP,
        shipment_id=parcel.id if parcel else None,
        restocking_fee=wish.number("restocking_fee", 0),
        return_fee=wish.number("return_fee", 0),
        shipment_fee=wish.number("shipment_fee", 0),
        exchange_items=wished.items(world, unit) if unit.has("exchange_sku") else [],
    )


def _component_price(world: World, item: Item, sku: str, wish: Wish) -> int:
    """ReturnGO's own idea of what a component cost: by list price, rounded."""
    prices = {}
    for part, count in item.components:
        found = world.catalogue.by_sku(part)
        prices[part] = (found[1].price if found else 0, count)
    if sku not in prices:
        raise wish.refuse("units", f"{sku} is not a component of {item.sku}")
    whole = sum(price * count for price, count in prices.values())
    return round(item.paid * prices[sku][0] / whole)


def _opened(
    world: World, order: Order, items: list[ReturnedItem], parcel: Parcel | None, at: datetime
) -> Rma:
    address = order.address
    rma = Rma(
        id=world.next_id("rma"),
        status="Pending",
        order_name=order.public_key,
        order_id=str(order.id),
        customer_id=str(order.customer.id),
        address=Address(
            name=f"{address.first_name} {address.last_name}",
            street1=f"{address.street} {address.house_number}",
            city=address.city,
            zip=address.zip_code,
            country="DE",
            email=order.customer.email,
        ),
        items=items,
        parcels=[parcel] if parcel else [],
        created_at=at,
        last_updated=at,
    )
    return _announced(world, rma, at)


def _announced(world: World, rma: Rma, at: datetime) -> Rma:
    process.log(rma, "RMA_CREATED", at, "Return Portal")
    process.comment(rma, "Return requested", at, kind="system", by="Return Portal")
    world.returngo.rmas[rma.id] = rma
    process.emit(world, "RMA_CREATED", rma, at, status=rma.status)
    for parcel in rma.parcels:
        process.emit(world, "SHIPMENT_CREATED", rma, at, shipmentId=str(parcel.id))
    return rma


def unknown_order(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """An RMA for an order that the shop does not have."""
    number = world.next_id("draft") + _UNKNOWN_ORDER
    order = _some_order(world, wish)
    parcel = Parcel(world.next_id("shipment"))
    unit = Wish({"item_id": order.items[0].id})
    item = _returned_item(world, order, unit, Wish({"unchecked": True}), parcel, 0)
    item.shop_line_item_id = str(number + 1)
    rma = _opened(world, order, [item], parcel, at)
    rma.order_id, rma.order_name = str(number), f"DE-{number}"
    return rma_row(world, rma)


def _some_order(world: World, wish: Wish) -> Order:
    """Any order that can lend its goods and its shopper to a wrong RMA."""
    if not world.scayle.orders:
        raise wish.refuse("order_id", "there are no orders yet")
    return next(iter(world.scayle.orders.values()))


def wrong_customer(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """A return of a real order, asked for by somebody who did not buy it."""
    row = request_return(world, wish, at)
    rma = world.returngo.rmas[row["id"]]
    rma.address = replace(
        rma.address,
        name="Eve Stranger",
        street1="Nebenweg 13",
        email=f"eve.{rma.id}@example.test",
    )
    rma.customer_id = "999"
    return rma_row(world, rma)


def tamper(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """Change what the RMA says was paid, or where the shopper lives; no callback tells of it."""
    rma = find_rma(world, wish)
    if wish.choice("what", {"price", "address"}, "price") == "address":
        rma.address = replace(rma.address, street1="Packstation 1", zip="99999", city="Anderswo")
    else:
        item = find_item(rma, wish) if wish.has("item_id") else rma.items[0]
        item.paid_price += wish.number("amount", 1000)
    return rma_row(world, rma)


def drop_item(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """An agent takes one unit out of the return (assumed to be possible); nothing tells of it."""
    rma = find_rma(world, wish)
    rma.items.remove(find_item(rma, wish))
    return rma_row(world, rma)


def _status_act(status: str) -> Act:
    def act(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
        rma = find_rma(world, wish)
        process.set_status(world, rma, status, at)
        return rma_row(world, rma)

    return act


def reopen(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    rma = find_rma(world, wish)
    status = wish.choice("status", process.REOPENED_TO, "Received")
    process.reopen(world, rma, status, at)
    return rma_row(world, rma)


def _parcels(rma: Rma, wish: Wish) -> list[Parcel]:
    if rma.status not in {"Approved", "Received", "Validated"}:
        raise wish.refuse("rma_id", f"nothing travels in {rma.status}")
    return [row for row in rma.parcels if not row.is_outbound and not row.deleted]


def ship_parcel(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The shopper hands the parcel in."""
    rma = find_rma(world, wish)
    for parcel in _parcels(rma, wish):
        parcel.carrier = "DHL"
        parcel.tracking_number = f"JJD{parcel.id}"
        parcel.tracking_url = f"https://tracking.example.test/JJD{parcel.id}"
        parcel.label_url = f"https://labels.example.test/{parcel.id}.pdf"
        process.move_parcel(world, rma, parcel, "Shipped", at)
    return rma_row(world, rma)


def receive(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The parcel arrives; without one the RMA itself is marked."""
    rma = find_rma(world, wish)
    parcels = _parcels(rma, wish)
    for parcel in parcels:
        if parcel.status != "Received":
            process.move_parcel(world, rma, parcel, "Received", at)
    if not parcels:
        process.set_status(world, rma, "Received", at)
    return rma_row(world, rma)


def _outcome(wish: Wish, at: datetime) -> Validation:
    returned = wish.flag("returned", True)
    restockable = wish.flag("restockable", True) and returned
    reason = wish.text("reason", "Stained" if returned else "Not in the parcel")
    return Validation(
        returned=returned,
        restockable=restockable,
        non_restockable_reason=reason if returned and not restockable else None,
        non_returned_reason=None if returned else reason,
        location=wish.text("location", LOCATION),
        at=at,
        by=wish.text("by", "Ina Inspector"),
    )


def validate(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """An inspector looks at one unit."""
    rma = find_rma(world, wish)
    process.validate(world, rma, find_item(rma, wish), _outcome(wish, at), at)
    return rma_row(world, rma)


def validate_all(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """Every unit not looked at yet gets the same outcome."""
    rma = find_rma(world, wish)
    waiting = [item for item in rma.items if not item.validation.at and item.method == SHIP]
    if not waiting:
        raise wish.refuse("rma_id", "nothing left to validate")
    for item in waiting:
        process.validate(world, rma, item, _outcome(wish, at), at)
    return rma_row(world, rma)


def correct_validation(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The inspector changes a finding; neither a callback nor ``lastUpdated`` tells."""
    rma = find_rma(world, wish)
    item = find_item(rma, wish)
    if item.validation.at is None:
        raise wish.refuse("item_id", "was not validated yet")
    process.validate(world, rma, item, _outcome(wish, at), at)
    return rma_row(world, rma)


def mark_transaction(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """Somebody at ReturnGO pays, or fails to, past everybody else."""
    row = world.returngo.transactions.get(wish.number("transaction_id", lowest=1))
    if row is None:
        raise wish.refuse("transaction_id", "no such transaction")
    status = wish.choice("status", process.TRANSACTION_STATUSES, "Success")
    process.set_transaction(
        world, row, at, status=status, reference=f"RG-{row.id}", kind="PlatformRefundId"
    )
    return transaction_row(row)


def request_refund_transaction(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """An agent asks for money from the dashboard, whatever the state of the goods."""
    rma = find_rma(world, wish)
    ids = wish.numbers("item_ids") or [item.id for item in rma.items]
    items = [item for item in rma.items if item.id in ids]
    if len(items) != len(set(ids)):
        raise wish.refuse("item_ids", "not of this RMA")
    amount = wish.number("amount", sum(process.refundable(item) for item in items), lowest=1)
    return transaction_row(process.add_transaction(world, rma, REFUND, amount, ids, at))


ACTS: dict[str, Act] = {
    "request_return": request_return,
    "unknown_order": unknown_order,
    "wrong_customer": wrong_customer,
    "tamper": tamper,
    "drop_item": drop_item,
    "approve": _status_act("Approved"),
    "reject": _status_act("Rejected"),
    "cancel": _status_act("Canceled"),
    "done": _status_act("Done"),
    "reopen": reopen,
    "ship_parcel": ship_parcel,
    "receive": receive,
    "validate": validate,
    "validate_all": validate_all,
    "correct_validation": correct_validation,
    "mark_transaction": mark_transaction,
    "request_refund_transaction": request_refund_transaction,
}
