"""Money going back to a shopper."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from finance.states import REFUND_MOVES, REFUND_OPEN, Executor, RefundStatus, Subject
from fulfilment.models import Order, OrderItem
from integrator.models.protection import guarded_moves
from returns.models import Return, ReturnItem


class Refund(models.Model):
    """One payment back. Unique for ever per order, subject and number.

    Three figures are kept apart: what the returns platform *claimed*, what our policy *calculated*,
    what the payer *executed* (derived until a payout line or a re-read of the order confirms it).
    One refund per order may stand between sending and evidence, because SCAYLE's evidence names
    neither items nor amount.
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
    currency = models.CharField(max_length=3)
    claimed_minor = models.BigIntegerField()
    calculated_minor = models.BigIntegerField()
    executed_minor = models.BigIntegerField(null=True)
    executed_is_derived = models.BooleanField(default=True)
    evidence = models.JSONField(default=dict)
    evidence_before = models.JSONField(default=list)
    billing_before = models.CharField(max_length=20, blank=True)
    reference = models.CharField(max_length=120, blank=True)
    policy_version = models.PositiveIntegerField()
    authorised_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = guarded_moves("status", REFUND_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "subject", "number"], name="refund_key_once"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=[*REFUND_OPEN]),
                name="refund_one_open_per_order",
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

    def __str__(self) -> str:
        return f"refund {self.order_id}/{self.subject}/{self.number}"


class RefundItem(models.Model):
    """The part of a refund that is for one unit.

    ``is_live`` ends only when the refund is proved unpaid.
    """

    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="items")
    order_item = models.ForeignKey(OrderItem, on_delete=models.PROTECT)
    return_item = models.ForeignKey(ReturnItem, null=True, on_delete=models.PROTECT)
    amount_minor = models.BigIntegerField()
    is_live = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["return_item"],
                condition=Q(is_live=True, return_item__isnull=False),
                name="refund_item_once_per_returned_unit",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="refund_item_amount_positive"
            ),
        ]
        ordering: ClassVar = [F("id")]

    def __str__(self) -> str:
        return f"{self.amount_minor} for unit {self.order_item_id}"
