"""What customers want instead of money, as the returns platform shows it now.

A changed wish before its order is placed replaces the former one. After that it is a case: goods
may be on their way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Max

from integrator.engine import cases
from integrator.engine.states import Trace, born, move
from integrator.models import Case, CaseState
from returns import exchange_cases as kinds
from returns.cases import RESOLUTION_BY_HAND
from returns.models import Exchange, ExchangeItem, Return, ReturnItem
from returns.services.exchanges import about_exchange, exchange_facts, exchange_stop_waiting
from returns.services.meanings import resolution_said
from returns.services.payments import difference_is, payments_take
from returns.services.reporting import close
from returns.shapes import (
    PlatformStatus,
    Resolution,
    ReturnSeen,
    WantedSeen,
)
from returns.states import (
    EXCHANGE_ENDED,
    EXCHANGE_WANTED,
    DifferenceStatus,
    ExchangeStatus,
)

_ENDED = (PlatformStatus.REJECTED, PlatformStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Wish:
    """The pieces wanted for one unit, or for the return (``item`` empty), and what they replace.

    ``difference_minor`` is None while a piece has no price.
    """

    item: ReturnItem | None
    wanted: tuple[WantedSeen, ...]
    worth_minor: int
    currency: str

    @property
    def difference_minor(self) -> int | None:
        prices = [one.price_minor for one in self.wanted]
        known = [price for price in prices if price is not None]
        return sum(known) - self.worth_minor if len(known) == len(prices) else None


def wishes_of(seen: ReturnSeen, items: Mapping[str, ReturnItem]) -> dict[int | None, Wish]:
    """What is wanted per unit, by our unit's key; None for the return as a whole.

    Units that are held are left out. A wish for the whole return replaces the units that are to be
    exchanged and name no piece themselves.
    """
    wishes: dict[int | None, Wish] = {}
    loose = 0
    for unit in seen.units:
        item = items.get(unit.external_id)
        if item is None:
            continue
        if resolution_said(item, unit.resolution, unit.raw_resolution) != Resolution.EXCHANGE:
            continue
        if unit.wanted:
            wishes[item.pk] = Wish(item, unit.wanted, unit.paid_minor, unit.currency)
        else:
            loose += unit.paid_minor
    if seen.wanted and seen.units:
        wishes[None] = Wish(None, seen.wanted, loose, seen.units[0].currency)
    return wishes


def exchanges_take(record: Return, seen: ReturnSeen, trace: Trace) -> None:
    """Take the wishes of a return over. The same again changes nothing.

    Call it after the units, in the same transaction: it reads which of them are held.
    """
    _note_drafts(record, seen, trace)
    if record.order is None:
        return
    units = record.items.filter(blocked_by="")
    items = {item.external_id: item for item in units}
    wishes = {} if seen.status in _ENDED else wishes_of(seen, items)
    rows = record.exchanges.exclude(status__in=EXCHANGE_ENDED).select_for_update(no_key=True)
    live = {exchange.return_item_id: exchange for exchange in rows.order_by("number")}
    for key, exchange in live.items():
        if is_the_same(exchange, wishes.get(key)):
            close(kinds.EXCHANGE_CHANGED_LATE, "exchange", exchange.pk, trace, "It fits again")
        elif exchange.status in EXCHANGE_WANTED and exchange.placing_at is None:
            _withdraw(exchange, wishes.get(key), seen, trace)
        else:
            _changed_late(exchange, wishes.get(key), seen, trace)
    for key, wish in wishes.items():
        before = live.get(key)
        is_open = before is None or before.status == ExchangeStatus.CANCELLED
        if is_open and seen.status != PlatformStatus.DONE and not _was_refused(record, key, wish):
            _want(record, wish, trace)
    payments_take(record, seen, trace)


def is_the_same(exchange: Exchange, wish: Wish | None) -> bool:
    """Whether a wish asks for what an exchange was made for, and for the same difference.

    Which units a wish for the whole return replaces may change, and the difference with them.
    """
    if wish is None or exchange.difference_minor != (wish.difference_minor or 0):
        return False
    return _same_pieces(exchange, wish)


def _same_pieces(exchange: Exchange, wish: Wish) -> bool:
    ours = [(item.sku_code, item.price_minor) for item in exchange.items.all()]
    theirs = [(one.sku, one.price_minor) for one in wish.wanted]
    return _sorted(ours) == _sorted(theirs)


def _sorted(rows: Sequence[tuple[str, int | None]]) -> list[tuple[str, int]]:
    return sorted((sku, -1 if price is None else price) for sku, price in rows)


def _was_refused(record: Return, key: int | None, wish: Wish) -> bool:
    """A person has decided that exactly this is not sent: it is not asked for again."""
    refused = record.exchanges.filter(return_item_id=key, status=ExchangeStatus.REFUSED)
    last = refused.order_by("-number").first()
    return last is not None and _same_pieces(last, wish)


def _want(record: Return, wish: Wish, trace: Trace) -> Exchange:
    assert record.order_id is not None
    number = (record.exchanges.aggregate(last=Max("number"))["last"] or 0) + 1
    exchange = Exchange.objects.create(
        connection_id=record.connection_id,
        return_record=record,
        return_item=wish.item,
        order_id=record.order_id,
        number=number,
        key=f"EXC-{record.external_id}-{number}",
        difference_minor=wish.difference_minor or 0,
        currency=wish.currency,
        requested_at=trace.at,
    )
    ExchangeItem.objects.bulk_create(
        ExchangeItem(
            exchange=exchange,
            place=place,
            sku_code=one.sku,
            variant_id=one.variant_id,
            product_id=one.product_id,
            price_minor=one.price_minor,
        )
        for place, one in enumerate(wish.wanted, start=1)
    )
    reason = "The customer wants another piece"
    born(exchange, "status", reason=reason, trace=trace)
    if wish.item is not None:
        close(RESOLUTION_BY_HAND, "return_item", wish.item.pk, trace, reason)
    if exchange.difference_minor > 0:
        difference_is(exchange, DifferenceStatus.OPEN, "The replacement costs more", trace)
    elif exchange.difference_minor < 0:
        difference_is(exchange, DifferenceStatus.OWED, "The replacement costs less", trace)
    return exchange


def _withdraw(exchange: Exchange, wish: Wish | None, seen: ReturnSeen, trace: Trace) -> None:
    """Nothing was placed yet. What is held for it is given back by the flow this starts."""
    reason = f"The return is {seen.raw_status}" if wish is None else "The customer chose anew"
    move(exchange, "status", ExchangeStatus.CANCELLED, reason=reason, trace=trace)
    exchange_stop_waiting(exchange, reason=reason, trace=trace)


def _changed_late(exchange: Exchange, wish: Wish | None, seen: ReturnSeen, trace: Trace) -> None:
    wanted = ", ".join(one.sku for one in wish.wanted) if wish else f"nothing ({seen.raw_status})"
    facts = {**exchange_facts(exchange), "wanted": wanted}
    waived = Case.objects.filter(
        kind=kinds.EXCHANGE_CHANGED_LATE.code,
        record_kind="exchange",
        record_id=exchange.pk,
        state=CaseState.SOLVED,
        resolution=Case.Resolution.NOT_AN_ERROR,
        facts__wanted=wanted,
    )
    if not waived.exists():
        kind = kinds.EXCHANGE_CHANGED_LATE
        cases.open_case(kind, about_exchange(exchange), trace=trace, facts=facts)


def _note_drafts(record: Return, seen: ReturnSeen, trace: Trace) -> None:
    """Drafted exchange orders, each with when we first saw it: the platform gives no date."""
    drafts = {
        one.draft_id: record.drafts.get(one.draft_id, trace.at.isoformat())
        for one in seen.drafts
        if one.is_exchange and one.draft_id and not one.order_id
    }
    if drafts != record.drafts:
        record.drafts = drafts
        Return.objects.filter(pk=record.pk).update(drafts=drafts)
