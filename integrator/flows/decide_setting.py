"""A person mended a setting: a word is mapped, or a connection works again.

Held work is released.
"""

from __future__ import annotations

from integrator.engine import cases, connections, mappings, quota
from integrator.engine.flow import Evidence, Flow, each
from integrator.engine.work import Work
from integrator.flows.decide_job import aim_case, the_case
from integrator.models import (
    Case,
    CaseEvent,
    Connection,
    ConnectionState,
    MappingKind,
)
from integrator.platforms import PLATFORMS


def record_mapping(work: Work, __: None) -> Evidence:
    """Fix once, release all: everything that waits for this word goes on, oldest first."""
    case = the_case(work)
    decided = CaseEvent.objects.get(pk=work.job.fact)
    _, connection_id, kind, theirs = case.cause.split(":", 3)
    ours = str(decided.data["ours"])
    connection = Connection.objects.get(pk=int(connection_id))
    trace = work.trace.by(work.job.actor)
    asked_for_theirs = theirs.startswith(mappings.OURS)
    if asked_for_theirs:
        # Our own place had no partner there, or too many: the person named theirs.
        theirs, ours = ours, theirs.removeprefix(mappings.OURS)
    try:
        mapping, released = mappings.answer(
            connection=connection,
            kind=MappingKind(kind),
            theirs=theirs,
            ours=ours,
            trace=trace,
            only_partner=asked_for_theirs,
            first_only=True,
        )
    except mappings.UnableToChange as why:
        # It got a meaning while the answer was held, or the word typed for a place has another.
        cases.note(case, text=f"Not saved. {why}", trace=work.trace, by=None)
        return {"nothing": str(why)}
    return {"mapping": mapping.pk, "released": released}


def record_resume(work: Work, _: None) -> Evidence:
    case = the_case(work)
    connection = case.connection
    assert connection is not None
    if connection.state in (ConnectionState.NEEDS_CREDENTIALS, ConnectionState.PAUSED):
        connections.resume(
            connection, trace=work.trace.by(work.job.actor), reason="Switched on by a person"
        )
    return {"connection": connection.slug, "state": connection.state}


def record_calls(work: Work, _: None) -> Evidence:
    """The platform allows more calls a day: what waited for the new day goes on at once."""
    case = the_case(work)
    connection = case.connection
    assert connection is not None
    setting = PLATFORMS[connection.platform].dialect.daily_limit_setting
    calls = int(CaseEvent.objects.get(pk=work.job.fact).data["calls"])
    connection.settings = {**connection.settings, setting: calls}
    connection.version += 1
    connection.save(update_fields=["settings", "version"])
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=work.trace.by(work.job.actor),
        reason=f"{connection.name} allows {calls} calls a day",
    )
    return {"calls": calls, "hurried": quota.go_on(connection, at=work.at)}


SAVE_MAPPING = Flow(
    name="save_mapping",
    says="Save what the word means and release what waits",
    aim=each(aim_case),
    record=record_mapping,
    priority=15,
)
RESUME_CONNECTION = Flow(
    name="resume_connection",
    says="Switch the connection on again",
    aim=each(aim_case),
    record=record_resume,
    priority=15,
)
ALLOW_CALLS = Flow(
    name="allow_calls",
    says="Save how many calls a day are allowed and go on",
    aim=each(aim_case),
    record=record_calls,
    priority=15,
)
