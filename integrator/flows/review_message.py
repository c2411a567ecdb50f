"""A message nobody can act on, unknown or contradicting itself, is shown to a person."""

from __future__ import annotations

from integrator.engine import cases
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.work import Work
from integrator.models import Message


def _aim(fact: Fact) -> Aim:
    return Aim("message", fact.record_id, f"review:{fact.connection_id}")


def record(work: Work, _: None) -> Evidence:
    message = Message.objects.select_related("connection").get(pk=work.job.record_id)
    event = message.kind or "(no name)"
    if message.verdict == Message.Verdict.QUARANTINED:
        kind, about = cases.MESSAGE_CHANGED, cases.About("message", message.pk)
        cause = f"changed:{message.connection_id}:{message.event_id}"[:200]
    else:
        # One case per connection and event name, however often it comes.
        kind = cases.MESSAGE_UNKNOWN
        about = cases.About("connection", message.connection_id)
        cause = f"unknown:{message.connection_id}:{event}"[:200]
    case = cases.open_case(
        kind,
        cases.About(
            about.record_kind,
            about.record_id,
            order_id=message.order_id,
            connection_id=message.connection_id,
        ),
        trace=work.trace,
        cause=cause,
        facts={
            "platform": message.connection.name,
            "event": event,
            "event_id": message.event_id or "(none)",
        },
    )
    return {"case": case.pk}


FLOW = Flow(
    name="review_message",
    says="Show a message that cannot be used to a person",
    aim=each(_aim),
    record=record,
)
