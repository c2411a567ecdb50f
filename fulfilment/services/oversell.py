"""More of an article sold than is there: who is affected, and when it is over. It calls nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Q, Sum

from fulfilment.cases import ORDER_OVERSOLD, OVERSELL_RISK
from fulfilment.models import Order, OrderItem, Sku, StockLevel
from fulfilment.shapes import UnitStatus
from integrator.engine import cases
from integrator.engine.cases import About
from integrator.engine.states import Trace
from integrator.models import Case, CaseState, Connection

_LEFT = (UnitStatus.SHIPPED, UnitStatus.CANCELLED, UnitStatus.RETURNED)
# Units of open orders that have not left: what is promised.
PROMISED = Q(is_bundle=False, shipped_at=None) & ~Q(platform_status__in=_LEFT)


@dataclass(frozen=True, slots=True)
class Oversold:
    """How many units open orders lack, and the open units of the article, first served first."""

    missing: int
    units: tuple[OrderItem, ...]

    @property
    def without(self) -> tuple[OrderItem, ...]:
        """The last units sold: the earlier ones get what there is."""
        return self.units[-self.missing :] if self.missing > 0 else ()


def oversold(connection: Connection, sku: Sku) -> Oversold:
    """Compare what is promised with what is confirmed.

    The confirmed figure has the sales up to its instant in it already, so only later ones count
    against it; what it could not show, being below zero, is ``short``.
    """
    units = tuple(
        OrderItem.objects.filter(PROMISED, order__connection=connection, sku=sku)
        .select_related("order")
        .order_by("order__placed_at", "id")
    )
    known = StockLevel.objects.filter(connection=connection, sku=sku, confirmed__isnull=False)
    total = known.aggregate(figure=Sum("confirmed"), short=Sum("short"), since=Min("counted_at"))
    since: datetime | None = total["since"]
    if since is None:
        return Oversold(0, units)
    later = sum(unit.order.placed_at > since for unit in units)
    return Oversold(max(min(total["short"], len(units)), later - total["figure"], 0), units)


def oversell_report(connection: Connection, sku: Sku, *, trace: Trace) -> Oversold:
    """Open, renew or close what operations and CX see of it.

    A unit that was sold and missing is not any more when its order was cancelled or filled after
    all: the shop's figure had the sale in it, so it does not rise by that.
    """
    found = oversold(connection, sku)
    StockLevel.objects.filter(connection=connection, sku=sku, short__gt=len(found.units)).update(
        short=len(found.units)
    )
    cause = f"oversold:{connection.pk}:{sku.pk}"
    affected = {unit.order_id: unit.order for unit in found.without}
    _close(ORDER_OVERSOLD, cause, trace, but=affected)
    if not found.missing:
        _close(OVERSELL_RISK, cause, trace)
        return found
    facts = {"sku": sku.code, "missing": found.missing, "platform": connection.name}
    numbers = sorted({unit.order.number for unit in found.units})
    cases.open_case(
        OVERSELL_RISK,
        About("sku", sku.pk, connection_id=connection.pk, customers_waiting=len(affected)),
        trace=trace,
        cause=cause,
        facts={**facts, "orders": ", ".join(numbers)[:400]},
    )
    for order in affected.values():
        lacking = sum(unit.paid_minor for unit in found.without if unit.order_id == order.pk)
        cases.open_case(
            ORDER_OVERSOLD,
            About(
                "order",
                order.pk,
                order.pk,
                connection.pk,
                money_minor=lacking,
                currency=order.currency,
                customers_waiting=1,
            ),
            trace=trace,
            cause=cause,
            facts={"sku": sku.code, "order": order.number, "platform": connection.name},
        )
    return found


def oversell_look_again(order: Order, *, trace: Trace) -> None:
    """An order changed: what is said about its articles may have changed with it."""
    risky = at_risk(order.connection)
    if not risky:
        return
    for sku in Sku.objects.filter(orderitem__order=order, pk__in=risky).distinct():
        oversell_report(order.connection, sku, trace=trace)


def at_risk(connection: Connection) -> set[int]:
    """Articles that are said to be oversold, or of which something is missing."""
    rows = Case.objects.filter(kind=OVERSELL_RISK.code, connection=connection, record_kind="sku")
    said = set(rows.exclude(state=CaseState.SOLVED).values_list("record_id", flat=True))
    short = StockLevel.objects.filter(connection=connection, short__gt=0)
    return said | set(short.values_list("sku_id", flat=True))


def worth_a_look(connection_id: int, sku_ids: Iterable[int]) -> set[int]:
    """Which articles may be oversold by what we know. The shop's own figure decides."""
    found = set()
    levels = StockLevel.objects.filter(
        connection_id=connection_id, sku__in=set(sku_ids), confirmed__isnull=False
    ).select_related("sku", "connection")
    for level in levels:
        if level.short or oversold(level.connection, level.sku).missing:
            found.add(level.sku_id)
    return found


def _close(kind: cases.CaseKind, cause: str, trace: Trace, *, but: Iterable[int] = ()) -> None:
    rows = Case.objects.filter(kind=kind.code, cause=cause).exclude(state=CaseState.SOLVED)
    for case in rows.exclude(record_id__in=list(but)):
        cases.solve(
            case,
            resolution=Case.Resolution.BY_ITSELF,
            trace=trace,
            reason="There are enough units for all open orders",
        )
