"""The sale as the shop recorded it. One order item is one physical unit."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from fulfilment.models.stock import Sku
from fulfilment.shapes import Billing, OrderKind, ShareBasis, UnitStatus
from fulfilment.states import BUNDLE_MOVES, ORDER_MOVES, BundleRefund, OrderStatus
from integrator.models import Connection
from integrator.models.protection import guarded_moves

_SHARES_ADD_UP = """
    SELECT * INTO bundle FROM fulfilment_orderitem WHERE id = COALESCE(NEW.parent_id, NEW.id);
    SELECT count(*) AS units, sum(paid_minor) AS paid, sum(tax_minor) AS tax INTO parts
      FROM fulfilment_orderitem WHERE parent_id = bundle.id;
    IF parts.units > 0 AND (NOT bundle.is_bundle OR bundle.paid_minor <> parts.paid
                            OR bundle.tax_minor <> parts.tax) THEN
        RAISE EXCEPTION 'the shares of bundle % do not add up to its price', bundle.id
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""


class Customer(models.Model):
    """Who bought. Personal data: erasable.

    ``external_id`` is NULL for a buyer the shop gave no id: nobody can say that two such buyers are
    one person, so each order has a row of its own.
    """

    RECORD_KIND: ClassVar = "customer"

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    # NULL, not "": the unique constraint then lets any number of buyers have none.
    external_id = models.CharField(max_length=120, null=True)  # noqa: DJ001
    reference = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    first_name = models.CharField(max_length=120, blank=True)
    last_name = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="customer_once"),
            models.CheckConstraint(condition=~Q(external_id=""), name="customer_id_given_or_null"),
        ]
        indexes: ClassVar = [models.Index(Lower("email"), name="customer_email")]

    def __str__(self) -> str:
        return f"customer {self.pk}"


class Address(models.Model):
    """Where an order was sent. Personal data: erasable. ``country`` is ISO 3166 alpha-2."""

    first_name = models.CharField(max_length=120, blank=True)
    last_name = models.CharField(max_length=120, blank=True)
    street = models.CharField(max_length=200, blank=True)
    house_number = models.CharField(max_length=40, blank=True)
    additional = models.CharField(max_length=200, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=120, blank=True)
    country = models.CharField(max_length=2)
    phone = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return f"address {self.pk}"


class Order(models.Model):
    """A sale. ``paid_minor`` is the sum of all payments including gift cards.

    ``refunded_minor`` counts what was sent and what is in doubt too; it is raised under row lock
    before the call and lowered only on a proven failure.
    """

    RECORD_KIND: ClassVar = "order"
    MOVES: ClassVar = {"status": ORDER_MOVES}

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=120)
    number = models.CharField(max_length=120)
    reference = models.CharField(max_length=120, blank=True)
    status = models.CharField(
        max_length=12, choices=OrderStatus.choices, default=OrderStatus.CAPTURED
    )
    kind = models.CharField(max_length=10, choices=OrderKind.choices, default=OrderKind.SALE)
    shop = models.CharField(max_length=60)
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    billing = models.CharField(max_length=20, choices=Billing.choices, default=Billing.OPEN)
    paid_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField(default=0)
    fees = models.JSONField(default=list)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.SET_NULL)
    shipping_address = models.ForeignKey(Address, null=True, on_delete=models.SET_NULL)
    placed_at = models.DateTimeField()
    captured_at = models.DateTimeField()
    source_updated_at = models.DateTimeField()
    read_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = guarded_moves("status", ORDER_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="order_once"),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0) & Q(refunded_minor__lte=F("paid_minor")),
                name="order_refunded_at_most_paid",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["number"], name="order_number"),
            models.Index(fields=["reference"], name="order_reference"),
            models.Index(fields=["customer"], name="order_customer"),
            models.Index(
                fields=["-placed_at", "-id"],
                include=["kind", "currency", "paid_minor"],  # counted per day without the rows
                name="order_recent",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class OrderItem(models.Model):
    """One ordered unit. ``paid_minor`` is what was really paid for it, tax included.

    A bundle is a line that is no physical unit: its components are units of their own, which name
    it as ``parent`` and carry their share of its price. The shares were fixed when the order was
    captured (``share_basis``, ``catalogue_minor`` per unit) and add up to the bundle's price. What
    moves are always its components. A set that comes back as one unit is refunded on the set's own
    row, a single component on the component's; sums of prices leave bundles out, or count twice.
    """

    RECORD_KIND: ClassVar = "order_item"
    MOVES: ClassVar = {"bundle_refund": BUNDLE_MOVES}

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="items")
    external_id = models.CharField(max_length=120)
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="components"
    )
    is_bundle = models.BooleanField(default=False)
    share_basis = models.CharField(max_length=10, choices=ShareBasis.choices, blank=True)
    catalogue_minor = models.BigIntegerField(null=True)
    bundle_refund = models.CharField(
        max_length=5, choices=BundleRefund.choices, default=BundleRefund.NONE
    )
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT)
    variant_id = models.CharField(max_length=60)
    product_id = models.CharField(max_length=60)
    paid_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField(default=0)
    tax_minor = models.BigIntegerField()
    tax_rate = models.CharField(max_length=12)
    platform_status = models.CharField(max_length=12, choices=UnitStatus.choices)
    platform_word = models.CharField(max_length=60)
    shipped_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = [
            *guarded_moves("bundle_refund", BUNDLE_MOVES),
            # Looked at when the transaction ends: the units are written one after another.
            pgtrigger.Trigger(
                name="shares_add_up",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                timing=pgtrigger.Deferred,
                operation=pgtrigger.Insert
                | pgtrigger.UpdateOf("paid_minor", "tax_minor", "parent_id", "is_bundle"),
                condition=pgtrigger.Q(new__parent__isnull=False) | pgtrigger.Q(new__is_bundle=True),
                declare=[("bundle", "RECORD"), ("parts", "RECORD")],
                func=_SHARES_ADD_UP,
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "external_id"], name="order_item_once"),
            models.CheckConstraint(
                condition=~Q(is_bundle=True, parent__isnull=False),
                name="order_item_bundle_is_no_component",
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(share_basis=""),
                name="order_item_component_has_basis",
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0) & Q(refunded_minor__lte=F("paid_minor")),
                name="order_item_refunded_at_most_paid",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["external_id"], name="order_item_external"),
            models.Index(
                fields=["cancelled_at", "id"],
                condition=Q(cancelled_at__isnull=False),
                name="order_item_cancelled",
            ),
        ]

    def __str__(self) -> str:
        return f"unit {self.external_id}"

    @property
    def line_id(self) -> str:
        """The shop's own id of the line: a component is known there by its bundle's."""
        return self.external_id if self.parent is None else self.parent.external_id


class Shipment(models.Model):
    """A parcel that left for the customer."""

    RECORD_KIND: ClassVar = "shipment"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="shipments")
    external_id = models.CharField(max_length=120)
    key = models.CharField(max_length=120, blank=True)
    carrier = models.CharField(max_length=60, blank=True)
    tracking = models.CharField(max_length=120, blank=True)
    shipped_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "external_id"], name="shipment_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["tracking"], name="shipment_tracking"),
            models.Index(fields=["shipped_at", "id"], name="shipment_shipped"),
        ]

    def __str__(self) -> str:
        return self.tracking or self.external_id
