"""SCAYLE's webhook events: their names and envelopes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from integrator.sandbox.scayle import bodies
from integrator.sandbox.scayle.books import Item, Order, StockRow

if TYPE_CHECKING:
    from integrator.sandbox.world import World

EVENTS = (
    "order-confirmed",
    "order-delegated",
    "order-item-out-of-stock",
    "order-item-unshippable",
    "order-package-shipped",
    "order-package-undeliverable",
    "order-partially-invoiced",
    "order-invoiced",
    "order-corrective-invoiced",
    "order-item-cancelled",
    "order-cancelled",
    "order-item-returned",
    "payment-capture",
    "payment-refund",
    "product-updated",
    "product-master-updated",
    "product-deleted",
    "product-variant-deleted",
    "product-variant-stock-updated",
    "product-variant-prices-updated",
    "product-variant-availability-updated",
    "customer-created",
    "customer-updated",
    "customer-anonymized",
)


def emit(world: World, event: str, payload: dict[str, Any], at: datetime) -> None:
    emit_as(world, event, event, payload, at)


def emit_as(world: World, event: str, said: str, payload: dict[str, Any], at: datetime) -> None:
    """To everybody who subscribed to ``event``, under the name ``said``."""
    envelope = {
        "key": world.uuid(),
        "meta": {"tenantKey": "nb", "xRequestId": f"r-{world.uuid()[:8]}"},
        "occurredAt": bodies.stamp(at),
        "type": said,
        "version": 1,
        "payload": payload,
    }
    # Only for the fault "same id, other body": the same key speaks of another record.
    if "order" in payload:
        other = payload | {"order": payload["order"] | {"id": payload["order"]["id"] + 1}}
    else:
        other = payload | {"id": payload.get("id", 0) + 1}
    later = bodies.stamp(at + timedelta(seconds=1))
    forged = envelope | {"payload": other, "occurredAt": later}
    world.outbox.emit("scayle", event, envelope, at=at, other_body=forged)


def about_order(world: World, event: str, order: Order, at: datetime) -> None:
    emit(world, event, bodies.order(order, set()), at)


def about_items(world: World, event: str, order: Order, items: list[Item], at: datetime) -> None:
    """Item events carry the order and the items they speak of."""
    payload = {
        "order": bodies.order(order, set()),
        "items": [bodies.item(item, False) for item in items],
    }
    emit(world, event, payload, at)


def about_payment(
    world: World, event: str, order: Order, transaction: str, successful: bool, at: datetime
) -> None:
    status = "successful" if successful else "failed"
    payload = bodies.order(order, set()) | {
        "transaction": {"transactionId": transaction, "operationStatus": status}
    }
    emit(world, event, payload, at)


def about_stock(world: World, row: StockRow, at: datetime) -> None:
    found = world.catalogue.by_variant_id(row.variant_id)
    assert found is not None, row.sku
    product, variant = found
    payload = {
        "productVariant": {"id": variant.id, "referenceKey": variant.sku},
        "product": {"id": product.id, "referenceKey": product.reference},
        "warehouse": {"id": 12, "referenceKey": row.warehouse},
        "quantity": row.sellable,
        "sellableWithoutStock": row.sellable_without_stock,
        "createdAt": bodies.stamp(at),
        "merchantReferenceKey": "main",
    }
    emit(world, "product-variant-stock-updated", payload, at)


def about_variant(world: World, event: str, variant_id: int, at: datetime) -> None:
    found = world.catalogue.by_variant_id(variant_id)
    assert found is not None, variant_id
    product, variant = found
    payload = {
        "id": variant.id,
        "productVariant": {"id": variant.id, "referenceKey": variant.sku},
        "product": {"id": product.id, "referenceKey": product.reference},
    }
    emit(world, event, payload, at)
