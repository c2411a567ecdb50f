"""What happened to a case, told in sentences: newest first on its page. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from integrator.desk import catalogue, words
from integrator.engine.together import Skip
from integrator.models import Case, CaseEvent
from integrator.roles import Role


@dataclass(frozen=True, slots=True)
class Told:
    """One event: when, by whom, in words, with what somebody wrote. What was undone says so."""

    at: datetime
    when: str
    who: str
    is_person: bool
    says: str
    note: str
    is_undone: bool = False


def told(event: CaseEvent, *, at: datetime, kind: str = "") -> Told:
    """``kind``: of the case, whose buttons have names of their own; without it, the usual ones."""
    return Told(
        at=event.at,
        when=words.moment_text(event.at, at=at),
        who=who(event.actor),
        is_person=event.actor.startswith("user:"),
        says=_says(event, at=at, kind=kind),
        note=event.note.text if event.note is not None else "",
    )


_WITH_FACTS = (CaseEvent.Kind.OPENED, CaseEvent.Kind.SEEN_AGAIN, CaseEvent.Kind.REOPENED)


def facts_before(case: Case, event: CaseEvent) -> Mapping[str, Any] | None:
    """What was known of a case before an event of it; None where nothing was kept."""
    before = CaseEvent.objects.filter(case=case, kind__in=_WITH_FACTS, id__lt=event.pk)
    return before.order_by("-id").values_list("data", flat=True).first()


def all_told(
    events: Iterable[CaseEvent],
    *,
    at: datetime,
    kind: str,
    facts: Mapping[str, Any] | None = None,
) -> list[Told]:
    """Events in words, in the order they come in, with what was different each time.

    A comment that was taken back is named and not shown. ``facts``: as known before the oldest.
    """
    given = list(events)
    undone = {one.data.get("event") for one in given if one.kind == CaseEvent.Kind.UNDONE}
    differs = {}
    for one in sorted(given, key=lambda event: event.pk):
        if one.kind in _WITH_FACTS:
            if facts is not None and one.kind != CaseEvent.Kind.OPENED:
                differs[one.pk] = _differences(facts, one.data)
            facts = one.data
    found = []
    for one in given:
        said = told(one, at=at, kind=kind)
        if one.pk in undone:
            is_note = one.kind == CaseEvent.Kind.NOTED
            said = replace(said, is_undone=True, note="" if is_note else said.note)
        if extra := differs.get(one.pk):
            said = replace(said, says=f"{said.says}: {extra}")
        found.append(said)
    return found


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """amount EUR 49.90 → EUR 59.90: what a person reads, not the codes beside it."""
    names = [
        name
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name) and not name.endswith(("_code", "_id"))
    ]
    values = [[of.get(name) or "not known" for of in (before, after)] for name in names]
    return ", ".join(
        f"{name.replace('_', ' ')} {old} → {new}"
        for name, (old, new) in zip(names, values, strict=True)
    )


def who(actor: str) -> str:
    """An actor as a name: people by their name, everything else as the product itself."""
    kind, _, name = actor.partition(":")
    return name if kind == "user" else "We"


_PLAIN = {
    CaseEvent.Kind.OPENED: "opened this",
    CaseEvent.Kind.SEEN_AGAIN: "saw it again, with other details",
    CaseEvent.Kind.REOPENED: "saw that the same problem came back",
    CaseEvent.Kind.NOTED: "wrote",
}
_UNDID = {
    CaseEvent.Kind.ASSIGNED: "it is with whom it was before",
    CaseEvent.Kind.HANDED_OVER: "it is with the team it was with",
    CaseEvent.Kind.SNOOZED: "it is back in the queue",
    CaseEvent.Kind.WOKE: "it is snoozed again",
    CaseEvent.Kind.SOLVED: "it is open again",
    CaseEvent.Kind.DECIDED: "it is open again",
    CaseEvent.Kind.NOTED: "the comment is taken back",
}


def _says(event: CaseEvent, *, at: datetime, kind: str) -> str:
    data = event.data
    if "question" in data and event.kind == CaseEvent.Kind.NOTED:
        return _questioned(data, kind)
    match event.kind:
        case CaseEvent.Kind.ASSIGNED:
            to = str(data.get("to", ""))
            if to and to == who(event.actor):
                return "took it"
            return f"gave it to {to}" if to else "gave it back to the team"
        case CaseEvent.Kind.SNOOZED:
            return f"snoozed it {_until(data, at=at)}"
        case CaseEvent.Kind.ESCALATED:
            return f"told {_role(data)}, because nobody acted in time"
        case CaseEvent.Kind.DECIDED:
            return _decided(event, kind)
        case CaseEvent.Kind.SOLVED:
            return _solved(data)
        case (
            CaseEvent.Kind.WOKE
            | CaseEvent.Kind.HANDED_OVER
            | CaseEvent.Kind.SKIPPED
            | CaseEvent.Kind.UNDONE
        ):
            return _together(event)
        case CaseEvent.Kind.ALERTED:
            receiver = data.get("receiver")
            return f"told {receiver}" if receiver else f"sent an e-mail to {_role(data)}"
    return _PLAIN[CaseEvent.Kind(event.kind)]


def _questioned(data: Mapping[str, Any], kind: str) -> str:
    did = "asked for a second person:" if data["question"] == "asked" else data["question"]
    return f"{did} “{action_label(str(data['about']), kind)}”"


def _together(event: CaseEvent) -> str:
    data = event.data
    if event.kind == CaseEvent.Kind.WOKE:
        return f"brought it back: {_small(str(data.get('reason', '')))}"
    if event.kind == CaseEvent.Kind.HANDED_OVER:
        return f"handed it over to {team(str(data['to']))}"
    if event.kind == CaseEvent.Kind.SKIPPED:
        return f"skipped it: {_small(str(Skip(data['why']).label))}"
    if "question" in data:
        return "undid that: nobody is asked any more"
    return f"undid that: {_UNDID[CaseEvent.Kind(data['what'])]}"


def _decided(event: CaseEvent, kind: str) -> str:
    label = action_label(event.action, kind)
    agreed = event.data.get("agreed_by")
    by = f", and {agreed} agreed" if agreed else ""
    many = ", with many others at once" if event.data.get("bulk") else ""
    return f"decided “{label}”{by}{many}"


def action_label(key: str, kind: str = "") -> str:
    """The label of an action by its key: that of the kind of case, else wherever it is offered."""
    known = catalogue.kinds()
    for one in (*((known[kind],) if kind in known else ()), *known.values()):
        for action in one.actions:
            if action.key == key:
                return action.label
    return key.replace("_", " ")


def _solved(data: dict[str, Any]) -> str:
    code = data.get("resolution", "")
    label = Case.Resolution(code).label if code in Case.Resolution.values else "solved"
    reason = str(data.get("reason", ""))
    return f"closed it: {label.lower()}" + (f". {reason}" if reason else "")


def _until(data: dict[str, Any], *, at: datetime) -> str:
    until = parse_datetime(str(data.get("until", "")) or "-")
    if until is not None:
        return f"until {words.moment_text(until, at=at)}"
    return "until it gets worse" if data.get("for") == "WORSE" else "until something changes"


def _role(data: dict[str, Any]) -> str:
    role = str(data.get("role", ""))
    return str(Role(role).label).lower() if role in Role.values else "the owner"


def team(role: str) -> str:
    """A role as the name of its team."""
    return str(Role(role).label) if role in Role.values else role


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
