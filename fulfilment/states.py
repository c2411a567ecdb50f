"""The statuses of orders and the moves between them."""

from __future__ import annotations

from django.db.models import TextChoices

from integrator.models.states import BORN, Moves


class OrderStatus(TextChoices):
    CAPTURED = "CAPTURED", "Captured"  # confirmed by the shop and known here
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


class Bucket(TextChoices):
    """Where a returned unit is counted.

    A movement goes from one to another and never disappears.
    """

    OUTSIDE = "OUTSIDE", "With the customer"
    IN_TRANSIT = "IN_TRANSIT", "On its way back"
    RECEIVED = "RECEIVED", "Received, not checked"
    SELLABLE = "SELLABLE", "Sellable"
    QUARANTINE = "QUARANTINE", "Quarantine"
    WRITTEN_OFF = "WRITTEN_OFF", "Written off"
