"""Order the replacement for a returned unit in the shop, exactly once.

SCAYLE takes no idempotency key, and its import neither reserves nor delegates. So, in this order:

1. Look up the order by our reference ``EXC-…``: if it is there, only tie it.
2. Read the return and the original order again: is it still wanted, and is every field there?
3. Note that pieces may be held from here, then reserve one each, under a reference of ours. None
   left: a case, and no order.
4. Note that it may exist from here, then create it, then read it back by its reference.
5. Refused: give back what is reserved. Unknown: only look-ups by the reference decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from fulfilment.models import Location
from fulfilment.services import order_capture
from fulfilment.shapes import OrderDraft, OrderSeen
from integrator.engine import mappings
from integrator.engine.errors import Misconfigured, Refused, Transient, Unknown
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.inbox import nudge
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.exchange_rules import Addressed, address_of, draft_of, is_still_wanted
from integrator.flows.settling import settling
from integrator.models import MappingKind, Message
from integrator.platforms.scayle.client import Scayle
from returns.exchange_cases import (
    EXCHANGE_LOCATION_MISSING,
    EXCHANGE_NO_STOCK,
    EXCHANGE_REFUSED,
)
from returns.models import Exchange
from returns.services.exchanges import (
    about_exchange,
    exchange_absent,
    exchange_due,
    exchange_facts,
    exchange_follow,
    exchange_freed,
    exchange_is_due,
    exchange_lock,
    exchange_not_placed,
    exchange_ordered,
    exchange_placing,
    exchange_reserved,
    exchange_reserving,
)
from returns.states import EXCHANGE_WANTED, ExchangeStatus

LOOK_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Placed:
    """The exchange order as it was read in the shop."""

    order: OrderSeen


def exchange_lane(exchange_id: int) -> str:
    """Everything written to the shop for one exchange happens in this lane."""
    return f"exchange:{exchange_id}"


def aims_of(facts: Sequence[Fact], statuses: Sequence[str]) -> dict[int, Aim]:
    """The exchanges that facts about them, their unit or their whole return speak of."""

    def ids(kind: str) -> set[int]:
        return {fact.record_id for fact in facts if fact.record_kind == kind}

    rows = Exchange.objects.filter(
        Q(pk__in=ids("exchange"))
        | Q(return_item_id__in=ids("return_item"))
        | Q(return_item=None, return_record_id__in=ids("return")),
        status__in=statuses,
    ).values_list("pk", "return_item_id", "return_record_id", "order_id", "order__connection_id")
    found: dict[tuple[str, int], Aim] = {}
    for pk, item_id, return_id, order_id, connection_id in rows:
        aim = Aim("exchange", pk, exchange_lane(pk), order_id, connection_id)
        found["exchange", pk] = aim
        found[("return", return_id) if item_id is None else ("return_item", item_id)] = aim
    return {
        fact.id: found[fact.record_kind, fact.record_id]
        for fact in facts
        if (fact.record_kind, fact.record_id) in found
    }


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """A wish that is new, or whose unit got further. Giving back after a refusal is neither."""
    fresh = [fact for fact in facts if fact.record_kind != "exchange" or not fact.data["old"]]
    return aims_of(fresh, EXCHANGE_WANTED)


def call(work: Work) -> Placed | Nothing:
    exchange = _exchange(work)
    values = work.policy(exchange.connection.retailer_id).values
    if exchange.status not in EXCHANGE_WANTED:
        return Nothing(f"it is {exchange.get_status_display().lower()}")
    if not exchange_is_due(exchange, str(values["exchange_trigger"])):
        return Nothing("the return is not far enough yet")
    with work.step():
        exchange_due(exchange, trace=work.trace)
    client = platforms.scayle(work, exchange.order.connection)
    found = client.find_order(exchange.key)
    if found is not None:
        return Placed(found)
    if exchange.placing_at is not None:
        with work.step():  # this is asked again only after it has settled: no order was made
            exchange_absent(exchange_lock(exchange.pk))
    warehouse = warehouse_of(exchange, values)
    draft, address = _prepare(work, client, exchange)
    _reserve(work, client, exchange, warehouse)
    with work.step():
        wanted = exchange_placing(
            exchange_lock(exchange.pk), address.address, address.source, trace=work.trace
        )
    if not wanted:
        return Nothing("it is not wanted any more")  # what is held is given back by its own flow
    return Placed(_create(work, client, exchange, draft))


def _exchange(work: Work) -> Exchange:
    return Exchange.objects.select_related(
        "connection__retailer",
        "return_record__connection",
        "return_item__order_item",
        "order__connection",
        "exchange_order",
    ).get(pk=work.job.record_id)


def warehouse_of(exchange: Exchange, values: Mapping[str, Any]) -> str:
    """Where the pieces are reserved: our location that sends replacements, in the shop's word."""
    code = values["exchange_location"]
    connection = exchange.order.connection
    location = Location.objects.filter(retailer_id=connection.retailer_id, code=code).first()
    if location is None:
        raise Misconfigured(
            "policy.exchange_location names no location of ours",
            case=EXCHANGE_LOCATION_MISSING,
            cause="policy:exchange_location",
        )
    return mappings.find_theirs(
        connection=connection, kind=MappingKind.LOCATION, ours=location.code
    )


def _prepare(work: Work, client: Scayle, exchange: Exchange) -> tuple[OrderDraft, Addressed]:
    """The whole order, from what both platforms say now. Nothing was sent before this is whole."""
    record_ = exchange.return_record
    seen = platforms.returngo(work, record_.connection).rma(record_.external_id)
    if not is_still_wanted(exchange, seen):
        with work.step():
            nudge(
                connection_id=record_.connection_id,
                topic="rma",
                kind="read-again",
                resource=("rma", record_.external_id),
                origin=Message.Origin.SWEEP,
                at=work.at,
            )
        raise Transient("the return has just changed", retry_after=LOOK_AGAIN_SECONDS)
    original = client.order(exchange.order.external_id)
    address = address_of(exchange, seen, original)
    return draft_of(exchange, original, address, at=work.at), address


def _reserve(work: Work, client: Scayle, exchange: Exchange, warehouse: str) -> None:
    """Hold every piece, or none: a half-held replacement would keep others from buying.

    Until all of it is held, every piece is asked for anew: its reference never holds a second one.
    """
    if exchange.status == ExchangeStatus.RESERVED:
        return
    items = {one.reference: one for one in exchange.items.all()}
    with work.step():
        exchange_reserving(exchange_lock(exchange.pk), trace=work.trace)
    try:
        answers = client.reserve({key: one.sku_code for key, one in items.items()}, warehouse)
    except (Refused, Misconfigured):
        with work.step():
            exchange_reserved(exchange_lock(exchange.pk), {}, is_whole=True, trace=work.trace)
        raise
    held = {items[one.reference].place: one.external_id for one in answers if one.external_id}
    refused = [one for one in answers if not one.external_id]
    is_whole = len(held) + len(refused) == len(items)
    with work.step():
        exchange_reserved(exchange_lock(exchange.pk), held, is_whole=is_whole, trace=work.trace)
    if len(held) == len(items):
        return
    _give_back(work, client, exchange, reason="The shop cannot hold every piece")
    if not refused:
        raise Unknown("the shop did not answer for every piece")
    sku = ", ".join(items[one.reference].sku_code for one in refused)
    sold_out = all(one.is_sold_out for one in refused)
    raise Refused(
        "; ".join(one.error for one in refused)[:300],
        case=EXCHANGE_NO_STOCK if sold_out else EXCHANGE_REFUSED,
        facts={**exchange_facts(exchange), "sku": sku},
    )


def _create(work: Work, client: Scayle, exchange: Exchange, draft: OrderDraft) -> OrderSeen:
    """Create it and read it back: a 2xx means accepted, its record is seen by reading."""
    try:
        client.create_order(draft)
    except Refused as error:
        _give_back(work, client, exchange, reason="The shop refused the order")
        error.case = error.case or EXCHANGE_REFUSED
        error.facts = {**exchange_facts(exchange), **error.facts}
        raise
    found = client.find_order(exchange.key)
    if found is None:
        raise Unknown("the shop took the order and does not show it yet")
    return found


def _give_back(work: Work, client: Scayle, exchange: Exchange, *, reason: str) -> None:
    """Each hold is known until it has ended. What is left of them by a death or a refusal is given
    back when it is not wanted any more, or held again.
    """
    with work.step():
        exchange_not_placed(exchange_lock(exchange.pk), reason=reason, trace=work.trace)
    for item in exchange.items.exclude(reservation_id="").order_by("place"):
        client.end_reservation(item.reservation_id)
        with work.step():
            exchange_freed(exchange.pk, [item.reservation_id])


def record(work: Work, placed: Placed) -> Evidence:
    exchange = exchange_lock(work.job.record_id)
    order = order_capture(connection=exchange.order.connection, seen=placed.order, trace=work.trace)
    assert order is not None, "the contract writes exchange orders with a status that is not ours"
    exchange_ordered(exchange, order, trace=work.trace)
    exchange_follow(exchange, order, trace=work.trace)
    return {"order": order.number, "key": exchange.key, "address": exchange.address_source}


def probe(work: Work) -> Found | NotFound:
    """The reference is the proof. Not there after it has settled: the order never arrived.

    Reservations cannot be read, but the same reference never holds a second piece.
    """
    exchange = _exchange(work)
    found = platforms.scayle(work, exchange.order.connection).find_order(exchange.key)
    return Found(Placed(found)) if found is not None else NotFound(may_repeat=True)


def plan(exchange: Exchange, _: Mapping[str, Any]) -> list[Call]:
    """What would be sent, for the preview."""
    paid = max(exchange.difference_minor, 0)
    return [
        Call("scayle", "GET", "/orders", f"Look whether order {exchange.key} is there already"),
        Call("scayle", "POST", "/reservations", f"Reserve {exchange.pieces}"),
        Call(
            "scayle",
            "POST",
            "/orders",
            f"Write order {exchange.key} down",
            money_minor=paid,
            currency=exchange.currency,
        ),
    ]


def about(exchange: Exchange) -> Mapping[str, Any]:
    """What a case about placing it is worth and says."""
    found = about_exchange(exchange)
    return {
        "money_minor": found.money_minor,
        "currency": found.currency,
        "customers_waiting": 1,
        "facts": exchange_facts(exchange),
    }


FLOW = settling(
    Flow(
        name="place_exchange",
        says="Order the replacement in the shop",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="scayle",
        priority=25,
        joins=True,
        due_minutes=15,
        on_refused=EXCHANGE_REFUSED,
    ),
    "scayle:reserve",
    "scayle:create_order",
    "scayle:end_reservation",
)
