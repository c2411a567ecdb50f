"""The ways to sort a queue, each with the index that serves it and the key its pages go on by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

YEARS = range(2000, 2200)  # a key of another year was written by hand, not by us
BIGGEST = 2**63


@dataclass(frozen=True, slots=True)
class Cut:
    """A section: its title, and which cases are in it. Sections follow one another in the list."""

    title: str
    condition: str = "true"


@dataclass(frozen=True, slots=True)
class Column:
    """What is sorted by, as its index has it, and how to read it back from a key."""

    sql: str
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Order:
    """``columns`` are those of the index after owner and state; the id settles what is equal."""

    label: str
    columns: tuple[Column, ...]
    cuts: tuple[Cut, ...]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page ended.

    ``at`` and ``newest`` are those of the first page: sections do not move while somebody is
    paging, and what comes in meanwhile changes no line that is still to come.
    """

    at: datetime
    newest: int
    section: int
    values: tuple[Any, ...]
    pk: int


def _number(text: str) -> int:
    value = int(text)
    if not -BIGGEST < value < BIGGEST:
        raise ValueError(text)
    return value


def _moment(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if timezone.is_naive(value) or value.year not in YEARS:
        raise ValueError(text)
    return value


def _currency(text: str) -> str:
    if re.fullmatch("[A-Z]{3}|", text) is None:
        raise ValueError(text)
    return text


_DUE = Column("due_at", _moment)

ORDERS: Mapping[str, Order] = {
    "promise": Order(
        "Most serious first",
        (Column("(severity * -1)", _number), _DUE),
        (
            Cut("Overdue", "due_at <= %(at)s"),
            Cut("Due today", "due_at > %(at)s AND due_at <= %(tonight)s"),
            Cut("Later", "due_at > %(tonight)s"),
        ),
    ),
    # Amounts of two currencies cannot be compared: each has its own section, the house's first.
    "money": Order(
        "Most money first",
        (Column("currency", _currency), Column("(money_minor * -1)", _number)),
        (
            Cut("{home}", "currency = %(home)s"),
            Cut("Other currencies", "currency > '' AND currency < %(home)s"),
            Cut("Other currencies", "currency > %(home)s"),
            Cut("No amount, or several currencies", "currency = ''"),
        ),
    ),
    "customers": Order(
        "Most customers first",
        (Column("(customers_waiting * -1)", _number), _DUE),
        (Cut("Most customers first"),),
    ),
    "oldest": Order("Oldest first", (Column("opened_at", _moment),), (Cut("Oldest first"),)),
}
SOLVED = Order(
    "Newest first", (Column("solved_at", _moment),), (Cut("Newest first"),), descending=True
)


def order_of(name: str) -> Order:
    return ORDERS.get(name, SOLVED)


def write_key(name: str, key: Key) -> str:
    values = [one.isoformat() if isinstance(one, datetime) else str(one) for one in key.values]
    parts = [name, key.at.isoformat(), str(key.newest), str(key.section), *values, str(key.pk)]
    return "_".join(parts)


def read_key(name: str, text: str) -> Key | None:
    """The parts of a key; None for none, for another order's, and for one written by hand."""
    order = order_of(name)
    parts = text.replace(" ", "+").split("_")
    if len(parts) != len(order.columns) + 5 or parts[0] != name:
        return None
    try:
        key = Key(
            at=_moment(parts[1]),
            newest=_number(parts[2]),
            section=_number(parts[3]),
            values=tuple(
                column.read(part) for column, part in zip(order.columns, parts[4:-1], strict=True)
            ),
            pk=_number(parts[-1]),
        )
    except (ValueError, OverflowError):
        return None
    return key if 0 <= key.section < len(order.cuts) else None
