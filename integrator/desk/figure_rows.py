"""The figures of the business: what each counts, by which clock, and the rows behind. Reads only.

A figure is a query over the records themselves, and its list is the same query. There is no table
of daily sums on purpose: news comes late (an order missed by a callback, a return that came back),
and then yesterday's sum and yesterday's list would differ. Each query reads one index over the days
that are shown, and all of them are one statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import (
    BigIntegerField,
    CharField,
    Count,
    Expression,
    F,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models import Case as Choose
from django.db.models.functions import Cast, TruncDate
from django.urls import reverse

from finance.models import Refund
from finance.states import RefundStatus
from fulfilment.models import Order, OrderItem, Shipment, StockMovement
from fulfilment.shapes import OrderKind
from fulfilment.states import Bucket
from integrator.desk import catalogue
from integrator.desk.periods import Period
from integrator.models import Case, CaseState
from integrator.roles import Role
from returns.models import Inspection, Return


@dataclass(frozen=True, slots=True)
class Line:
    """One row behind a figure, as the list shows it. ``number`` names it, where it has one."""

    title: str
    sub: str
    href: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class Sums:
    """What a figure comes to: so many, and so much money in each currency."""

    number: int = 0
    money: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Sums) -> Sums:
        money = dict(self.money)
        for currency, minor in other.money.items():
            money[currency] = money.get(currency, 0) + minor
        return Sums(self.number + other.number, money)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number per day. ``at`` is the moment that puts a row on its day.

    ``units`` names a field to add up where a row stands for several pieces; ``money`` and
    ``currency`` name the fields of an amount.
    """

    key: str
    label: str
    rows: Callable[[], QuerySet[Any]]
    at: str
    line: Callable[[Any], Line]
    units: str = ""
    money: str = ""
    currency: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that are shown in one chart. ``shape`` is lines (trend) or bars (parts of a whole).

    ``whole`` is the figure that the bars add up to: it is in the table and needs no bar. ``split``
    tells its rows apart by the parts' keys, so that all are counted in one look.
    """

    key: str
    title: str
    says: str
    shape: str
    figures: tuple[Figure, ...]
    whole: str = ""
    split: Expression | None = None


# --- Rows -----------------------------------------------------------------------------------------


def _of_order(order_id: int | None, fallback: str = "") -> str:
    return reverse("order", args=[order_id]) if order_id else fallback


def _order(one: Order) -> Line:
    sub = f"{one.connection.name}, {one.country}"
    return Line("", sub, _of_order(one.pk), number=one.number)


def _parcel(one: Shipment) -> Line:
    return Line(
        "Parcel",
        f"{one.carrier} · order {one.order.number}",
        _of_order(one.order_id),
        number=one.tracking or one.external_id,
    )


def _cancelled(one: OrderItem) -> Line:
    sub = f"order {one.order.number}"
    return Line("", sub, _of_order(one.order_id), number=one.sku.code)


def _return(one: Return) -> Line:
    about = f"order {one.order_number}" if one.order_number else "order not known"
    return Line("Return", about, reverse("return", args=[one.pk]), number=one.external_id)


def _verdict(one: Inspection) -> Line:
    record = one.return_item.return_record
    verdict = str(one.get_disposition_display()).lower()
    title = f"{one.return_item.sku_code}: {verdict}"
    return Line(title, f"return {record.external_id}", reverse("return", args=[record.pk]))


def _refund(one: Refund) -> Line:
    payer = str(one.get_executor_display())
    return Line("Refund", payer, _of_order(one.order_id), number=one.key)


def _movement(one: StockMovement) -> Line:
    place = f", {one.location}" if one.location is not None else ""
    return Line(f"{one.sku.code}{place}", one.reason, _of_order(one.order_id))


def _case(one: Case) -> Line:
    owner = Role(one.owner).label if one.owner in Role.values else one.owner
    href = reverse("case", args=[one.pk])
    return Line(catalogue.said_of(one).title, f"C-{one.pk} · {owner}", href)


def _cases() -> QuerySet[Case]:
    return Case.objects.all()


PAID = (RefundStatus.RECORDED, RefundStatus.SETTLED)
ORDERS = Group(
    "orders",
    "Orders",
    "What customers ordered (replacements are not counted), what left for them, and what the shop "
    "took back before it left.",
    "lines",
    (
        Figure(
            "orders-placed",
            "Orders placed",
            lambda: Order.objects.filter(kind=OrderKind.SALE).select_related("connection"),
            "placed_at",
            _order,
            money="paid_minor",
            currency="currency",
            note="Replacements are not counted.",
        ),
        Figure(
            "parcels-sent",
            "Parcels sent",
            lambda: Shipment.objects.select_related("order"),
            "shipped_at",
            _parcel,
        ),
        Figure(
            "units-cancelled",
            "Units cancelled",
            # A bundle is a price, not a piece: its components are counted.
            lambda: OrderItem.objects.filter(is_bundle=False).select_related("order", "sku"),
            "cancelled_at",
            _cancelled,
        ),
    ),
)
RETURNS = Group(
    "returns",
    "Returns",
    "What customers wanted to send back, what was checked, and what is done in every system.",
    "lines",
    (
        Figure(
            "returns-asked",
            "Returns asked for",
            lambda: Return.objects.all(),
            "requested_at",
            _return,
        ),
        Figure(
            "units-checked",
            "Units checked",
            # The first verdict: a correction checks no other unit.
            lambda: Inspection.objects.filter(version=1).select_related(
                "return_item__return_record"
            ),
            "inspected_at",
            _verdict,
        ),
        Figure(
            "returns-completed",
            "Returns completed",
            lambda: Return.objects.all(),
            "completed_at",
            _return,
        ),
    ),
)
REFUNDS = Group(
    "refunds",
    "Refunds",
    "Refunds that were decided, and those whose payment was seen at the payer.",
    "lines",
    (
        Figure(
            "refunds-decided",
            "Refunds decided",
            lambda: Refund.objects.select_related("order"),
            "authorised_at",
            _refund,
            money="calculated_minor",
            currency="currency",
        ),
        Figure(
            "refunds-paid",
            "Refunds paid",
            lambda: Refund.objects.filter(status__in=PAID).select_related("order"),
            "recorded_at",
            _refund,
            money="executed_minor",
            currency="currency",
        ),
    ),
)
STOCK = Group(
    "stock",
    "Returned units on sale",
    "Returned units that can be bought again, and those taken off sale when a check was corrected.",
    "lines",
    (
        Figure(
            "units-on-sale",
            "Put back on sale",
            lambda: StockMovement.objects.filter(to_bucket=Bucket.SELLABLE).select_related(
                "sku", "location"
            ),
            "at",
            _movement,
            units="quantity",
        ),
        Figure(
            "units-off-sale",
            "Taken off sale again",
            lambda: StockMovement.objects.filter(from_bucket=Bucket.SELLABLE).select_related(
                "sku", "location"
            ),
            "at",
            _movement,
            units="quantity",
        ),
    ),
)
# The three parts add up to what came up that day. A case that came back counts on the day it did.
CASES = Group(
    "cases",
    "Cases",
    "What came up each day, and what has become of it by now.",
    "bars",
    (
        Figure(
            "cases-by-itself",
            "Solved by itself",
            lambda: _cases().filter(state=CaseState.SOLVED, resolution=Case.Resolution.BY_ITSELF),
            "opened_at",
            _case,
        ),
        Figure(
            "cases-by-people",
            "Solved by people",
            lambda: (
                _cases()
                .filter(state=CaseState.SOLVED)
                .exclude(resolution=Case.Resolution.BY_ITSELF)
            ),
            "opened_at",
            _case,
        ),
        Figure(
            "cases-open",
            "Still open",
            lambda: _cases().exclude(state=CaseState.SOLVED),
            "opened_at",
            _case,
        ),
        Figure("cases-opened", "Cases that came up", _cases, "opened_at", _case),
    ),
    whole="cases-opened",
    split=Choose(
        When(~Q(state=CaseState.SOLVED), then=Value("cases-open")),
        When(resolution=Case.Resolution.BY_ITSELF, then=Value("cases-by-itself")),
        default=Value("cases-by-people"),
        output_field=CharField(),
    ),
)
GROUPS = (ORDERS, RETURNS, REFUNDS, STOCK, CASES)
FIGURES: Mapping[str, Figure] = {one.key: one for group in GROUPS for one in group.figures}


# --- Counting -------------------------------------------------------------------------------------


def of_period(figure: Figure, period: Period) -> QuerySet[Any]:
    """The rows behind a figure of some days."""
    return figure.rows().filter(period.holds(figure.at))


def per_day(groups: Iterable[Group], period: Period) -> dict[tuple[str, date], Sums]:
    """Every figure of every day that has any, in one statement."""
    wholes: dict[str, str] = {}
    parts = []
    for group in groups:
        if group.split is None:
            parts += [_counted(one, period) for one in group.figures]
        else:
            parts.append(_counted(FIGURES[group.whole], period, key=group.split))
            wholes |= {one.key: group.whole for one in group.figures}
    found: dict[tuple[str, date], Sums] = defaultdict(Sums)
    for key, day, currency, number, money in parts[0].union(*parts[1:], all=True):
        sums = Sums(int(number), {currency: int(money or 0)} if currency else {})
        found[key, day] += sums
        if key in wholes:
            found[wholes[key], day] += sums
    return found


def total(figure: Figure, period: Period) -> Sums:
    """The same figure over all the days, counted from its rows."""
    sums = Sums()
    for _, _, currency, number, money in _counted(figure, period):
        sums += Sums(int(number), {currency: int(money or 0)} if currency else {})
    return sums


def _counted(
    one: Figure, period: Period, *, key: Expression | None = None
) -> QuerySet[Any, tuple[Any, ...]]:
    """The rows of a figure, counted by day and currency (and by ``key``, where they are split)."""
    number = Sum(one.units) if one.units else Count("pk")
    money = Sum(one.money) if one.money else Value(0)
    currency = F(one.currency) if one.currency else Value("")
    return (
        of_period(one, period)
        .order_by()
        .select_related(None)
        .annotate(
            figure_key=key or Value(one.key, CharField()),
            figure_day=TruncDate(one.at, tzinfo=period.zone),
            figure_currency=Cast(currency, CharField()),
        )
        .values("figure_key", "figure_day", "figure_currency")
        .annotate(
            figure_number=Cast(number, BigIntegerField()),
            figure_money=Cast(money, BigIntegerField()),
        )
        .values_list("figure_key", "figure_day", "figure_currency", "figure_number", "figure_money")
    )
