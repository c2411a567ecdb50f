"""What the words of the audit list need: looked up once for a page, and how each line begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrator.desk import directory, history
from integrator.desk.audit_entry import Entry
from integrator.desk.audit_rows import Row
from integrator.desk.audit_sources import PERSON

_ACTORS = {
    "configure": "Set-up on the server",
    "command": "Command on the server",
    "provider": "The sign-in provider",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the words need to look up, read once for all rows of a page."""

    connections: directory.Directory
    orders: dict[int, str]
    at: datetime
    personal: bool
    customers: dict[int, str]


def quoted(row: Row, text: str) -> dict[str, Any]:
    """What a person wrote, as their words; what our own steps say stands without marks."""
    return {"why": text, "is_quote": bool(text) and row.actor.startswith(PERSON)}


def entry_of(row: Row, says: str, **more: Any) -> Entry:
    kind, _, _ = row.actor.partition(":")
    is_person = row.actor.startswith(PERSON)
    who = history.who(row.actor) if is_person else _ACTORS.get(kind, "We")
    return Entry(at=row.at, who=who, is_person=is_person, says=says, **more)
