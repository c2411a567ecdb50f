"""What happens to exchanges, from being due to being shipped.

Each function is one step, inside the caller's transaction and safe to repeat.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fulfilment.models import Address, Order
from fulfilment.shapes import AddressSeen, OrderKind, UnitStatus
from fulfilment.states import OrderStatus
from integrator.engine import cases, jobs, links
from integrator.engine.cases import About
from integrator.engine.money import money_text
from integrator.engine.states import Trace, move
from integrator.models import Job, JobState
from returns import exchange_cases as kinds
from returns.models import Exchange, ExchangeItem, ReturnItem
from returns.services.meanings import method_of, resolution_of
from returns.shapes import AddressSource, Method, Resolution
from returns.states import (
    EXCHANGE_ENDED,
    EXCHANGE_PLACED,
    EXCHANGE_WANTED,
    DifferenceStatus,
    ExchangeStatus,
)

PREFIX = "EXC-"
_REACHED: Mapping[str, tuple[str, ...]] = {
    "approved": ("AUTHORISED", "IN_TRANSIT", "RECEIVED", "INSPECTED", "COMPLETED"),
    "received": ("RECEIVED", "INSPECTED", "COMPLETED"),
    "inspected": ("INSPECTED", "COMPLETED"),
}
# Nothing leaves while the customer has not paid.
PAYMENT_HOLDS = (DifferenceStatus.OPEN,)


def about_exchange(exchange: Exchange) -> About:
    item = exchange.return_item
    return About(
        "exchange",
        exchange.pk,
        exchange.order_id,
        exchange.connection_id,
        money_minor=item.claimed_minor if item is not None else abs(exchange.difference_minor),
        currency=exchange.currency,
        customers_waiting=1,
    )


def exchange_facts(exchange: Exchange) -> dict[str, str]:
    made = exchange.exchange_order
    return {
        "exchange": exchange.key,
        "rma": exchange.return_record.external_id,
        "order": exchange.order.number,
        "sku": exchange.pieces,
        "amount": money_text(abs(exchange.difference_minor), exchange.currency),
        "exchange_order": made.number if made is not None else "(none yet)",
        "platform": exchange.connection.name,
        "shop": exchange.order.connection.name,
    }


def exchange_is_due(exchange: Exchange, trigger: str) -> bool:
    """Whether the policy's trigger is met: by its unit, or by every unit for a whole return.

    What the customer keeps never arrives: there approval is all that can be waited for. A return
    that is done has met every trigger.
    """
    if exchange.return_record.completed_at is not None:
        return True
    if exchange.return_item is None:
        return exchange.return_record.status in _REACHED[trigger]
    item = exchange.return_item
    item.return_record = exchange.return_record
    if method_of(item) == Method.KEPT:
        trigger = "approved"
    return item.custody in _REACHED[trigger]


def exchange_due(exchange: Exchange, *, trace: Trace) -> None:
    """Note since when it should go out. The clock that tells people starts here."""
    if exchange.due_since is None:
        Exchange.objects.filter(pk=exchange.pk, due_since=None).update(due_since=trace.at)
        exchange.due_since = trace.at


def exchange_lock(exchange_id: int) -> Exchange:
    """The exchange, locked until the end of the step."""
    return (
        Exchange.objects.select_for_update(of=("self",), no_key=True)
        .select_related(
            "connection",
            "return_record__connection",
            "return_item",
            "order__connection",
            "exchange_order",
        )
        .get(pk=exchange_id)
    )


def exchange_reserving(exchange: Exchange, *, trace: Trace) -> None:
    """From here the shop may hold pieces that we have no number of."""
    Exchange.objects.filter(pk=exchange.pk).update(reserving_at=trace.at)


def exchange_reserved(
    exchange: Exchange, held: Mapping[int, str], *, is_whole: bool, trace: Trace
) -> None:
    """Keep what the shop holds back, place → reservation. All of it held: RESERVED.

    ``is_whole``: it has answered for every piece, so nothing else is held.
    """
    items = list(exchange.items.all())
    for item in items:
        if item.place in held:
            item.reservation_id = held[item.place]
            item.save(update_fields=["reservation_id"])
    if is_whole:
        Exchange.objects.filter(pk=exchange.pk).update(reserving_at=None)
    everything = len(held) == len(items)
    if everything and exchange.status == ExchangeStatus.REQUESTED:
        reason = "The shop holds the pieces back"
        move(exchange, "status", ExchangeStatus.RESERVED, reason=reason, trace=trace)


def exchange_freed(exchange_id: int, reservation_ids: Collection[str]) -> None:
    """The shop does not hold these any more."""
    ExchangeItem.objects.filter(exchange_id=exchange_id, reservation_id__in=reservation_ids).update(
        reservation_id=""
    )


def exchange_placing(
    exchange: Exchange, address: AddressSeen, source: AddressSource, *, trace: Trace
) -> bool:
    """From here its order may exist. False when it is not wanted any more: then nothing is sent."""
    if exchange.status not in EXCHANGE_WANTED:
        return False
    if exchange.address is not None:
        exchange.address.delete()
    exchange.address = Address.objects.create(
        first_name=address.first_name,
        last_name=address.last_name,
        street=address.street,
        house_number=address.house_number,
        additional=address.additional,
        postcode=address.postcode,
        city=address.city,
        state=address.state,
        country=address.country,
        phone=address.phone,
    )
    exchange.address_source = source
    exchange.placing_at = trace.at
    exchange.save(update_fields=["address", "address_source", "placing_at"])
    return True


def exchange_absent(exchange: Exchange) -> None:
    """Proved not to have been ordered: it may be withdrawn or ended again. What is held stays."""
    Exchange.objects.filter(pk=exchange.pk).update(placing_at=None)
    exchange.placing_at = None


def exchange_not_placed(exchange: Exchange, *, reason: str, trace: Trace) -> None:
    """Proved not to have been ordered. What is held for it is being given back."""
    exchange_absent(exchange)
    if exchange.status == ExchangeStatus.RESERVED:
        move(exchange, "status", ExchangeStatus.REQUESTED, reason=reason, trace=trace)


def exchange_stop_waiting(exchange: Exchange, *, reason: str, trace: Trace) -> None:
    """Nothing of what stopped it before matters any more: its steps and its cases end."""
    stopped = Job.objects.filter(
        record_kind="exchange", record_id=exchange.pk, state=JobState.PARKED
    )
    for job in stopped.order_by("id"):
        jobs.cancel(job, at=trace.at, reason=reason)
    cases.close_by_fact(
        trace=trace,
        reason=reason,
        kinds=kinds.KINDS,
        record_kind="exchange",
        record_id=exchange.pk,
    )


def exchange_find(*, retailer_id: int, reference: str) -> Exchange | None:
    """The exchange an order of the shop was made for, by the reference it carries."""
    if not reference.startswith(PREFIX):
        return None
    found = Exchange.objects.filter(connection__retailer_id=retailer_id, key=reference).first()
    return exchange_lock(found.pk) if found is not None else None


def exchange_ordered(exchange: Exchange, order: Order, *, trace: Trace) -> None:
    """Its order was read in the shop: tie both together, once for ever."""
    if exchange.exchange_order_id is not None or exchange.status in EXCHANGE_ENDED:
        return
    links.bind(
        connection=order.connection,
        external_kind="exchange",
        external_id=exchange.key,
        record_kind="exchange",
        record_id=exchange.pk,
        order_id=exchange.order_id,
    )
    Order.objects.filter(pk=order.pk).update(kind=OrderKind.EXCHANGE)
    order.kind = OrderKind.EXCHANGE
    _tie_pieces(exchange, order)
    exchange_stop_waiting(exchange, reason="Its order is in the shop", trace=trace)
    move(
        exchange,
        "status",
        ExchangeStatus.ORDERED,
        reason=f"Order {order.number} is in the shop",
        trace=trace,
        exchange_order_id=order.pk,
        ordered_at=trace.at,
    )
    exchange.exchange_order = order


def _tie_pieces(exchange: Exchange, order: Order) -> None:
    free = list(order.items.select_related("sku").order_by("id"))
    for piece in exchange.items.order_by("place"):
        found = next((one for one in free if one.sku.code == piece.sku_code), None)
        if found is not None:
            free.remove(found)
            piece.order_item = found
            piece.save(update_fields=["order_item"])


def exchange_released(exchange: Exchange, *, reference: str, trace: Trace) -> None:
    """The warehouse was told to send it."""
    if exchange.status == ExchangeStatus.ORDERED:
        move(
            exchange,
            "status",
            ExchangeStatus.RELEASED,
            reason=f"With the warehouse: {reference}",
            trace=trace,
            release_reference=reference[:200],
            released_at=trace.at,
        )


def exchange_follow(exchange: Exchange, order: Order, *, trace: Trace) -> None:
    """Follow its order in the shop: every piece sent, or none of it going to be."""
    if exchange.status not in (ExchangeStatus.ORDERED, ExchangeStatus.RELEASED):
        return
    statuses = set(order.items.values_list("platform_status", flat=True))
    if statuses and statuses <= {UnitStatus.SHIPPED, UnitStatus.RETURNED}:
        move(
            exchange,
            "status",
            ExchangeStatus.SHIPPED,
            reason="The shop shows every piece as sent",
            trace=trace,
            shipped_at=trace.at,
        )
        cases.close_by_fact(
            trace=trace,
            reason="It was sent",
            kinds=[
                kinds.EXCHANGE_RELEASE_BY_HAND,
                kinds.EXCHANGE_STALLED,
                kinds.EXCHANGE_UNPAID,
                kinds.EXCHANGE_ORDER_CANCELLED,
            ],
            record_kind="exchange",
            record_id=exchange.pk,
        )
    elif order.status == OrderStatus.CANCELLED or statuses & {UnitStatus.CANCELLED}:
        kind = kinds.EXCHANGE_ORDER_CANCELLED
        facts = exchange_facts(exchange)
        cases.open_case(kind, about_exchange(exchange), trace=trace, facts=facts)


def exchange_refuse(exchange: Exchange, *, reason: str, trace: Trace) -> bool:
    """A person decided that it will not be sent. False when it is too late for that."""
    if exchange.status in (ExchangeStatus.SHIPPED, *EXCHANGE_ENDED):
        return False
    if exchange.status in EXCHANGE_WANTED and exchange.placing_at is not None:
        return False
    move(exchange, "status", ExchangeStatus.REFUSED, reason=reason, trace=trace)
    return True


def unit_gets_goods(item: ReturnItem) -> bool:
    """Goods go out for this unit, or have gone: no money may be paid for it."""
    return any(one.status not in EXCHANGE_ENDED for one in _meant_for(item))


def unit_awaits_order(item: ReturnItem) -> bool:
    """Goods are wanted for this unit, and their order is not in the shop yet."""
    return any(one.status in EXCHANGE_WANTED for one in _meant_for(item))


def _meant_for(item: ReturnItem) -> list[Exchange]:
    """Its own exchanges, and those for the whole return while goods are promised for it."""
    whole = _for_whole(item)
    is_meant = bool(whole) and resolution_of(item) == Resolution.EXCHANGE
    return [*unit_exchanges(item), *(whole if is_meant else ())]


def unit_exchanges(item: ReturnItem) -> list[Exchange]:
    """Exchanges of this unit alone: who asks about many reads those of their returns first."""
    return [one for one in item.return_record.exchanges.all() if one.return_item_id == item.pk]


def _for_whole(item: ReturnItem) -> list[Exchange]:
    """Exchanges of the unit's return that name no unit."""
    return [one for one in item.return_record.exchanges.all() if one.return_item_id is None]


def unit_is_exchanged(item: ReturnItem, *, done: str) -> bool:
    """The promise of goods is kept: ordered or shipped, as the policy says (``exchange_done``).

    What a cheaper replacement leaves over belongs to the promise, until it is paid back.
    """
    kept = (ExchangeStatus.SHIPPED,) if done == "shipped" else EXCHANGE_PLACED
    return any(
        one.status in kept and one.difference != DifferenceStatus.OWED
        for one in unit_exchanges(item) or _for_whole(item)
    )


def waits_for(exchange: Exchange) -> str:
    """What it waits for, in words for the screen."""
    if exchange.status in EXCHANGE_ENDED or exchange.status == ExchangeStatus.SHIPPED:
        return ""
    if exchange.status in EXCHANGE_WANTED:
        return "the return to get further" if exchange.due_since is None else "its order"
    if exchange.status == ExchangeStatus.RELEASED:
        return "the parcel"
    return "the payment" if exchange.difference in PAYMENT_HOLDS else "the warehouse to be told"
