"""Replacements as lines of a page: how far, under which number, and what they wait for.

Reads only: one statement, however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from integrator.desk.symbols import EXCHANGE_SYMBOLS
from returns.models import Exchange
from returns.services.exchanges import waits_for
from returns.states import ExchangeStatus


@dataclass(frozen=True, slots=True)
class Replacement:
    """``pieces`` are the articles that go out."""

    row: Exchange
    pieces: str
    symbol: str
    waits_for: str


def exchanges_of(about: Q) -> list[Replacement]:
    """What goes out instead of money, by return and in the order in which it was wanted."""
    rows = (
        Exchange.objects.filter(about)
        .select_related("return_record", "exchange_order")
        .annotate(codes=ArrayAgg("items__sku_code", order_by="items__place", default=[]))
        .order_by("return_record_id", "number")
    )
    return [
        Replacement(
            row=row,
            pieces=", ".join(code for code in row.codes if code),
            symbol=EXCHANGE_SYMBOLS[ExchangeStatus(row.status)],
            waits_for=waits_for(row),
        )
        for row in rows
    ]
