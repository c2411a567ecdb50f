"""What a platform's words mean here. No default anywhere: an unmapped word stops and asks a person."""

from __future__ import annotations

from django.db import transaction

from integrator.engine.cases import MAPPING_MISSING
from integrator.engine.errors import Misconfigured
from integrator.engine.states import Trace
from integrator.models import Connection, Mapping, MappingKind


def find(*, connection: Connection, kind: MappingKind, theirs: str) -> str:
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
            case=MAPPING_MISSING,
            cause=cause(connection=connection, kind=kind, theirs=theirs),
            facts={
                "platform": connection.name,
                "kind": kind.label.lower(),
                "kind_code": kind.value,
                "theirs": theirs,
            },
        )
    return ours


def cause(*, connection: Connection, kind: MappingKind, theirs: str) -> str:
    """The cause shared by everything that waits for one word."""
    return f"mapping:{connection.pk}:{kind.value}:{theirs}"[:200]


def save(
    *, connection: Connection, kind: MappingKind, theirs: str, ours: str, trace: Trace
) -> Mapping:
    """Say what a word means from now on: a new version, and the last one ends. Repeating is fine."""
    with transaction.atomic():
        Connection.objects.select_for_update().get(pk=connection.pk)
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
