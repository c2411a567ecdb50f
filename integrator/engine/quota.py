"""A platform's calls of a day: say it while there is time to act, and stop saying it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from integrator.engine import cases, limits
from integrator.engine.case_facts import moment_fact
from integrator.engine.cases import CALLS_RUN_LOW
from integrator.engine.errors import OutOfCalls
from integrator.engine.limits import RESERVED_FOR_WRITES, Today
from integrator.engine.states import Trace
from integrator.models import Case, CaseState, Connection, Job, JobState

WARN_AT = 0.7


def watch(daily_settings: Mapping[str, str], *, at: datetime) -> int:
    """Open a case for each connection that has used most of its day. Returns how many there are.

    ``daily_settings`` names, per platform, the setting of a connection that holds its calls a day.
    It is said once a day: what a person has answered is not asked again before the next.
    """
    trace = Trace(at=at, actor="clock")
    low = 0
    for connection in Connection.objects.filter(platform__in=daily_settings).order_by("id"):
        allowed = int(connection.settings[daily_settings[connection.platform]])
        today = limits.left_of_day(connection, allowed, at=at)
        if today.used >= WARN_AT * today.allowed:
            low += 1
            _say(connection, today, trace)
        else:
            cases.close_by_fact(
                trace=trace,
                reason="A new day began, or more calls are allowed",
                kinds=[CALLS_RUN_LOW],
                record_kind="connection",
                record_id=connection.pk,
            )
    return low


def _say(connection: Connection, today: Today, trace: Trace) -> None:
    midnight = today.resets_at - limits.ONE_DAY
    said = Case.objects.filter(
        kind=CALLS_RUN_LOW.code, record_kind="connection", record_id=connection.pk
    )
    if said.exclude(state=CaseState.SOLVED).exists() or said.filter(
        solved_at__gte=midnight, resolution=Case.Resolution.NOT_AN_ERROR
    ):
        return
    cases.open_case(
        CALLS_RUN_LOW,
        cases.About("connection", connection.pk, connection_id=connection.pk),
        trace=trace,
        facts={
            "platform": connection.name,
            "used": today.used,
            "allowed": today.allowed,
            "needed": today.needed(at=trace.at),
            "reserve": int(today.allowed * RESERVED_FOR_WRITES),
            "at": moment_fact(trace.at),
        },
    )


def go_on(connection: Connection, *, at: datetime) -> int:
    """More calls are allowed: what waited for the new day runs now. Returns how many."""
    limits.forget()
    return Job.objects.filter(
        connection=connection, state=JobState.WAITING, error_class=OutOfCalls.__name__
    ).update(not_before=at)
