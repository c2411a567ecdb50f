"""A person wants to know whether a connection works: one harmless reading, once, whatever it says.

It ends with the first answer: a platform that is down is what the person wanted to hear. What is
paused, or has a new key that nobody has tried, is read all the same; nothing else of it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from integrator.engine.errors import Malformed, Misconfigured, OutOfCalls, PlatformError, Refused
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each, only_reads
from integrator.engine.http import Http
from integrator.engine.work import Work
from integrator.models import Connection
from integrator.platforms import PLATFORMS

TOPIC = "try-asked"
QUEUE = "tries"  # of no platform: what is held is not called, but a person may want to know
TRIED = "tried"  # where the evidence keeps it


@dataclass(frozen=True, slots=True)
class Tried:
    """What was understood. None: the answer, or that there was none, does not tell.

    ``clock_seconds`` is how far their clock is ahead of ours, by the date of the answer; the date
    names whole seconds, and the call took its time. ``took_ms`` is None when nothing was sent.
    """

    answers: bool
    signed_in: bool | None
    may_read: bool | None
    took_ms: int | None
    clock_seconds: int | None
    says: str


def _aim(fact: Fact) -> Aim:
    assert fact.connection_id is not None
    lane = f"try:{fact.connection_id}"
    return Aim("connection", fact.connection_id, lane, join=lane)


def call(work: Work) -> Tried:
    connection = Connection.objects.get(pk=work.job.record_id)
    platform = PLATFORMS[connection.platform]
    http = work.http(connection, platform.dialect, again=False, though_held=True)
    try:
        platform.client(http, connection.settings).check()
    except PlatformError as error:
        return _tried(work, http, error)
    return _tried(work, http, None)


def _tried(work: Work, http: Http, error: PlatformError | None) -> Tried:
    took = work.calls[-1].get("ms") if work.calls else None
    clock = round(http.clock_seconds) if http.clock_seconds is not None else None
    answers, signed_in, may_read = _understood(http, error)
    return Tried(answers, signed_in, may_read, took, clock, _words(error)[:200])


def _understood(http: Http, error: PlatformError | None) -> tuple[bool, bool | None, bool | None]:
    if error is None:
        return True, True, True
    answers = http.answers > 0
    if isinstance(error, Misconfigured) and answers:
        return True, not error.credentials, False
    if isinstance(error, Refused):  # it knew who asked, and did not give what was asked
        return answers, True, None
    return answers, None, None


def _words(error: PlatformError | None) -> str:
    if error is None:
        return ""
    if isinstance(error, OutOfCalls):
        return "the calls of the day are used up, so nothing was asked"
    if isinstance(error, Malformed):
        return f"it answered with something we cannot read: {error}"
    return str(error)


def record(work: Work, tried: Tried) -> Evidence:
    found = "it works" if tried.may_read else tried.says
    return {"found": found, TRIED: asdict(tried)}


FLOW = Flow(
    name="try_connection",
    says="Make one harmless reading to see whether it works",
    aim=each(_aim),
    call=call,
    record=record,
    probe=only_reads,
    queue=QUEUE,
    priority=10,
    joins=True,
    gives_way=True,
    due_minutes=15,
)
