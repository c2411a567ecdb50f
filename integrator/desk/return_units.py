"""The units of a return: where each is, what was decided about it, and what was paid for it.

A bundle is shown as a tree. Built from rows that are already read; asks the database nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from finance.models import Refund
from fulfilment.models import OrderItem, StockMovement
from fulfilment.states import Bucket
from integrator.desk import history, rails, words
from integrator.desk.set_shares import share_says
from integrator.desk.symbols import REFUND_SYMBOLS
from integrator.models import Transition
from returns.models import Inspection, ReturnItem


@dataclass(frozen=True, slots=True)
class Verdict:
    """One version of what was decided about a unit. ``was`` is empty for the first."""

    unit: ReturnItem
    row: Inspection
    who: str
    is_person: bool
    was: list[str]
    now: list[str]
    by_two: bool

    @property
    def is_late(self) -> bool:
        """Whether we learnt it later than it happened, as the rail and the time line have it."""
        return self.row.learned_at - self.row.inspected_at >= words.MINUTE


@dataclass(frozen=True, slots=True)
class Paid:
    """The unit's part of one refund. ``how``: what was paid for it, less fees, makes the amount."""

    refund: Refund
    amount_minor: int
    symbol: str
    state: str
    how: str


@dataclass(frozen=True, slots=True)
class Detail:
    """A unit with its rails and everything that is known of it."""

    rails: rails.Unit
    verdict: Verdict | None
    counted: list[StockMovement]
    paid: list[Paid]
    share: str

    @property
    def item(self) -> ReturnItem:
        return self.rails.item


class Part(TypedDict):
    """A part of the bundle that a unit was sold in, as it comes with the unit's row."""

    id: int
    sku_id: int
    code: str
    name: str
    price: int | None


@dataclass(frozen=True, slots=True)
class Branch:
    """Units of one bundle under it, with the parts that stay away; alone without a bundle."""

    units: list[Detail]
    bundle: OrderItem | None = None
    others: Sequence[Part] = ()
    is_whole: bool = False


def verdicts_of(
    units: Iterable[ReturnItem],
    inspections: Iterable[Inspection],
    transitions: Iterable[Transition],
    platform: str,
) -> list[Verdict]:
    """Every verdict and correction, the newest first; what a platform said is the platform's."""
    by = {one.record_id: one.actor for one in transitions if one.record_kind == "inspection"}
    unit_of = {unit.pk: unit for unit in units}
    before: dict[tuple[int, int | None], Inspection] = {}
    found = []
    for row in sorted(inspections, key=lambda one: (one.return_item_id, one.version)):
        of_unit = before.get((row.return_item_id, None))
        last = before.get((row.return_item_id, row.piece_id), of_unit)
        if last is not None and of_unit is not None and of_unit.version > last.version:
            last = of_unit
        actor = by.get(row.pk, "")
        is_person = actor.startswith("user:")
        found.append(
            Verdict(
                unit=unit_of[row.return_item_id],
                row=row,
                who=history.who(actor) if is_person else platform,
                is_person=is_person,
                was=_says(last) if last is not None else [],
                now=_says(row),
                by_two=row.approval_id is not None,
            )
        )
        before[row.return_item_id, row.piece_id] = row
    return sorted(found, key=lambda one: (one.row.learned_at, one.row.pk), reverse=True)


def _says(row: Inspection) -> list[str]:
    """A verdict in parts: of which piece, what becomes of it, where, and as what it is counted."""
    only = f"only {row.piece.code}" if row.piece is not None else ""
    place = str(row.location) if row.location is not None else row.location_word
    counted_as = f"counted as {row.sku.code}" if row.sku is not None else ""
    return [one for one in (only, str(row.get_disposition_display()), place, counted_as) if one]


def tree(
    units: Sequence[ReturnItem],
    *,
    times: rails.Reached,
    told: rails.Told,
    movements: Sequence[StockMovement],
    verdicts: Sequence[Verdict],
    refunds: Sequence[Refund],
    at: datetime,
) -> list[Branch]:
    """The units in their order; those of one bundle together where the first of them is."""
    last = {one.unit.pk: one for one in reversed(verdicts) if one.row.piece_id is None}
    under: dict[tuple[str, int], list[Detail]] = {}
    for unit in units:
        sold = unit.order_item
        parent = sold.parent if sold is not None else None
        share = ""
        if sold is not None and parent is not None and sold.share_basis:
            prices = [one["price"] for one in _parts(unit)]
            share = share_says(sold, parent, prices, unit.currency)
        detail = Detail(
            rails=rails.unit_of(unit, times=times, movements=movements, at=at, told=told),
            verdict=last.get(unit.pk),
            counted=_counted(unit, movements),
            paid=list(_paid(unit, refunds, alone=len(units) == 1)),
            share=share,
        )
        key = ("set", parent.pk) if parent is not None else ("unit", unit.pk)
        under.setdefault(key, []).append(detail)
    return [_branch(details) for details in under.values()]


def _parts(unit: ReturnItem) -> list[Part]:
    found: list[Part] = unit.set_parts  # type: ignore[attr-defined]  # comes with the page's query
    return found


def _branch(details: list[Detail]) -> Branch:
    sold = details[0].item.order_item
    if sold is None:
        return Branch(details)
    if sold.is_bundle:
        return Branch(details, sold, _parts(details[0].item), is_whole=True)
    if sold.parent is None:
        return Branch(details)
    here = {one.item.order_item_id for one in details}
    others = [one for one in _parts(details[0].item) if one["id"] not in here]
    return Branch(details, sold.parent, others)


def _counted(unit: ReturnItem, movements: Sequence[StockMovement]) -> list[StockMovement]:
    """Where a unit is counted now: the last movement of each article it was ever counted as.

    Where it has left again as one article, only the other one counts.
    """
    last: dict[int, StockMovement] = {}
    for one in movements:
        if one.return_item_id == unit.pk:
            last[one.sku_id] = one
    return [one for one in last.values() if one.to_bucket != Bucket.OUTSIDE]


def _paid(unit: ReturnItem, refunds: Sequence[Refund], *, alone: bool) -> Iterator[Paid]:
    for refund in refunds:
        for part in refund.parts:  # type: ignore[attr-defined]  # comes with the page's query
            if part["return_item"] != unit.pk:
                continue
            row = _row_of(unit, refund.arithmetic, alone=alone)
            status = refund.get_status_display()
            symbol = REFUND_SYMBOLS[refund.status]  # type: ignore[index]  # a text that equals it
            how = _how(row, refund.currency) if row is not None else ""
            yield Paid(refund, int(part["amount"]), symbol, str(status), how)


def _row_of(
    unit: ReturnItem, rows: Sequence[Mapping[str, Any]], *, alone: bool
) -> Mapping[str, Any] | None:
    """How the unit's amount came about; older rows do not say of which unit they are."""
    mine = [row for row in rows if row.get("return_item") == unit.pk]
    if not mine and alone and len(rows) == 1:
        mine = list(rows)
    return mine[0] if mine else None


def _how(row: Mapping[str, Any], currency: str) -> str:
    """What was paid for the unit, less each fee, makes what goes back."""
    less = [
        f"{words.number_of(int(fee['amount_minor']), currency)} {words.fee_words(fee['key'])}"
        for fee in row.get("less", [])
    ]
    paid = words.number_of(int(row["paid_minor"]), currency)
    if not less:
        return f"the customer had paid {paid} for it"
    steps = " \N{MINUS SIGN} ".join([f"{paid} paid", *less])
    return f"{steps} = {words.number_of(int(row['result_minor']), currency)}"
