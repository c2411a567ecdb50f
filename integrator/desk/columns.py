"""The columns of the wide tables: one declaration each, for the page, its chooser, views and files.

A person may take columns away; those that carry the id, the title or the amount stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NAME = "hide"  # in an address
_NONE = "none"


@dataclass(frozen=True, slots=True)
class Column:
    """``wide`` is how it is set: "num" for figures, right-aligned, "nw" for what is not broken.

    ``stays``: it cannot be taken away. ``file``: the heads it has in a file.
    """

    key: str
    head: str
    wide: str = ""
    stays: bool = False
    file: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names the row."""

    key: str
    columns: tuple[Column, ...]

    @property
    def optional(self) -> list[Column]:
        return [one for one in self.columns if not one.stays]

    def hideable(self, keys: Iterable[str]) -> list[str]:
        """Those of these that may be hidden, in the order of the columns."""
        wanted = set(keys)
        return [one.key for one in self.optional if one.key in wanted]


@dataclass(frozen=True, slots=True)
class Shown:
    """A table as one page shows it. ``without``: columns that do not exist on this page."""

    table: Table
    hidden: frozenset[str]
    without: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        return self.table.key

    @property
    def columns(self) -> list[Column]:
        return [one for one in self._here if one.key not in self.hidden]

    def shows(self, key: str) -> bool:
        return any(one.key == key for one in self.columns)

    @property
    def file_heads(self) -> list[str]:
        return [head for one in self.columns for head in one.file]

    @property
    def choices(self) -> list[tuple[Column, bool]]:
        """What may be taken away, and whether it is shown."""
        return [(one, one.key not in self.hidden) for one in self._here if not one.stays]

    @property
    def staying(self) -> str:
        return ", ".join(one.head for one in self._here if one.stays)

    @property
    def left_out(self) -> str:
        return ", ".join(one.head for one, is_shown in self.choices if not is_shown)

    @property
    def _here(self) -> list[Column]:
        return [one for one in self.table.columns if one.key not in self.without]


def read(text: str, table: Table) -> tuple[str, ...] | None:
    """The hidden columns an address names; None when it says nothing of columns."""
    return tuple(table.hideable(text.split("."))) if text else None


def write(hidden: Iterable[str]) -> str:
    return ".".join(hidden) or _NONE


QUEUE = Table(
    "queue",
    (
        Column("case", "Case", stays=True),
        Column("amount", "Money at risk", "num", stays=True),
        Column("platform", "Platform"),
        Column("seen", "How often seen"),
        Column("age", "Age, where sorted by it"),
        Column("who", "Who has or solved it"),
        Column("due", "When due", "nw"),
        Column("step", "Last step"),
    ),
)
ORDERS = Table(
    "orders",
    (
        Column("order", "Order", stays=True),
        Column("shop", "Shop"),
        Column("country", "Country"),
        Column("placed", "Placed", "nw"),
        Column("status", "Status"),
        Column("paid", "Paid", "num", stays=True),
        Column("refunded", "Refunded", "num", stays=True),
    ),
)
RETURNS = Table(
    "returns",
    (
        Column("return", "Return", stays=True),
        Column("order", "Order"),
        Column("stage", "Stage"),
        Column("since", "Since", "nw"),
        Column("units", "Units", "num"),
        Column("money", "Money", stays=True),
        Column("cases", "Open cases"),
    ),
)
CASES = Table(
    "cases",
    (
        Column("case", "Case", stays=True),
        Column("owner", "Owner"),
        Column("opened", "Opened", "nw"),
        Column("state", "Due"),
    ),
)
STEPS = Table(
    "steps",
    (
        Column("step", "Step", stays=True),
        Column("state", "State"),
        Column("since", "Since", "nw"),
        Column("order", "Order", stays=True),
    ),
)
OWED = Table(
    "owed",
    (
        Column("what", "What", stays=True),
        Column("state", "State"),
        Column("since", "Since", "nw"),
        Column("who", "Who acts"),
        Column("where", "Where", stays=True),
    ),
)
AUDIT = Table(
    "audit",
    (
        Column("who", "Who did what", stays=True, file=("Who", "What", "Two people")),
        Column("when", "When", "nw", file=("Time",)),
        Column("about", "About", stays=True, file=("About", "Address")),
        Column("change", "Before → after", file=("Before", "After")),
        Column("money", "Money", "num", stays=True, file=("Amount", "Currency")),
        Column("why", "Why", file=("Why",)),
    ),
)
INBOUND = Table(
    "inbound",
    (
        Column("article", "Article", stays=True),
        Column("return", "Return", stays=True),
        Column("stage", "Stage"),
        Column("since", "Since", "nw"),
        Column("value", "Value", "num", stays=True),
    ),
)
FIGURE = Table(
    "figure",
    (
        Column("what", "What", stays=True),
        Column("when", "When", "nw"),
        Column("units", "Units", "num"),
        Column("amount", "Amount", "num", stays=True),
    ),
)
TABLES: Mapping[str, Table] = {
    one.key: one for one in (QUEUE, ORDERS, RETURNS, CASES, STEPS, OWED, AUDIT, INBOUND, FIGURE)
}
