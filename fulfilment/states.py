"""The statuses of orders and the moves between them."""

from __future__ import annotations

from django.db.models import TextChoices

from integrator.models.states import BORN, Moves


class OrderStatus(TextChoices):
    CAPTURED = "CAPTURED", "Placed"  # confirmed by the shop and known here
    SHIPPED = "SHIPPED", "Shipped"  # at least one parcel left
    COMPLETED = "COMPLETED", "Completed"  # everything that will ship has shipped and is invoiced
    CANCELLED = "CANCELLED", "Cancelled"  # nothing of it will ship


ORDER_MOVES: Moves = {
    BORN: (OrderStatus.CAPTURED,),
    OrderStatus.CAPTURED: (OrderStatus.SHIPPED, OrderStatus.COMPLETED, OrderStatus.CANCELLED),
    OrderStatus.SHIPPED: (OrderStatus.COMPLETED, OrderStatus.CANCELLED),
    OrderStatus.COMPLETED: (),
    OrderStatus.CANCELLED: (),
}


class BundleRefund(TextChoices):
    """How a bundle is paid back. The shop can only take it back whole, and only once."""

    NONE = "NONE", "Not refunded"
    WHOLE = "WHOLE", "As a whole"  # every component came back at once: the shop pays the bundle
    PARTS = "PARTS", "In parts"  # paid past the shop: the bundle is barred there for ever


BUNDLE_MOVES: Moves = {
    BORN: (BundleRefund.NONE,),
    BundleRefund.NONE: (BundleRefund.WHOLE, BundleRefund.PARTS),
    BundleRefund.WHOLE: (BundleRefund.NONE,),  # the shop refused it: proved not paid
    BundleRefund.PARTS: (),
}


class Bucket(TextChoices):
    """Where a returned unit is counted.

    A movement goes from one to another and never disappears.
    """

    OUTSIDE = "OUTSIDE", "With the customer"
    IN_TRANSIT = "IN_TRANSIT", "On its way back"
    RECEIVED = "RECEIVED", "Received, on no shelf"
    SELLABLE = "SELLABLE", "Sellable"
    QUARANTINE = "QUARANTINE", "Quarantine"
    WRITTEN_OFF = "WRITTEN_OFF", "Written off"
