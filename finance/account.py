"""What a customer paid, got back and is still owed, per currency. It writes nothing.

Each figure has its own source and is never added to another: what finance decided is not what the
returns platform claims, and goodwill pays no unit back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Abs, Coalesce

from finance.models import Refund, RefundItem
from finance.states import REFUND_OPEN, RefundStatus, Subject
from fulfilment.models import Order
from returns.models import Exchange, Return, ReturnItem
from returns.shapes import Resolution
from returns.states import EXCHANGE_ENDED, Custody, DifferenceStatus, Money

_PROVED = Q(status__in=[RefundStatus.RECORDED, RefundStatus.SETTLED])
_GIFT = Q(subject=Subject.GOODWILL)


@dataclass(slots=True)
class Sums:
    """One currency of a customer, in minor units.

    ``paid`` counts every payment of every order. ``refunded`` and ``goodwill`` are proved by the
    payer. ``owed`` was decided and is not proved, ``in_doubt`` is the part of it that may have been
    paid. ``claimed`` is the returns platform's figure for units nobody has decided about yet.
    """

    currency: str
    paid: int = 0
    refunded: int = 0
    goodwill: int = 0
    owed: int = 0
    in_doubt: int = 0
    claimed: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """Everything of one customer in figures. ``counts`` are rows, by the name of their list."""

    sums: list[Sums]
    counts: Mapping[str, int] = field(default_factory=dict)


def account_of(customer_id: int) -> Account:
    """The customer's sums and counts: four queries, however much was bought."""
    sums: defaultdict[str, Sums] = defaultdict(lambda: Sums(""))
    counts: defaultdict[str, int] = defaultdict(int)
    orders = Order.objects.filter(customer=customer_id)
    for sold in orders.values("currency").annotate(rows=Count("id"), paid=Sum("paid_minor")):
        sums[sold["currency"]].paid = sold["paid"]
        counts["orders"] += sold["rows"]
    for row in _refunds(customer_id):
        one = sums[row["currency"]]
        one.refunded, one.goodwill = row["refunded"], row["goodwill"]
        one.owed, one.in_doubt = row["owed"], row["in_doubt"]
        counts["goodwill"] += row["gifts"]
        counts["refunds"] += row["rows"] - row["gifts"]
    for row in _exchanges(customer_id):
        sums[row["currency"]].owed += row["difference"]
        counts["replacements"] += row["rows"]
    for row in _returns(customer_id):
        if row["currency"]:
            sums[row["currency"]].claimed = row["claimed"]
        counts["returns"] += row["rows"]
    for currency, one in sums.items():
        one.currency = currency
    return Account([sums[currency] for currency in sorted(sums)], counts)


def with_refunded(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Each with what was proved to be paid back for it, and what is decided and not proved.

    As ``proved_minor`` (``is_derived`` where an amount of it is our own sum) and
    ``decided_minor``, in the same statement; ``is_refused`` where a unit's refund was refused and
    none stands in its place. What counts against what was paid, ``refunded_minor``, is raised as
    soon as money is set aside: it proves nothing.
    """
    mine = Refund.objects.filter(~_GIFT, order=OuterRef("pk")).order_by().values("order")
    proved = mine.filter(_PROVED).annotate(sum=Sum("executed_minor"))
    derived = mine.filter(_PROVED, executed_is_derived=True)
    decided = mine.filter(status__in=REFUND_OPEN).annotate(sum=Sum("calculated_minor"))
    refused = ReturnItem.objects.filter(return_record__order=OuterRef("pk"), money=Money.REFUSED)
    return orders.annotate(
        proved_minor=Coalesce(Subquery(proved.values("sum")), 0),
        is_derived=Exists(derived),
        decided_minor=Coalesce(Subquery(decided.values("sum")), 0),
        is_refused=Exists(refused),
    )


def undecided_units() -> QuerySet[ReturnItem]:
    """Units the customer is to get money for, and for which no refund stands yet."""
    refund = RefundItem.objects.filter(return_item=OuterRef("pk"), is_live=True)
    ended = [Money.RECORDED, Money.SETTLED, Money.WAIVED]
    return ReturnItem.objects.filter(
        ~Exists(refund), resolution=Resolution.REFUND, blocked_by=""
    ).exclude(Q(custody=Custody.CLOSED) | Q(money__in=ended))


def _refunds(customer_id: int) -> Any:
    is_open = Q(status__in=REFUND_OPEN)
    return (
        Refund.objects.filter(order__customer=customer_id)
        .values("currency")
        .annotate(
            rows=Count("id"),
            gifts=Count("id", filter=_GIFT),
            refunded=Sum("executed_minor", filter=_PROVED & ~_GIFT, default=0),
            goodwill=Sum("executed_minor", filter=_PROVED & _GIFT, default=0),
            owed=Sum("calculated_minor", filter=is_open, default=0),
            in_doubt=Sum("calculated_minor", filter=Q(status=RefundStatus.IN_DOUBT), default=0),
        )
    )


def _exchanges(customer_id: int) -> Any:
    """A cheaper piece leaves a difference over; so does a dearer one that was paid and ended."""
    has_ended = Q(status__in=EXCHANGE_ENDED)
    is_owed = Q(difference=DifferenceStatus.OWED) & (
        Q(difference_minor__lt=0) & ~has_ended | Q(difference_minor__gt=0) & has_ended
    )
    return (
        Exchange.objects.filter(order__customer=customer_id)
        .values("currency")
        .annotate(
            rows=Count("id"), difference=Sum(Abs("difference_minor"), filter=is_owed, default=0)
        )
    )


def _returns(customer_id: int) -> Any:
    undecided = Q(items__in=undecided_units())
    return (
        Return.objects.filter(order__customer=customer_id)
        .values(currency=F("items__currency"))
        .annotate(
            rows=Count("id", distinct=True),
            claimed=Sum("items__claimed_minor", filter=undecided, default=0),
        )
    )
