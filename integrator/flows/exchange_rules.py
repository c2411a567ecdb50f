"""What an exchange order consists of, and what must be there before it is sent. Sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fulfilment.shapes import AddressSeen, DraftUnit, OrderDraft, OrderSeen
from fulfilment.shares import spread
from integrator.engine.errors import Refused
from integrator.platforms.scayle import CONTRACT
from integrator.platforms.scayle.exchange import missing_in
from returns.exchange_cases import EXCHANGE_DATA_MISSING
from returns.models import Exchange
from returns.services.exchanges import exchange_facts
from returns.services.wishes import is_the_same, wishes_of
from returns.shapes import AddressSource, PlatformStatus, ReturnSeen

_ENDED = (PlatformStatus.REJECTED, PlatformStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Addressed:
    """Where it goes, and who said so."""

    address: AddressSeen
    source: AddressSource


def is_still_wanted(exchange: Exchange, seen: ReturnSeen) -> bool:
    """Whether the return, read this minute, still asks for exactly this."""
    units = exchange.return_record.items.filter(blocked_by="").select_related("return_record")
    wishes = wishes_of(seen, {unit.external_id: unit for unit in units})
    wish = wishes.get(exchange.return_item_id)
    return seen.status not in _ENDED and is_the_same(exchange, wish)


def address_of(exchange: Exchange, seen: ReturnSeen, original: OrderSeen) -> Addressed:
    """The explicit new address of the returns platform wins (R031); else the original order's.

    The original order keeps its own address either way (R002).
    """
    if seen.new_address is not None:
        place = exchange.connection.name
        found, source = seen.new_address, AddressSource.RETURNS_PLATFORM
    else:
        place = exchange.order.connection.name
        if original.shipping_address is None:
            raise _missing(exchange, ["the delivery address"], place)
        found, source = original.shipping_address, AddressSource.ORDER
    missing = missing_in(found)
    if missing:
        raise _missing(exchange, missing, place)
    return Addressed(found, source)


def draft_of(exchange: Exchange, original: OrderSeen, to: Addressed, *, at: datetime) -> OrderDraft:
    """The order to be written: the customer by reference, addresses whole, goods for goods."""
    shop = exchange.order.connection.name
    if not original.customer.reference:
        raise _missing(exchange, ["the customer's reference"], shop)
    billing = original.billing_address or original.shipping_address or to.address
    if missing := missing_in(billing):
        raise _missing(exchange, [f"{one} of the billing address" for one in missing], shop)
    unpriced = [one.sku_code for one in exchange.items.filter(price_minor=None)]
    if unpriced:
        names = [f"the price of {sku}" for sku in unpriced]
        raise _missing(exchange, names, exchange.connection.name)
    return OrderDraft(
        reference=exchange.key,
        number=f"{original.number}-X{exchange.number}",
        currency=original.currency,
        customer_reference=original.customer.reference,
        shipping_address=to.address,
        billing_address=billing,
        units=tuple(_units(exchange)),
        transaction=f"RMA-{exchange.return_record.external_id}",
        custom_data={
            **CONTRACT.assumption("exchange_tag"),
            "originalOrderId": original.external_id,
            "originalOrder": original.number,
            "rma": exchange.return_record.external_id,
        },
        placed_at=at,
    )


def _units(exchange: Exchange) -> list[DraftUnit]:
    """One unit per piece. They cost the customer the difference together, or nothing at all."""
    items = list(exchange.items.order_by("place"))
    shares = spread(max(exchange.difference_minor, 0), [one.price_minor or 0 for one in items])
    return [
        DraftUnit(
            key=f"x{one.place}",
            sku=one.sku_code,
            product_id=one.product_id,
            variant_id=one.variant_id,
            price_minor=share,
            tax_rate=_tax_rate(exchange),
        )
        for one, share in zip(items, shares, strict=True)
    ]


def _tax_rate(exchange: Exchange) -> str:
    item = exchange.return_item
    return item.order_item.tax_rate if item is not None and item.order_item is not None else ""


def _missing(exchange: Exchange, fields: list[str], where: str) -> Refused:
    said = ", ".join(fields)
    return Refused(
        f"missing or not valid: {said}",
        case=EXCHANGE_DATA_MISSING,
        facts={**exchange_facts(exchange), "field": said, "where": where},
    )
