"""A return changed at ReturnGO: read it and take it over.

Callbacks are nudges; this is the truth.
"""

from __future__ import annotations

from finance.services import return_review
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each, only_reads
from integrator.engine.inbox import nudge
from integrator.engine.work import Work
from integrator.flows import platforms
from integrator.flows.refund_listed import TOPIC, is_news
from integrator.models import Connection, Message
from returns.cases import RETURN_NOT_READ
from returns.services import return_take
from returns.shapes import ReturnSeen


def return_lane(connection_id: int, external_id: str) -> str:
    """Everything read from and written to one return at its platform happens in this lane."""
    return f"return:{connection_id}:{external_id}"


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = return_lane(fact.connection_id, str(fact.data["resource_id"]))
    return Aim(fact.record_kind, fact.record_id, lane, join=lane)


def call(work: Work) -> ReturnSeen:
    message = Message.objects.select_related("connection").get(pk=work.job.record_id)
    return platforms.returngo(work, message.connection).rma(message.resource_id)


def record(work: Work, seen: ReturnSeen) -> Evidence:
    message = Message.objects.get(pk=work.job.record_id)
    connection = Connection.objects.select_related("retailer").get(pk=message.connection_id)
    asked = Message.objects.filter(pk__in=work.facts, origin=Message.Origin.PERSON)
    taken = return_take(
        connection=connection, seen=seen, trace=work.trace, look_again=asked.exists()
    )
    if taken.is_new_version:
        return_review(taken.return_record, trace=work.trace)
    if taken.is_new_version and is_news(taken.return_record, seen):
        nudge(
            connection_id=connection.pk,
            topic=TOPIC,
            kind="listed",
            resource=("rma", seen.external_id),
            origin=Message.Origin.SWEEP,
            at=work.at,
        )
    return {
        "return": seen.external_id,
        "status": seen.raw_status,
        "version": seen.digest[:12],
        "new_version": taken.is_new_version,
        "steps": taken.units_changed,
    }


FLOW = Flow(
    name="take_return",
    says="Read the return from the returns platform",
    aim=each(_aim),
    call=call,
    record=record,
    probe=only_reads,
    queue="returngo",
    priority=30,
    joins=True,
    due_minutes=10,
    on_refused=RETURN_NOT_READ,
)
