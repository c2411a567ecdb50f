"""SCAYLE's own books: orders, stock, money. What is true there, whatever anybody was told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrator.sandbox.catalogue import Catalogue, Variant
from integrator.sandbox.shelf import Shelf

SHOP_KEY = "nb"
COUNTRY = "DE"
# The shop in each of its countries: its id there.
SHOP_COUNTRIES = {COUNTRY: 1001, "AT": 1002}
CURRENCY = "EUR"
MERCHANT = "main"
# The first sells; the last is attached to no shop: what is there is seen and not sold.
WAREHOUSES = {"WH-HAM": 12, "WH-BER": 13, "RET-TRANSIT": 14}
CARRIERS = {"DHL": 1, "UPS": 2}
OPENING_STOCK = {"WH-HAM": 200, "WH-BER": 0, "RET-TRANSIT": 0}


@dataclass
class Item:
    """One order item, which is one unit. ``price`` is before the share of an absolute voucher."""

    id: int
    key: str
    sku: str
    variant_id: int
    product_id: int
    name: str
    price: int
    list_price: int
    created_at: datetime
    updated_at: datetime
    voucher_share: int = 0
    status: str = "available"
    components: tuple[tuple[str, int], ...] = ()
    delegated_at: datetime | None = None
    shipped_at: datetime | None = None
    cancelled_at: datetime | None = None
    returned_at: datetime | None = None
    return_key: str = ""
    package_id: int | None = None
    billing_code: str = ""
    custom_data: dict[str, Any] = field(default_factory=dict)
    # Accepted, effect still to come.
    return_accepted: bool = False
    shipment_accepted: str = ""

    @property
    def paid(self) -> int:
        return self.price - self.voucher_share


@dataclass
class Package:
    id: int
    shipment_key: str
    carrier: str
    shipped_at: datetime
    return_ident_code: str = ""


@dataclass
class Payment:
    key: str
    amount: int
    transaction_key: str
    is_gift_card: bool = False
    refunded: int = 0


@dataclass
class Invoice:
    id: int
    type: str
    number: str
    created_at: datetime


@dataclass
class Customer:
    id: int
    reference: str
    first_name: str
    last_name: str
    email: str


@dataclass
class Address:
    id: int
    first_name: str
    last_name: str
    street: str
    house_number: str
    zip_code: str
    city: str
    country: str = "DEU"


@dataclass
class Order:
    id: int
    reference_key: str
    public_key: str
    customer: Customer
    address: Address
    items: list[Item]
    payments: list[Payment]
    shipping_fee: int
    created_at: datetime
    updated_at: datetime
    confirmed_at: datetime | None
    voucher_code: str = ""
    voucher_value: int = 0
    invoiced_at: datetime | None = None
    packages: list[Package] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    shop_country: str = COUNTRY
    billing_code: str = ""
    billing_log: list[dict[str, Any]] = field(default_factory=list)
    custom_data: dict[str, Any] = field(default_factory=dict)
    # Written by POST …/orders: neither delegated nor reserved. Its body is kept as it was sent.
    imported: dict[str, Any] | None = None

    @property
    def total(self) -> int:
        return sum(item.paid for item in self.items) + self.shipping_fee

    @property
    def captured(self) -> bool:
        """The payment is taken with the first parcel (assumed); before that it is only reserved."""
        return bool(self.packages)

    def item(self, item_id: int) -> Item | None:
        return next((item for item in self.items if item.id == item_id), None)


@dataclass
class Blocker:
    """A unit that SCAYLE holds back: sold, or reserved through the API."""

    reference: str
    at: datetime
    kind: str  # sale, reservation


@dataclass
class StockRow:
    variant_id: int
    sku: str
    warehouse: str
    quantity: int
    changed_at: datetime
    updated_at: datetime
    # What could really be sold, by the sandbox's own count. No API shows it.
    truth: int
    blockers: list[Blocker] = field(default_factory=list)
    sellable_without_stock: bool = False
    expected_at: str | None = None

    @property
    def sellable(self) -> int:
        return max(0, self.quantity - len(self.blockers))


@dataclass
class Reservation:
    id: int
    reference: str
    variant_id: int
    warehouse: str
    created_at: datetime
    ttl: int | None
    # Its piece has left in a parcel of this order: it is not given back when its time is over.
    shipped_with: int | None = None


@dataclass
class Refund:
    """Money that went back to the shopper, or should have when ``executed`` is false."""

    id: int
    order_id: int
    item_ids: list[int]
    amount: int
    currency: str
    at: datetime
    by: str  # return-items, cancellation, hand
    executed: bool
    payments: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class ReturnCall:
    """One unit in one accepted return-items call; ``repeat`` when it had been accepted before."""

    id: int
    return_key: str
    order_id: int
    item_id: int
    received: str
    reason: str
    at: datetime
    repeat: bool


class ScayleBooks:
    def __init__(self, catalogue: Catalogue, *, opened_at: datetime) -> None:
        self.orders: Shelf[int, Order] = Shelf()
        self.stock: Shelf[tuple[int, str], StockRow] = Shelf()
        self.reservations: Shelf[int, Reservation] = Shelf()
        self.customers: dict[int, Customer] = {}
        self.refunds: list[Refund] = []
        self.returns: list[ReturnCall] = []
        for _, variant in catalogue.pairs():
            if not variant.is_composite:
                for warehouse in WAREHOUSES:
                    self.stock[variant.id, warehouse] = StockRow(
                        variant_id=variant.id,
                        sku=variant.sku,
                        warehouse=warehouse,
                        quantity=OPENING_STOCK[warehouse],
                        changed_at=opened_at,
                        updated_at=opened_at,
                        truth=OPENING_STOCK[warehouse],
                    )

    def shelves(self) -> list[Shelf[Any, Any]]:
        return [self.orders, self.stock, self.reservations]

    def stock_of(self, sku: str, warehouse: str) -> StockRow | None:
        rows = self.stock.values()
        return next((row for row in rows if (row.sku, row.warehouse) == (sku, warehouse)), None)

    def reservation_of(self, reference: str) -> Reservation | None:
        rows = self.reservations.values()
        return next((row for row in rows if row.reference == reference), None)

    def send_imported(self, order: Order, items: list[Item]) -> None:
        """Pieces of an imported order leave the shelf: those held for it, else any that is left.

        SCAYLE ties no reservation to an order. The warehouse packs what its sender had reserved
        under the order's own reference (assumed).
        """
        for item in items:
            held = next(
                (
                    row
                    for row in self.reservations.values()
                    if row.shipped_with is None
                    and row.variant_id == item.variant_id
                    and row.reference.startswith(f"{order.reference_key}-")
                ),
                None,
            )
            if held is not None:
                held.shipped_with = order.id
                continue
            for sku, count in list(item.components) or [(item.sku, 1)]:
                row = self.stock_of(sku, next(iter(WAREHOUSES)))
                if row is not None:
                    row.truth -= count

    def units_of(self, variant: Variant) -> list[tuple[str, int]]:
        """The physical SKUs that leave the warehouse when this variant is sold once."""
        return list(variant.components) or [(variant.sku, 1)]

    def block(self, units: Iterable[tuple[str, int]], blocker: Blocker) -> None:
        """Hold units back in the only warehouse that sells, at payment confirmation."""
        for sku, count in units:
            row = self.stock_of(sku, next(iter(WAREHOUSES)))
            assert row is not None, sku
            row.blockers.extend([blocker] * count)
            row.truth -= count

    def unblock(self, reference: str) -> None:
        for row in self.stock.values():
            row.blockers = [each for each in row.blockers if each.reference != reference]

    def back_on_shelf(self, units: Iterable[tuple[str, int]], warehouse: str = "WH-HAM") -> None:
        """Units that never left, or came back fit for sale: the truth, not SCAYLE's figure."""
        for sku, count in units:
            row = self.stock_of(sku, warehouse)
            if row is not None:
                row.truth += count

    def item_by_return_key(self, return_key: str) -> tuple[Order, Item] | None:
        for order in self.orders.values():
            for item in order.items:
                if item.return_key == return_key:
                    return order, item
        return None
