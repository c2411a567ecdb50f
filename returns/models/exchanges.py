"""A replacement instead of money: what is wanted for a returned unit, and how far it is."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from fulfilment.models import Address, Order, OrderItem
from integrator.models import Connection
from integrator.models.protection import guarded_moves
from returns.models.returns import Return, ReturnItem
from returns.shapes import AddressSource
from returns.states import (
    DIFFERENCE_MOVES,
    EXCHANGE_ENDED,
    EXCHANGE_MOVES,
    EXCHANGE_PLACED,
    DifferenceStatus,
    ExchangeStatus,
)


class Exchange(models.Model):
    """What goes out for one returned unit, or for the return as a whole (``return_item`` empty).

    ``key`` is ``EXC-<return>-<number>``: the reference its order carries in the shop, once for
    ever. ``order`` is the original sale, ``exchange_order`` the one made for this.
    ``difference_minor`` is what the pieces cost above the returned unit; below zero it is owed to
    the customer. Of one that has ended it is what was paid for it, once that is owed back. From
    ``placing_at`` on the order may exist in the shop, from ``reserving_at`` on the shop may hold
    pieces whose reservations we do not know.
    """

    RECORD_KIND: ClassVar = "exchange"
    MOVES: ClassVar = {"status": EXCHANGE_MOVES, "difference": DIFFERENCE_MOVES}

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    return_record = models.ForeignKey(Return, on_delete=models.PROTECT, related_name="exchanges")
    return_item = models.ForeignKey(
        ReturnItem, null=True, on_delete=models.PROTECT, related_name="exchanges"
    )
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="exchanges")
    number = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=140)
    status = models.CharField(
        max_length=12, choices=ExchangeStatus.choices, default=ExchangeStatus.REQUESTED
    )
    difference = models.CharField(
        max_length=10, choices=DifferenceStatus.choices, default=DifferenceStatus.NONE
    )
    difference_minor = models.BigIntegerField(default=0)
    difference_reference = models.CharField(max_length=200, blank=True)
    difference_at = models.DateTimeField(null=True)
    currency = models.CharField(max_length=3)
    exchange_order = models.OneToOneField(
        Order, null=True, on_delete=models.PROTECT, related_name="made_for"
    )
    address = models.ForeignKey(Address, null=True, on_delete=models.SET_NULL)
    address_source = models.CharField(max_length=16, choices=AddressSource.choices, blank=True)
    release_reference = models.CharField(max_length=200, blank=True)
    requested_at = models.DateTimeField()
    due_since = models.DateTimeField(null=True)
    reserving_at = models.DateTimeField(null=True)
    placing_at = models.DateTimeField(null=True)
    ordered_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    shipped_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = [
            *guarded_moves("status", EXCHANGE_MOVES),
            *guarded_moves("difference", DIFFERENCE_MOVES),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "key"], name="exchange_key_once"),
            models.UniqueConstraint(
                fields=["return_item"],
                condition=Q(return_item__isnull=False) & ~Q(status__in=EXCHANGE_ENDED),
                name="exchange_one_per_unit",
            ),
            models.UniqueConstraint(
                fields=["return_record"],
                condition=Q(return_item__isnull=True) & ~Q(status__in=EXCHANGE_ENDED),
                name="exchange_one_per_return",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=EXCHANGE_PLACED) | Q(exchange_order__isnull=False),
                name="exchange_placed_has_order",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["key"], name="exchange_key"),
            models.Index(fields=["status", "difference"], name="exchange_axes"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def pieces(self) -> str:
        """What goes out, as people read it."""
        return ", ".join(self.items.order_by("place").values_list("sku_code", flat=True))


class ExchangeItem(models.Model):
    """One physical piece that goes out. ``price_minor`` is what the returns platform asks for it.

    ``reservation_id`` is the shop's hold on the piece; empty when nothing is held.
    """

    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="items")
    place = models.PositiveSmallIntegerField()
    sku_code = models.CharField(max_length=80)
    variant_id = models.CharField(max_length=60, blank=True)
    product_id = models.CharField(max_length=60, blank=True)
    price_minor = models.BigIntegerField(null=True)
    reservation_id = models.CharField(max_length=60, blank=True)
    order_item = models.OneToOneField(
        OrderItem, null=True, on_delete=models.PROTECT, related_name="sent_for"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["exchange", "place"], name="exchange_item_once")
        ]

    def __str__(self) -> str:
        return f"{self.sku_code} for {self.exchange_id}"

    @property
    def reference(self) -> str:
        """What the shop's reservation of this piece is called."""
        return f"{self.exchange.key}-{self.place}"
