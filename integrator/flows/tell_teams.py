"""Tell the three teams that a connection stopped or works again, each in its own words.

By e-mail to those who want to be told at once; on screen the same words stand above every page. Who
was not told of the stop is not told of the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from integrator.engine.flow import Aim, Evidence, Fact, Flow, Nothing, only_reads
from integrator.engine.work import Work
from integrator.flows import (
    alert,
    capture_order,
    complete_return,
    mirror_refund,
    place_exchange,
    refund,
    restock,
    show_in_transit,
    take_return,
    tell_exchange,
    tell_failed_refund,
)
from integrator.flows.alert import When
from integrator.models import (
    Connection,
    ConnectionState,
    Job,
    JobState,
    MaintenanceState,
    Transition,
)
from integrator.roles import Role

# One that gives no answer often does so again before anybody could read a mail.
NO_ANSWER_TOLD_AFTER = 15 * 60
STOPPED = "stopped"  # where the evidence keeps which of the two was told

_Parts = Mapping[str, Sequence[Flow]]
# What waits, as each team calls it, and the steps that are meant.
WAITS: Mapping[Role, _Parts] = {
    Role.CX: {
        "refunds": [refund.FLOW],
        "replacements": [place_exchange.FLOW],
        "news of returns": [take_return.FLOW],
        "messages to customers": [tell_exchange.FLOW],
    },
    Role.OPERATIONS: {
        "new orders": [capture_order.FLOW],
        "returned stock": [restock.FLOW, show_in_transit.FLOW],
        "replacement orders": [place_exchange.FLOW],
        "arrivals and verdicts": [take_return.FLOW],
    },
    Role.FINANCE: {
        "refunds": [refund.FLOW],
        "entries of refunds": [mirror_refund.FLOW],
        "proof that returns are paid": [complete_return.FLOW, tell_failed_refund.FLOW],
    },
}
_ADVICE: Mapping[Role, str] = {
    Role.CX: "Tell customers who ask that it comes later; nothing is lost.",
    Role.OPERATIONS: "Change nothing there by hand: it is caught up with, in order.",
    Role.FINANCE: "Pay nothing by hand: each amount leaves once, when it is on again.",
}


def team_words(role: Role, platform: str) -> str:
    """What a stop of a platform means for a team, in its own words; empty for other roles."""
    parts = [
        what
        for what, flows in WAITS.get(role, {}).items()
        if any(flow.queue == platform for flow in flows)
    ]
    if not parts:
        return ""
    *first, last = parts
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"{listed[:1].upper()}{listed[1:]} wait. {_ADVICE[role]}"


def _aim(facts: Sequence[Fact]) -> dict[int, Sequence[Aim]]:
    return {
        fact.id: [
            Aim(
                fact.record_kind,
                fact.record_id,
                f"teams:{fact.record_id}:{role}",
                delay_seconds=NO_ANSWER_TOLD_AFTER * fact.key.endswith(ConnectionState.DEGRADED),
            )
            for role in WAITS
        ]
        for fact in facts
        # Paused anew: it has been told that it is paused.
        if fact.data["old"] != fact.key.rpartition(":")[2]
    }


def call(work: Work) -> tuple[int, bool] | Nothing:
    """Send it. Twice told is a nuisance, not told is worse: so it may be repeated."""
    role = Role(work.job.lane.rpartition(":")[2])
    people = alert.readers(role, When.AT_ONCE)
    if not people:
        return Nothing("nobody is to be told by e-mail")
    fact = Transition.objects.get(pk=work.job.fact)
    connection = Connection.objects.select_related("retailer").get(pk=work.job.record_id)
    stops = fact.new != ConnectionState.ACTIVE
    if stops and connection.state != fact.new:
        return Nothing("it has changed since")
    if not stops and not _was_told(work.job):
        return Nothing("they were not told that it had stopped")
    subject, text = _stopped(connection, role, fact) if stops else _works(connection)
    link = f"{settings.PUBLIC_URL.rstrip('/')}/connections/{connection.pk}/"
    sent = alert.send(f"[{role.label}] {subject}", f"{text}\n\n{link}", hidden=people)
    return sent, stops


def _was_told(job: Job) -> bool:
    """Whether the last thing this team was told of the connection is that it stopped."""
    before = Job.objects.filter(
        flow=FLOW.name, record_kind=job.record_kind, record_id=job.record_id, lane=job.lane
    ).filter(pk__lt=job.pk, state=JobState.DONE, evidence__has_key=STOPPED)
    last = before.order_by("-pk").first()
    return last is not None and bool(last.evidence[STOPPED])


def _stopped(connection: Connection, role: Role, fact: Transition) -> tuple[str, str]:
    name = connection.name
    heads = {
        ConnectionState.PAUSED: f"{name} is paused",
        ConnectionState.NEEDS_CREDENTIALS: f"{name} does not accept our key",
        ConnectionState.DEGRADED: f"{name} does not answer reliably",
    }
    window = connection.windows.filter(state=MaintenanceState.BEGUN).first()
    until = f"It starts again by itself at {_clock(window.ends_at)}." if window else ""
    words = team_words(role, connection.platform)
    lines = [f"{heads[ConnectionState(fact.new)]} since {_clock(fact.at)}: {fact.reason}"]
    return heads[ConnectionState(fact.new)], "\n".join([*lines, words, until]).strip()


def _works(connection: Connection) -> tuple[str, str]:
    title = f"{connection.name} works again"
    return title, f"{title}. What waited starts now, oldest first."


def _clock(moment: datetime) -> str:
    local = timezone.localtime(moment, alert.clock_of_the_house())
    return f"{local:%H:%M on %d %B}"


def record(work: Work, told: tuple[int, bool]) -> Evidence:
    sent, stops = told
    return {"mails": sent, STOPPED: stops}


FLOW = Flow(
    name="tell_teams",
    says="Tell the teams that a connection stopped or works again",
    aim=_aim,
    call=call,
    record=record,
    probe=only_reads,
    queue=alert.QUEUE,
    priority=10,
    due_minutes=30,
)
