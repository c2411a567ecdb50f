"""What a page of a queue shows, as its address says it: tab, filters, order and columns."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from integrator.desk import columns
from integrator.desk.queue_orders import ORDERS
from integrator.flows import queue_wanted
from integrator.flows.queue_wanted import Wanted


def read(
    query: Mapping[str, Any], *, role: str, user_id: int, connections: Container[int]
) -> Wanted:
    """What an address asks for, with the columns it takes away."""
    wanted = queue_wanted.read(
        query, role=role, user_id=user_id, connections=connections, orders=ORDERS
    )
    return replace(wanted, hidden=columns.read(query.get(columns.NAME, ""), columns.QUEUE))


def write(wanted: Wanted) -> str:
    """The one way to write it as an address, without what is left at its default."""
    values = {
        "tab": wanted.tab,
        "kind": wanted.kind,
        "cause": wanted.cause,
        "who": wanted.who,
        "connection": wanted.connection_id,
        "order": wanted.order,
        "bulk": wanted.bulk_id,
        columns.NAME: "" if wanted.hidden is None else columns.write(wanted.hidden),
    }
    return urlencode({name: value for name, value in values.items() if value})


def href(wanted: Wanted, *, view: int = 0, **more: Any) -> str:
    """Where it is shown. ``view`` is the saved view it began as."""
    extra = {"view": view, **more}
    rest = urlencode({name: value for name, value in extra.items() if value})
    address = f"{reverse('queue', args=[wanted.role.lower()])}?{write(wanted)}"
    return f"{address}&{rest}" if rest else address


def parsed(query: str) -> Mapping[str, Any]:
    return QueryDict(query)
