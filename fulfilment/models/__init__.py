"""Operations' records: what was sold, to whom, and where the units are."""

from fulfilment.models.orders import Address, Customer, Order, OrderItem, Shipment
from fulfilment.models.stock import Location, Sku, StockLevel, StockMovement, Variant

__all__ = [
    "Address",
    "Customer",
    "Location",
    "Order",
    "OrderItem",
    "Shipment",
    "Sku",
    "StockLevel",
    "StockMovement",
    "Variant",
]
