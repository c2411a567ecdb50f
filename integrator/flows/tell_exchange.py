"""The replacement is ordered: leave its number on the return, where customer service looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrator.engine.flow import Aim, Evidence, Fact, Flow, Found, NotFound, Nothing
from integrator.engine.shapes import Call
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.place_exchange import about as about_placing
from integrator.flows.settling import settling
from integrator.flows.take_return import return_lane
from integrator.platforms.returngo.client import comment_html
from returns.models import Exchange


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    rows = Exchange.objects.filter(pk__in={fact.record_id for fact in facts}).select_related(
        "return_record"
    )
    found = {row.pk: row for row in rows}
    return {
        fact.id: Aim(
            "exchange",
            fact.record_id,
            return_lane(
                found[fact.record_id].connection_id,
                found[fact.record_id].return_record.external_id,
            ),
            order_id=found[fact.record_id].order_id,
            connection_id=found[fact.record_id].connection_id,
        )
        for fact in facts
        if fact.record_id in found
    }


def call(work: Work) -> str | Nothing:
    """Comments carry no key of ours, so the words do: look for them first."""
    exchange = _exchange(work)
    client = platforms.returngo(work, exchange.connection)
    rma = exchange.return_record.external_id
    if any(sign_of(exchange) in one for one in client.rma(rma).comments):
        return Nothing("the return says it already")
    client.comment(rma, words_of(exchange))
    return exchange.key


def _exchange(work: Work) -> Exchange:
    return Exchange.objects.select_related(
        "connection", "return_record", "exchange_order", "order__connection"
    ).get(pk=work.job.record_id)


def words_of(exchange: Exchange) -> str:
    assert exchange.exchange_order is not None
    number = exchange.exchange_order.number
    return f"The replacement is ordered: {exchange.pieces}, order {number}. {sign_of(exchange)}"


def sign_of(exchange: Exchange) -> str:
    """What this comment is known by, as the returns platform keeps it."""
    return comment_html(f"[{exchange.key} ordered]")


def record(work: Work, key: str) -> Evidence:
    return {"comment": key}


def probe(work: Work) -> Found | NotFound:
    exchange = _exchange(work)
    rma = exchange.return_record.external_id
    comments = platforms.returngo(work, exchange.connection).rma(rma).comments
    if any(sign_of(exchange) in one for one in comments):
        return Found(exchange.key)
    return NotFound(may_repeat=True)


def plan(exchange: Exchange, _: Mapping[str, Any]) -> list[Call]:
    return [Call("returngo", "POST", "/rma/…/comment", "Leave the number of the new order")]


def about(exchange: Exchange) -> Mapping[str, Any]:
    return about_placing(exchange)


FLOW = settling(
    Flow(
        name="tell_exchange",
        says="Tell the returns platform that the replacement is ordered",
        aim=aim,
        call=call,
        record=record,
        probe=probe,
        plan=plan,
        about=about,
        queue="returngo",
        priority=50,
        due_minutes=60,
    ),
    "returngo:comment",
)
