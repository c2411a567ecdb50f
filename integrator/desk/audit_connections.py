"""The rows of the audit list about connections, in words: switched, maintenance, incidents."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from integrator.desk import words
from integrator.desk.audit_entry import Change, Entry
from integrator.desk.audit_known import Known, entry_of, quoted
from integrator.desk.audit_rows import Row
from integrator.models import MaintenanceState

_DID = {
    "PLANNED": "announced maintenance",
    "BEGUN": "said when the connection starts again by itself",
    "OVER": "ended maintenance early",
    "CANCELLED": "cancelled maintenance",
}


def switched(row: Row, change: Change, known: Known) -> Entry:
    return entry_of(
        row,
        "switched the connection",
        **_about(row.data["record_id"], known),
        changes=(change,),
        **quoted(row, row.data["reason"]),
    )


def window(row: Row, known: Known) -> Entry:
    """What somebody did about a maintenance window: with its time, and why.

    Whoever cancels one says why; then what it was announced for stands beside its time.
    """
    data = row.data
    of: dict[str, Any] = data["window"]
    when = f"{_moment(of['starts_at'], known)} to {_moment(of['ends_at'], known)}"
    why = of["reason"]
    if data["new"] == MaintenanceState.CANCELLED:
        when, why = f"{when} (“{why}”)", data["reason"]
    return entry_of(
        row,
        _DID.get(data["new"], "changed maintenance"),
        **_about(of["connection_id"], known),
        sub=when,
        **quoted(row, why),
    )


def noted(row: Row, known: Known) -> Entry:
    data = row.data
    return entry_of(
        row,
        "wrote a note on an incident",
        about=known.connections.name(data["connection_id"]),
        href=_history(data),
        sub=f"that began {_moment(data['began'], known)}",
        **quoted(row, data["text"]),
    )


def _history(data: dict[str, Any]) -> str:
    began = parse_datetime(str(data["began"]))
    day = f"?day={timezone.localtime(began).date()}" if began is not None else ""
    where = reverse("connection_history", args=[data["connection_id"]])
    return f"{where}{day}#i-{data['fact_id']}"


def _about(connection_id: int, known: Known) -> dict[str, str]:
    name = known.connections.name(connection_id)
    return {"about": name, "href": reverse("connection", args=[connection_id])}


def _moment(text: str, known: Known) -> str:
    """A moment as the database writes it into an object."""
    found = parse_datetime(str(text))
    return words.start_text(found, at=known.at) if found is not None else str(text)
