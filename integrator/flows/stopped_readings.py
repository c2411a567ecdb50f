"""What a reading, or a look for what was missed, makes of earlier ones that had stopped."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from integrator.engine import cases, jobs
from integrator.engine.work import Work
from integrator.models import Case, CaseState, Job, JobState
from integrator.models.states import JOB_OPEN

READ_LATER = "It was read later"
SEEN_LATER = "A later look has seen everything"


def end_stopped(work: Work, *, reason: str = READ_LATER) -> list[int]:
    """Earlier ones of the lane that stopped are owed no more, and their cases close.

    Call it when this one has seen all that they would have. Returns the facts that those had to
    answer: this one answers them. A case stays open while its cause holds up others.
    """
    earlier = Job.objects.filter(flow=work.flow.name, lane=work.job.lane, pk__lt=work.job.pk)
    parked = earlier.filter(state=JobState.PARKED)
    rows = parked.select_for_update(no_key=True).order_by("pk")
    stopped = {pk: [fact, *joined] for pk, fact, joined in rows.values_list("pk", "fact", "joined")}
    if not stopped:
        return []
    jobs.cancel_stopped(parked.filter(pk__in=stopped), at=work.at, reason=reason)
    waits = Job.objects.filter(cause=OuterRef("cause"), state__in=[*JOB_OPEN, JobState.PARKED])
    told = Case.objects.filter(~Exists(waits), job__in=stopped).exclude(state=CaseState.SOLVED)
    for case in told.select_for_update(no_key=True).order_by("pk"):
        cases.solve(case, resolution=Case.Resolution.BY_ITSELF, trace=work.trace, reason=reason)
    return [fact for facts in stopped.values() for fact in facts]
