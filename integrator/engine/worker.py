"""``drain()``: route what is new, run what is due, say what became of it. It never raises.

Flows that call out run in threads: load → call → record, no transaction across the call. Local
flows run 50 to a transaction, a savepoint each. What an end means is ``engine.outcomes``.
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

from integrator.engine import claims, clock, jobs, router
from integrator.engine.errors import PlatformError, Unknown, first_line
from integrator.engine.flow import LOCAL, Flow, Found, NotFound, Nothing, Routes, flows_of
from integrator.engine.outcomes import Outcomes, close_ended, fault, report_late
from integrator.engine.work import Work
from integrator.models import Heartbeat, Job, JobState

log = structlog.get_logger(__name__)

BATCH = 50
LINGER_SECONDS = 2.0
POLL_SECONDS = 0.2
BEAT_SECONDS = 5.0
RENEW_SECONDS = 20.0
# For so long after a drain's time a step that has sent nothing may still begin a call: what it then
# takes ends before the drain's task is killed.
OVERTIME_SECONDS = 5.0
LOOK_FOR_LOST_EVERY = timedelta(seconds=1)  # a lease lasts a minute


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
    outcomes: Outcomes = field(init=False)

    def __post_init__(self) -> None:
        self.flows = flows_of(self.routes)
        self.outcomes = Outcomes(self.flows, self.clock)
        self._pool = ThreadPoolExecutor(self.threads) if self.threads else None
        self._running: dict[Future[None], Job] = {}
        self._ends_at: float | None = None
        self._beat_at = 0.0
        self._renew_at = 0.0
        self._kept_up_at = 0.0
        self._looked_for_lost_at: datetime | None = None

    # --- draining ----------------------------------------------------------------------------

    def drain(
        self,
        queues: Sequence[str],
        *,
        seconds: float = 20.0,
        linger: float = LINGER_SECONDS,
        stop: threading.Event | None = None,
        goes_on: bool = False,
    ) -> int:
        """Work on ``queues`` until nothing was found for ``linger`` seconds, at most ``seconds``.

        Stops claiming when a call could outlive the time that is left; then, what was claimed and
        not begun is given back. Returns how many jobs ran: none by a clock that is wrong.
        ``goes_on``: the next drain follows at once, so calls may be under way between two of them,
        and one that hangs delays only itself.
        """
        if not clock.is_right():
            (stop or threading.Event()).wait(linger)
            return 0
        started = time.monotonic()
        last_found = started
        self._ends_at = None if goes_on else started + seconds + OVERTIME_SECONDS
        self._beat_at = -BEAT_SECONDS  # other queues than the last time, perhaps
        ran = 0
        while True:
            left = seconds - (time.monotonic() - started)
            stopped = stop is not None and stop.is_set()
            if goes_on and left <= 0 and not stopped:
                return ran
            if stopped or left <= 0:
                ran -= self._give_back()
            ending = stopped or (left <= settings.HTTP_TIMEOUT_SECONDS and not goes_on)
            # However short the time, one round is claimed; after a stop none is.
            first = ran == 0 and left > 0 and not stopped
            found = self.round(queues, claiming=first or not ending)
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
        self._running = {one: job for one, job in self._running.items() if not one.done()}
        if not claiming:
            return 0
        found = self._keep_up(queues) if self._keeping_up_is_due() else 0
        for queue in queues:
            found += self._round_local() if queue == LOCAL else self._round_out(queue)
        return found

    def _keeping_up_is_due(self) -> bool:
        """While calls are under way a round may come after every one of them: not each time."""
        moment = time.monotonic()
        if self._running and moment - self._kept_up_at < POLL_SECONDS:
            return False
        self._kept_up_at = moment
        return True

    def _keep_up(self, queues: Sequence[str]) -> int:
        """Route what is new, take back what was lost, look up what is in doubt."""
        found = 0
        routed = router.route(self.routes, at=self.clock())
        if routed is not None:
            found += 1
            for queue in routed - set(queues):
                self.nudge(queue)
        self._take_back_lost()
        for queue in queues:
            found += self._look_up_doubtful(queue) if queue != LOCAL else 0
        return found

    def _give_back(self) -> int:
        """Leave what waits for a thread to the next drain. Returns how many jobs that were."""
        left = [job for one, job in self._running.items() if not one.cancelled() and one.cancel()]
        if left:
            claims.give_back(left, owner=self.owner)
        return len(left)

    def _take_back_lost(self) -> None:
        at, before = self.clock(), self._looked_for_lost_at
        if before is None or abs(at - before) >= LOOK_FOR_LOST_EVERY:
            self._looked_for_lost_at = at
            claims.take_back_lost(at=at, set_aside=self.outcomes.set_aside)

    def close(self) -> None:
        """Wait for the threads and end them, each with the database connection that is its own."""
        if self._pool is not None:
            everybody = threading.Barrier(self.threads)
            for _ in range(self.threads):
                self._pool.submit(self._leave, everybody)
            self._pool.shutdown(wait=True)

    @staticmethod
    def _leave(everybody: threading.Barrier) -> None:
        everybody.wait()  # one task per thread: nobody takes two
        database.close()

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
            claims.renew(owner=self.owner, at=self.clock())

    # --- flows that call out -----------------------------------------------------------------

    def _free(self) -> int:
        return max(self.threads, 1) - len(self._running)

    def _look_up_doubtful(self, queue: str) -> int:
        if self._free() <= 0:
            return 0
        doubtful = claims.claim_doubtful(
            queue=queue, owner=self.owner, at=self.clock(), limit=self._free()
        )
        for job in doubtful:
            self._start(self.look_up, job)
        return len(doubtful)

    def _round_out(self, queue: str) -> int:
        ahead = self._free() + self.threads
        # A claim costs as much for one job as for many: so some are claimed ahead, by batches.
        # Those wait for a thread, started by nobody and charged to nobody.
        if ahead <= self.threads // 2:
            return 0
        claimed = claims.claim(
            queue=queue,
            owner=self.owner,
            at=self.clock(),
            limit=ahead,
            give_way=[name for name, flow in self.flows.items() if flow.gives_way],
        )
        for job in claimed:
            self._start(self.run_out, job)
        return len(claimed)

    def _start(self, run: Callable[[Job, Flow], None], job: Job) -> None:
        if self._pool is None:
            self._run(run, job)
        else:
            self._running[self._pool.submit(self._in_thread, run, job)] = job

    def _in_thread(self, run: Callable[[Job, Flow], None], job: Job) -> None:
        close_old_connections()
        self._run(run, job)

    def _run(self, run: Callable[[Job, Flow], None], job: Job) -> None:
        """Nothing that goes wrong with one job may stop the others: its lease then runs out."""
        try:
            flow = self.flows.get(job.flow)
            if flow is None:
                self.outcomes.unknown_flow(job)
            else:
                run(job, flow)
        except jobs.LostLease:
            log.warning("lease_lost", job=job.pk, flow=job.flow)
        except Exception:
            log.exception("job_broke", job=job.pk, flow=job.flow)

    def run_out(self, job: Job, flow: Flow) -> None:
        """One attempt: count it, call, and write the result under the same fence."""
        assert flow.call is not None, f"{flow.name} is local"
        work = Work(job, flow, at=self.clock(), ends_at=self._ends_at)
        try:
            jobs.begin(job, at=work.at)
            result = flow.call(work)
        except jobs.LostLease:
            raise
        except Exception as error:
            self.outcomes.ended_badly(work, error)
            return
        try:
            work.write_down(lambda: self._finish(work, flow, result))
        except jobs.LostLease:
            raise
        except Exception as error:
            # It happened there and could not be written down here: a doubt, not a failure.
            doubt = Unknown(first_line(error))
            self.outcomes.ended_badly(work, doubt if job.sent_at is not None else error)
        else:
            self.outcomes.tell_connections(work, None)

    def _finish(self, work: Work, flow: Flow, result: Any) -> None:
        work.at = self.clock()
        with transaction.atomic():
            jobs.hold(work.job, at=work.at)
            if isinstance(result, Nothing):
                evidence: dict[str, Any] = {"nothing": result.because}
            else:
                evidence = flow.record(work, result)
            if jobs.done(work.job, at=work.at, evidence=evidence, calls=work.calls):
                self.outcomes.close_cases(work)

    def look_up(self, job: Job, flow: Flow) -> None:
        """One look-up of a call that may have happened. Only a positive one ends the doubt."""
        work = Work(job, flow, at=self.clock())
        answer: Found | NotFound = NotFound()
        failure: Exception | None = None
        try:
            if flow.probe is not None:
                answer = flow.probe(work)
            if isinstance(answer, Found):
                found = answer.result
                work.write_down(lambda: self._finish(work, flow, found))
                self.outcomes.tell_connections(work, None)
                return
        except jobs.LostLease:
            raise
        except PlatformError as error:
            log.info("look_up_failed", job=job.pk, error=str(error))
            failure = error
        except Exception as error:
            log.exception("look_up_broke", job=job.pk)
            failure = fault(error)
        self.outcomes.not_found(work, answer, failure)

    # --- local flows -------------------------------------------------------------------------

    def _round_local(self) -> int:
        claimed = claims.claim(queue=LOCAL, owner=self.owner, at=self.clock(), limit=BATCH)
        together = [job for job in claimed if not job.alone]
        if together:
            self._run_together(together)
        for job in claimed:
            if job.alone:
                self._run(self._run_alone, job)
        return len(claimed)

    def _run_alone(self, job: Job, flow: Flow) -> None:
        """A job that was in a batch that died: counted before it runs, like those that call out."""
        jobs.begin(job, at=self.clock())
        self._run_together([job])

    def _run_together(self, claimed: Sequence[Job]) -> None:
        """Run local jobs in one transaction, a savepoint each; end all that went well at once."""
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
                    self.outcomes.close_cases_of([job.pk for job, _ in well], at)
                for work, error in badly:
                    if work.job.started_at is None:
                        work.job.attempts += 1
                        Job.objects.filter(pk=work.job.pk).update(attempts=work.job.attempts)
                    self.outcomes.ended_badly(work, error)
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
            self.outcomes.unknown_flow(job)
            return
        work = Work(job, flow, at=at)
        try:
            with transaction.atomic():
                well.append((job, flow.record(work, None)))
        except Exception as error:
            badly.append((work, error))


__all__ = ["Worker", "close_ended", "report_late"]
