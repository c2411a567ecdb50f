"""How an RMA moves at ReturnGO: statuses, parcels, inspection, the transactions that follow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from integrator.sandbox.calls import Refusal
from integrator.sandbox.returngo import bodies
from integrator.sandbox.returngo.books import (
    EXCHANGE,
    NO_SHIPMENT,
    REFUND,
    STORE_CREDIT,
    WAREHOUSE_OF,
    Parcel,
    ReturnedItem,
    Rma,
    Transaction,
    Validation,
)

if TYPE_CHECKING:
    from integrator.sandbox.world import World

EVENTS = (
    "RMA_CREATED",
    "RMA_STATUS_UPDATED",
    "SHIPMENT_CREATED",
    "SHIPMENT_STATUS_UPDATED",
    "SHIPMENT_TRACKER_STATUS_UPDATED",
    "TRANSACTION_CREATED",
    "REFUND_CREATED",
)

# The statuses are documented, their order is inferred. Reopening is for the dashboard only.
RMA_MOVES = {
    "Pending": {"Approved", "Rejected", "Canceled"},
    "Approved": {"Received", "Canceled"},
    "Received": {"Validated", "Done", "Canceled"},
    "Validated": {"Done", "Canceled"},
    "Done": set(),
    "Rejected": set(),
    "Canceled": set(),
}
REOPENED_TO = {"Pending", "Approved", "Received"}
# Documented.
SHIPMENT_MOVES = {
    "Pending": {"LabelCreated", "Shipped", "Received", "Canceled", "Validated"},
    "LabelCreated": {"Shipped", "Received", "Canceled", "Validated"},
    "Shipped": {"Received", "Canceled", "Validated"},
    "Canceled": {"Received", "Validated"},
    "Received": {"Validated"},
    "Validated": set(),
}
TRANSACTION_STATUSES = {"Requested", "Success", "Failed"}
VALIDATED_IN = {"Received", "Validated", "Done"}
# Receipt and validation do not move ``lastUpdated``: observed.
_MOVES_LAST_UPDATED = {"Approved", "Rejected", "Canceled", "Done", "Pending"}


def emit(world: World, event: str, rma: Rma, at: datetime, **more: str) -> None:
    """All names but ``eventName`` are assumed; nothing in the body can be trusted anyway."""
    body = {"eventName": event, "rmaId": str(rma.id), **more, "orderId": rma.order_id}
    body["eventDate"] = str(bodies.stamp(at))
    other = body | {"status": "Done", "eventDate": str(bodies.stamp(at + timedelta(seconds=1)))}
    world.outbox.emit("returngo", event, body, at=at, other_body=other)


def log(rma: Rma, event: str, at: datetime, via: str) -> None:
    entry: dict[str, Any] = {
        "eventName": event,
        "eventDate": bodies.stamp(at),
        "triggeredVia": via,
        "storeLocationId": "online",
        "userDetails": None,
    }
    rma.events.append(entry)


def comment(rma: Rma, html: str, at: datetime, *, kind: str, by: str) -> None:
    rma.comments.append(
        {
            "commentType": kind,
            "triggeredBy": by,
            "htmlText": html,
            "datetime": bodies.stamp(at),
        }
    )


def set_status(world: World, rma: Rma, status: str, at: datetime) -> None:
    """A legal move; the same status again changes nothing."""
    if status not in RMA_MOVES:
        raise Refusal(400, "status", f"unknown RMA status {status}")
    if status == rma.status:
        return
    allowed = set(RMA_MOVES[rma.status])
    if rma.status == "Approved" and rma.needs_no_shipment:
        allowed.add("Done")
    if status not in allowed:
        raise Refusal(400, "status", f"an RMA cannot go from {rma.status} to {status}")
    _move(world, rma, status, at)


def reopen(world: World, rma: Rma, status: str, at: datetime) -> None:
    if rma.status not in {"Done", "Rejected", "Canceled"}:
        raise Refusal(400, "status", f"an RMA in {rma.status} is still open")
    comment(rma, "REOPENED", at, kind="system", by="Dashboard")
    _move(world, rma, status, at)


def _move(world: World, rma: Rma, status: str, at: datetime) -> None:
    rma.status = status
    if status in _MOVES_LAST_UPDATED:
        rma.last_updated = at
    comment(rma, f"RMA status changed to {status}", at, kind="system", by="System")
    if status == "Approved":
        # The only status besides creation that ever shows as an event: observed.
        log(rma, "RMA_APPROVED", at, "Dashboard")
    emit(world, "RMA_STATUS_UPDATED", rma, at, status=status)
    if status == "Approved":
        _on_approval(world, rma, at)


def _on_approval(world: World, rma: Rma, at: datetime) -> None:
    """Exchanges are drafted and their price difference billed; what stays home is paid now."""
    for item in rma.items:
        if item.exchange_items:
            draft_exchange(world, rma, at)
            _bill(world, rma, item.exchange_items, item.paid_price, at)
        if item.method == NO_SHIPMENT:
            request_refund(world, rma, item, at)
    if rma.exchange_items:
        draft_exchange(world, rma, at)
        exchanged = [each for each in rma.items if each.resolution == EXCHANGE]
        worth = sum(each.paid_price for each in exchanged if not each.exchange_items)
        _bill(world, rma, rma.exchange_items, worth, at)


def draft_exchange(world: World, rma: Rma, at: datetime) -> None:
    number = world.next_id("draft")
    rma.exchange_orders.append(
        {
            "draftOrderId": str(number),
            # Never filled: observed in all drafts.
            "orderId": "",
            "orderName": f"#D{number}",
            "type": "Exchange",
        }
    )


def _bill(world: World, rma: Rma, wanted: list[dict[str, Any]], worth: int, at: datetime) -> None:
    price = sum(round(each["effectivePrice"]["amount"] * 100) * each["quantity"] for each in wanted)
    if price > worth:
        add_transaction(world, rma, "InvoicePayment", price - worth, [], at)


def refundable(item: ReturnedItem) -> int:
    return item.paid_price - item.restocking_fee - item.return_fee - item.shipment_fee


def request_refund(world: World, rma: Rma, item: ReturnedItem, at: datetime) -> Transaction | None:
    """One transaction per item, once; an exchange gets none."""
    if any(item.id in row.item_ids for row in world.returngo.transactions_of(rma)):
        return None
    if item.resolution not in {REFUND, STORE_CREDIT}:
        return None
    row = add_transaction(world, rma, item.resolution, refundable(item), [item.id], at)
    if item.resolution == STORE_CREDIT:
        # ReturnGO issues its own credit and does not ask anybody.
        row.status = "Success"
        row.reference = f"CREDIT-{row.id}"
        row.reference_type = "StoreCreditCode"
    return row


def add_transaction(
    world: World, rma: Rma, kind: str, amount: int, item_ids: list[int], at: datetime
) -> Transaction:
    row = Transaction(
        id=world.next_id("transaction"),
        rma_id=rma.id,
        order_id=rma.order_id,
        type=kind,
        amount=amount,
        status="Requested",
        item_ids=item_ids,
        created_at=at,
        last_updated=at,
        reference_type="InvoicePaymentId" if kind == "InvoicePayment" else "PlatformRefundId",
    )
    world.returngo.transactions[row.id] = row
    emit(world, "TRANSACTION_CREATED", rma, at, transactionId=str(row.id))
    return row


def set_transaction(
    world: World, row: Transaction, at: datetime, *, status: str, reference: str, kind: str
) -> None:
    if status not in TRANSACTION_STATUSES:
        raise Refusal(400, "status", f"unknown transaction status {status}")
    if row.status == "Success" and status != "Success":
        # Money that moved cannot be unmoved: assumed.
        raise Refusal(400, "status", "a successful transaction cannot change its status")
    became = row.status != "Success" and status == "Success"
    row.status = status
    row.reference = reference or row.reference
    row.reference_type = kind or row.reference_type
    row.last_updated = at
    if became and row.type != "InvoicePayment":
        rma = world.returngo.rmas[row.rma_id]
        emit(world, "REFUND_CREATED", rma, at, transactionId=str(row.id))


def move_parcel(world: World, rma: Rma, parcel: Parcel, status: str, at: datetime) -> None:
    if status not in SHIPMENT_MOVES:
        raise Refusal(400, "status", f"unknown shipment status {status}")
    if status == parcel.status:
        return
    if status not in SHIPMENT_MOVES[parcel.status]:
        message = f"a shipment cannot go from {parcel.status} to {status}"
        raise Refusal(400, "status", message)
    parcel.status = status
    emit(world, "SHIPMENT_STATUS_UPDATED", rma, at, shipmentId=str(parcel.id), status=status)
    inbound = [each for each in rma.parcels if not each.is_outbound and not each.deleted]
    arrived = all(each.status in {"Received", "Validated"} for each in inbound)
    # That the last parcel's arrival moves the RMA is assumed.
    if status in {"Received", "Validated"} and arrived and rma.status == "Approved":
        _move(world, rma, "Received", at)


def validate(world: World, rma: Rma, item: ReturnedItem, outcome: Validation, at: datetime) -> None:
    """Write one unit's inspection; the last one moves the RMA and asks for the money.

    Validation events do not exist: a correction is seen by reading only.
    """
    if rma.status not in VALIDATED_IN:
        raise Refusal(400, "rma_id", f"an RMA in {rma.status} cannot be validated")
    if item.method == NO_SHIPMENT:
        raise Refusal(400, "item_id", "an item without a shipment is never validated")
    _correct_truth(world, item.sku, item.validation, -1)
    item.validation = outcome
    _correct_truth(world, item.sku, outcome, 1)
    if not rma.inspected:
        return
    for parcel in rma.parcels:
        if not parcel.is_outbound and not parcel.deleted and parcel.status != "Validated":
            move_parcel(world, rma, parcel, "Validated", at)
    if rma.status == "Received":
        _move(world, rma, "Validated", at)
    for each in rma.items:
        if each.validation.returned:
            request_refund(world, rma, each, at)


def _correct_truth(world: World, sku: str, finding: Validation, count: int) -> None:
    """A unit is fit for sale again, or is not after all: the sandbox's own count."""
    found = world.catalogue.by_sku(sku)
    if found is not None and finding.returned and finding.restockable:
        units = [(part, each * count) for part, each in world.scayle.units_of(found[1])]
        warehouse = WAREHOUSE_OF.get(finding.location or "", "WH-HAM")
        world.scayle.back_on_shelf(units, warehouse)
