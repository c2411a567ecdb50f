"""SCAYLE's fulfilment endpoints. Each answers without a body; what it causes happens later."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import partial
from typing import Any

from integrator.sandbox.calls import Call, Refusal, Reply, Route, moment, text, whole_number
from integrator.sandbox.scayle import events
from integrator.sandbox.scayle.books import (
    CARRIERS,
    CURRENCY,
    MERCHANT,
    Invoice,
    Item,
    Order,
    Package,
    Refund,
    ReturnCall,
)
from integrator.sandbox.scayle.orders import check_shop
from integrator.sandbox.world import World


def _order_of(world: World, body: dict[str, Any]) -> Order:
    check_shop(text(body, "shopKey"), text(body, "countryCode"))
    order = world.scayle.orders.get(whole_number(body.get("orderId"), "orderId", lowest=1))
    if order is None or order.imported is not None:
        # An imported order was never delegated, so there is nothing to fulfil (assumed).
        raise Refusal(400, "ORDER_NOT_FOUND", f"orderId {body['orderId']} cannot be fulfilled.")
    return order


def _items_of(order: Order, body: dict[str, Any]) -> list[Item]:
    sent = body.get("items")
    if not isinstance(sent, list) or not sent:
        raise Refusal(400, "INVALID_PARAMETER", "items must not be empty.")
    items = []
    for number, row in enumerate(sent):
        item = order.item(row.get("orderItemId", 0)) if isinstance(row, dict) else None
        if item is None:
            message = f"items[{number}].orderItemId is not of order {order.id}."
            raise Refusal(400, "INVALID_PARAMETER", message)
        items.append(item)
    return items


def report_shipment(world: World, call: Call) -> Reply:
    body = call.object()
    order = _order_of(world, body)
    items = _items_of(order, body)
    carrier = text(body, "carrier")
    if carrier not in CARRIERS:
        raise Refusal(400, "CARRIER_NOT_FOUND", f"carrier is not known: {carrier}")
    keys = [text(row, "returnKey") for row in body["items"]]
    left_at = moment(body.get("deliveryDate"), "deliveryDate")
    shipment_key = text(body, "shipmentKey")
    for item, return_key in zip(items, keys, strict=True):
        # The answer to a repeated report is not documented: assumed 409, nothing happens twice.
        if item.shipment_accepted or item.shipped_at:
            raise Refusal(409, "ITEM_ALREADY_SHIPPED", f"Item {item.id} has been shipped.")
        if item.cancelled_at:
            raise Refusal(409, "ITEM_CANCELLED", f"Item {item.id} is cancelled.")
        if world.scayle.item_by_return_key(return_key):
            raise Refusal(409, "RETURN_KEY_EXISTS", f"returnKey {return_key} is in use.")
    for item, return_key in zip(items, keys, strict=True):
        item.shipment_accepted = shipment_key
        item.return_key = return_key
    package = Package(
        id=world.next_id("package"),
        shipment_key=shipment_key,
        carrier=carrier,
        shipped_at=left_at,
        return_ident_code=str(body.get("returnIdentCode") or ""),
    )
    ids = [item.id for item in items]
    run = partial(_shipped, world, order.id, ids, package)
    world.later(run, at=call.at, extra=call.extra_delay)
    return Reply(204)


def _shipped(
    world: World, order_id: int, item_ids: list[int], package: Package, at: datetime
) -> None:
    ship(world, world.scayle.orders[order_id], item_ids, package, at)


def ship(world: World, order: Order, item_ids: list[int], package: Package, at: datetime) -> None:
    """A parcel left: units deliverable, payment taken, invoice written."""
    first = not order.captured
    order.packages.append(package)
    shipped = [item for item in order.items if item.id in item_ids]
    for item in shipped:
        item.status = "deliverable"
        item.shipped_at = package.shipped_at
        item.package_id = package.id
        item.updated_at = at
        item.return_key = item.return_key or str(item.id)
    live = [item for item in order.items if item.cancelled_at is None]
    complete = all(item.shipped_at for item in live)
    invoice(world, order, "invoice" if complete else "partial_invoice", at)
    if complete:
        order.invoiced_at = at
    events.about_order(world, "order-package-shipped", order, at)
    if first:
        for payment in order.payments:
            transaction = payment.transaction_key
            events.about_payment(world, "payment-capture", order, transaction, True, at)
    event = "order-invoiced" if complete else "order-partially-invoiced"
    events.about_order(world, event, order, at)


def invoice(world: World, order: Order, kind: str, at: datetime) -> None:
    number = world.next_id("invoice")
    order.invoices.append(Invoice(number, kind, f"RE-{number}", at))
    order.updated_at = at


def report_cancellation(world: World, call: Call) -> Reply:
    """Items that cannot be fulfilled; may be sent whatever the state of the item is: documented."""
    body = call.object()
    order = _order_of(world, body)
    ids = [item.id for item in _items_of(order, body)]
    world.later(partial(_cancelled, world, order.id, ids), at=call.at, extra=call.extra_delay)
    return Reply(204)


def _cancelled(world: World, order_id: int, item_ids: list[int], at: datetime) -> None:
    cancel(world, world.scayle.orders[order_id], item_ids, at)


def cancel(world: World, order: Order, item_ids: list[int], at: datetime) -> None:
    """Take units out of an order; money that was taken for them goes back."""
    gone = [
        item
        for item in order.items
        if item.id in item_ids and not item.cancelled_at and not item.shipped_at
    ]
    if not gone:
        return
    for item in gone:
        item.status = "cancelled"
        item.cancelled_at = item.updated_at = at
        if order.imported is None:  # an import holds nothing back, so nothing is given back
            world.scayle.unblock(f"item:{item.id}")
            world.scayle.back_on_shelf(list(item.components) or [(item.sku, 1)])
    order.updated_at = at
    events.about_items(world, "order-item-cancelled", order, gone, at)
    if all(item.cancelled_at for item in order.items):
        events.about_order(world, "order-cancelled", order, at)
    elif order.captured:
        pay_back(world, order, gone, by="cancellation", executed=True, at=at)


def return_items(world: World, call: Call) -> Reply:
    """Units came back. SCAYLE pays the shopper each whole unit at its own price, later."""
    rows = call.body()
    if not isinstance(rows, list) or not rows:
        raise Refusal(400, "INVALID_BODY", "The body must be an array of returned items.")
    found: list[tuple[Order, Item, dict[str, Any]]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Refusal(400, "INVALID_BODY", f"[{number}] must be an object.")
        key = text(row, "returnKey")
        moment(row.get("received"), f"[{number}].received")
        if row.get("merchantReferenceKey", MERCHANT) != MERCHANT:
            message = f"[{number}].merchantReferenceKey is not known."
            raise Refusal(400, "INVALID_PARAMETER", message)
        pair = world.scayle.item_by_return_key(key)
        if pair is None:
            # Not documented: assumed 400, and then nothing of the request is taken.
            raise Refusal(400, "RETURN_KEY_NOT_FOUND", f"[{number}].returnKey is unknown: {key}")
        found.append((*pair, row))
    fresh: dict[int, list[int]] = defaultdict(list)
    for order, item, row in found:
        # A key returned before is taken with 2xx and nothing more happens: assumed.
        repeat = item.return_accepted
        world.scayle.returns.append(
            ReturnCall(
                id=world.next_id("return"),
                return_key=item.return_key,
                order_id=order.id,
                item_id=item.id,
                received=row["received"],
                reason=str(row.get("returnReason") or ""),
                at=call.at,
                repeat=repeat,
            )
        )
        if not repeat:
            item.return_accepted = True
            fresh[order.id].append(item.id)
    executed = "refund_failed" not in call.behaviours
    for order_id, item_ids in fresh.items():
        run = partial(_returned, world, order_id, item_ids, executed)
        world.later(run, at=call.at, extra=call.extra_delay)
    return Reply(204)


def _returned(
    world: World, order_id: int, item_ids: list[int], executed: bool, at: datetime
) -> None:
    order = world.scayle.orders[order_id]
    items = [item for item in order.items if item.id in item_ids]
    for item in items:
        item.status = "returned"
        item.returned_at = item.updated_at = at
    order.updated_at = at
    events.about_items(world, "order-item-returned", order, items, at)
    pay_back(world, order, items, by="return-items", executed=executed, at=at)


def pay_back(
    world: World,
    order: Order,
    items: list[Item],
    *,
    by: str,
    executed: bool,
    at: datetime,
    amount: int | None = None,
) -> Refund:
    """Corrective invoice, the money itself, and one event per payment that it went back to."""
    total = sum(item.paid for item in items) if amount is None else amount
    shares = _shares(order, total)
    refund = Refund(
        id=world.next_id("refund"),
        order_id=order.id,
        item_ids=[item.id for item in items],
        amount=total,
        currency=CURRENCY,
        at=at,
        by=by,
        executed=executed,
        payments=[{"transaction_key": key, "amount": part} for key, part in shares.items()],
    )
    world.scayle.refunds.append(refund)
    kind = "custom_corrective_invoice" if by == "hand" else "corrective_invoice"
    invoice(world, order, kind, at)
    if executed:
        for payment in order.payments:
            payment.refunded += shares.get(payment.transaction_key, 0)
        paid_back = sum(payment.refunded for payment in order.payments)
        whole = paid_back >= order.total - order.shipping_fee
        order.billing_code = "billing_refunded" if whole else "billing_partially_refunded"
    events.about_order(world, "order-corrective-invoiced", order, at)
    for key in shares:
        events.about_payment(world, "payment-refund", order, key, executed, at)
    return refund


def bounce(world: World, refund: Refund, at: datetime) -> None:
    """The payment provider gives the money back after all: it said yes first, and now no.

    The billing status goes back with it: assumed.
    """
    order = world.scayle.orders[refund.order_id]
    refund.executed = False
    parts = {row["transaction_key"]: row["amount"] for row in refund.payments}
    for payment in order.payments:
        payment.refunded -= parts.get(payment.transaction_key, 0)
    is_left = any(payment.refunded for payment in order.payments)
    order.billing_code = "billing_partially_refunded" if is_left else ""
    order.updated_at = at
    for key in parts:
        events.about_payment(world, "payment-refund", order, key, False, at)


def _shares(order: Order, total: int) -> dict[str, int]:
    """Back to the card first and to the gift card with the rest: assumed."""
    shares: dict[str, int] = {}
    rest = total
    for payment in sorted(order.payments, key=lambda each: each.is_gift_card):
        part = min(rest, payment.amount - payment.refunded)
        if part > 0:
            shares[payment.transaction_key] = part
            rest -= part
    if rest and order.payments:
        # More than was ever paid: the books show it, they do not hide it.
        key = order.payments[0].transaction_key
        shares[key] = shares.get(key, 0) + rest
    return shares


ROUTES = (
    Route("POST", "/fulfillment/shipments", report_shipment, "fulfillmentWrite"),
    Route("POST", "/fulfillment/cancellations", report_cancellation, "fulfillmentWrite"),
    Route("POST", "/fulfillment/return-items", return_items, "fulfillmentWrite"),
)
