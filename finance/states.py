"""The statuses of refunds and periods and the moves between them."""

from __future__ import annotations

from django.db.models import TextChoices

from integrator.models.states import BORN, Moves


class RefundStatus(TextChoices):
    AUTHORISED = "AUTHORISED", "Authorised"  # amount reserved on the order; not sent
    SENT = "SENT", "Sent"  # the payer was told, or may have been: counts as paid until proved
    IN_DOUBT = "IN_DOUBT", "In doubt"  # nobody can tell yet; never sent again on a guess
    RECORDED = "RECORDED", "Recorded"  # the payer's own record of it was seen
    SETTLED = "SETTLED", "Settled"  # a payout line confirmed the amount
    REFUSED = "REFUSED", "Refused"  # proved not paid: the reserved amount is free again


REFUND_MOVES: Moves = {
    BORN: (RefundStatus.AUTHORISED,),
    RefundStatus.AUTHORISED: (
        RefundStatus.SENT,
        RefundStatus.IN_DOUBT,
        RefundStatus.RECORDED,
        RefundStatus.REFUSED,
    ),
    RefundStatus.SENT: (RefundStatus.RECORDED, RefundStatus.IN_DOUBT, RefundStatus.REFUSED),
    RefundStatus.IN_DOUBT: (RefundStatus.SENT, RefundStatus.RECORDED, RefundStatus.REFUSED),
    # Back in doubt: the payer said later that the payment had failed after all.
    RefundStatus.RECORDED: (RefundStatus.SETTLED, RefundStatus.IN_DOUBT),
    RefundStatus.SETTLED: (),
    RefundStatus.REFUSED: (),
}
REFUND_PROVED = (RefundStatus.RECORDED, RefundStatus.SETTLED)
REFUND_OPEN = (RefundStatus.AUTHORISED, RefundStatus.SENT, RefundStatus.IN_DOUBT)


class PeriodStatus(TextChoices):
    OPEN = "OPEN", "Open"
    CLOSED = "CLOSED", "Closed"  # nothing may be posted into it


PERIOD_MOVES: Moves = {
    BORN: (PeriodStatus.OPEN,),
    PeriodStatus.OPEN: (PeriodStatus.CLOSED,),
    PeriodStatus.CLOSED: (PeriodStatus.OPEN,),
}


class Account(TextChoices):
    """The accounts a ledger entry moves money between. Clearing accounts must return to zero."""

    SALES_RETURNS = "SALES_RETURNS", "Sales returns"
    GOODWILL = "GOODWILL", "Goodwill (a cost of ours)"
    DIFFERENCES = "DIFFERENCES", "Differences that were accepted"
    REFUNDS_OWED = "REFUNDS_OWED", "Refunds owed (clearing)"
    PAYER = "PAYER", "Paid out to customers"


class Subject(TextChoices):
    """What a refund is for."""

    ITEM = "item", "Items"
    SHIPPING = "shipping", "Shipping"
    GOODWILL = "goodwill", "Goodwill"


class Executor(TextChoices):
    """Who pays the customer. There is no default."""

    SCAYLE = "scayle", "SCAYLE"
    RETURNS_PLATFORM = "returns_platform", "Returns platform"
    MANUAL = "manual", "By hand, with a reference"
