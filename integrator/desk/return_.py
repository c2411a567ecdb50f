"""One return: where its units are, where its money is, who is next, and how it came to that.

Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, JSONObject
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from finance.models import Refund
from finance.owed import missing, with_promises
from finance.states import RefundStatus
from fulfilment.models import OrderItem, StockMovement
from integrator.desk import (
    directory,
    evidence,
    open_cases,
    personal,
    rails,
    read_again,
    return_says,
    return_units,
    stages,
    timeline,
)
from integrator.desk.auth import DeskRequest, may, needs
from integrator.desk.code128 import barcode
from integrator.desk.exchange_rows import Replacement, exchanges_of
from integrator.desk.refund_rows import figures_of
from integrator.desk.return_about import records_of
from integrator.desk.steps import Step, paid_by_hand, promises, step_of
from integrator.desk.trust import Id, Trust, ids_in, linked, trust_of
from integrator.flows.read_again import among
from integrator.models import (
    BatchItem,
    Case,
    CaseEvent,
    CaseState,
    Job,
    Message,
    Transition,
)
from returns.models import Inspection, Return, ReturnItem
from returns.queries import units_judged
from returns.stages import ENDED

ROWS = 400  # of one return; more than this is an accident, and the newest are shown


@dataclass(frozen=True, slots=True)
class Next:
    """Whose step is next: since when it stands, and until when it may.

    ``case`` where something is wrong: then its owner is next, until it is due.
    """

    who: str
    since: datetime
    until: datetime | None
    case: Case | None = None


@require_safe
@needs("order.see")
def page(request: DeskRequest, return_id: int) -> HttpResponse:
    """A return with everything that belongs to it, and with nothing else of its order."""
    rows: QuerySet[Return] = Return.objects.select_related(
        "connection", "order__connection", "order__customer"
    ).annotate(links=linked(record_kind=Return.RECORD_KIND, record_id=OuterRef("pk")))
    found = with_promises(rows).filter(pk=return_id).first()
    if found is None:
        raise Http404
    return render(request, "returns/return.html", _context(request, found))


def _context(request: DeskRequest, rma: Return) -> dict[str, Any]:
    at, known = request.at, directory.current(at=request.at)
    read = _read(rma)
    personal.cover_notes(request, read.case_events)
    is_open = {case.pk for case in read.cases}
    owed, kept = promises([step_of(job, request, open_cases=is_open) for job in read.jobs])
    cases = read.cases
    stage = stages.stage_of(
        rma, known, case=cases[0] if cases else None, owes=bool(owed), refunds=read.refunds
    )
    verdicts = return_units.verdicts_of(
        read.units, read.inspections, read.transitions, known.name(rma.connection_id)
    )
    items = list(BatchItem.objects.filter(order_id=rma.order_id)) if rma.order_id else []
    return {
        **_head(request, rma, read, known),
        "untold": sum(len(one.changes) for one in items if one.state not in rails.SHOWN_THERE),
        "not_kept": missing(rma),
        "shop_name": known.name(rma.order.connection_id) if rma.order is not None else "",
        "pill": _pill(rma, read.refunds, read.cases, owed),
        "stage": stage,
        "turn": _next(rma, stage, read.transitions, read.cases, known),
        "branches": return_units.tree(
            read.units,
            times=rails.reached(read.transitions),
            told=_told(rma, read, items, known),
            movements=read.movements,
            verdicts=verdicts,
            refunds=read.refunds,
            at=at,
        ),
        "verdicts": verdicts,
        "evidence": evidence.of_return(rma, read.units, read.refunds, known, at=at),
        "exchanges": read.replacements,
        "refunds": [figures_of(refund) for refund in read.refunds],
        "movements": read.movements,
        "open_steps": [*paid_by_hand(read.refunds, cases), *owed],
        "kept_steps": kept,
        "cases": open_cases.told(request, read.cases),
        **_history(request, rma, read, known),
    }


def _head(
    request: DeskRequest, rma: Return, read: Read, known: directory.Directory
) -> dict[str, Any]:
    """What the page begins with: names, sentences, the ways into the platform and onto paper."""
    exchanges = [one.row for one in read.replacements]
    now = return_says.Standing(rma, read.units, read.refunds, exchanges, read.movements)
    return {
        "rma": rma,
        "order": rma.order,
        "tile": known.tile(rma.connection_id),
        "connection_name": known.name(rma.connection_id),
        "headline": return_says.headline(now),
        "for_customer": return_says.for_customer(now),
        "there": known.page(rma.connection_id, "rma", rma.external_id),
        "barcode": barcode(rma.external_id),
    }


def _history(
    request: DeskRequest, rma: Return, read: Read, known: directory.Directory
) -> dict[str, Any]:
    """Its time line, what became of the last reading, and the strip under it all."""
    events = timeline.build(
        messages=read.messages,
        transitions=read.transitions,
        movements=read.movements,
        jobs=read.jobs,
        case_events=read.case_events,
        known=known,
    )
    reading = None
    if may(request, "record.read_again"):
        asked = among(read.messages, read.jobs)
        reading = read_again.of_return(rma, asked, known, at=request.at)
    panel = timeline.panel_of(events, request.GET.get("show", ""), known, at=request.at)
    return {
        **panel,
        "customer": _customer(request, rma, timeline.narrowed(events, panel["theme"])),
        "reading": reading,
        "trust": _trust(rma, known, history=len(events)),
    }


# --- Reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """Everything that was read for one page: one statement each, however much there is."""

    units: list[ReturnItem]
    refunds: list[Refund]
    replacements: list[Replacement]
    inspections: list[Inspection]
    movements: list[StockMovement]
    transitions: list[Transition]
    messages: list[Message]
    case_events: list[CaseEvent]
    jobs: list[Job]

    @property
    def cases(self) -> list[Case]:
        """The open ones, the next due first."""
        found = {one.case_id: one.case for one in self.case_events}
        is_open = [one for one in found.values() if one.state != CaseState.SOLVED]
        return sorted(is_open, key=lambda one: (one.due_at, one.pk))


def _read(rma: Return) -> Read:
    units, refunds = list(_units(rma)), list(_refunds(rma))
    replacements = exchanges_of(Q(return_record=rma))
    inspections = list(
        Inspection.objects.filter(return_item__return_record=rma).select_related(
            "location", "sku", "piece"
        )
    )
    about = records_of(
        [rma],
        units=units,
        refunds=refunds,
        exchanges=[one.row for one in replacements],
        inspections=inspections,
    )
    moved = StockMovement.objects.filter(return_item_id__in=[unit.pk for unit in units])
    messages = _newest(Message.objects.filter(_about(rma)))
    case_events = _newest(
        CaseEvent.objects.filter(about.among(prefix="case__")).select_related("case", "note")
    )
    return Read(
        units=units,
        refunds=refunds,
        replacements=replacements,
        inspections=inspections,
        movements=_newest(moved.select_related("sku", "location")),
        transitions=_newest(Transition.objects.filter(about.among())),
        messages=messages,
        case_events=case_events,
        jobs=_jobs(about.among(), messages, case_events),
    )


def _units(rma: Return) -> Any:
    """Its units; one that was sold in a bundle with all of the bundle's parts as ``set_parts``."""
    bundle = Coalesce(OuterRef("order_item__parent"), OuterRef("order_item"))
    part = JSONObject(
        id="id", sku_id="sku", code="sku__code", name="sku__name", price="catalogue_minor"
    )
    parts = OrderItem.objects.filter(parent=bundle).order_by("id").values(part=part)[:ROWS]
    units = units_judged(ReturnItem.objects.filter(return_record=rma))
    return (
        units.select_related("order_item__sku", "order_item__parent__sku")
        .annotate(set_parts=ArraySubquery(parts))
        .order_by("id")
    )


def _refunds(rma: Return) -> Any:
    """Its refunds, each with how much of it is for which unit as ``parts``."""
    part = JSONObject(return_item="items__return_item", amount="items__amount_minor")
    return (
        Refund.objects.filter(return_record=rma)
        .annotate(parts=ArrayAgg(part, filter=Q(items__isnull=False), default=[]))
        .order_by("id")
    )


def _about(rma: Return) -> Q:
    return Q(connection=rma.connection_id, resource_kind="rma", resource_id=rma.external_id)


def _jobs(about: Q, messages: Iterable[Message], events: Iterable[CaseEvent]) -> list[Job]:
    """Steps about it, the readings of what was heard, and what people decided in its cases."""
    heard = Q(record_kind=Message.RECORD_KIND, record_id__in=[one.pk for one in messages])
    cases = {one.case_id for one in events}
    decided = Q(record_kind=Case.RECORD_KIND, record_id__in=cases)
    return list(Job.objects.filter(about | heard | decided).order_by("-id")[:ROWS])


def _newest(rows: Any) -> list[Any]:
    """The newest rows, oldest first."""
    return list(reversed(rows.order_by("-id")[:ROWS]))


# --- Words ----------------------------------------------------------------------------------------


def _pill(
    rma: Return, refunds: Sequence[Refund], cases: Sequence[Case], owed: Sequence[Step]
) -> tuple[str, str]:
    """The state in two or three words, the most worrying first."""
    if any(one.status == RefundStatus.IN_DOUBT for one in refunds):
        return "doubt", "a refund is in doubt"
    if cases:
        return "wait", "needs a person"
    if owed:
        return "wait", "something is owed"
    if rma.status in ENDED:
        return "ok", "nothing is owed"
    return "idle", "under way"


def _told(
    rma: Return, read: Read, items: Iterable[BatchItem], known: directory.Directory
) -> rails.Told:
    """Which platforms have each step: the returns platform, the shop of the order, who pays."""
    order = rma.order
    shop = known.connections.get(order.connection_id) if order is not None else None
    is_told = shop is not None and shop.platform in stages.SHOPS
    payers = stages.payers(known, [], stages.executor_of(read.refunds))
    return rails.told_by(
        read.transitions,
        items,
        portal=known.tile(rma.connection_id),
        shop=shop.tile if shop is not None and is_told else None,
        payer=payers[0].tile if payers else None,
    )


def _next(
    rma: Return,
    stage: stages.Stage,
    transitions: Iterable[Transition],
    cases: Sequence[Case],
    known: directory.Directory,
) -> Next:
    """Who, since when and until when: the next case that is due, or else the stage's own time."""
    moved = [
        one.at
        for one in transitions
        if one.record_kind == Return.RECORD_KIND and one.new == rma.status
    ]
    since = moved[-1] if moved else rma.requested_at
    if cases:
        return Next(stage.next_step, since, cases[0].due_at, cases[0])
    there = known.connections.get(rma.connection_id)
    hours = there.stage_hours.get(rma.status) if there is not None else None
    until = since + timedelta(hours=hours) if hours and rma.status not in ENDED else None
    return Next(stage.next_step, since, until)


def _customer(
    request: DeskRequest, rma: Return, events: Iterable[timeline.Event]
) -> personal.Shown | None:
    if rma.order is None or rma.order.customer is None:
        return None
    notes = any(event.is_note for event in events)
    return personal.show(request, personal.Page.RETURN, rma.order.customer, notes=notes)


def _trust(rma: Return, known: directory.Directory, *, history: int) -> Trust:
    """What every platform calls this return, and its order."""
    ids = [Id(rma.connection_id, "rma", rma.external_id, rma.read_at)]
    if rma.order is not None:
        order = rma.order
        ids.append(Id(order.connection_id, "order", order.external_id, order.read_at))
    ids += ids_in(rma.links)  # type: ignore[attr-defined]  # comes with the page's query
    return trust_of(ids, known, history=history, history_href="#timeline")
