"""``drain()``: route what is new, run what is due, say what became of it. It never raises.

Flows that call out run in threads: load → call → record, no transaction across the call. Local
flows run 50 to a transaction, a savepoint each. What a job's end means is decided by the class of
the exception (``engine.errors``) and by nothing else.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import close_old_connections, transaction
from django.db import connection as database

from integrator.engine import cases, clock, connections, jobs, router
from integrator.engine.cases import CaseKind
from integrator.engine.errors import Misconfigured, PlatformError, Refused, Transient, Unknown
from integrator.engine.flow import LOCAL, Flow, Found, NotFound, Nothing, Routes, flows_of
from integrator.engine.work import Work
from integrator.models import Connection, Heartbeat, Job, JobState

log = structlog.get_logger(__name__)

BATCH = 50
LINGER_SECONDS = 2.0
POLL_SECONDS = 0.2
BEAT_SECONDS = 5.0
RENEW_SECONDS = 20.0


@dataclass
class Worker:
    """One process working on queues.

    ``threads=0`` runs everything in the caller (tests, by hand).
    """

    routes: Routes
    threads: int = 0
    clock: Callable[[], datetime] = clock.now
    nudge: Callable[[str], None] = lambda queue: None
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()[:30]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    )
    flows: Mapping[str, Flow] = field(init=False)

    def __post_init__(self) -> None:
        self.flows = flows_of(self.routes)
        self._pool = ThreadPoolExecutor(self.threads) if self.threads else None
        self._running: set[Future[None]] = set()
        self._beat_at = 0.0
        self._renew_at = 0.0

    # --- draining ----------------------------------------------------------------------------

    def drain(
        self,
        queues: Sequence[str],
        *,
        seconds: float = 20.0,
        linger: float = LINGER_SECONDS,
        stop: threading.Event | None = None,
    ) -> int:
        """Work on ``queues`` until nothing was found for ``linger`` seconds, at most ``seconds``.

        Stops claiming when a call could outlive the time that is left. Returns how many jobs ran.
        """
        started = time.monotonic()
        last_found = started
        ran = 0
        while True:
            left = seconds - (time.monotonic() - started)
            ending = left <= settings.HTTP_TIMEOUT_SECONDS or (stop is not None and stop.is_set())
            found = self.round(queues, claiming=not ending or (ran == 0 and left > 0))
            ran += found
            idle = time.monotonic() - last_found
            if found:
                last_found = time.monotonic()
            elif self._running:
                wait(self._running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            elif ending or idle >= linger:
                return ran
            else:
                time.sleep(min(POLL_SECONDS, max(linger - idle, 0)))

    def round(self, queues: Sequence[str], *, claiming: bool = True) -> int:
        """One turn: beat, route, take back what was lost, claim and run.

        Returns how much was found.
        """
        self._beat(queues)
        self._running = {one for one in self._running if not one.done()}
        if not claiming:
            return 0
        found = 0
        routed = router.route(self.routes, at=self.clock())
        if routed is not None:
            found += 1
            for queue in routed - set(queues):
                self.nudge(queue)
        for lost in jobs.take_back_lost(at=self.clock()):
            self._set_aside(lost)
        for queue in queues:
            found += self._round_local() if queue == LOCAL else self._round_out(queue)
        return found

    def close(self) -> None:
        """Wait for the threads and end them."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _beat(self, queues: Sequence[str]) -> None:
        moment = time.monotonic()
        if moment - self._beat_at >= BEAT_SECONDS:
            self._beat_at = moment
            at = self.clock()
            Heartbeat.objects.bulk_create(
                [Heartbeat(name=queue, at=at, worker=self.owner) for queue in queues],
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=["at", "worker"],
            )
        if self._running and moment - self._renew_at >= RENEW_SECONDS:
            self._renew_at = moment
            jobs.renew(owner=self.owner, at=self.clock())

    # --- flows that call out -----------------------------------------------------------------

    def _round_out(self, queue: str) -> int:
        free = max(self.threads, 1) - len(self._running)
        if free <= 0:
            return 0
        at = self.clock()
        doubtful = jobs.claim_doubtful(queue=queue, owner=self.owner, at=at, limit=free)
        claimed = jobs.claim(queue=queue, owner=self.owner, at=at, limit=free - len(doubtful))
        for job in doubtful:
            self._start(self.look_up, job)
        for job in claimed:
            self._start(self.run_out, job)
        return len(doubtful) + len(claimed)

    def _start(self, run: Callable[[Job], None], job: Job) -> None:
        if self._pool is None:
            run(job)
        else:
            self._running.add(self._pool.submit(self._in_thread, run, job))

    def _in_thread(self, run: Callable[[Job], None], job: Job) -> None:
        close_old_connections()
        try:
            run(job)
        except Exception:
            log.exception("job_broke", job=job.pk, flow=job.flow)

    def run_out(self, job: Job) -> None:
        """One attempt: count it, call, and write the result under the same fence."""
        flow = self.flows.get(job.flow)
        if flow is None or flow.call is None:
            self._unknown_flow(job)
            return
        work = Work(job, flow, at=self.clock())
        try:
            jobs.begin(job, at=work.at)
            result = flow.call(work)
        except jobs.LostLease:
            log.warning("lease_lost", job=job.pk, flow=job.flow)
            return
        except Exception as error:
            self._ended_badly(work, error)
            return
        try:
            self._finish(work, flow, result)
        except jobs.LostLease:
            log.warning("lease_lost", job=job.pk, flow=job.flow)
        except Exception as error:
            # It happened there and could not be written down here: that is a doubt, not a failure.
            self._ended_badly(work, Unknown(str(error)) if job.sent_at is not None else error)
        else:
            self._tell_connection(job, None)

    def _finish(self, work: Work, flow: Flow, result: Any) -> None:
        work.at = self.clock()
        with transaction.atomic():
            jobs.hold(work.job, at=work.at)
            if isinstance(result, Nothing):
                evidence: dict[str, Any] = {"nothing": result.because}
            else:
                evidence = flow.record(work, result)
            jobs.done(work.job, at=work.at, evidence=evidence, calls=work.calls)
            self._close_cases(work)

    def look_up(self, job: Job) -> None:
        """One look-up of a call that may have happened. Only a positive one ends the doubt."""
        flow = self.flows.get(job.flow)
        if flow is None:
            self._unknown_flow(job)
            return
        work = Work(job, flow, at=self.clock())
        later = timedelta(minutes=flow.settle_minutes)
        answer: Found | NotFound = NotFound()
        try:
            if flow.probe is not None:
                answer = flow.probe(work)
            if isinstance(answer, Found):
                self._finish(work, flow, answer.result)
                return
        except jobs.LostLease:
            return
        except PlatformError as error:
            log.info("look_up_failed", job=job.pk, error=str(error))
        except Exception as error:
            log.exception("look_up_broke", job=job.pk, error=type(error).__name__)
        work.at = self.clock()
        enough = job.lookups + 1 >= flow.lookups_needed
        with transaction.atomic():
            jobs.hold(job, at=work.at)
            if enough and isinstance(answer, NotFound) and answer.may_repeat:
                jobs.repeat(job, at=work.at, calls=work.calls)
                return
            error_text = job.error
            jobs.looked_up(job, at=work.at, look_after=later, calls=work.calls)
            if enough or flow.probe is None:
                self._open(work, flow.on_doubt, error_text)

    # --- local flows -------------------------------------------------------------------------

    def _round_local(self) -> int:
        claimed = jobs.claim(queue=LOCAL, owner=self.owner, at=self.clock(), limit=BATCH)
        together = [job for job in claimed if not job.alone]
        for job in claimed:
            if job.alone:
                jobs.begin(job, at=self.clock())
                self._run_together([job])
        if together:
            self._run_together(together)
        return len(claimed)

    def _run_together(self, claimed: Sequence[Job]) -> None:
        """Run local jobs in one transaction, a savepoint each, and end all that went well at once."""
        by_id = {job.pk: job for job in claimed}
        at = self.clock()
        try:
            with transaction.atomic():
                mine = (
                    Job.objects.select_for_update()
                    .filter(pk__in=by_id, lease_owner=self.owner, state=JobState.RUNNING)
                    .order_by("priority", "id")
                    .values_list("pk", "fence")
                )
                well: list[tuple[Job, dict[str, Any]]] = []
                badly: list[tuple[Work, Exception]] = []
                for pk, fence in mine:
                    if by_id[pk].fence == fence:
                        self._run_one(by_id[pk], at, well, badly)
                if well:
                    jobs.done_together(well, at=at)
                    self._close_cases_of([job.pk for job, _ in well], at)
                for work, error in badly:
                    if work.job.started_at is None:
                        work.job.attempts += 1
                        Job.objects.filter(pk=work.job.pk).update(attempts=work.job.attempts)
                    self._ended_badly(work, error)
        except Exception:
            # The whole transaction is gone, nothing happened. Each gets its own next time.
            log.exception("batch_broke", jobs=len(claimed))
            Job.objects.filter(pk__in=by_id, lease_owner=self.owner, state=JobState.RUNNING).update(
                lease_until=at - timedelta(seconds=1)
            )

    def _run_one(
        self,
        job: Job,
        at: datetime,
        well: list[tuple[Job, dict[str, Any]]],
        badly: list[tuple[Work, Exception]],
    ) -> None:
        flow = self.flows.get(job.flow)
        if flow is None:
            self._unknown_flow(job)
            return
        work = Work(job, flow, at=at)
        try:
            with transaction.atomic():
                well.append((job, flow.record(work, None)))
        except Exception as error:
            badly.append((work, error))

    # --- how an attempt ended badly ----------------------------------------------------------

    def _ended_badly(self, work: Work, error: Exception) -> None:
        """The class of the exception is the whole policy; anything else is a fault of ours."""
        work.at = self.clock()
        job, flow = work.job, work.flow
        try:
            with transaction.atomic():
                if isinstance(error, Transient):
                    self._wait_or_give_up(work, error)
                elif isinstance(error, Unknown):
                    jobs.doubt(
                        job,
                        at=work.at,
                        error=error,
                        look_after=timedelta(minutes=flow.settle_minutes),
                        calls=work.calls,
                    )
                    if flow.probe is None:
                        self._open(work, flow.on_doubt, str(error))
                elif isinstance(error, Misconfigured) and error.credentials:
                    jobs.wait(job, at=work.at, error=error, retry_after=60, calls=work.calls)
                elif isinstance(error, Refused | Misconfigured):
                    jobs.park(job, at=work.at, error=error, calls=work.calls)
                    self._open(work, error.case or flow.on_refused, str(error), error)
                else:
                    log.error("flow_broke", job=job.pk, flow=flow.name, exc_info=error)
                    self._broke(work, error)
        except jobs.LostLease:
            log.warning("lease_lost", job=job.pk, flow=flow.name)
            return
        self._tell_connection(job, error)

    def _wait_or_give_up(self, work: Work, error: Transient) -> None:
        if work.at >= work.job.give_up_at:
            jobs.park(work.job, at=work.at, error=error, calls=work.calls)
            self._open(work, work.flow.on_refused, str(error), error)
        else:
            jobs.wait(
                work.job,
                at=work.at,
                error=error,
                retry_after=error.retry_after,
                calls=work.calls,
            )

    def _broke(self, work: Work, error: Exception) -> None:
        """A fault of ours. If something may have left it is in doubt, else tried three times."""
        text = FlowBroke(f"{type(error).__name__}: {error}"[:400])
        if work.job.sent_at is not None and work.job.state == JobState.RUNNING:
            jobs.doubt(work.job, at=work.at, error=text, look_after=timedelta(), calls=work.calls)
        elif work.job.attempts >= jobs.CRASHES_MAX:
            jobs.park(work.job, at=work.at, error=text, calls=work.calls)
            self._open(work, cases.JOB_FAILED, str(text))
        else:
            jobs.wait(work.job, at=work.at, error=text, calls=work.calls)

    def _tell_connection(self, job: Job, error: Exception | None) -> None:
        if job.connection_id is None:
            return
        connection = Connection.objects.get(pk=job.connection_id)
        trace = Work(job, self.flows[job.flow], at=self.clock()).trace
        if error is None:
            connections.answered(connection, trace=trace)
        elif isinstance(error, Transient) and error.platform_down:
            connections.failed(connection, trace=trace, error=str(error))
        elif isinstance(error, Misconfigured) and error.credentials:
            connections.refused_credentials(connection, trace=trace, error=str(error))

    def _unknown_flow(self, job: Job) -> None:
        """A job of a version of the product we are not: leave it to a worker that knows the flow."""
        jobs.wait(
            job, at=self.clock(), error=FlowBroke(f"no flow is called {job.flow}"), retry_after=60
        )

    def _set_aside(self, job: Job) -> None:
        flow = self.flows.get(job.flow)
        if flow is not None:
            self._open(Work(job, flow, at=self.clock()), cases.JOB_CRASHES, job.error)

    # --- cases -------------------------------------------------------------------------------

    def _open(
        self,
        work: Work,
        kind: CaseKind | str,
        text: str,
        error: PlatformError | None = None,
    ) -> None:
        job = work.job
        found = cases.ENGINE_KINDS[kind] if isinstance(kind, str) else kind
        about = dict(work.flow.about(work.record)) if work.flow.about and work.record else {}
        facts = {
            "step": work.flow.says,
            "error": text[:300],
            "crashes": job.crashes,
            "platform": job.connection.name if job.connection else "",
            **about.pop("facts", {}),
            **(error.facts if error is not None else {}),
        }
        cases.open_case(
            found,
            cases.About(
                record_kind=about.pop("record_kind", job.record_kind),
                record_id=about.pop("record_id", job.record_id),
                order_id=job.order_id,
                connection_id=job.connection_id,
                job_id=job.pk,
                **about,
            ),
            trace=work.trace,
            cause=(error.cause if error is not None else "") or f"job:{job.flow}:{job.record_id}",
            facts=facts,
        )

    def _close_cases(self, work: Work) -> None:
        cases.close_by_fact(trace=work.trace, reason="The step succeeded", job_id=work.job.pk)

    def _close_cases_of(self, job_ids: Sequence[int], at: datetime) -> None:
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT job_id FROM integrator_case WHERE job_id = ANY(%s) AND state <> 'SOLVED'",
                [list(job_ids)],
            )
            waiting = [row[0] for row in cursor.fetchall()]
        for job in Job.objects.filter(pk__in=waiting):
            self._close_cases(Work(job, self.flows[job.flow], at=at))


class FlowBroke(Exception):
    """A flow raised something that is not an answer of a platform: a fault in our own code."""


def report_late(routes: Routes, *, at: datetime, limit: int = 200) -> int:
    """Open a case for each job that crossed its promise and is still tried. Returns how many."""
    worker = Worker(routes)
    late = (
        Job.objects.filter(
            due_at__lte=at, state__in=[JobState.DUE, JobState.WAITING, JobState.RUNNING]
        )
        .exclude(cases__kind__in=[flow.on_late.code for flow in worker.flows.values()])
        .exclude(connection__state__in=["PAUSED", "NEEDS_CREDENTIALS"])
        .order_by("due_at")[:limit]
    )
    count = 0
    for job in late:
        flow = worker.flows.get(job.flow)
        if flow is None:
            continue
        work = Work(job, flow, at=at)
        error = Transient(job.error or "nothing has gone wrong yet")
        error.facts = {"due": f"{job.due_at:%H:%M} UTC"}
        error.cause = f"late:{job.flow}:{job.record_id}"
        worker._open(work, flow.on_late, str(error), error)
        count += 1
    return count
