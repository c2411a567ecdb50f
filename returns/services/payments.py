"""Price differences of exchanges: what the returns platform billed for them, and what it paid back.

It bills by return and names no unit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from fulfilment.shares import spread
from integrator.engine import cases
from integrator.engine.states import Trace, move
from returns import exchange_cases as kinds
from returns.models import Exchange, Return
from returns.services.exchanges import about_exchange, exchange_facts
from returns.services.reporting import close
from returns.shapes import MoneySeen, MoneyStatus, Resolution, ReturnSeen
from returns.states import EXCHANGE_ENDED, DifferenceStatus

# A payment that failed is followed by another one, or by none: it holds nothing up.
_STILL_OPEN = (MoneyStatus.REQUESTED, MoneyStatus.UNKNOWN)
_MAY_BE_PAID = (DifferenceStatus.OPEN, DifferenceStatus.PAID)


def payments_take(record: Return, seen: ReturnSeen, trace: Trace) -> None:
    """Take over what is listed for the differences of a return's exchanges.

    Nothing is released while any of it is open. Money in another currency pays nothing. What was
    paid is for the exchanges that go on; what that leaves of one that has ended is owed back.
    """
    every = list(record.exchanges.select_related("return_item").order_by("number"))
    live = [one for one in every if one.status not in EXCHANGE_ENDED]
    billed = [one for one in seen.money if one.resolution == Resolution.EXCHANGE]
    is_open = any(one.status in _STILL_OPEN for one in billed)
    paid_back = _paid_back(seen)
    for exchange in live:
        currency = exchange.currency
        due = sum(max(one.difference_minor, 0) for one in live if one.currency == currency)
        is_paid = not is_open and _paid(billed, every, currency) >= max(due, 1)
        _take_payment(exchange, paid_back, trace, is_paid=is_paid, is_open=is_open)
    for exchange in every:
        if exchange.status in EXCHANGE_ENDED and exchange.difference in _MAY_BE_PAID:
            currency = exchange.currency
            due = sum(max(one.difference_minor, 0) for one in live if one.currency == currency)
            left = _paid(billed, every, currency) - due
            exchange_owe_back(exchange, min(left, exchange.difference_minor), trace)


def exchange_owe_back(exchange: Exchange, amount_minor: int, trace: Trace) -> None:
    """It has ended, and this was paid for it: finance pays it back. Nothing paid, nothing owed."""
    if amount_minor <= 0:
        return
    if exchange.difference == DifferenceStatus.OPEN:
        difference_is(exchange, DifferenceStatus.PAID, "It was paid after it had ended", trace)
    move(
        exchange,
        "difference",
        DifferenceStatus.OWED,
        reason="It was paid, and nothing is sent for it",
        trace=trace,
        difference_minor=amount_minor,
        difference_at=trace.at,
    )
    cases.open_case(
        kinds.EXCHANGE_PAYMENT_OWED,
        replace(about_exchange(exchange), money_minor=amount_minor),
        trace=trace,
        facts=exchange_facts(exchange),
    )


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


def _paid(billed: Collection[MoneySeen], every: Collection[Exchange], currency: str) -> int:
    """What was paid in this currency, less what finance is asked to pay back of it, or has."""
    paid = sum(
        one.amount_minor
        for one in billed
        if one.status == MoneyStatus.SUCCEEDED and one.currency == currency
    )
    owed = (DifferenceStatus.OWED, DifferenceStatus.SETTLED)
    return paid - sum(
        max(one.difference_minor, 0)
        for one in every
        if one.status in EXCHANGE_ENDED and one.difference in owed and one.currency == currency
    )


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
