"""What a platform's words mean here.

No default anywhere: an unmapped word stops and asks a person.
"""

from __future__ import annotations

from django.db import transaction

from integrator.engine import cases, jobs
from integrator.engine.cases import MAPPING_MISSING, CaseKind
from integrator.engine.errors import Misconfigured
from integrator.engine.states import Trace
from integrator.models import Case, CaseState, Connection, Job, JobState, Mapping, MappingKind

OURS = "ours:"  # in a cause: our own word has no partner there, or more than one


def find(
    *,
    connection: Connection,
    kind: MappingKind,
    theirs: str,
    case: CaseKind = MAPPING_MISSING,
) -> str:
    """Our word for theirs. ``Misconfigured`` with the shared cause when nobody has mapped it."""
    ours = (
        Mapping.objects.filter(
            connection=connection, kind=kind, theirs=theirs, ended_at__isnull=True
        )
        .values_list("ours", flat=True)
        .first()
    )
    if ours is None:
        raise Misconfigured(
            f"the {kind.label.lower()} “{theirs}” is not mapped",
            case=case,
            cause=cause(connection=connection, kind=kind, theirs=theirs),
            facts={
                "platform": connection.name,
                "kind": kind.label.lower(),
                "kind_code": kind.value,
                "theirs": theirs,
            },
        )
    return ours


def find_theirs(*, connection: Connection, kind: MappingKind, ours: str) -> str:
    """Their word for ours, for example a warehouse's key for our location."""
    theirs = list(
        Mapping.objects.filter(
            connection=connection, kind=kind, ours=ours, ended_at__isnull=True
        ).values_list("theirs", flat=True)[:2]
    )
    if len(theirs) != 1:
        said = "has no partner" if not theirs else "has more than one partner"
        raise Misconfigured(
            f"our {kind.label.lower()} {ours} {said} in {connection.name}",
            case=MAPPING_MISSING,
            cause=cause(connection=connection, kind=kind, theirs=f"{OURS}{ours}"),
            facts={
                "platform": connection.name,
                "kind": kind.label.lower(),
                "kind_code": kind.value,
                "theirs": f"our {ours}",
            },
        )
    return theirs[0]


def cause(*, connection: Connection, kind: MappingKind, theirs: str) -> str:
    """The cause shared by everything that waits for one word: theirs, or ``OURS`` and ours."""
    return f"mapping:{connection.pk}:{kind.value}:{theirs}"[:200]


def save(
    *, connection: Connection, kind: MappingKind, theirs: str, ours: str, trace: Trace
) -> Mapping:
    """Say what a word means from now on: a new version, and the last one ends.

    Repeating is fine.
    """
    with transaction.atomic():
        Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        last = (
            Mapping.objects.filter(connection=connection, kind=kind, theirs=theirs)
            .order_by("-version")
            .first()
        )
        if last is not None and last.ended_at is None:
            if last.ours == ours:
                return last
            Mapping.objects.filter(pk=last.pk).update(ended_at=trace.at)
        return Mapping.objects.create(
            connection=connection,
            kind=kind,
            theirs=theirs,
            ours=ours,
            version=1 if last is None else last.version + 1,
            made_by=trace.actor,
            made_at=trace.at,
        )


def answer(
    *,
    connection: Connection,
    kind: MappingKind,
    theirs: str,
    ours: str,
    trace: Trace,
    only_partner: bool = False,
) -> tuple[Mapping, int]:
    """Save what a word means, release what waits for it in order, and close the cases about it.

    ``only_partner``: asked for the one partner of our word, so its other partners end. Returns the
    mapping, and how many jobs were released.
    """
    with transaction.atomic():
        mapping = save(connection=connection, kind=kind, theirs=theirs, ours=ours, trace=trace)
        partners = Mapping.objects.filter(
            connection=connection, kind=kind, ours=ours, ended_at__isnull=True
        ).exclude(pk=mapping.pk)
        if only_partner:
            partners.update(ended_at=trace.at)
        causes = [cause(connection=connection, kind=kind, theirs=theirs)]
        if not partners.exists():
            causes.append(cause(connection=connection, kind=kind, theirs=f"{OURS}{ours}"))
        waiting = Job.objects.filter(state=JobState.PARKED, cause__in=causes)
        released = jobs.release(waiting.order_by("id"), at=trace.at)
        about = Case.objects.filter(cause__in=causes).exclude(state=CaseState.SOLVED)
        for case in about.select_for_update(no_key=True).order_by("id"):
            cases.solve(
                case,
                resolution=Case.Resolution.FIXED_HERE,
                trace=trace,
                reason=f"“{theirs}” is mapped to {ours}",
            )
    return mapping, released
