"""A replacement is not wanted any more: give the reserved pieces back to the shop."""

from __future__ import annotations

from collections.abc import Sequence

from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.place_exchange import about, aims_of
from integrator.flows.settling import settling
from returns.exchange_cases import EXCHANGE_REFUSED
from returns.models import Exchange, ExchangeItem
from returns.states import EXCHANGE_ENDED


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    return aims_of(facts, EXCHANGE_ENDED)


def call(work: Work) -> tuple[str, ...] | Nothing:
    """Ending a reservation that has ended is no error, so all of them may be sent again."""
    exchange = Exchange.objects.select_related("order__connection").get(pk=work.job.record_id)
    held = list(exchange.items.exclude(reservation_id="").values_list("reservation_id", flat=True))
    if not held:
        return Nothing("nothing is reserved for it")
    client = platforms.scayle(work, exchange.order.connection)
    for reservation_id in held:
        client.end_reservation(reservation_id)
    return tuple(held)


def record(work: Work, given_back: tuple[str, ...]) -> Evidence:
    ExchangeItem.objects.filter(
        exchange_id=work.job.record_id, reservation_id__in=given_back
    ).update(reservation_id="")
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
        on_refused=EXCHANGE_REFUSED,
    ),
    "scayle:end_reservation",
)
