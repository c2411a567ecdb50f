"""The story of one customer: orders, returns, replacements, refunds and goodwill in one list.

Each source is one query of a page's length, whatever was bought; the page is cut from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, JSONField, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils import timezone

from finance.models import Refund
from finance.states import REFUND_OPEN, RefundStatus, Subject
from fulfilment.models import Order
from fulfilment.shapes import OrderKind
from fulfilment.states import OrderStatus
from integrator.desk import return_says
from integrator.desk.lists import number
from integrator.desk.order import stands
from integrator.desk.symbols import EXCHANGE_SYMBOLS, REFUND_SYMBOLS, STATUS_SYMBOLS
from returns.models import Exchange, Return
from returns.services.exchanges import waits_for
from returns.states import Custody, DifferenceStatus, ExchangeStatus, ReturnStatus

PAGE = 50
KINDS: Mapping[str, str] = {
    "orders": "Orders",
    "returns": "Returns",
    "replacements": "Replacements",
    "refunds": "Refunds",
    "goodwill": "Goodwill",
}
# Where each kind comes from: a gift is a payment like any refund.
_SOURCE_OF = {kind: kind for kind in KINDS} | {"refunds": "payments", "goodwill": "payments"}
_RANK = {source: place for place, source in enumerate(dict.fromkeys(_SOURCE_OF.values()))}
_ARRIVED = (Custody.RECEIVED, Custody.INSPECTED)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of a customer: what, when, how it stands, and where it is shown in full."""

    kind: str
    pk: int
    at: datetime
    what: str
    number: str
    href: str
    sub: str
    symbol: str
    state: str
    amount: tuple[int, str] | None = None
    amount_sub: str = ""
    says: str = ""
    rma: Return | None = None  # the return it is for

    @property
    def place(self) -> tuple[float, int, int]:
        """Newest first; what happened at one instant keeps the order of the kinds."""
        return (-self.at.timestamp(), _RANK[_SOURCE_OF[self.kind]], -self.pk)

    @property
    def key(self) -> str:
        return f"{self.at.isoformat()}_{self.kind}_{self.pk}"


@dataclass(frozen=True, slots=True)
class Key:
    """Where the page before ended."""

    at: datetime
    kind: str
    pk: int


def key_of(text: str) -> Key | None:
    """The key in an address; None for anything else, which is the first page."""
    stamp, _, rest = text.replace(" ", "+").partition("_")
    kind, _, pk = rest.partition("_")
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if timezone.is_naive(at) or kind not in KINDS or not 1 < at.year < 9999:
        return None
    return Key(at, kind, number(pk))


def story(customer_id: int, *, show: str, after: Key | None) -> tuple[list[Row], str]:
    """One page, newest first, and the key of the next; of one kind, or of all."""
    found: list[Row] = []
    wanted = list(_RANK) if show == "all" else [_SOURCE_OF[show]]
    for source in wanted:
        field, rows, made = _SOURCES[source]
        found += made(_older(rows(customer_id, show), source, field, after))
    found.sort(key=lambda row: row.place)
    return found[:PAGE], found[PAGE - 1].key if len(found) > PAGE else ""


def _older(rows: QuerySet[Any], source: str, field: str, after: Key | None) -> QuerySet[Any]:
    if after is not None:
        older = Q(**{f"{field}__lt": after.at})
        last = _SOURCE_OF[after.kind]
        if _RANK[source] > _RANK[last]:
            older |= Q(**{field: after.at})
        elif source == last:
            older |= Q(**{field: after.at, "pk__lt": after.pk})
        rows = rows.filter(older)
    return rows.order_by(f"-{field}", "-pk")[: PAGE + 1]


def _orders(customer_id: int, _: str) -> QuerySet[Order]:
    return Order.objects.filter(customer=customer_id)


def _orders_made(rows: QuerySet[Order]) -> Iterator[Row]:
    for one in rows:
        kind = OrderKind(one.kind)
        yield Row(
            kind="orders",
            pk=one.pk,
            at=one.placed_at,
            what="Order" if kind == OrderKind.SALE else "Order of a replacement",
            number=one.number,
            href=reverse("order", args=[one.pk]),
            sub=f"the shop says: {one.get_billing_display().lower()}",
            symbol=STATUS_SYMBOLS[OrderStatus(one.status)],
            state=one.get_status_display(),
            amount=(one.paid_minor, one.currency),
            amount_sub="paid",
        )


def _returns(customer_id: int, _: str) -> QuerySet[Return]:
    """Returns with how many units come and came, and the refund that is not proved yet."""
    open_refund = (
        Refund.objects.filter(return_record=OuterRef("pk"), status__in=REFUND_OPEN)
        .order_by("id")
        .values(
            json=JSONObject(
                status="status", calculated_minor="calculated_minor", currency="currency"
            )
        )
    )
    return (
        Return.objects.filter(order__customer=customer_id)
        .select_related("order", "connection")
        .annotate(
            units=Count("items", filter=~Q(items__custody=Custody.CLOSED)),
            arrived=Count("items", filter=Q(items__custody__in=_ARRIVED)),
            claimed=Sum("items__claimed_minor"),
            currency=Max("items__currency"),
            open_refund=Subquery(open_refund[:1], output_field=JSONField()),
        )
    )


def _returns_made(rows: QuerySet[Return]) -> Iterator[Row]:
    for one in rows:
        assert one.order is not None
        given: Any = one
        is_open = one.status not in (ReturnStatus.COMPLETED, ReturnStatus.CLOSED)
        refund = Refund(**given.open_refund) if given.open_refund else None
        yield Row(
            kind="returns",
            pk=one.pk,
            at=one.requested_at,
            what="Return",
            number=one.external_id,
            href=reverse("return", args=[one.pk]),
            sub=f"of order {one.order.number}",
            symbol=return_says.SYMBOLS.get(ReturnStatus(one.status), "wait"),
            state=one.get_status_display(),
            amount=(given.claimed, given.currency) if given.currency else None,
            amount_sub="claimed",
            says=stands(given.units, given.arrived, refund, where="in this return")
            if is_open
            else "",
        )


def _exchanges(customer_id: int, _: str) -> QuerySet[Exchange]:
    return Exchange.objects.filter(order__customer=customer_id).select_related(
        "order", "return_record", "exchange_order"
    )


def _exchanges_made(rows: QuerySet[Exchange]) -> Iterator[Row]:
    for one in rows:
        differs = one.difference != DifferenceStatus.NONE
        waits = waits_for(one)
        yield Row(
            kind="replacements",
            pk=one.pk,
            at=one.requested_at,
            what="Replacement",
            number=one.key,
            href=_order(one.exchange_order or one.order),
            sub="",
            rma=one.return_record,
            symbol=EXCHANGE_SYMBOLS[ExchangeStatus(one.status)],
            state=one.get_status_display(),
            amount=(one.difference_minor, one.currency) if differs else None,
            amount_sub=f"difference: {one.get_difference_display().lower()}",
            says=f"It waits for {waits}." if waits else "",
        )


def _payments(customer_id: int, show: str) -> QuerySet[Refund]:
    gift = Q(subject=Subject.GOODWILL)
    wanted = {"refunds": ~gift, "goodwill": gift}.get(show, Q())
    return Refund.objects.filter(wanted, order__customer=customer_id).select_related(
        "order", "return_record"
    )


def _payments_made(rows: QuerySet[Refund]) -> Iterator[Row]:
    """What was paid once that is proved; before, what was decided."""
    for one in rows:
        status = RefundStatus(one.status)
        paid = one.executed_minor
        is_gift = one.subject == Subject.GOODWILL
        subject = "" if is_gift else f"{one.subject_label.lower()}, "
        yield Row(
            kind="goodwill" if is_gift else "refunds",
            pk=one.pk,
            at=one.authorised_at,
            what="Goodwill" if is_gift else "Refund",
            number=f"{one.number} of {one.order.number}",
            href=f"{_order(one.order)}#rf-h",
            sub=f"{subject}{one.get_executor_display()}",
            rma=one.return_record,
            symbol=REFUND_SYMBOLS[status],
            state=str(status.label),
            amount=(one.calculated_minor if paid is None else paid, one.currency),
            amount_sub="to be paid" if paid is None and status in REFUND_OPEN else "",
        )


def _order(order: Order) -> str:
    return reverse("order", args=[order.pk])


_Rows = Callable[[int, str], QuerySet[Any]]
_Made = Callable[[Any], Iterator[Row]]
_SOURCES: Mapping[str, tuple[str, _Rows, _Made]] = {
    "orders": ("placed_at", _orders, _orders_made),
    "returns": ("requested_at", _returns, _returns_made),
    "replacements": ("requested_at", _exchanges, _exchanges_made),
    "payments": ("authorised_at", _payments, _payments_made),
}
