"""What a platform's words mean here.

No default anywhere: an unmapped word stops and asks a person.
"""

from __future__ import annotations

from django.db import transaction

from integrator.engine.cases import MAPPING_MISSING, CaseKind
from integrator.engine.errors import Misconfigured
from integrator.engine.states import Trace
from integrator.models import Connection, Mapping, MappingKind


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
            cause=f"mapping:{connection.pk}:{kind.value}:ours:{ours}",
            facts={
                "platform": connection.name,
                "kind": kind.label.lower(),
                "kind_code": kind.value,
                "theirs": f"our {ours}",
            },
        )
    return theirs[0]


def cause(*, connection: Connection, kind: MappingKind, theirs: str) -> str:
    """The cause shared by everything that waits for one word."""
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
