"""ReturnGO's own books: returns, parcels, transactions. Amounts are minor units here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrator.sandbox.shelf import Shelf

SHOP_NAME = "demo-shop"
CURRENCY = "EUR"
# Where returns are inspected. WH-9 is real at ReturnGO and known to nobody else.
LOCATION = "WH-1"
WAREHOUSE_OF = {"WH-1": "WH-HAM", "WH-2": "WH-BER"}  # where the goods really are

SHIP = "Ship with any carrier"
NO_SHIPMENT = "No shipment required"
REFUND = "RefundToPaymentMethod"
STORE_CREDIT = "RefundToStoreCredit"
EXCHANGE = "InstantVariantExchange"


@dataclass
class Validation:
    """The inspection of one unit. Before it both flags are sent as false."""

    returned: bool = False
    restockable: bool = False
    non_restockable_reason: str | None = None
    non_returned_reason: str | None = None
    location: str | None = None
    at: datetime | None = None
    by: str | None = None


@dataclass
class ReturnedItem:
    id: int
    shop_line_item_id: str
    shop_product_id: str
    variant_id: str
    sku: str
    barcode: str | None
    name: str
    variant_name: str
    paid_price: int
    reason: str
    resolution: str
    method: str
    shipment_id: int | None
    restocking_fee: int = 0
    return_fee: int = 0
    shipment_fee: int = 0
    validation: Validation = field(default_factory=Validation)
    exchange_items: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Parcel:
    id: int
    status: str = "Pending"
    carrier: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    label_url: str | None = None
    is_outbound: bool = False
    deleted: bool = False
    # Only where it differs from the shopper's own.
    address: Address | None = None


@dataclass
class Address:
    name: str
    street1: str
    city: str
    zip: str
    country: str
    email: str
    street2: str | None = None
    phone: str | None = None
    state: str | None = None


@dataclass
class Rma:
    id: int
    status: str
    order_name: str
    order_id: str
    address: Address
    items: list[ReturnedItem]
    parcels: list[Parcel]
    created_at: datetime
    # Lags, as observed: receipt, validation and shipments do not move it.
    last_updated: datetime
    customer_id: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    exchange_orders: list[dict[str, Any]] = field(default_factory=list)
    # Wanted for the return as a whole.
    exchange_items: list[dict[str, Any]] = field(default_factory=list)
    cancellation_fee: int = 0
    is_out_of_policy: bool = False

    def item(self, item_id: int) -> ReturnedItem | None:
        return next((item for item in self.items if item.id == item_id), None)

    @property
    def needs_no_shipment(self) -> bool:
        return all(item.method == NO_SHIPMENT for item in self.items)

    @property
    def inspected(self) -> bool:
        return all(
            item.validation.at is not None for item in self.items if item.method != NO_SHIPMENT
        )


@dataclass
class Transaction:
    id: int
    rma_id: int
    order_id: str
    type: str
    amount: int
    status: str
    item_ids: list[int]
    created_at: datetime
    last_updated: datetime
    reference: str = ""
    reference_type: str = "PlatformRefundId"
    # "External" is invented: only "Shopify" has been seen, and this shop is none.
    processor: str = "External"


class ReturngoBooks:
    def __init__(self) -> None:
        self.rmas: Shelf[int, Rma] = Shelf()
        self.transactions: Shelf[int, Transaction] = Shelf()
        # What PUT /order/{orderId} (assumed) brought.
        self.pushed_orders: dict[str, dict[str, Any]] = {}

    def shelves(self) -> list[Shelf[Any, Any]]:
        return [self.rmas, self.transactions]

    def transactions_of(self, rma: Rma) -> list[Transaction]:
        return [row for row in self.transactions.values() if row.rma_id == rma.id]

    def parcel(self, parcel_id: int) -> tuple[Rma, Parcel] | None:
        for rma in self.rmas.values():
            for parcel in rma.parcels:
                if parcel.id == parcel_id and not parcel.deleted:
                    return rma, parcel
        return None
