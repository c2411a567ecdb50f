"""An order as it was known at a moment of the past, on a page of its own. Writes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from finance.states import Account, RefundStatus
from fulfilment.models import Order
from fulfilment.states import Bucket, OrderStatus
from integrator.desk import catalogue, directory, words
from integrator.desk.as_of import Standing, Unit, standing
from integrator.desk.auth import DeskRequest
from integrator.desk.symbols import EXCHANGE_SYMBOLS, REFUND_SYMBOLS
from returns.states import Custody, Disposition, ExchangeStatus, Money

_YEARS = range(2000, 2101)
NO_MOMENT = "Choose a day and a time"
TO_COME = "Choose a moment that is over"


def page(request: DeskRequest, order: Order) -> HttpResponse:
    """The order as of the moment in the address, or what is wrong with that moment."""
    typed = words.typed(request.GET.get("as_of", ""))[:40]
    moment = moment_of(typed)
    wrong = NO_MOMENT if moment is None else TO_COME if moment > request.at else ""
    known = directory.current(at=request.at)
    context: dict[str, Any] = {
        "order": order,
        "connection_name": known.name(order.connection_id),
        "wrong": wrong,
        "typed": typed if moment is None else f"{timezone.localtime(moment):%Y-%m-%dT%H:%M:%S}",
    }
    if moment is not None and not wrong:
        context |= _context(standing(order, moment), at=request.at)
    return render(request, "fulfilment/order_as_of.html", context)


def moment_of(text: str) -> datetime | None:
    """A moment by the reader's clock, or by its own when it names one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _context(then: Standing, *, at: datetime) -> dict[str, Any]:
    return {
        "then": then,
        "said": words.then_text(then.at, at=at),
        "status": OrderStatus(then.status).label if then.status else "",
        "units": [_unit(one) for one in then.units],
        "refunds": [
            (row, REFUND_SYMBOLS[RefundStatus(status)], RefundStatus(status).label)
            for row, status in then.refunds
        ],
        "exchanges": [
            (row, EXCHANGE_SYMBOLS[ExchangeStatus(status)], ExchangeStatus(status).label)
            for row, status in then.exchanges
        ],
        "cases": [(case, catalogue.said_of(case).title) for case in then.cases],
        "steps": [catalogue.flow_says(job.flow) for job in then.steps],
        "buckets": [(Bucket(name).label, count) for name, count in then.buckets.items()],
        "balances": [
            (Account(account).label, amount, currency)
            for currency, accounts in then.balances.items()
            for account, amount in accounts.items()
        ],
        "earlier": _link(then.earlier),
        "later": _link(then.later),
    }


def _unit(one: Unit) -> tuple[Unit, str, str, str, str]:
    return (
        one,
        str(Custody(one.custody).label),
        str(Money(one.money or Money.NONE).label),
        str(Disposition(one.verdict).label) if one.verdict else "",
        str(Bucket(one.bucket or Bucket.OUTSIDE).label),
    )


def _link(moment: datetime | None) -> str:
    return f"?{urlencode({'as_of': moment.isoformat()})}" if moment is not None else ""
