"""A return and its units."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q

from fulfilment.models import Order, OrderItem, Sku
from integrator.models import Connection
from integrator.models.protection import guarded_moves
from returns.shapes import Method, PlatformStatus, Resolution
from returns.states import CUSTODY_MOVES, MONEY_MOVES, RETURN_MOVES, Custody, Money, ReturnStatus

_SET_OR_PARTS = """
    SELECT CASE WHEN is_bundle THEN id ELSE parent_id END INTO bundle
      FROM fulfilment_orderitem WHERE id = NEW.order_item_id;
    IF bundle IS NULL THEN
        RETURN NEW;
    END IF;
    PERFORM 1 FROM fulfilment_orderitem WHERE id = bundle FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT 1 FROM returns_returnitem other
          JOIN fulfilment_orderitem unit ON unit.id = other.order_item_id
         WHERE other.id <> NEW.id AND other.custody <> 'CLOSED' AND other.blocked_by = ''
           AND CASE WHEN NEW.order_item_id = bundle THEN unit.parent_id = bundle
                    ELSE unit.id = bundle END
    ) THEN
        RAISE EXCEPTION 'bundle % is coming back as a whole or in parts, not both', bundle
              USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
"""
_COMES_BACK = "NEW.order_item_id IS NOT NULL AND NEW.blocked_by = '' AND NEW.custody <> 'CLOSED'"
_COMES_BACK_NOW = (
    f"{_COMES_BACK} AND (OLD.order_item_id IS DISTINCT FROM NEW.order_item_id"
    " OR OLD.blocked_by <> '' OR OLD.custody = 'CLOSED')"
)


class Return(models.Model):
    """A return as one returns platform runs it (it calls this an RMA).

    ``order`` is empty while the order is unknown: such a return is kept and triggers nothing.
    ``digest`` is the content hash of the version last taken. ``drafts`` are the exchange orders
    that the platform only drafted, each with when it was first seen. ``fees`` are taken off the
    return as a whole, not off one unit: minor units of its currency, by name.
    """

    RECORD_KIND: ClassVar = "return"
    MOVES: ClassVar = {"status": RETURN_MOVES}

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=120)
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="returns")
    order_number = models.CharField(max_length=120, blank=True)
    status = models.CharField(
        max_length=12, choices=ReturnStatus.choices, default=ReturnStatus.REQUESTED
    )
    platform_status = models.CharField(max_length=12, choices=PlatformStatus.choices)
    platform_word = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, blank=True)
    drafts = models.JSONField(default=dict)
    fees = models.JSONField(default=dict)
    requested_at = models.DateTimeField()
    read_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("status", RETURN_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "external_id"], name="return_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["external_id"], name="return_external"),
            models.Index(fields=["-requested_at", "-id"], name="return_recent"),
            models.Index(fields=["connection", "completed_at"], name="return_completed"),
            models.Index(fields=["completed_at", "id"], name="return_completed_at"),
            # What is open there, and whose reading is the oldest.
            models.Index(
                fields=["connection", "platform_status", "read_at"], name="return_read_there"
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


class ReturnItem(models.Model):
    """One returned unit. ``claimed_minor`` is what the returns platform says it is worth.

    ``sku`` is the article of the sold unit it fits, empty while it fits none; ``sku_code`` is the
    article as the returns platform wrote it.

    ``blocked_by`` names the rule of the purchase check that failed: a blocked unit stays where it
    is and triggers nothing. ``accepted_by`` is the person who let it pass all the same.
    """

    RECORD_KIND: ClassVar = "return_item"
    MOVES: ClassVar = {"custody": CUSTODY_MOVES, "money": MONEY_MOVES}

    return_record = models.ForeignKey(Return, on_delete=models.PROTECT, related_name="items")
    external_id = models.CharField(max_length=120)
    order_item = models.ForeignKey(
        OrderItem, null=True, on_delete=models.PROTECT, related_name="return_items"
    )
    sku = models.ForeignKey(Sku, null=True, on_delete=models.PROTECT)
    sku_code = models.CharField(max_length=80)
    resolution = models.CharField(max_length=12, choices=Resolution.choices)
    resolution_word = models.CharField(max_length=80)
    method = models.CharField(max_length=10, choices=Method.choices)
    method_word = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True)
    claimed_minor = models.BigIntegerField()
    deductions = models.JSONField(default=list)
    currency = models.CharField(max_length=3)
    custody = models.CharField(max_length=12, choices=Custody.choices, default=Custody.REQUESTED)
    money = models.CharField(max_length=12, choices=Money.choices, default=Money.NONE)
    blocked_by = models.CharField(max_length=40, blank=True)
    accepted_by = models.CharField(max_length=100, blank=True)

    class Meta:
        triggers: ClassVar = [
            *guarded_moves("custody", CUSTODY_MOVES),
            *guarded_moves("money", MONEY_MOVES),
            # One open return per unit, for bundles too: a set comes back whole or in parts.
            pgtrigger.Trigger(
                name="set_or_parts_insert",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition(_COMES_BACK),
                declare=[("bundle", "BIGINT")],
                func=_SET_OR_PARTS,
            ),
            pgtrigger.Trigger(
                name="set_or_parts_update",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(_COMES_BACK_NOW),
                declare=[("bundle", "BIGINT")],
                func=_SET_OR_PARTS,
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["return_record", "external_id"], name="return_item_once"
            ),
            models.UniqueConstraint(
                fields=["order_item"],
                condition=~Q(custody="CLOSED") & Q(order_item__isnull=False, blocked_by=""),
                name="return_item_one_open_per_unit",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["custody", "money"], name="return_item_axes"),
            # All others are found by their article.
            models.Index(
                fields=["sku_code"], condition=Q(sku__isnull=True), name="return_item_no_article"
            ),
        ]

    def __str__(self) -> str:
        return f"unit {self.external_id}"

    @property
    def order_id(self) -> int | None:
        return self.return_record.order_id
