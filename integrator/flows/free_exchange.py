"""A replacement is not wanted any more: give the reserved pieces back to the shop."""

from __future__ import annotations

from collections.abc import Sequence

from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.place_exchange import about, aims_of, warehouse_of
from integrator.flows.settling import settling
from integrator.platforms.scayle.client import Scayle
from returns.exchange_cases import EXCHANGE_STILL_RESERVED
from returns.models import Exchange
from returns.services.exchanges import exchange_freed, exchange_lock, exchange_reserved
from returns.states import EXCHANGE_ENDED


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    return aims_of(facts, EXCHANGE_ENDED)


def call(work: Work) -> tuple[str, ...] | Nothing:
    """Ending a reservation that has ended is no error, so all of them may be sent again.

    What may be held by an answer that was lost is asked for once more: the same references answer
    the same reservations, or make some to be ended.
    """
    exchange = Exchange.objects.select_related("connection", "order__connection").get(
        pk=work.job.record_id
    )
    held = list(exchange.items.exclude(reservation_id="").values_list("reservation_id", flat=True))
    if not held and exchange.reserving_at is None:
        return Nothing("nothing is reserved for it")
    client = platforms.scayle(work, exchange.order.connection)
    if exchange.reserving_at is not None:
        held += _held_unknown(work, client, exchange)
    for reservation_id in dict.fromkeys(held):
        client.end_reservation(reservation_id)
    return tuple(held)


def _held_unknown(work: Work, client: Scayle, exchange: Exchange) -> list[str]:
    warehouse = warehouse_of(exchange, work.policy(exchange.connection.retailer_id).values)
    pieces = {one.reference: one.sku_code for one in exchange.items.all()}
    return [one.external_id for one in client.reserve(pieces, warehouse) if one.external_id]


def record(work: Work, given_back: tuple[str, ...]) -> Evidence:
    exchange = exchange_lock(work.job.record_id)
    exchange_freed(exchange.pk, given_back)
    exchange_reserved(exchange, {}, is_whole=True, trace=work.trace)
    return {"reservations": list(given_back)}


def probe(work: Work) -> Found | NotFound:
    """What is gone cannot be ended again."""
    return NotFound(may_repeat=True)


FLOW = settling(
    Flow(
        name="free_exchange",
        says="Give reserved pieces back to the shop",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        about=about,
        queue="scayle",
        priority=40,
        due_minutes=60,
        on_refused=EXCHANGE_STILL_RESERVED,
    ),
    "scayle:reserve",
    "scayle:end_reservation",
)
