"""Jobs in words, "what we owe": for cases, orders and connections. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from finance.models import Refund
from finance.states import Executor, RefundStatus
from fulfilment.models import Order
from integrator.desk import catalogue, proofs, words
from integrator.desk.auth import DeskRequest
from integrator.models import Case, CaseState, Job, JobState

JOBS_SHOWN = 8
NOTHING = "nothing"  # evidence that says why a step had nothing to do


@dataclass(frozen=True, slots=True)
class Step:
    """A job in words. ``leaves_in`` is set while it can still be cancelled."""

    job: Job
    says: str
    tile: catalogue.Tile
    symbol: str
    state: str
    sub: str
    leaves_in: str
    with_case: int = 0  # it ended by asking a person, who has not answered yet
    again: int = 0  # how often the same was done before

    @property
    def is_open(self) -> bool:
        return bool(self.with_case) or self.job.state not in _ENDED


@dataclass(frozen=True, slots=True)
class ByHand:
    """A payment that a person has to make: owed like a step, though no step of ours makes it."""

    says: str
    sub: str
    symbol: str = "wait"
    state: str = "with a person"


def paid_by_hand(refunds: Iterable[Refund], cases: Iterable[Case]) -> list[ByHand]:
    """Those of the refunds that wait for a person to pay them, with the open case of each."""
    asked = {one.record_id: one for one in cases if one.record_kind == Refund.RECORD_KIND}
    return [
        ByHand(
            f"Pay {words.amount_text(one.calculated_minor, one.currency)} by hand",
            f"C-{asked[one.pk].pk}" if one.pk in asked else "",
        )
        for one in refunds
        if one.executor == Executor.MANUAL and one.status == RefundStatus.AUTHORISED
    ]


def steps_of(request: DeskRequest, case: Case) -> list[Step]:
    """The work that belongs to this case: its own, its record's, and what decisions set going."""
    about = Q(record_kind="case", record_id=case.pk)
    about |= Q(record_kind=case.record_kind, record_id=case.record_id)
    if case.job_id:
        about |= Q(pk=case.job_id)
    jobs = Job.objects.filter(about).order_by("-id")[:JOBS_SHOWN]
    is_open = {case.pk} if case.state != CaseState.SOLVED else set()
    done = {job.flow for job in jobs if job.state == JobState.DONE and not had_nothing(job)}
    told = [job for job in jobs if not (had_nothing(job) and job.flow in done)]
    return _folded([step_of(job, request, case=case, open_cases=is_open) for job in told])


def belongs(job: Job, case: Case) -> bool:
    """Whether a job is one of those the case's page shows."""
    return job.pk == case.job_id or (job.record_kind, job.record_id) in (
        ("case", case.pk),
        (case.record_kind, case.record_id),
    )


def promises(steps: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    """Those that are open and those that are done, the newest first. A look that found nothing to
    do is neither. The same done more than once is one line, with the proof of the last time.
    """
    real = [one for one in steps if not had_nothing(one.job)]
    done = sorted((one for one in real if not one.is_open), key=lambda one: -one.job.pk)
    return [one for one in real if one.is_open], _folded(done)


def _folded(steps: Sequence[Step]) -> list[Step]:
    """Of those that ended in the same way only the first, with how many more there are."""
    found: dict[tuple[str, str, int], Step] = {}
    for one in steps:
        key = one.says, one.state, one.job.pk if one.is_open else 0
        first = found.get(key)
        found[key] = replace(first, again=first.again + 1) if first is not None else one
    return list(found.values())


_ENDED = (JobState.DONE, JobState.CANCELLED)
_JOB_WORDS = {
    JobState.DUE: ("idle", "to be done"),
    JobState.RUNNING: ("wait", "being done"),
    JobState.WAITING: ("wait", "waits"),
    JobState.IN_DOUBT: ("doubt", "in doubt"),
    JobState.PARKED: ("wait", "stopped"),
    JobState.DONE: ("ok", "done"),
    JobState.CANCELLED: ("idle", "not owed any more"),
}


def step_of(
    job: Job,
    request: DeskRequest,
    *,
    case: Case | None = None,
    open_cases: Collection[int] = (),
) -> Step:
    """A job as a line of "what we owe". ``open_cases``: those of what the page is about."""
    at = request.at
    symbol, state = _JOB_WORDS[JobState(job.state)]
    if job.state == JobState.PARKED and job.due_at <= at:
        symbol, state = "bad", "stopped, overdue"  # only now is the promise broken
    asked = asked_in(job, open_cases)
    if asked:
        symbol, state = "wait", "with a person"
    elif had_nothing(job):
        symbol, state = "idle", "nothing to do"
    leaves_in = ""
    if case is not None and can_be_cancelled(job, case, at=at):
        leaves_in = words.span(job.not_before - at)
        symbol, state = "wait", f"leaves in {leaves_in}"
    return Step(
        job=job,
        says=catalogue.flow_says(job.flow),
        tile=catalogue.tile_of(job.queue),
        symbol=symbol,
        state=state,
        sub=f"C-{asked}" if asked else _step_sub(job, at=at),
        leaves_in=leaves_in,
        with_case=asked,
    )


# A step, its order, and the number of the open case about it.
Listed = tuple[Step, Order | None, int | None]


def listed(jobs: Sequence[Job], request: DeskRequest) -> list[Listed]:
    """Steps for a list, in two statements however many there are."""
    orders = Order.objects.in_bulk({job.order_id for job in jobs if job.order_id})
    is_open = Case.objects.exclude(state=CaseState.SOLVED).filter(job__in=[one.pk for one in jobs])
    cases = dict(is_open.order_by("-pk").values_list("job_id", "pk"))
    return [
        (step_of(job, request), orders.get(job.order_id or 0), cases.get(job.pk)) for job in jobs
    ]


def had_nothing(job: Job) -> bool:
    """It ended without doing anything, because nothing was to be done."""
    return job.state == JobState.DONE and NOTHING in job.evidence


def asked_in(job: Job, open_cases: Collection[int]) -> int:
    """The open case by which a step put its work before a person; 0 for none.

    A decision about a case names that case too: it asks nobody.
    """
    number = int(job.evidence.get("case") or 0) if job.state == JobState.DONE else 0
    return number if number in open_cases and job.record_kind != Case.RECORD_KIND else 0


def can_be_cancelled(job: Job, case: Case, *, at: datetime) -> bool:
    """A decision of a person on this case that is still held back."""
    mine = (job.record_kind, job.record_id) == ("case", case.pk)
    return mine and job.state == JobState.DUE and job.not_before > at


def _step_sub(job: Job, *, at: datetime) -> str:
    if had_nothing(job):
        return f"{job.evidence[NOTHING]}, {words.moment_text(job.finished_at or at, at=at)}"
    if job.state == JobState.DONE:
        proof = proofs.in_words(job.evidence)
        when = words.moment_text(job.finished_at or at, at=at)
        return f"proof: {proof}, {when}" if proof else when
    if job.state == JobState.CANCELLED:
        return str(job.evidence.get("cancelled", ""))
    if job.state == JobState.WAITING:
        left = max(job.not_before - at, timedelta())
        return f"{words.plural(job.attempts, 'try', 'tries')}, next in {words.span(left)}"
    if job.state == JobState.DUE and job.not_before > at:
        return f"at {words.moment_text(job.not_before, at=at)}"
    if job.state == JobState.PARKED:
        # It stopped in its last try; nothing keeps that moment beside it.
        tried = f"last try {words.moment_text(job.started_at, at=at)}: " if job.started_at else ""
        return f"{tried}a person must look at it"
    return ""
