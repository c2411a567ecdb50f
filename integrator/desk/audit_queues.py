"""What was done about the views of a team's queue, in words."""

from __future__ import annotations

from typing import Any

from integrator.desk import queue_address, queue_words, saved_views
from integrator.desk.audit_entry import Change, Entry
from integrator.desk.audit_known import Known, entry_of
from integrator.desk.audit_rows import Row
from integrator.flows.queue_wanted import Wanted
from integrator.roles import Role

_DID = {"kept": "kept a view for the team", "deleted": "deleted a view of the team"}


def viewed(row: Row, known: Known) -> Entry:
    data = row.data
    role, old, new = str(data["role"]), data["old"] or {}, data["new"]
    is_deleted = data["what"] == "deleted"
    did = _DID.get(data["what"], "changed a view of the team" if old else "gave the team a view")
    wanted = _wanted(role, new["query"], known)
    if is_deleted:
        old, new = new, {}
    before, now = _in_words(role, old, known), _in_words(role, new, known)
    labels = ["shows", "tells when more than"]
    if before and now:
        labels.insert(0, "name")
    return entry_of(
        row,
        did,
        about=f"“{data['new']['name']}”",
        sub=f"Queue of {Role(role).label}" if role in Role.values else "",
        href="" if is_deleted else queue_address.href(wanted, view=data["view_id"]),
        changes=tuple(
            Change(label, before.get(label, ""), now.get(label, ""))
            for label in labels
            if before.get(label, "") != now.get(label, "")
        ),
    )


def _in_words(role: str, said: dict[str, Any], known: Known) -> dict[str, str]:
    if not said:
        return {}
    more_than = said["more_than"]
    return {
        "name": said["name"],
        "shows": queue_words.says(_wanted(role, said["query"], known), known.connections),
        "tells when more than": "" if more_than is None else f"{more_than:,}",
    }


def _wanted(role: str, query: str, known: Known) -> Wanted:
    return saved_views.wanted_of(queue_address.parsed(query), role=role, user_id=0, at=known.at)
