"""SKUs, our locations, the authority's stock figure, and the movements of returned units."""

from __future__ import annotations

from typing import ClassVar

import pghistory
import pgtrigger
from django.db import models
from django.db.models import F, Q

from fulfilment.states import Bucket
from integrator.models import Connection, Retailer
from integrator.models.protection import append_only


class Sku(models.Model):
    """An article of a retailer. Whether it may be sold is the shop's to say, when it is asked."""

    RECORD_KIND: ClassVar = "sku"

    retailer = models.ForeignKey(Retailer, on_delete=models.PROTECT)
    code = models.CharField(max_length=80)
    name = models.CharField(max_length=200, blank=True)
    is_composite = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["retailer", "code"], name="sku_code_once")
        ]

    def __str__(self) -> str:
        return self.code


class Variant(models.Model):
    """The shop's own entry for a SKU, as its catalogue was last read: needed to read it again.

    A SKU without one was never looked up, so nobody knows yet whether it is a bundle.
    """

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=60)
    product_id = models.CharField(max_length=60)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT)
    is_composite = models.BooleanField()
    read_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="variant_once")
        ]

    def __str__(self) -> str:
        return f"variant {self.external_id}"


@pghistory.track()
class Location(models.Model):
    """A place of ours where stock is. Platforms' names for it are Mappings; one authority each."""

    RECORD_KIND: ClassVar = "location"

    class Authority(models.TextChoices):
        SCAYLE = "scayle", "SCAYLE"
        SCEND = "scend", "Scend"
        SITOO = "sitoo", "Sitoo"
        ERP = "erp", "ERP"

    retailer = models.ForeignKey(Retailer, on_delete=models.PROTECT)
    code = models.SlugField()
    name = models.CharField(max_length=200)
    authority = models.CharField(max_length=10, choices=Authority.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["retailer", "code"], name="location_code_once")
        ]

    def __str__(self) -> str:
        return self.name


class StockLevel(models.Model):
    """The sellable figure of one SKU at one location as a platform last confirmed it to us.

    ``counted_at`` is the instant the figure is true for: sales up to then are in it. ``short`` are
    units that had been sold when they turned out not to be sellable: no figure is below zero.
    """

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT)
    location = models.ForeignKey(Location, on_delete=models.PROTECT)
    wanted = models.IntegerField(null=True)
    sent = models.IntegerField(null=True)
    confirmed = models.IntegerField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)
    short = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "sku", "location"], name="stock_level_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.sku} at {self.location}: {self.confirmed}"


_STARTS_WHERE_IT_IS = pgtrigger.Trigger(
    name="starts_where_it_is",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    declare=[("held", "text")],
    func="""
        SELECT to_bucket INTO held FROM fulfilment_stockmovement
         WHERE return_item_id = NEW.return_item_id AND sku_id = NEW.sku_id
         ORDER BY id DESC LIMIT 1;
        IF coalesce(held, 'OUTSIDE') <> NEW.from_bucket THEN
            RAISE EXCEPTION 'unit % is in %, not in %', NEW.return_item_id,
                coalesce(held, 'OUTSIDE'), NEW.from_bucket;
        END IF;
        RETURN NEW;
    """,
)


class StockMovement(models.Model):
    """A returned unit going from one bucket to another. Append-only; a correction is another one.

    Into SELLABLE only with the inspection that allows it (R008, R023), written off only with a
    second person's approval, and only from where the unit is, so that it is never in two places:
    the database refuses anything else. ``key`` says which step of which unit this is, once for
    ever.
    """

    RECORD_KIND: ClassVar = "stock_movement"

    key = models.CharField(max_length=80, unique=True)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, null=True)
    quantity = models.PositiveIntegerField()
    from_bucket = models.CharField(max_length=12, choices=Bucket.choices)
    to_bucket = models.CharField(max_length=12, choices=Bucket.choices)
    order_id = models.BigIntegerField(null=True)
    return_item_id = models.BigIntegerField()
    inspection_id = models.BigIntegerField(null=True)
    approval_id = models.BigIntegerField(null=True)
    job_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    policy_version = models.PositiveIntegerField(null=True)
    actor = models.CharField(max_length=100)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [*append_only(), _STARTS_WHERE_IT_IS]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="movement_quantity_positive"),
            models.CheckConstraint(
                condition=~Q(from_bucket=F("to_bucket")), name="movement_goes_somewhere"
            ),
            models.CheckConstraint(
                condition=~Q(to_bucket=Bucket.SELLABLE)
                | Q(inspection_id__isnull=False)
                | Q(approval_id__isnull=False),
                name="movement_sellable_needs_inspection",
            ),
            models.CheckConstraint(
                condition=~Q(to_bucket__in=[Bucket.SELLABLE, Bucket.QUARANTINE])
                | Q(location__isnull=False),
                name="movement_shelf_needs_location",
            ),
            models.CheckConstraint(
                condition=~Q(to_bucket=Bucket.WRITTEN_OFF) | Q(approval_id__isnull=False),
                name="movement_written_off_needs_approval",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["order_id"], name="movement_order"),
            models.Index(fields=["return_item_id"], name="movement_unit"),
            models.Index(fields=["sku", "location"], name="movement_sku"),
            models.Index(fields=["at", "id"], name="movement_at"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku_id}: {self.from_bucket} → {self.to_bucket}"
