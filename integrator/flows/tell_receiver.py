"""Tell a retailer's own systems of cases, by signed calls as Standard Webhooks describes them.

It may be told twice, with one id, so that it can drop the repeat. No personal data leaves.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings

from fulfilment.models import Order
from integrator.engine import http, secrets
from integrator.engine.alert_cases import ALERT_NOT_TAKEN
from integrator.engine.case_words import say
from integrator.engine.errors import Misconfigured, PlatformError, Transient
from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, only_reads
from integrator.engine.states import Trace
from integrator.engine.work import Work
from integrator.flows.kinds import CASE_KINDS
from integrator.models import AlertReceiver, Case, CaseEvent, Connection

QUEUE = "receivers"
PATIENCE = timedelta(minutes=30)  # a receiver that failed this long is an administrator's case
SECRET_PREFIX = "whsec_"

_TYPES = {
    CaseEvent.Kind.OPENED: "case.opened",
    CaseEvent.Kind.REOPENED: "case.reopened",
    CaseEvent.Kind.ESCALATED: "case.escalated",
}


def _aim(facts: Sequence[Fact]) -> dict[int, list[Aim]]:
    """Every receiver of the retailer and the role; a case of no retailer is everybody's."""
    receivers = list(AlertReceiver.objects.filter(is_on=True).order_by("id"))
    if not receivers:
        return {}
    retailers = _retailers(facts)
    return {
        fact.id: [
            Aim(AlertReceiver.RECORD_KIND, one.pk, f"receiver:{one.pk}:{fact.record_id}")
            for one in receivers
            if _is_for(one, fact, retailers.get(fact.id))
        ]
        for fact in facts
    }


def _retailers(facts: Iterable[Fact]) -> dict[int, int]:
    """Whose case it is, by its connection, else by its order."""
    connections = dict(Connection.objects.values_list("pk", "retailer_id"))
    orders = {fact.order_id for fact in facts if fact.connection_id is None and fact.order_id}
    by_order = dict(
        Order.objects.filter(pk__in=orders).values_list("pk", "connection__retailer_id")
    )
    found = {
        fact.id: connections.get(fact.connection_id or 0) or by_order.get(fact.order_id or 0)
        for fact in facts
    }
    return {fact_id: retailer for fact_id, retailer in found.items() if retailer is not None}


def _is_for(receiver: AlertReceiver, fact: Fact, retailer: int | None) -> bool:
    kind = CASE_KINDS.get(str(fact.data["kind"]))
    # That a receiver fails is told by e-mail: receivers that fail would tell each other for ever.
    if kind is None or kind.code == ALERT_NOT_TAKEN.code:
        return False
    role = fact.data["role"] if fact.key == "case:ESCALATED" else kind.owner
    return (
        receiver.role == role
        and retailer in (None, receiver.retailer_id)
        and (not receiver.kinds or kind.code in receiver.kinds)
    )


def call(work: Work) -> str | Nothing:
    """Tell it. Returns the receiver's name."""
    receiver: AlertReceiver = work.record
    if not receiver.is_on:
        return Nothing(f"{receiver.name} is not told any more")
    event = CaseEvent.objects.select_related("case").get(pk=work.job.fact)
    tell(work, receiver, f"case-event-{event.pk}-{receiver.pk}", _message(event))
    return receiver.name


def tell(work: Work, receiver: AlertReceiver, message_id: str, message: Mapping[str, Any]) -> None:
    """Make the call, signed. Transient while one may wait; then Misconfigured, which is a case."""
    body = json.dumps(message, ensure_ascii=False).encode()
    try:
        headers = _signed(receiver, message_id, int(work.at.timestamp()), body)
        http.tell(
            receiver.address,
            name=receiver.name,
            body=body,
            headers=headers,
            private_network=receiver.private_network,
            log=work.calls,
        )
    except Transient as error:
        if work.at - work.job.created_at < PATIENCE:
            raise
        raise _not_taken(receiver, error) from error
    except Misconfigured as error:
        raise _not_taken(receiver, error) from error


def _not_taken(receiver: AlertReceiver, error: PlatformError) -> Misconfigured:
    """One case per receiver, however many alerts wait for it: mended once, all are sent."""
    return Misconfigured(
        str(error),
        case=ALERT_NOT_TAKEN,
        cause=f"receiver:{receiver.pk}",
        facts={"receiver": receiver.name, "error": str(error)},
    )


def _message(event: CaseEvent) -> dict[str, Any]:
    """What a receiver is told: the words of the case, its figures, and where to act on it."""
    case: Case = event.case
    kind = CASE_KINDS[case.kind]
    said = say(kind, case.facts)
    is_lifted = event.kind == CaseEvent.Kind.ESCALATED
    number = Order.objects.filter(pk=case.order_id or 0).values_list("number", flat=True).first()
    return {
        "type": _TYPES[CaseEvent.Kind(event.kind)],
        "timestamp": event.at.isoformat(),
        "data": {
            "case": case.pk,
            "kind": kind.code,
            "role": event.data["role"] if is_lifted else kind.owner,
            "severity": case.severity,
            "state": case.state.lower(),
            "title": said.title,
            "happened": said.happened,
            "means": said.means,
            "todo": said.todo,
            "due_at": case.due_at.isoformat(),
            "order": number,
            "money_minor": case.money_minor if case.currency else None,
            "currency": case.currency or None,
            "customers_waiting": case.customers_waiting,
            "link": f"{settings.PUBLIC_URL.rstrip('/')}/cases/{case.pk}/",
        },
    }


def key_of(secret: str) -> bytes:
    """The bytes a secret stands for; ValueError when it is none."""
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def _signed(
    receiver: AlertReceiver, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    secret = secrets.read(receiver).get("secret", "")
    if not secret:
        raise Misconfigured(f"{receiver.name} has no secret")
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def record(work: Work, name: str) -> Evidence:
    event = CaseEvent.objects.only("case_id").get(pk=work.job.fact)
    trace: Trace = work.trace
    CaseEvent.objects.create(
        case_id=event.case_id,
        kind=CaseEvent.Kind.ALERTED,
        actor=trace.actor,
        data={"receiver": name},
        at=work.at,
    )
    return {"receiver": name}


FLOW = Flow(
    name="tell_receiver",
    says="Tell the retailer's own system",
    aim=_aim,
    call=call,
    record=record,
    # Being told twice with one id is harmless.
    probe=only_reads,
    queue=QUEUE,
    priority=5,
    due_minutes=60,  # longer than the patience: a receiver that fails has one case, not many
)
