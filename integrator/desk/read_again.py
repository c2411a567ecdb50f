"""The button that has an order or a return read again, how that goes, and what it changed.

The request itself calls nobody: it leaves a message, and the worker reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from fulfilment.models import Order
from integrator.desk import directory, words
from integrator.desk.auth import DeskRequest, back_to, may, needs
from integrator.desk.catalogue import Tile
from integrator.engine.errors import OutOfCalls
from integrator.flows import read_again, tasks
from integrator.flows.differences import CHANGED
from integrator.flows.read_again import Asked, Key
from integrator.models import ConnectionState, Job, JobState
from returns.models import Return

TOLD_FOR = timedelta(days=1)  # afterwards the answer is history: the time line has it


@dataclass(frozen=True, slots=True)
class Side:
    """One system's word before and after. Empty on both sides: it keeps none."""

    was: str
    now: str

    @property
    def is_kept(self) -> bool:
        return bool(self.was or self.now)

    @property
    def differs(self) -> bool:
        return self.was != self.now


@dataclass(frozen=True, slots=True)
class Row:
    field: str
    theirs: Side
    ours: Side


@dataclass(frozen=True, slots=True)
class Reading:
    """One record's button with what became of the last press. ``soon``: it is worth waiting for."""

    anchor: str
    action: str
    about: str
    tile: Tile
    name: str
    symbol: str = ""
    says: str = ""
    is_under_way: bool = False
    soon: bool = False
    rows: list[Row] = field(default_factory=list)


def of_order(
    order: Order, asked: Mapping[Key, Asked], known: directory.Directory, *, at: datetime
) -> Reading:
    action = reverse("order_read", args=[order.pk])
    about = f"order {order.number}"
    return _reading(key_of_order(order), action, f"read-order-{order.pk}", about, asked, known, at)


def of_return(
    rma: Return, asked: Mapping[Key, Asked], known: directory.Directory, *, at: datetime
) -> Reading:
    action = reverse("return_read", args=[rma.pk])
    about = f"return {rma.external_id}"
    return _reading(key_of_return(rma), action, f"read-return-{rma.pk}", about, asked, known, at)


def of_case(
    request: DeskRequest,
    order: Order | None,
    rma: Return | None,
    known: directory.Directory,
    *,
    is_own_page: bool,
) -> list[Reading]:
    """For the records a case is about; nothing for who may not press.

    Beside a list the buttons lead to the case's own page, which alone says how it goes.
    """
    if not may(request, "record.read_again"):
        return []
    keys = [key_of_order(order)] if order is not None else []
    keys += [key_of_return(rma)] if rma is not None else []
    asked = read_again.last_asked(keys) if keys and is_own_page else {}
    found = [of_order(order, asked, known, at=request.at)] if order is not None else []
    return found + ([of_return(rma, asked, known, at=request.at)] if rma is not None else [])


def key_of_order(order: Order) -> Key:
    return (order.connection_id, "order", order.external_id)


def key_of_return(rma: Return) -> Key:
    return (rma.connection_id, "rma", rma.external_id)


@require_POST
@needs("record.read_again")
def order(request: DeskRequest, order_id: int) -> HttpResponse:
    """Have an order read again from its shop."""
    with transaction.atomic():
        found = get_object_or_404(Order.objects.select_for_update(no_key=True), pk=order_id)
        ask(request, key_of_order(found))
    return _back(request, reverse("order", args=[found.pk]), f"read-order-{found.pk}")


@require_POST
@needs("record.read_again")
def return_(request: DeskRequest, return_id: int) -> HttpResponse:
    """Have a return read again from its returns platform."""
    with transaction.atomic():
        found = get_object_or_404(Return.objects.select_for_update(no_key=True), pk=return_id)
        ask(request, key_of_return(found))
    return _back(request, reverse("return", args=[found.pk]), f"read-return-{found.pk}")


def ask(request: DeskRequest, key: Key) -> None:
    """The record's row is held: of two who press at once, one asks and the other is told."""
    shown_at = _moment(request.POST.get("shown", ""), otherwise=request.at)
    last = read_again.ask(key, shown_at=shown_at, at=request.at)
    if last is None:
        tasks.nudge()
    elif last.is_under_way:
        messages.info(request, "It is being read already")
    else:
        messages.info(request, "It was read since you opened the page: nothing was asked again")


def _moment(text: str, *, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return found if found.tzinfo is not None else otherwise


def _back(request: DeskRequest, otherwise: str, anchor: str) -> HttpResponse:
    return HttpResponseRedirect(f"{back_to(request, otherwise).partition('#')[0]}#{anchor}")


def _reading(
    key: Key,
    action: str,
    anchor: str,
    about: str,
    found: Mapping[Key, Asked],
    known: directory.Directory,
    at: datetime,
) -> Reading:
    asked = found.get(key)
    frame: dict[str, Any] = {
        "anchor": anchor,
        "action": action,
        "about": about,
        "tile": known.tile(key[0]),
        "name": known.name(key[0]),
    }
    if asked is None or _is_history(asked, at=at):
        return Reading(**frame)
    rows = _rows(asked.job)
    symbol, said = says(asked, rows, known.connections.get(key[0]), frame["name"], at=at)
    return Reading(
        **frame,
        symbol=symbol,
        says=said,
        is_under_way=asked.is_under_way,
        soon=is_soon(asked, known.connections.get(key[0]), at=at),
        rows=rows,
    )


def _is_history(asked: Asked, *, at: datetime) -> bool:
    ended = asked.job.finished_at if asked.job is not None else None
    return ended is not None and ended < at - TOLD_FOR


def is_soon(asked: Asked, there: directory.Known | None, *, at: datetime) -> bool:
    if there is not None and there.state != ConnectionState.ACTIVE:
        return False
    job = asked.job
    return job is None or (job.state in (JobState.DUE, JobState.RUNNING) and job.not_before <= at)


def _rows(job: Job | None) -> list[Row]:
    changed: Iterable[Mapping[str, Any]] = job.evidence.get(CHANGED, []) if job is not None else []
    return [Row(one["field"], Side(*one["theirs"]), Side(*one["ours"])) for one in changed]


def says(
    asked: Asked, rows: list[Row], there: directory.Known | None, name: str, *, at: datetime
) -> tuple[str, str]:
    """Symbol and words for how far the reading is, or how it ended."""
    job = asked.job
    if job is None:
        return "wait", f"{name} is asked in a moment"
    match job.state:
        case JobState.DONE:
            when = words.moment_text(job.finished_at or at, at=at)
            if rows:
                return "ok", f"{words.plural(len(rows), 'field')} changed, read at {when}"
            return "ok", f"Nothing changed, read at {when}"
        case JobState.PARKED:
            return "bad", "It could not be read. A case says why."
        case JobState.CANCELLED:
            return "idle", "Somebody stopped it before it was read"
    return _waits(job, there, name, at=at)


def _waits(job: Job, there: directory.Known | None, name: str, *, at: datetime) -> tuple[str, str]:
    state = there.state if there is not None else ConnectionState.ACTIVE
    when = words.moment_text(job.not_before, at=at)
    if state == ConnectionState.PAUSED:
        return "pause", f"{name} is paused. It is read when somebody switches it on again."
    if state == ConnectionState.NEEDS_CREDENTIALS:
        return "bad", f"{name} does not accept our key. It is read when that is mended."
    if job.state == JobState.WAITING and job.error_class == OutOfCalls.__name__:
        return "wait", f"Today's calls to {name} are used up. It is read at {when}, with new ones."
    if job.state == JobState.WAITING:
        tries = words.plural(job.attempts, "try", "tries")
        return "wait", f"{name} gave no answer we could use ({tries}). The next try is at {when}."
    if job.not_before > at:
        return "wait", f"It is read at {when}"
    if state == ConnectionState.DEGRADED:
        return "wait", f"{name} does not answer reliably. It is read as soon as it does."
    return "wait", f"{name} is being asked"
