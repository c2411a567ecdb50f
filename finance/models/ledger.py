"""The books: transfers between accounts, and the months they are posted in. Append-only."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q

from finance.states import PERIOD_MOVES, Account, PeriodStatus
from integrator.models import Retailer
from integrator.models.protection import append_only, guarded_moves


class Period(models.Model):
    """A calendar month of a retailer's books."""

    RECORD_KIND: ClassVar = "period"
    MOVES: ClassVar = {"status": PERIOD_MOVES}

    retailer = models.ForeignKey(Retailer, on_delete=models.PROTECT)
    first_date = models.DateField()
    status = models.CharField(
        max_length=10, choices=PeriodStatus.choices, default=PeriodStatus.OPEN
    )

    class Meta:
        triggers: ClassVar = guarded_moves("status", PERIOD_MOVES)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["retailer", "first_date"], name="period_once")
        ]

    def __str__(self) -> str:
        return f"{self.first_date:%B %Y}"


class LedgerEntry(models.Model):
    """One amount going from one account to another: balanced by construction.

    The trigger takes a shared lock on the period and refuses a closed one, so closing (which locks
    the period for update) and posting cannot cross.
    """

    RECORD_KIND: ClassVar = "ledger_entry"

    key = models.CharField(max_length=80, unique=True)
    period = models.ForeignKey(Period, on_delete=models.PROTECT)
    from_account = models.CharField(max_length=20, choices=Account.choices)
    to_account = models.CharField(max_length=20, choices=Account.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    order_id = models.BigIntegerField()
    refund_id = models.BigIntegerField(null=True)
    job_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    policy_version = models.PositiveIntegerField(null=True)
    actor = models.CharField(max_length=100)
    reason = models.CharField(max_length=300)
    happened_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            *append_only(),
            pgtrigger.Trigger(
                name="period_open",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                declare=[("period_status", "text")],
                func="""
                    SELECT status INTO period_status FROM finance_period
                     WHERE id = NEW.period_id FOR SHARE;
                    IF period_status IS DISTINCT FROM 'OPEN' THEN
                        RAISE EXCEPTION 'period % is closed', NEW.period_id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="entry_amount_positive"),
            models.CheckConstraint(
                condition=~Q(from_account=F("to_account")), name="entry_goes_somewhere"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["order_id"], name="entry_order"),
            models.Index(fields=["refund_id"], name="entry_refund"),
            models.Index(
                fields=["at", "id"],
                condition=Q(actor__startswith="user:"),
                name="entry_by_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_account} → {self.to_account} {self.amount_minor} {self.currency}"
