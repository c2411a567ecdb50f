"""Where a return stands, in words: for who works here, and for the customer who asks.

What a customer is told is what is proved, and no word more: no promise of ours, no name of a
system, no doubt about the person. Knows no database: it is told what was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from finance.models import Refund
from finance.states import REFUND_PROVED, RefundStatus
from fulfilment.models import StockMovement
from fulfilment.states import Bucket
from integrator.desk import words
from returns.models import Exchange, Return, ReturnItem
from returns.services.exchanges import waits_for
from returns.shapes import Method, Resolution
from returns.states import (
    EXCHANGE_WANTED,
    Custody,
    DifferenceStatus,
    Disposition,
    ExchangeStatus,
    Money,
    ReturnStatus,
)

SYMBOLS: Mapping[ReturnStatus, str] = {
    ReturnStatus.COMPLETED: "ok",
    ReturnStatus.CLOSED: "idle",
}  # every other one waits for somebody
# In the order in which they worry us; each with how it is said of one unit's money in a list.
_MONEY: tuple[tuple[Money, str, str], ...] = (
    (Money.IN_DOUBT, "doubt", "in doubt"),
    (Money.REFUSED, "wait", "not paid"),
    (Money.PROPOSED, "wait", "decided, not sent"),
    (Money.AUTHORISED, "wait", "decided, not sent"),
    (Money.SENT, "wait", "sent, not proved yet"),
    (Money.RECORDED, "ok", "paid back"),
    (Money.SETTLED, "ok", "paid back"),
    (Money.WAIVED, "ok", "settled in another way"),
)
_ARRIVED = (Custody.RECEIVED, Custody.INSPECTED)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one return. ``units`` carry their last ``disposition``."""

    rma: Return
    units: Sequence[ReturnItem]
    refunds: Sequence[Refund]
    exchanges: Sequence[Exchange]
    movements: Sequence[StockMovement] = ()

    @property
    def open_units(self) -> list[ReturnItem]:
        return [unit for unit in self.units if unit.custody != Custody.CLOSED]

    @property
    def wanted(self) -> list[Exchange]:
        """Replacements that were not withdrawn."""
        return [one for one in self.exchanges if one.status != ExchangeStatus.CANCELLED]

    def amount(self, *statuses: RefundStatus) -> str:
        """What refunds in these states come to; empty where there is none."""
        found = [one for one in self.refunds if one.status in statuses]
        return _sum([(_worth(one), one.currency) for one in found])

    @property
    def unpaid(self) -> list[ReturnItem]:
        """Units that are to be paid for and about which no refund has been made."""
        return [
            unit
            for unit in self.open_units
            if unit.money == Money.NONE and unit.resolution == Resolution.REFUND
        ]

    @property
    def promised(self) -> list[ReturnItem]:
        """Those of them that a customer may be told of: the return was agreed, the unit fits."""
        if self.rma.status == ReturnStatus.REQUESTED:
            return []
        return [unit for unit in self.unpaid if not unit.blocked_by]


def money_state(units: Iterable[ReturnItem]) -> tuple[str, str]:
    """Symbol and words for the money of some units; the most worrying of several comes first."""
    found = list(units)
    for money, symbol, said in _MONEY:
        count = sum(unit.money == money for unit in found)
        if count:
            return symbol, said if count == len(found) else f"{count} of {len(found)} {said}"
    if found and all(unit.resolution == Resolution.EXCHANGE for unit in found):
        return "idle", "goods instead"
    if all(unit.custody == Custody.CLOSED for unit in found):
        return "idle", "none was paid"
    return "idle", "nothing decided yet"


# --- For who works here ---------------------------------------------------------------------------


def headline(now: Standing) -> str:
    """Where the units and the money are: ``Received at Hamburg, … decided, not sent yet.``"""
    parts = [*_items_say(now), *_money_says(now)]
    return f"{_first_up('; '.join(parts))}."


def _items_say(now: Standing) -> Iterator[str]:
    groups: dict[str, list[ReturnItem]] = {}
    unsold = [unit for unit in now.units if lies_unsold(unit, now.movements)]
    for unit in now.open_units or unsold:
        groups.setdefault(_item_says(unit, now), []).append(unit)
    if not now.open_units:
        yield str(now.rma.get_status_display()).lower()
    for said, units in groups.items():
        yield said if len(groups) == 1 else f"{words.plural(len(units), 'unit')} {said}"


def lies_unsold(unit: ReturnItem, movements: Iterable[StockMovement]) -> bool:
    """Whether nothing more will come of it, and yet it is here, may be sold, and is on no shelf."""
    held = [one.to_bucket for one in movements if one.return_item_id == unit.pk]
    is_here = bool(held) and held[-1] == Bucket.RECEIVED
    may_be_sold = getattr(unit, "disposition", None) == Disposition.RESTOCK
    return unit.custody == Custody.CLOSED and is_here and may_be_sold


def _item_says(unit: ReturnItem, now: Standing) -> str:
    mine = [one for one in now.movements if one.return_item_id == unit.pk]
    last = mine[-1] if mine else None
    place = f" at {last.location}" if last is not None and last.location is not None else ""
    held = ", held for a person" if unit.blocked_by else ""
    match unit.custody:
        case Custody.REQUESTED:
            return f"asked for, nobody has agreed yet{held}"
        case Custody.AUTHORISED if unit.method == Method.KEPT:
            return f"agreed, the customer keeps it{held}"
        case Custody.AUTHORISED:
            return f"agreed, the customer has not sent it yet{held}"
        case Custody.IN_TRANSIT:
            return f"on its way back{held}"
        case Custody.RECEIVED:
            return f"received{place}, not checked yet{held}"
    verdict = getattr(unit, "disposition", None)
    if verdict == Disposition.RESTOCK:
        on_sale = last is not None and last.to_bucket == Bucket.SELLABLE
        return f"checked, back on sale{place}" if on_sale else "checked and fine, not on sale yet"
    said = f", {str(Disposition(verdict).label).lower()}" if verdict else ""
    return f"checked{said}{place}"


def _money_says(now: Standing) -> Iterator[str]:
    for said, statuses in (
        ("refund {} in doubt", (RefundStatus.IN_DOUBT,)),
        ("refund {} decided, not sent yet", (RefundStatus.AUTHORISED,)),
        ("refund {} sent, not proved yet", (RefundStatus.SENT,)),
        ("{} paid back", REFUND_PROVED),
    ):
        if amount := now.amount(*statuses):
            yield said.format(amount)
    if refused := _refused(now):
        yield f"refund {refused} not paid"
    if now.unpaid:
        claimed = _sum([(unit.claimed_minor, unit.currency) for unit in now.unpaid])
        yield f"refund {claimed} claimed, nothing decided yet"
    if any(unit.money == Money.WAIVED for unit in now.units):
        yield "money settled in another way"
    if any(_waits_by_hand(unit, Resolution.STORE_CREDIT) for unit in now.open_units):
        yield "store credit not given yet"
    if any(_waits_by_hand(unit, Resolution.UNKNOWN) for unit in now.open_units):
        yield "what the customer gets is not understood"
    for one in now.wanted:
        waits = waits_for(one)
        yield f"replacement {one.key} {one.get_status_display().lower()}" + (
            f", waits for {waits}" if waits else ""
        )


def _waits_by_hand(unit: ReturnItem, resolution: Resolution) -> bool:
    return unit.resolution == resolution and unit.money == Money.NONE


# --- For the customer -----------------------------------------------------------------------------


def for_customer(now: Standing) -> str:
    """What may be told to the customer as it stands: ready to be pasted into an answer."""
    return " ".join((_arrival(now), *_not_there(now), *_payment(now), *_replacement(now)))


def _arrival(now: Standing) -> str:
    name, status = f"Your return {now.rma.external_id}", now.rma.status
    arrived = sum(unit.custody in _ARRIVED for unit in now.open_units)
    if arrived and status in (ReturnStatus.AUTHORISED, ReturnStatus.IN_TRANSIT):
        whole = len(now.open_units)
        return f"{name} has arrived in part: {arrived} of {whole} items are here."
    match status:
        case ReturnStatus.REQUESTED:
            return f"We have your request for return {now.rma.external_id}; it is not answered yet."
        case ReturnStatus.AUTHORISED if all(unit.method == Method.KEPT for unit in now.open_units):
            return f"{name} is agreed, and you may keep the item."
        case ReturnStatus.AUTHORISED:
            return f"{name} is agreed. It has not arrived yet."
        case ReturnStatus.IN_TRANSIT:
            return f"{name} is on its way to us."
        case ReturnStatus.RECEIVED:
            return f"{name} has arrived and is not checked yet."
        case ReturnStatus.INSPECTED:
            return f"{name} has arrived and was checked."
        case ReturnStatus.COMPLETED:
            return f"{name} is completed."
    return f"{name} is closed, and nothing is expected back."


def _not_there(now: Standing) -> Iterator[str]:
    missing = sum(
        getattr(unit, "disposition", None) == Disposition.NOT_RETURNED for unit in now.open_units
    )
    if missing:
        was = "was" if missing == 1 else "were"
        yield f"{words.plural(missing, 'item')} {was} not in the parcel."


def _payment(now: Standing) -> Iterator[str]:
    for one in now.refunds:
        if one.status in REFUND_PROVED:
            how = " as store credit" if one.way == Resolution.STORE_CREDIT else ""
            when = f" on {_day(one.recorded_at)}" if one.recorded_at is not None else ""
            yield f"{_sum([(_worth(one), one.currency)])} was paid back to you{how}{when}."
    if amount := now.amount(RefundStatus.SENT):
        yield f"Your refund of {amount} was sent and is not confirmed yet."
    if amount := now.amount(RefundStatus.AUTHORISED):
        yield f"Your refund of {amount} is approved but has not been sent yet."
    if amount := now.amount(RefundStatus.IN_DOUBT):
        yield f"We are making sure what became of your refund of {amount}."
    if amount := _refused(now):
        yield f"Your refund of {amount} could not be paid yet; we are looking into it."
    if now.promised and not now.refunds:
        yield "Your refund has not been sent yet."
    elif now.promised:
        yield "The rest has not been sent yet."
    if any(_waits_by_hand(unit, Resolution.STORE_CREDIT) for unit in now.open_units):
        yield "Your store credit was not given yet."


def _replacement(now: Standing) -> Iterator[str]:
    for one in now.wanted:
        owes = words.amount_text(abs(one.difference_minor), one.currency)
        if one.status == ExchangeStatus.SHIPPED:
            yield "Your replacement has left."
        elif one.status == ExchangeStatus.REFUSED:
            yield "Your replacement cannot be sent."
        elif one.difference == DifferenceStatus.OPEN:
            yield f"Your replacement leaves when the difference of {owes} is paid."
        elif one.status in EXCHANGE_WANTED:
            yield "Your replacement is not ordered yet."
        else:
            yield "Your replacement is ordered and has not left yet."
        if one.difference == DifferenceStatus.OWED:
            yield f"The difference of {owes} was not paid back yet."
        elif one.difference == DifferenceStatus.SETTLED:
            yield f"The difference of {owes} was paid back to you."


# --- Words and sums -------------------------------------------------------------------------------


def _refused(now: Standing) -> str:
    """What was proved not to be paid and was not paid since."""
    units = [unit for unit in now.units if unit.money == Money.REFUSED]
    return _sum([(unit.claimed_minor, unit.currency) for unit in units])


def _worth(refund: Refund) -> int:
    return refund.calculated_minor if refund.executed_minor is None else refund.executed_minor


def _sum(amounts: Sequence[tuple[int, str]]) -> str:
    """Amounts of one currency added up; of several, one after the other."""
    sums: dict[str, int] = {}
    for minor, currency in amounts:
        sums[currency] = sums.get(currency, 0) + minor
    return " and ".join(words.amount_text(minor, currency) for currency, minor in sums.items())


def _day(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local.day} {local:%B %Y}"


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]
