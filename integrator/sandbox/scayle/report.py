"""SCAYLE's books as plain rows, for judges and screens. It shows what the API would not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from integrator.sandbox.scayle import bodies
from integrator.sandbox.scayle.books import Order, Refund, ReturnCall, StockRow
from integrator.sandbox.world import World


def books(world: World) -> dict[str, list[dict[str, Any]]]:
    own = world.scayle
    return {
        "orders": [order_row(row) for row in own.orders.values()],
        "refunds": [refund_row(row) for row in own.refunds],
        "returns": [return_row(row) for row in own.returns],
        "stock": [stock_row(row) for row in own.stock.values()],
        "reservations": [
            asdict(row) | {"created_at": row.created_at.isoformat()}
            for row in own.reservations.values()
        ],
        "callbacks": world.outbox.shown("scayle"),
    }


def order_row(row: Order) -> dict[str, Any]:
    codes = bodies.detailed_codes(row)
    return {
        "id": row.id,
        "reference_key": row.reference_key,
        "public_key": row.public_key,
        "customer_id": row.customer.id,
        "customer_email": row.customer.email,
        "status": bodies.overall_status(row),
        "shipping": codes["shipping"],
        "billing": codes["billing"],
        "billing_log": row.billing_log,
        "total": row.total,
        "shipping_fee": row.shipping_fee,
        "currency": "EUR",
        "captured": row.captured,
        "imported": row.imported is not None,
        "sent": row.imported,
        "custom_data": row.custom_data,
        "payments": [asdict(payment) for payment in row.payments],
        "invoices": [{"id": each.id, "type": each.type} for each in row.invoices],
        "packages": [each.shipment_key for each in row.packages],
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "items": [
            {
                "id": item.id,
                "sku": item.sku,
                "variant_id": item.variant_id,
                "status": item.status,
                "price": item.price,
                "paid": item.paid,
                "components": [list(part) for part in item.components],
                "return_key": item.return_key,
                "billing_code": item.billing_code,
                "custom_data": item.custom_data,
                "shipped": item.shipped_at is not None,
                "returned": item.returned_at is not None,
                "cancelled": item.cancelled_at is not None,
            }
            for item in row.items
        ],
    }


def refund_row(row: Refund) -> dict[str, Any]:
    return asdict(row) | {"at": row.at.isoformat()}


def return_row(row: ReturnCall) -> dict[str, Any]:
    return asdict(row) | {"at": row.at.isoformat()}


def stock_row(row: StockRow) -> dict[str, Any]:
    return {
        "variant_id": row.variant_id,
        "sku": row.sku,
        "warehouse": row.warehouse,
        "quantity": row.quantity,
        "sellable": row.sellable,
        "truth": row.truth,
        "blockers": [each.reference for each in row.blockers],
        "changed_at": row.changed_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }
