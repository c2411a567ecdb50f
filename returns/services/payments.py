"""Price differences of exchanges: what the returns platform billed for them, and what it paid back.

It bills by return and names no unit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fulfilment.shares import spread
from integrator.engine.states import Trace, move
from returns import exchange_cases as kinds
from returns.models import Exchange, Return
from returns.services.reporting import close
from returns.shapes import MoneySeen, MoneyStatus, Resolution, ReturnSeen
from returns.states import EXCHANGE_ENDED, DifferenceStatus

# A payment that failed is followed by another one, or by none: it holds nothing up.
_STILL_OPEN = (MoneyStatus.REQUESTED, MoneyStatus.UNKNOWN)


def payments_take(record: Return, seen: ReturnSeen, trace: Trace) -> None:
    """Take over what is listed for the differences of a return's exchanges.

    Nothing is released while any of it is open. Money in another currency pays nothing.
    """
    rows = record.exchanges.exclude(status__in=EXCHANGE_ENDED).select_related("return_item")
    exchanges = list(rows.order_by("number"))
    billed = [one for one in seen.money if one.resolution == Resolution.EXCHANGE]
    is_open = any(one.status in _STILL_OPEN for one in billed)
    paid_back = _paid_back(seen)
    for exchange in exchanges:
        is_paid = not is_open and _is_covered(exchange.currency, exchanges, billed)
        _take_payment(exchange, paid_back, trace, is_paid=is_paid, is_open=is_open)


def difference_is(exchange: Exchange, new: DifferenceStatus, reason: str, trace: Trace) -> None:
    move(exchange, "difference", new, reason=reason, trace=trace, difference_at=trace.at)


def money_parts(money: MoneySeen, seen: ReturnSeen) -> dict[str, int]:
    """What of a payment is for each of its units, in proportion to what they ask for each."""
    asked = {
        unit.external_id: unit.paid_minor - sum(fee.amount_minor for fee in unit.deductions)
        for unit in seen.units
    }
    parts = spread(money.amount_minor, [asked.get(one, 0) for one in money.unit_ids])
    return dict(zip(money.unit_ids, parts, strict=True))


def _is_covered(
    currency: str, exchanges: Collection[Exchange], billed: Collection[MoneySeen]
) -> bool:
    """Whether what was paid is enough for every difference of this currency. No payment is not."""
    paid = sum(
        one.amount_minor
        for one in billed
        if one.status == MoneyStatus.SUCCEEDED and one.currency == currency
    )
    due = sum(max(one.difference_minor, 0) for one in exchanges if one.currency == currency)
    return paid >= max(due, 1)


def _paid_back(seen: ReturnSeen) -> Mapping[tuple[str, str], int]:
    """What was paid to the customer, by the platform's id of the unit and the currency."""
    found: dict[tuple[str, str], int] = {}
    for one in seen.money:
        if one.resolution == Resolution.REFUND and one.status == MoneyStatus.SUCCEEDED:
            for unit, part in money_parts(one, seen).items():
                found[unit, one.currency] = found.get((unit, one.currency), 0) + part
    return found


def _take_payment(
    exchange: Exchange,
    paid_back: Mapping[tuple[str, str], int],
    trace: Trace,
    *,
    is_paid: bool,
    is_open: bool,
) -> None:
    now = exchange.difference
    if now == DifferenceStatus.NONE and is_open:
        difference_is(exchange, DifferenceStatus.OPEN, "The customer was billed", trace)
    elif now in (DifferenceStatus.OPEN, DifferenceStatus.WAIVED) and is_paid:
        reason = "The returns platform has the money"
        difference_is(exchange, DifferenceStatus.PAID, reason, trace)
        close(kinds.EXCHANGE_UNPAID, "exchange", exchange.pk, trace, "It is paid now")
    elif now == DifferenceStatus.PAID and not is_paid and not exchange.released_at:
        reason = "The payment is not there any more"
        difference_is(exchange, DifferenceStatus.OPEN, reason, trace)
    elif now == DifferenceStatus.OWED and exchange.return_item is not None:
        unit = exchange.return_item.external_id
        if paid_back.get((unit, exchange.currency), 0) >= -exchange.difference_minor:
            reason = "The returns platform paid it"
            difference_is(exchange, DifferenceStatus.SETTLED, reason, trace)
            owed = kinds.EXCHANGE_DIFFERENCE_OWED
            close(owed, "exchange", exchange.pk, trace, reason)
