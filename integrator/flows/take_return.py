"""A return changed at ReturnGO: read it and take it over.

Callbacks are nudges; this is the truth. ReturnGO counts calls by the day, so the nudges of one
return share a reading: the first is answered at once while there are calls enough, what follows
within ``nudge_wait_seconds`` waits for the end of that time and is read together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from finance.services import return_review
from integrator.engine import limits
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, only_reads
from integrator.engine.work import Work
from integrator.flows import platforms, read_again, refund_replacement
from integrator.flows.differences import CHANGED, changed, return_now
from integrator.flows.refund_listed import is_news, look_at_money
from integrator.flows.still_owed import withdraw_by_hand
from integrator.flows.stopped_readings import end_stopped
from integrator.models import Connection, Message
from returns.cases import RETURN_NOT_READ
from returns.models import Return
from returns.services import return_take
from returns.shapes import ReturnSeen

NUDGE_WAIT_SECONDS = 300
LONGEST_READING = timedelta(minutes=2)  # from the call to the record, whatever happens between


def return_lane(connection_id: int, external_id: str) -> str:
    """Everything read from and written to one return at its platform happens in this lane."""
    return f"return:{connection_id}:{external_id}"


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    connections = Connection.objects.in_bulk({fact.connection_id for fact in facts})
    read_at = {
        (connection_id, external_id): at
        for connection_id, external_id, at in Return.objects.filter(
            connection__in=connections,
            external_id__in={str(fact.data["resource_id"]) for fact in facts},
        ).values_list("connection_id", "external_id", "read_at")
    }
    ample = {
        pk: _has_ample_calls(connection, max(fact.at for fact in facts))
        for pk, connection in connections.items()
    }
    aims = {}
    for fact in facts:
        assert fact.connection_id is not None
        rma = str(fact.data["resource_id"])
        connection = connections[fact.connection_id]
        wait = int(connection.settings.get("nudge_wait_seconds", NUDGE_WAIT_SECONDS))
        last = read_at.get((connection.pk, rma))
        if fact.data["origin"] == Message.Origin.PERSON:
            wait = 0
        elif ample[connection.pk]:
            wait = 0 if last is None else max(wait - int((fact.at - last).total_seconds()), 0)
        lane = return_lane(connection.pk, rma)
        aims[fact.id] = Aim(fact.record_kind, fact.record_id, lane, join=lane, delay_seconds=wait)
    return aims


def _has_ample_calls(connection: Connection, at: datetime) -> bool:
    today = limits.left_of_day(connection, int(connection.settings["daily_call_limit"]), at=at)
    return today.remaining * 2 > today.allowed


def call(work: Work) -> ReturnSeen | Nothing:
    message = work.heard[0]
    if _was_read_since(work, message):
        return Nothing("the return was read after this was heard")
    return platforms.returngo(work, message.connection).rma(message.resource_id)


def _was_read_since(work: Work, message: Message) -> bool:
    """Whether a reading that began later than every nudge has been taken over already.

    Who asked in person gets a reading of their own.
    """
    if any(one.origin == Message.Origin.PERSON for one in work.heard):
        return False
    newest = max(one.received_at for one in work.heard)
    return Return.objects.filter(
        connection=message.connection,
        external_id=message.resource_id,
        read_at__gt=newest + LONGEST_READING,
    ).exists()


def record(work: Work, seen: ReturnSeen) -> Evidence:
    connection = work.heard[0].connection
    earlier = Message.objects.filter(pk__in=end_stopped(work))
    mended = any(_says_mended(one) for one in [*work.heard, *earlier])
    asked = read_again.is_asked(work)
    before = return_now(connection.pk, seen.external_id) if asked else {}
    taken = return_take(connection=connection, seen=seen, trace=work.trace, look_again=mended)
    if taken.is_new_version:
        return_review(taken.return_record, trace=work.trace)
        refund_replacement.look_again(work, taken.return_record)
        withdraw_by_hand(work, taken.return_record, seen)
    # Of a unit that was checked long ago nothing else says that it is to be paid now.
    if taken.is_new_version and (taken.promise_changed or is_news(taken.return_record, seen)):
        look_at_money(work, taken.return_record)
    said: Evidence = {
        "return": seen.external_id,
        "status": seen.raw_status,
        "version": seen.digest[:12],
        "new_version": taken.is_new_version,
        "steps": taken.units_changed,
    }
    if asked:
        said[CHANGED] = changed(before, return_now(connection.pk, seen.external_id))
    return said


def _says_mended(one: Message) -> bool:
    """Whether a person has mended what was in the way of the return."""
    return one.origin == Message.Origin.PERSON and one.kind != read_again.ASKED


def about(message: Message) -> Mapping[str, Any]:
    """The return itself where we know it: its own page then shows what both sides say."""
    facts = {"rma": message.resource_id}
    known = Return.objects.filter(
        connection=message.connection_id, external_id=message.resource_id
    ).first()
    if known is None:
        return {"facts": facts}
    return {"record_kind": "return", "record_id": known.pk, "facts": facts}


FLOW = Flow(
    name="take_return",
    says="Read the return from the returns platform",
    aim=aim,
    call=call,
    record=record,
    probe=only_reads,
    queue="returngo",
    priority=30,
    joins=True,
    gives_way=True,
    due_minutes=10,
    on_refused=RETURN_NOT_READ,
    about=about,
)
