"""What a platform's words mean here.

No default anywhere: an unmapped word stops and asks a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Max

from integrator.engine import approvals, cases, jobs
from integrator.engine.cases import MAPPING_MISSING, CaseKind
from integrator.engine.errors import Misconfigured
from integrator.engine.states import Trace
from integrator.models import (
    Approval,
    Case,
    CaseState,
    Connection,
    Job,
    JobState,
    Mapping,
    MappingKind,
)

CHANGE = "mapping.change"
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
            about=connection.pk,
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
            about=connection.pk,
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
    return cause_of(connection.pk, kind, theirs)


def cause_of(connection_id: int, kind: MappingKind, theirs: str) -> str:
    """The same where only the connection's number is at hand."""
    return f"mapping:{connection_id}:{kind.value}:{theirs}"[:200]


class UnableToChange(Exception):
    """The word means something else by now. Says so, for the person."""


def save(
    *,
    connection: Connection,
    kind: MappingKind,
    theirs: str,
    ours: str,
    trace: Trace,
    first_only: bool = False,
) -> Mapping:
    """Say what a word means from now on: a new version, and the last one ends.

    Repeating is fine. ``first_only`` is for one person's word: UnableToChange when the word means
    something else already, because another meaning takes two.
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
            if first_only:
                raise UnableToChange(
                    f"“{theirs}” means {last.ours} already: another meaning takes two people"
                )
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
    first_only: bool = False,
) -> tuple[Mapping, int]:
    """Save what a word means, release what waits for it in order, and close the cases about it.

    ``only_partner``: asked for the one partner of our word, so its other partners end. As ``save``
    with ``first_only``. Returns the mapping, and how many jobs were released.
    """
    with transaction.atomic():
        mapping = save(
            connection=connection,
            kind=kind,
            theirs=theirs,
            ours=ours,
            trace=trace,
            first_only=first_only,
        )
        partners = Mapping.objects.filter(
            connection=connection, kind=kind, ours=ours, ended_at__isnull=True
        ).exclude(pk=mapping.pk)
        if only_partner:
            partners.update(ended_at=trace.at)
        said = f"“{theirs}” is mapped to {ours}"
        answered = {cause(connection=connection, kind=kind, theirs=theirs): said}
        if not partners.exists():
            answered[cause(connection=connection, kind=kind, theirs=f"{OURS}{ours}")] = said
        released = _release(answered, trace)
    return mapping, released


def _release(answered: dict[str, str], trace: Trace) -> int:
    """Let everything go on that waits for one of these causes, and close the cases about it.

    By cause, the reason. Returns how many jobs were released.
    """
    waiting = Job.objects.filter(state=JobState.PARKED, cause__in=answered)
    released = jobs.release(waiting.order_by("id"), at=trace.at)
    about = Case.objects.filter(cause__in=answered).exclude(state=CaseState.SOLVED)
    for case in about.select_for_update(no_key=True).order_by("id"):
        cases.solve(
            case,
            resolution=Case.Resolution.FIXED_HERE,
            trace=trace,
            reason=answered[case.cause],
        )
    return released


# --- Many words at once ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What one word is to mean. ``key`` is the word itself, for looking it up among others."""

    connection_id: int
    kind: str
    theirs: str
    ours: str

    @property
    def key(self) -> tuple[int, str, str]:
        return self.connection_id, self.kind, self.theirs


def lock(connection_ids: Iterable[int]) -> None:
    """Nobody else says what words of these connections mean until the transaction ends."""
    ids = sorted(set(connection_ids))
    list(
        Connection.objects.select_for_update(no_key=True)
        .filter(pk__in=ids)
        .order_by("pk")
        .only("pk")
    )


def current(words: Sequence[Said]) -> dict[tuple[int, str, str], Mapping]:
    """The rule in force for each of these words; those without one are left out."""
    rows = _about(words).filter(ended_at__isnull=True)
    return {(one.connection_id, one.kind, one.theirs): one for one in rows}


def answer_all(words: Sequence[Said], *, trace: Trace) -> int:
    """As ``answer``, for many words at once and in a fixed number of statements.

    The caller holds the ``lock``. Each word once; one that means this already stays as it is.
    Returns how many jobs were released.
    """
    now = current(words)
    changed = [one for one in words if one.key not in now or now[one.key].ours != one.ours]
    newest = {
        (connection_id, kind, theirs): version
        for connection_id, kind, theirs, version in _about(changed)
        .values_list("connection", "kind", "theirs")
        .annotate(version=Max("version"))
    }
    ended = [now[one.key].pk for one in changed if one.key in now]
    Mapping.objects.filter(pk__in=ended).update(ended_at=trace.at)
    Mapping.objects.bulk_create(
        [
            Mapping(
                connection_id=one.connection_id,
                kind=one.kind,
                theirs=one.theirs,
                ours=one.ours,
                version=newest.get(one.key, 0) + 1,
                made_by=trace.actor,
                made_at=trace.at,
            )
            for one in changed
        ],
        batch_size=1_000,
    )
    return _release(_answered_by(changed), trace)


def _about(words: Sequence[Said]) -> Any:
    """Every version of these words, and perhaps of others: to be looked up by ``key``."""
    return Mapping.objects.filter(
        connection__in={one.connection_id for one in words},
        kind__in={one.kind for one in words},
        theirs__in={one.theirs for one in words},
    ).order_by()


def _answered_by(words: Sequence[Said]) -> dict[str, str]:
    """The causes that these words answer: their own, and ours where they are the only partner."""
    partners = {
        (connection_id, kind, ours): count
        for connection_id, kind, ours, count in Mapping.objects.filter(
            connection__in={one.connection_id for one in words},
            kind__in={one.kind for one in words},
            ours__in={one.ours for one in words},
            ended_at__isnull=True,
        )
        .values_list("connection", "kind", "ours")
        .annotate(count=Count("id"))
        .order_by()
    }
    answered = {}
    for one in words:
        said, kind = f"“{one.theirs}” is mapped to {one.ours}", MappingKind(one.kind)
        answered[cause_of(one.connection_id, kind, one.theirs)] = said
        if partners.get((one.connection_id, one.kind, one.ours)) == 1:
            answered[cause_of(one.connection_id, kind, f"{OURS}{one.ours}")] = said
    return answered


# --- Giving a word another meaning: two people ----------------------------------------------------


def ask_to_change(current: Mapping, *, ours: str, trace: Trace, by: Any) -> Approval:
    """Ask a second person to let a word mean something else: it redirects goods or money."""
    assert current.ended_at is None, "only what holds now can be changed"
    return approvals.ask(
        verb=CHANGE,
        record_kind=Mapping.RECORD_KIND,
        record_id=current.pk,
        content={"theirs": current.theirs, "from": current.ours, "to": ours},
        by=by,
        trace=trace,
    )


def agree_to_change(approval: Approval, *, trace: Trace, by: Any) -> tuple[Mapping, int]:
    """The second person's word: from now on the word has its new meaning.

    The change is the asker's. UnableToChange when the rule has been replaced since it was asked,
    UnableToApprove when it is the asker who agrees.
    """
    with transaction.atomic():
        current = Mapping.objects.select_related("connection").get(pk=approval.record_id)
        Connection.objects.select_for_update(no_key=True).get(pk=current.connection_id)
        current.refresh_from_db(fields=["ended_at"])
        if current.ended_at is not None:
            raise UnableToChange("Somebody changed it meanwhile: ask again if it is still needed")
        approvals.decide(approval, grant=True, by=by, trace=trace)
        approvals.use(
            verb=CHANGE,
            record_kind=Mapping.RECORD_KIND,
            record_id=current.pk,
            content=approval.content,
            trace=trace,
        )
        return answer(
            connection=current.connection,
            kind=MappingKind(current.kind),
            theirs=current.theirs,
            ours=str(approval.content["to"]),
            trace=trace.by(f"user:{approval.asked_by.get_username()}"),
        )
