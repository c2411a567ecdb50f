"""What happened to a case, told in sentences: newest first on its page. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from integrator.desk import catalogue, words
from integrator.models import Case, CaseEvent
from integrator.roles import Role


@dataclass(frozen=True, slots=True)
class Told:
    """One event: when, by whom, in words, with what somebody wrote."""

    at: datetime
    when: str
    who: str
    is_person: bool
    says: str
    note: str


def told(event: CaseEvent, *, at: datetime) -> Told:
    return Told(
        at=event.at,
        when=words.moment_text(event.at, at=at),
        who=who(event.actor),
        is_person=event.actor.startswith("user:"),
        says=_says(event, at=at),
        note=event.note.text if event.note is not None else "",
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


def _says(event: CaseEvent, *, at: datetime) -> str:
    data = event.data
    match event.kind:
        case CaseEvent.Kind.ASSIGNED:
            to = str(data.get("to", ""))
            if to and to == who(event.actor):
                return "took it"
            return f"gave it to {to}" if to else "gave it back to the team"
        case CaseEvent.Kind.SNOOZED:
            return f"snoozed it {_until(data, at=at)}"
        case CaseEvent.Kind.WOKE:
            return f"brought it back: {_small(str(data.get('reason', '')))}"
        case CaseEvent.Kind.ESCALATED:
            return f"told {_role(data)}, because nobody acted in time"
        case CaseEvent.Kind.DECIDED:
            return _decided(event)
        case CaseEvent.Kind.SOLVED:
            return _solved(data)
        case CaseEvent.Kind.ALERTED:
            receiver = data.get("receiver")
            return f"told {receiver}" if receiver else f"sent an e-mail to {_role(data)}"
    return _PLAIN[CaseEvent.Kind(event.kind)]


def _decided(event: CaseEvent) -> str:
    label = action_label(event.action)
    agreed = event.data.get("agreed_by")
    by = f", and {agreed} agreed" if agreed else ""
    many = ", with many others at once" if event.data.get("bulk") else ""
    return f"decided “{label}”{by}{many}"


def action_label(key: str) -> str:
    """The label of an action by its key, wherever it is offered."""
    for kind in catalogue.kinds().values():
        for action in kind.actions:
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


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
