"""The case of a day whose rows are not what they were when it was sealed."""

from __future__ import annotations

from integrator.engine.case_kinds import Action, CaseKind, Field

SEAL_BROKEN = CaseKind(
    code="SEAL_BROKEN",
    owner="ADMIN",
    severity=3,
    due_hours=24,
    title="The record of {day} is not as it was sealed: “{book}”",
    happened="The daily check compared {day} with its seal. In “{book}”: {finding}.",
    means="Somebody changed the record past this product, or an old copy was put back.",
    todo="Keep a copy before anything is mended. Find out who did it, and tell the auditor.",
    otherwise="The record of this day cannot be relied on, and this case stays open.",
    closes_when="the day is as it was sealed again",
    actions=(
        Action(
            key="not_an_error",
            label="It is explained",
            says="Close the case with your explanation. It comes back if more is found.",
            verb="case.solve",
            fields=(Field("note", "What happened, and who knows of it", "note"),),
        ),
    ),
    evidence=("book", "day", "finding"),
    ladder=("AUDITOR",),
    alert=True,
)

KINDS: tuple[CaseKind, ...] = (SEAL_BROKEN,)
