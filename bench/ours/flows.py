"""The benchmarked flows. Each closes one ticket: locally, on its own, or after a call."""

from __future__ import annotations

from typing import Any

from bench.ours.toy.models import Ticket
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.http import Dialect
from integrator.engine.states import move
from integrator.engine.work import Work

DIALECT = Dialect(
    name="echo",
    headers=lambda settings, secrets: {},
    limit=lambda headers, scope: None,
    not_executed=frozenset(),
    error_text=lambda data: "",
    is_rate_limit=lambda status, data: False,
)


def close_ticket(work: Work, result: Any) -> Evidence:
    ticket = Ticket.objects.get(pk=work.job.record_id)
    move(ticket, "state", "CLOSED", reason="Done", trace=work.trace, closed_at=work.at)
    return {"ticket": ticket.pk}


def call_nobody(work: Work) -> None:
    """A flow of its own transaction without its call: what the bookkeeping alone costs."""


def call_echo(work: Work) -> Any:
    reply = work.http(work.job.connection, DIALECT).send(
        "POST", "/tickets", json={"reference": str(work.job.operation)}
    )
    return reply.data


_nothing_aims_here = each(lambda fact: None)
FLOWS = (
    Flow("close_locally", "Close a ticket", _nothing_aims_here, close_ticket),
    Flow(
        "close_alone",
        "Close a ticket",
        _nothing_aims_here,
        close_ticket,
        call_nobody,
        queue="alone",
    ),
    Flow(
        "close_there", "Close a ticket", _nothing_aims_here, close_ticket, call_echo, queue="echo"
    ),
)
ROUTES = {"bench:never": FLOWS}
