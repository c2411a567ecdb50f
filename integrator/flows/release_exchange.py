"""Tell the warehouse to send a replacement. No warehouse system is connected, so a person does it.

Once one is, its flow takes the place of this one in ``ROUTES``: same facts, same end.
"""

from __future__ import annotations

from integrator.engine import cases
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.work import Work
from integrator.flows.place_exchange import exchange_lane
from returns.exchange_cases import EXCHANGE_RELEASE_BY_HAND
from returns.services.exchanges import (
    PAYMENT_HOLDS,
    about_exchange,
    exchange_facts,
    exchange_lock,
)
from returns.services.reporting import close
from returns.states import ExchangeStatus


def _aim(fact: Fact) -> Aim:
    return Aim("exchange", fact.record_id, exchange_lane(fact.record_id), order_id=fact.order_id)


def record(work: Work, _: None) -> Evidence:
    """Ask operations, once the order is there and nothing is left to be paid (in any order)."""
    exchange = exchange_lock(work.job.record_id)
    if exchange.status != ExchangeStatus.ORDERED:
        return {"nothing": f"it is {exchange.get_status_display().lower()}"}
    kind = EXCHANGE_RELEASE_BY_HAND
    if exchange.difference in PAYMENT_HOLDS:
        close(kind, "exchange", exchange.pk, work.trace, "It waits for the payment again")
        return {"nothing": "the difference is not paid yet"}
    facts = exchange_facts(exchange)
    case = cases.open_case(kind, about_exchange(exchange), trace=work.trace, facts=facts)
    return {"case": case.pk}


FLOW = Flow(
    name="release_exchange",
    says="Have the warehouse send the replacement",
    aim=each(_aim),
    record=record,
    priority=30,
)
