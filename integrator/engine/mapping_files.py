"""A table of meanings, kept between the look at it and the word that lets it hold.

What is confirmed, and what a second person agrees to, is row by row what was shown. Reading a file
and judging its rows is ``desk.mapping_table``'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import Min

from integrator.engine import approvals, decisions, mapping_plans, mappings
from integrator.engine.case_kinds import Action
from integrator.engine.mapping_plans import UnableToPlan
from integrator.engine.mappings import Said
from integrator.engine.states import Trace, move
from integrator.models import (
    Approval,
    Case,
    CaseState,
    Connection,
    MappingFile,
    MappingFileState,
    MappingKind,
)

FORGOTTEN_AFTER = timedelta(days=1)  # what was looked at and never confirmed


class UnableToConfirm(Exception):
    """A rule changed since the rows were shown, or it was confirmed already. Says which."""


class Verdict(StrEnum):
    """What a row of the file comes to."""

    WRONG = "WRONG"  # cannot be taken: ``why`` says what to mend
    CHANGED = "CHANGED"  # gives a word that has a meaning another one: takes two people
    LATER = "LATER"  # is planned: it holds from a later moment on
    NEW = "NEW"  # a first meaning
    SAME = "SAME"  # as it is already, or left empty


@dataclass(frozen=True, slots=True)
class Line:
    """One row with its verdict. ``row`` is its number in the sheet, ``typed`` its cells.

    ``rule`` is the rule that answered when it was shown, ``before`` its meaning. ``met`` is how
    often the word was met lately, None where that is not counted; ``waits`` how much waits for it.
    ``starts`` is the moment of a later meaning, in UTC; ``two``: a second person must agree to it.
    """

    row: int
    typed: Sequence[str]
    verdict: str
    connection_id: int = 0
    kind: str = ""
    theirs: str = ""
    ours: str = ""
    rule: int | None = None
    before: str = ""
    met: int | None = None
    waits: int = 0
    why: str = ""
    starts: str = ""
    two: bool = False

    @property
    def starts_at(self) -> datetime | None:
        return datetime.fromisoformat(self.starts) if self.starts else None

    @property
    def said(self) -> Said:
        return Said(self.connection_id, self.kind, self.theirs, self.ours)

    @property
    def cause(self) -> str:
        return mappings.cause_of(self.connection_id, MappingKind(self.kind), self.theirs)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """How many words hold at once, how many are a decision about what waits, how many are asked;
    and how many meanings start later, without and with a second person.
    """

    saved: int
    decided: int
    asked: int
    planned: int
    plans_asked: int


def prepare(lines: Sequence[Line], *, name: str, by: Any, trace: Trace) -> MappingFile:
    """Keep what a person is about to confirm. Saves no meaning."""
    counts = Counter(one.verdict for one in lines)
    return MappingFile.objects.create(
        person=by,
        name=name,
        rows=[asdict(one) for one in lines],
        counts={verdict.value: counts[verdict] for verdict in Verdict},
        prepared_at=trace.at,
    )


def lines_of(file: MappingFile, *verdicts: Verdict) -> list[Line]:
    """Its rows in the order of the sheet: all of them, or those with one of these verdicts."""
    return [Line(**row) for row in file.rows if not verdicts or row["verdict"] in verdicts]


def asked_about(connection_id: int, kind: str, theirs: str) -> list[tuple[MappingFile, str]]:
    """Files that wait for a second person and would give this word another meaning; which one."""
    row = {"connection_id": connection_id, "kind": kind, "theirs": theirs}
    row |= {"verdict": Verdict.CHANGED.value}
    found = MappingFile.objects.filter(state=MappingFileState.ASKED, rows__contains=[row])
    return [
        (file, line.ours)
        for file in found.select_related("person").order_by("id")
        for line in lines_of(file, Verdict.CHANGED)
        if line.said.key == (connection_id, kind, theirs)
    ]


def hold(file: MappingFile) -> MappingFile:
    """The file as it is now; it and the words it is about are nobody else's until the end.

    First of all that a transaction about a file locks: whoever answers a word locks in this order.
    """
    held = MappingFile.objects.select_for_update(no_key=True).get(pk=file.pk)
    mappings.lock(one.connection_id for one in lines_of(held) if one.connection_id)
    return held


def cases_waiting(lines: Sequence[Line]) -> dict[str, Case]:
    """By cause, the first of the open cases that wait for one of these words; they are locked.

    The caller holds the file.
    """
    causes = [one.cause for one in lines]
    waiting = Case.objects.filter(cause__in=causes).exclude(state=CaseState.SOLVED)
    first = list(
        waiting.values_list("cause").annotate(first=Min("id")).values_list("first", flat=True)
    )
    locked = Case.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=first)
    return {case.cause: case for case in locked.order_by("pk")}


def confirm(
    file: MappingFile, *, waiting: Mapping[str, tuple[Case, Action]], trace: Trace, by: Any
) -> Confirmed:
    """Let the rows hold that could be taken: all that one person may say, and ask for the rest.

    A new word that nothing waits for is saved; one that is waited for (``waiting``, by cause) is
    answered as its case is; another meaning waits for a second person; one that starts later is
    planned like on the word's own page. All or nothing.
    UnableToConfirm as its text says, UnableToDecide when somebody decides about a case just now.
    """
    with transaction.atomic():
        file = hold(file)
        if file.state != MappingFileState.PREPARED:
            raise UnableToConfirm("It was confirmed already.")
        new, changed = lines_of(file, Verdict.NEW), lines_of(file, Verdict.CHANGED)
        later = lines_of(file, Verdict.LATER)
        if not new and not changed and not later:
            raise UnableToConfirm("Nothing in it would change anything.")
        kept = [one for one in lines_of(file, Verdict.SAME) if one.ours]
        _refuse_if_changed([*new, *changed, *kept, *later])
        answered = [one for one in new if one.cause in waiting]
        saved = [one for one in new if one.cause not in waiting]
        mappings.answer_all([one.said for one in saved], trace=trace)
        decisions.take_all(
            [(*waiting[one.cause], {"ours": one.ours}) for one in answered], trace=trace
        )
        _plan_all(later, trace=trace, by=by)
        if changed:
            approvals.ask(
                verb=mappings.CHANGE,
                record_kind=MappingFile.RECORD_KIND,
                record_id=file.pk,
                content=_content(file, changed),
                by=by,
                trace=trace,
            )
        move(
            file,
            "state",
            MappingFileState.ASKED if changed else MappingFileState.DONE,
            reason=f"{len(new)} new, {len(later)} later, {len(changed)} for a second person",
            trace=trace,
            confirmed_at=trace.at,
        )
    asked = sum(one.two for one in later)
    return Confirmed(len(saved), len(answered), len(changed), len(later) - asked, asked)


def _plan_all(lines: Sequence[Line], *, trace: Trace, by: Any) -> None:
    """Plan each of them, the earliest first: where two people are needed, both stay needed."""
    connections = Connection.objects.in_bulk({one.connection_id for one in lines})
    for one in sorted(lines, key=lambda line: line.starts):
        assert one.starts_at is not None
        try:
            made = mapping_plans.plan(
                connection=connections[one.connection_id],
                kind=MappingKind(one.kind),
                theirs=one.theirs,
                ours=one.ours,
                starts_at=one.starts_at,
                trace=trace,
                by=by,
            )
        except UnableToPlan as why:
            raise UnableToConfirm(f"Row {one.row}: {why}.") from None
        if made.alone is one.two:
            raise UnableToConfirm(
                f"Row {one.row}: something was planned for “{one.theirs}” since these rows were "
                "shown."
            )


def agree(file: MappingFile, approval: Approval, *, trace: Trace, by: Any) -> int:
    """The second person's word on exactly its changed rows: they hold from now on.

    The changes are the asker's. Returns how many jobs were released. UnableToConfirm when one of
    the rules has been replaced since, UnableToApprove when it is the asker who agrees.
    """
    with transaction.atomic():
        file = hold(file)
        changed = lines_of(file, Verdict.CHANGED)
        if file.state == MappingFileState.ASKED:
            _refuse_if_changed(changed)
        approvals.decide(approval, grant=True, by=by, trace=trace)
        approvals.use(
            verb=mappings.CHANGE,
            record_kind=MappingFile.RECORD_KIND,
            record_id=file.pk,
            content=_content(file, changed),
            trace=trace,
        )
        asker = trace.by(f"user:{approval.asked_by.get_username()}")
        released = mappings.answer_all([one.said for one in changed], trace=asker)
        move(file, "state", MappingFileState.DONE, reason="A second person agreed", trace=trace)
    return released


def refuse(file: MappingFile, approval: Approval, *, trace: Trace, by: Any) -> None:
    """The second person says no: other meanings stay as they were, new words keep theirs."""
    with transaction.atomic():
        file = hold(file)
        approvals.decide(approval, grant=False, by=by, trace=trace)
        move(file, "state", MappingFileState.REFUSED, reason="A second person refused", trace=trace)


def take_back(file: MappingFile, approval: Approval, *, trace: Trace, by: Any) -> None:
    """Whoever asked takes the question back: as if it had been refused."""
    with transaction.atomic():
        file = hold(file)
        approvals.take_back(approval, by=by, trace=trace)
        move(file, "state", MappingFileState.WITHDRAWN, reason="Taken back", trace=trace)


def cancel(file: MappingFile) -> bool:
    """Throw away what was not confirmed. False when it was: then it stays."""
    deleted, _ = MappingFile.objects.filter(pk=file.pk, state=MappingFileState.PREPARED).delete()
    return bool(deleted)


def forget(*, at: datetime) -> int:
    """Delete what was looked at and never confirmed. Returns how many."""
    old = MappingFile.objects.select_for_update(skip_locked=True).filter(
        state=MappingFileState.PREPARED, prepared_at__lt=at - FORGOTTEN_AFTER
    )
    with transaction.atomic():
        ids = list(old.values_list("pk", flat=True))
        MappingFile.objects.filter(pk__in=ids).delete()
    return len(ids)


def _refuse_if_changed(lines: Sequence[Line]) -> None:
    """Refuse when a rule of these words is not the one that was shown."""
    now = mappings.current([one.said for one in lines])
    for one in lines:
        rule = now.get(one.said.key)
        if (rule.pk if rule is not None else None) != one.rule:
            means = f"it means {rule.ours} now" if rule is not None else "it has no meaning now"
            raise UnableToConfirm(
                f"Row {one.row}: “{one.theirs}” was changed since these rows were shown, {means}."
            )


def _content(file: MappingFile, changed: Sequence[Line]) -> dict[str, Any]:
    """What the second person agrees to: the rows by their digest, so that not one can differ."""
    rows = [
        [one.rule, one.connection_id, one.kind, one.theirs, one.before, one.ours] for one in changed
    ]
    return {
        "file": file.name,
        "changes": len(changed),
        "rows": approvals.digest_of({"rows": rows}),
    }
