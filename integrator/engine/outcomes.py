"""What the end of an attempt means: the class of the exception is the whole policy.

Writes it on the Job, tells the connections, opens and closes cases. Running is ``engine.worker``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.db import connection as database
from django.db.models import Exists, OuterRef, Q

from integrator.engine import cases, connections, holds, jobs
from integrator.engine.case_facts import moment_fact
from integrator.engine.cases import CaseKind
from integrator.engine.errors import (
    Held,
    Misconfigured,
    OutOfCalls,
    PlatformError,
    Refused,
    Transient,
    Unknown,
    Yields,
    first_line,
)
from integrator.engine.flow import Flow, Found, NotFound, Routes, flows_of
from integrator.engine.states import Trace
from integrator.engine.work import Work
from integrator.models import Case, CaseState, Connection, Job, JobState
from integrator.models.states import JOB_AT_WORK, JOB_OPEN

log = structlog.get_logger(__name__)

UNKNOWN_FLOW_RETRY_SECONDS = 60.0
LOOK_UP_FIRST = timedelta(minutes=1)  # to find it soon; "not there" is believed later
LOOK_UP_AGAIN_MIN = timedelta(seconds=1)
LOOK_UP_DOUBLINGS_MAX = 7  # a doubt nobody settles is looked at every few hours, not every minute


LATE = "late:"  # how the cause of a broken promise begins


class FlowBroke(Exception):
    """A flow raised something that is not an answer of a platform: a fault in our own code."""


def fault(error: Exception) -> FlowBroke:
    """What went wrong in our own code, in words that may stay."""
    return FlowBroke(f"{type(error).__name__}: {first_line(error)}"[:400])


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Ends attempts. Each end is written under the fence: ``LostLease`` when it is not ours."""

    flows: Mapping[str, Flow]
    clock: Callable[[], datetime]

    # --- attempts that ended badly ---------------------------------------------------------------

    def ended_badly(self, work: Work, error: Exception) -> None:
        """Wait, doubt or park, as the class of the error says. Anything else is a fault of ours."""
        work.at = self.clock()
        try:
            work.write_down(lambda: self._written(work, error))
        except jobs.LostLease:
            log.warning("lease_lost", job=work.job.pk, flow=work.flow.name)
            return
        self.tell_connections(work, error)

    def _written(self, work: Work, error: Exception) -> None:
        with transaction.atomic():
            self._decide(work, error)

    def _decide(self, work: Work, error: Exception) -> None:
        job, flow = work.job, work.flow
        if isinstance(error, Unknown) or _leaves_a_doubt(work, error):
            self._doubt(work, error)
        elif isinstance(error, Transient):
            self._wait_or_give_up(work, error)
        elif isinstance(error, Misconfigured) and error.credentials:
            jobs.wait(job, at=work.at, error=error, retry_after=60, calls=work.calls)
        elif isinstance(error, Refused | Misconfigured):
            jobs.park(job, at=work.at, error=error, calls=work.calls)
            self.open_case(work, error.case or flow.on_refused, str(error), error)
        else:
            log.error("flow_broke", job=job.pk, flow=flow.name, exc_info=error)
            self._broke(work, error)

    def _doubt(self, work: Work, error: Exception) -> None:
        job, flow = work.job, work.flow
        asked = error.retry_after if isinstance(error, Transient) else None
        first = min(timedelta(minutes=flow.settle_minutes), LOOK_UP_FIRST)
        first = max(first, timedelta(seconds=asked or 0))  # a look-up is a call as well
        said = Unknown(str(error))
        jobs.doubt(job, at=work.at, error=said, look_after=first, calls=work.calls)
        self._close_what_was(work)
        if flow.probe is None:
            self.open_case(work, flow.on_doubt, str(error))

    def _wait_or_give_up(self, work: Work, error: Transient) -> None:
        job = work.job
        if isinstance(error, Held):
            holds.wait(job, at=work.at, error=error, calls=work.calls)
        elif work.at >= job.give_up_at:
            jobs.park(job, at=work.at, error=error, calls=work.calls)
            self.open_case(work, work.flow.on_refused, str(error), error)
        else:
            jobs.wait(job, at=work.at, error=error, retry_after=error.retry_after, calls=work.calls)

    def _broke(self, work: Work, error: Exception) -> None:
        """A fault of ours. If something may have left it is in doubt, else tried three times."""
        job = work.job
        text = fault(error)
        if job.sent_at is not None and job.state == JobState.RUNNING:
            jobs.doubt(job, at=work.at, error=text, look_after=timedelta(), calls=work.calls)
        elif job.crashes + 1 >= jobs.CRASHES_MAX:
            jobs.park(job, at=work.at, error=text, calls=work.calls, crashes=job.crashes + 1)
            self.open_case(work, cases.JOB_FAILED, str(text))
        else:
            jobs.wait(job, at=work.at, error=text, calls=work.calls, crashes=job.crashes + 1)

    # --- look-ups --------------------------------------------------------------------------------

    def not_found(self, work: Work, answer: NotFound | Found, error: Exception | None) -> None:
        """The doubt goes on. Repeat only what may be repeated, and only when it has settled."""
        work.at = self.clock()
        job, flow = work.job, work.flow
        settle = timedelta(minutes=flow.settle_minutes)
        enough = error is None and job.lookups + 1 >= flow.lookups_needed
        unsettled = settle - (work.at - job.sent_at) if job.sent_at is not None else timedelta()
        settled = unsettled <= timedelta()
        with transaction.atomic():
            jobs.hold(job, at=work.at)
            self._close_what_was(work)  # a worker may have died before it could
            if enough and settled and isinstance(answer, NotFound) and answer.may_repeat:
                jobs.repeat(job, at=work.at, calls=work.calls)
                return
            said = job.error
            beyond = max(job.lookups + 1 - flow.lookups_needed, 0)
            later = max(settle, LOOK_UP_AGAIN_MIN) * 2 ** min(beyond, LOOK_UP_DOUBLINGS_MAX)
            if not settled:
                later = unsettled if error is None else min(unsettled, LOOK_UP_FIRST)
            jobs.looked_up(job, at=work.at, look_after=later, error=error, calls=work.calls)
            if (enough and settled) or flow.probe is None or work.at >= job.due_at:
                self.open_case(work, flow.on_doubt, said)
        self.tell_connections(work, error)

    # --- jobs nobody can run ---------------------------------------------------------------------

    def unknown_flow(self, job: Job) -> None:
        """A job of a version of the product we are not: leave it to a worker that knows the flow.

        What is in doubt stays in doubt. ``report_late`` shows it to a person.
        """
        at = self.clock()
        error = FlowBroke(f"no flow is called {job.flow}")
        if job.state == JobState.IN_DOUBT:
            later = timedelta(seconds=UNKNOWN_FLOW_RETRY_SECONDS)
            jobs.looked_up(job, at=at, look_after=later, error=error)
        else:
            jobs.wait(job, at=at, error=error, retry_after=UNKNOWN_FLOW_RETRY_SECONDS)

    def tell_late(self, job_id: int, *, at: datetime) -> bool:
        """Tell a person that a step is late, unless it ended or stopped a moment ago."""
        with transaction.atomic():
            at_work = Job.objects.filter(pk=job_id, state__in=JOB_AT_WORK)
            job = at_work.select_for_update(no_key=True).first()
            if job is None:
                return False
            # One case per job: two late jobs of one record must not take the case from each other.
            cause = f"{LATE}{job.flow}:{job.pk}"
            facts = {"due": moment_fact(job.due_at)}
            text = job.error or "nothing has gone wrong yet"
            flow = self.flows.get(job.flow)
            if flow is not None:
                error = Transient(text, cause=cause, facts=facts)
                self.open_case(Work(job, flow, at=at), flow.on_late, text, error, holds=False)
            else:
                _open_without_flow(cases.JOB_LATE, job, cause, {"error": text, **facts}, at=at)
        return True

    def set_aside(self, job: Job) -> None:
        """It ended its worker too often: a person sees it. Everything else goes on."""
        flow = self.flows.get(job.flow)
        if flow is not None:
            self.open_case(Work(job, flow, at=self.clock()), cases.JOB_CRASHES, job.error)
        else:
            cause = f"job:{job.flow}:{job.record_id}"
            Job.objects.filter(pk=job.pk).update(cause=cause)
            facts = {"error": job.error, "crashes": job.crashes}
            at = self.clock()
            _open_without_flow(cases.JOB_CRASHES, job, cause, facts, at=at)
            _close_late(job, Trace(at=at, actor="clock", job_id=job.pk))

    # --- connections -----------------------------------------------------------------------------

    def tell_connections(self, work: Work, error: Exception | None) -> None:
        """A flow may call several platforms: each is told what it did itself, and nothing else."""
        trace = work.trace
        failing = error.connection_id if isinstance(error, PlatformError) else None
        failed = _says_that_it_is_down(error) or _refused_credentials(error)
        for client in work.clients:
            if client.answers and not (failed and client.connection.pk == failing):
                connections.answered(client.connection, trace=trace)
        if failing is None or not failed:
            return
        connection = Connection.objects.get(pk=failing)
        if _refused_credentials(error):
            connections.refused_credentials(connection, trace=trace, error=str(error))
        else:
            connections.failed(connection, trace=trace, error=str(error))

    # --- cases -----------------------------------------------------------------------------------

    def open_case(
        self,
        work: Work,
        kind: CaseKind | str,
        text: str,
        error: PlatformError | None = None,
        *,
        holds: bool = True,
    ) -> None:
        """``holds``: the job stands still because of it, so who solves the cause releases it."""
        job = work.job
        found = cases.ENGINE_KINDS[kind] if isinstance(kind, str) else kind
        about = _about(work)
        facts = {
            "step": work.flow.says,
            "error": text[:300],
            "crashes": job.crashes,
            "platform": job.connection.name if job.connection else "",
            **about.pop("facts", {}),
            **(error.facts if error is not None else {}),
        }
        if error is not None and error.money_minor is not None:
            about["money_minor"] = error.money_minor
        own = f"job:{job.flow}:{job.record_id}:{job.lane}"[:200]
        whose = error.about if isinstance(error, Misconfigured) else None
        cause = (error.cause if error is not None else "") or own
        if holds:
            Job.objects.filter(pk=job.pk).update(cause=cause)
        cases.open_case(
            found,
            cases.About(
                record_kind=about.pop("record_kind", job.record_kind),
                record_id=about.pop("record_id", job.record_id),
                order_id=job.order_id,
                connection_id=whose or job.connection_id,
                job_id=job.pk,
                **about,
            ),
            trace=work.trace,
            cause=cause,
            facts=facts,
        )
        if holds:
            _close_late(job, work.trace)

    @staticmethod
    def _close_what_was(work: Work) -> None:
        """It was tried again, and what it had stopped for is not what is true of it now.

        A case that stayed open would offer to decide about a step that is in doubt.
        """
        stale = Case.objects.filter(job=work.job.pk).exclude(state=CaseState.SOLVED)
        stale = stale.exclude(cause__startswith=LATE).exclude(kind=work.flow.on_doubt.code)
        for case in stale.select_for_update(no_key=True):
            cases.solve(
                case,
                resolution=Case.Resolution.BY_ITSELF,
                trace=work.trace,
                reason="It was tried again, and is in doubt now",
            )

    def close_cases(self, work: Work) -> None:
        cases.close_by_fact(trace=work.trace, reason="The step succeeded", job_id=work.job.pk)

    def close_cases_of(self, job_ids: Sequence[int], at: datetime) -> None:
        with database.cursor() as cursor:
            cursor.execute(
                """SELECT job_id FROM integrator_case
                    WHERE job_id = ANY(%s::bigint[]) AND state <> 'SOLVED'""",
                [list(job_ids)],
            )
            waiting = [row[0] for row in cursor.fetchall()]
        for job in Job.objects.filter(pk__in=waiting):
            self.close_cases(Work(job, self.flows[job.flow], at=at))


def _about(work: Work) -> dict[str, Any]:
    """What the flow says of its record. A fault of ours in it must not cost the step its case."""
    try:
        with transaction.atomic():
            return dict(work.flow.about(work.record)) if work.flow.about and work.record else {}
    except OperationalError:
        raise
    except Exception:
        log.exception("about_broke", job=work.job.pk, flow=work.flow.name)
        return {}


def _leaves_a_doubt(work: Work, error: Exception) -> bool:
    """Whether trying again could send a second time what this attempt has sent.

    A platform may show late what it took, so the next attempt's own look is no proof: a look-up
    waits until it has settled. Flows without one say for themselves what may be repeated.
    """
    would_repeat = isinstance(error, Transient) or _refused_credentials(error)
    return would_repeat and work.has_unnoted_write and work.flow.probe is not None


def _says_that_it_is_down(error: Exception | None) -> bool:
    if isinstance(error, Unknown):
        return error.status is None or error.status >= 500
    return isinstance(error, Transient) and error.platform_down


def _refused_credentials(error: Exception | None) -> bool:
    return isinstance(error, Misconfigured) and error.credentials


def close_ended(*, at: datetime, limit: int = 200) -> None:
    """What a person gave up or settled elsewhere is no step any more: close the cases about it."""
    # Others may still wait for what holds a whole group.
    waits = Job.objects.filter(cause=OuterRef("cause"), state__in=[*JOB_OPEN, JobState.PARKED])
    ended = Case.objects.filter(~Exists(waits), job__state__in=[JobState.DONE, JobState.CANCELLED])
    for case in ended.exclude(state=CaseState.SOLVED).order_by("id")[:limit]:
        cases.solve(
            case,
            resolution=Case.Resolution.BY_ITSELF,
            trace=Trace(at=at, actor="clock", job_id=case.job_id),
            reason="Nothing is owed any more",
        )


def _close_late(job: Job, trace: Trace) -> None:
    """One case per problem: what stopped a step, or put it in doubt, is what a person can answer.

    A late case beside it would have another team try again a step that waits for this one.
    """
    late = Case.objects.filter(job=job.pk, cause__startswith=LATE).exclude(state=CaseState.SOLVED)
    for case in late.select_for_update(no_key=True):
        cases.solve(
            case,
            resolution=Case.Resolution.BY_ITSELF,
            trace=trace,
            reason="It is not tried any more, and another case says why",
        )


def report_late(routes: Routes, *, at: datetime, limit: int = 200) -> int:
    """Open a case for each job that crossed its promise and is still tried. Returns how many.

    What waits behind a doubt of its own lane is not tried: the doubt has its case. What is held is
    not late: its clock goes on when it starts again. Nor is what a person said is no error, until
    another promise is broken.
    """
    outcomes = Outcomes(flows_of(routes), lambda: at)
    in_doubt = Job.objects.filter(lane=OuterRef("lane"), state=JobState.IN_DOUBT)
    known = Q(resolution=Case.Resolution.NOT_AN_ERROR, solved_at__gte=OuterRef("due_at"))
    told = Case.objects.filter(
        ~Q(state=CaseState.SOLVED) | known, job=OuterRef("pk"), cause__startswith=LATE
    )
    late = (
        holds.not_held(Job.objects.filter(due_at__lte=at, state__in=JOB_AT_WORK))
        .filter(~Exists(in_doubt), ~Exists(told))
        # One case says that the day's calls are used up, not one for each step that waits for it;
        # what lets another go first is as late as that one, which is told of.
        .exclude(state=JobState.WAITING, error_class__in=[OutOfCalls.__name__, Yields.__name__])
        .order_by("due_at")
    )
    return sum(outcomes.tell_late(pk, at=at) for pk in late.values_list("pk", flat=True)[:limit])


def _open_without_flow(
    kind: CaseKind, job: Job, cause: str, facts: Mapping[str, Any], *, at: datetime
) -> None:
    """A case about a job of a version of the product we are not: all we know is the job."""
    cases.open_case(
        kind,
        cases.About(
            job.record_kind,
            job.record_id,
            job.order_id,
            connection_id=job.connection_id,
            job_id=job.pk,
        ),
        trace=Trace(at=at, actor="clock", job_id=job.pk),
        cause=cause,
        facts={"step": job.flow, **facts},
    )
