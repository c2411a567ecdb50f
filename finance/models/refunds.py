"""Money going back to a customer."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q

from finance.states import REFUND_MOVES, REFUND_OPEN, Executor, RefundStatus, Subject
from fulfilment.models import Order, OrderItem
from integrator.models.protection import guarded_moves
from returns.models import Return, ReturnItem
from returns.shapes import Resolution


class Refund(models.Model):
    """One payment back. Unique for ever per order, subject and number.

    Three figures are kept apart: what the returns platform *claimed*, what our policy *calculated*,
    what the payer *executed* (derived until a payout line or a re-read of the order confirms it).
    One refund per order that SCAYLE pays may stand between sending and evidence, because its
    evidence names neither items nor amount. ``arithmetic`` keeps how each unit's amount came about,
    as rows for people: what was paid for it, what was taken off, what remains. ``failed_at`` is
    when the payer last said that it could not pay; such a refund may stand beside the next one.
    """

    RECORD_KIND: ClassVar = "refund"
    MOVES: ClassVar = {"status": REFUND_MOVES}

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    return_record = models.ForeignKey(
        Return, null=True, on_delete=models.PROTECT, related_name="refunds"
    )
    subject = models.CharField(max_length=40, default=Subject.ITEM)
    number = models.PositiveIntegerField()
    status = models.CharField(
        max_length=12, choices=RefundStatus.choices, default=RefundStatus.AUTHORISED
    )
    executor = models.CharField(max_length=20, choices=Executor.choices)
    way = models.CharField(max_length=12, choices=Resolution.choices, default=Resolution.REFUND)
    currency = models.CharField(max_length=3)
    claimed_minor = models.BigIntegerField()
    calculated_minor = models.BigIntegerField()
    executed_minor = models.BigIntegerField(null=True)
    executed_is_derived = models.BooleanField(default=True)
    arithmetic = models.JSONField(default=list)
    evidence = models.JSONField(default=dict)
    evidence_before = models.JSONField(default=list)
    billing_before = models.CharField(max_length=20, blank=True)
    reference = models.CharField(max_length=120, blank=True)
    policy_version = models.PositiveIntegerField()
    authorised_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("status", REFUND_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "subject", "number"], name="refund_key_once"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(
                    status__in=[*REFUND_OPEN], executor=Executor.SCAYLE, failed_at__isnull=True
                ),
                name="refund_one_open_per_order",
            ),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(subject=Subject.SHIPPING) & ~Q(status=RefundStatus.REFUSED),
                name="refund_of_shipping_once_per_order",
            ),
            models.CheckConstraint(
                condition=Q(calculated_minor__gt=0), name="refund_amount_positive"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["RECORDED", "SETTLED"])
                | (Q(executed_minor__isnull=False) & ~Q(evidence={})),
                name="refund_recorded_has_evidence",
            ),
        ]

        indexes: ClassVar = [
            models.Index(
                fields=["authorised_at", "id"],
                include=["currency", "calculated_minor"],
                name="refund_decided",
            ),
            models.Index(
                fields=["recorded_at", "id"],
                include=["status", "currency", "executed_minor"],
                name="refund_paid",
            ),
        ]

    def __str__(self) -> str:
        return f"refund {self.order_id}/{self.subject}/{self.number}"

    @property
    def key(self) -> str:
        """How other systems and people refer to it: order, subject, number."""
        return f"{self.order.number}/{self.subject}/{self.number}"

    @property
    def subject_label(self) -> str:
        kind = self.subject.partition(":")[0]
        return str(Subject(kind).label) if kind in Subject.values else self.subject


# The shop can take a bundle back whole, once. What it cannot take back is paid past it, in parts,
# and from then on never by the shop: whatever the programs say, the database holds it.
_BUNDLE_WHOLE_OR_PARTS = """
    SELECT whole.id, whole.bundle_refund, whole.paid_minor INTO bundle
      FROM fulfilment_orderitem unit
      JOIN fulfilment_orderitem whole
        ON whole.id = COALESCE(unit.parent_id, CASE WHEN unit.is_bundle THEN unit.id END)
     WHERE unit.id = NEW.order_item_id;
    IF NOT FOUND THEN
        RETURN NEW;
    END IF;
    SELECT executor INTO payer FROM finance_refund WHERE id = NEW.refund_id;
    IF (payer = 'scayle') <> (bundle.bundle_refund = 'WHOLE') OR bundle.bundle_refund = 'NONE' THEN
        RAISE EXCEPTION 'bundle % is refunded % and cannot be paid by %', bundle.id,
            bundle.bundle_refund, payer USING ERRCODE = 'check_violation';
    END IF;
    SELECT COALESCE(sum(other.amount_minor), 0) INTO others
      FROM finance_refunditem other
      JOIN fulfilment_orderitem unit ON unit.id = other.order_item_id
     WHERE other.is_live AND other.id <> NEW.id
       AND (unit.id = bundle.id OR unit.parent_id = bundle.id);
    IF others + NEW.amount_minor > bundle.paid_minor THEN
        RAISE EXCEPTION 'more would go back for bundle % than was paid for it', bundle.id
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


class RefundItem(models.Model):
    """The part of a refund that is for one unit.

    ``is_live`` ends only when the refund is proved unpaid. ``came_back_minor`` is what the customer
    paid back of it: ``amount_minor``, which counts as refunded, is without it.
    """

    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="items")
    order_item = models.ForeignKey(OrderItem, on_delete=models.PROTECT)
    return_item = models.ForeignKey(ReturnItem, null=True, on_delete=models.PROTECT)
    amount_minor = models.BigIntegerField()
    came_back_minor = models.BigIntegerField(default=0)
    is_live = models.BooleanField(default=True)

    class Meta:
        triggers: ClassVar = [
            pgtrigger.Trigger(
                name="of_its_order",
                operation=pgtrigger.Insert | pgtrigger.Update,
                when=pgtrigger.Before,
                func="""
                    IF NOT EXISTS (
                        SELECT 1 FROM finance_refund r
                          JOIN fulfilment_orderitem i ON i.order_id = r.order_id
                         WHERE r.id = NEW.refund_id AND i.id = NEW.order_item_id)
                       OR (NEW.return_item_id IS NOT NULL AND NOT EXISTS (
                        SELECT 1 FROM returns_returnitem u
                         WHERE u.id = NEW.return_item_id
                           AND u.order_item_id = NEW.order_item_id))
                    THEN
                        RAISE EXCEPTION 'unit % is not part of the order of refund %',
                            NEW.order_item_id, NEW.refund_id USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="bundle_whole_or_parts",
                operation=pgtrigger.Insert | pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(new__is_live=True),
                declare=[("bundle", "RECORD"), ("payer", "TEXT"), ("others", "BIGINT")],
                func=_BUNDLE_WHOLE_OR_PARTS,
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["return_item"],
                condition=Q(is_live=True, return_item__isnull=False),
                name="refund_item_once_per_returned_unit",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gte=0), name="refund_item_amount_not_negative"
            ),
        ]
        ordering: ClassVar = [F("id")]

    def __str__(self) -> str:
        return f"{self.amount_minor} for unit {self.order_item_id}"
