"""The button that tries a connection with one harmless reading, and what was understood.

The request itself calls nobody: it leaves a message, and the worker reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from integrator.desk import read_again, words
from integrator.desk.auth import DeskRequest, back_to, needs
from integrator.flows import read_again as asking
from integrator.flows.read_again import Asked, Key
from integrator.flows.try_connection import TRIED
from integrator.models import Connection, Job, JobState

CLOCK_SECONDS = 2  # the date of an answer names whole seconds


@dataclass(frozen=True, slots=True)
class Trial:
    """How the last try went. ``lines`` are what was understood, each a symbol with words."""

    is_under_way: bool = False
    soon: bool = False
    symbol: str = ""
    says: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)


@require_POST
@needs("connection.try")
def try_(request: DeskRequest, connection_id: int) -> HttpResponse:
    """Have one harmless reading made, also of what is held: nothing else of it is called."""
    with transaction.atomic():
        rows = Connection.objects.select_for_update(no_key=True).defer("secrets")
        connection = get_object_or_404(rows, pk=connection_id)
        read_again.ask(request, _key(connection))
    back = back_to(request, reverse("connections")).partition("#")[0]
    return HttpResponseRedirect(f"{back}#c-{connection.pk}")


def trials(connections: list[Connection], *, at: datetime) -> Mapping[int, Trial]:
    """The last try of each connection, by its id."""
    asked = asking.last_asked([_key(one) for one in connections]) if connections else {}
    return {one.pk: _trial(one, asked.get(_key(one)), at=at) for one in connections}


def _key(connection: Connection) -> Key:
    return (connection.pk, "connection", str(connection.pk))


def _trial(connection: Connection, asked: Asked | None, *, at: datetime) -> Trial:
    if asked is None:
        return Trial()
    frame: dict[str, Any] = {
        "is_under_way": asked.is_under_way,
        "soon": read_again.is_soon(asked, None, at=at),  # whatever it is in, it is tried
    }
    job = asked.job
    tried = job.evidence.get(TRIED) if job is not None and job.state == JobState.DONE else None
    if job is None or tried is None:
        symbol, says = read_again.says(asked, [], None, connection.name, at=at)
        return Trial(**frame, symbol=symbol, says=says)
    symbol, says = _headline(tried, job, at=at)
    return Trial(**frame, symbol=symbol, says=says, lines=_lines(tried))


def _headline(tried: Mapping[str, Any], job: Job, *, at: datetime) -> tuple[str, str]:
    when = words.moment_text(job.finished_at or at, at=at)
    took = f" in {tried['took_ms']:,} ms" if tried["took_ms"] is not None else ""
    if tried["may_read"]:
        return "ok", f"Tried at {when}: it works, and answered{took}"
    if tried["answers"]:
        return "bad", f"Tried at {when}: it answered{took}, and not as it should"
    if tried["took_ms"] is None:
        return "wait", f"Tried at {when}: it was not called"
    return "bad", f"Tried at {when}: no answer{took}"


def _lines(tried: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [
        _line(tried["signed_in"], "It accepts our key", "It does not accept our key"),
        _line(tried["may_read"], "We may read there", "We may not read there"),
        _clock(tried["clock_seconds"]),
    ]
    if tried["says"]:
        lines.append(("idle", f"{tried['says'][:1].upper()}{tried['says'][1:]}"))
    return [one for one in lines if one is not None]


def _line(is_so: bool | None, yes: str, no: str) -> tuple[str, str] | None:
    if is_so is None:
        return None
    return ("ok", yes) if is_so else ("bad", no)


def _clock(seconds: int | None) -> tuple[str, str] | None:
    if seconds is None:
        return None
    if abs(seconds) <= CLOCK_SECONDS:
        return "ok", "Its clock agrees with ours"
    where = "ahead of" if seconds > 0 else "behind"
    return "wait", f"Its clock is {abs(seconds):,} s {where} ours"
