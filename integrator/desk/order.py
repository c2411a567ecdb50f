"""Orders: the list, and one order with everything that belongs to it. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from finance.account import with_refunded
from finance.models import Refund
from finance.states import REFUND_OPEN, RefundStatus
from fulfilment.models import Order, OrderItem, Shipment, Sku, StockMovement
from fulfilment.shapes import OrderKind
from fulfilment.states import OrderStatus
from integrator.desk import (
    catalogue,
    columns,
    directory,
    order_as_of,
    order_items,
    paging,
    personal,
    rails,
    read_again,
    return_says,
    screens,
    stages,
    telling,
    timeline,
    words,
)
from integrator.desk.auth import DeskRequest, may, needs
from integrator.desk.exchange_rows import Replacement, exchanges_of
from integrator.desk.lists import number
from integrator.desk.refund_rows import figures_of
from integrator.desk.return_about import Records, records_of
from integrator.desk.steps import paid_by_hand, promises, step_of
from integrator.desk.symbols import STATUS_SYMBOLS
from integrator.desk.trust import Id, Trust, ids_in, linked, trust_of
from integrator.flows.read_again import Asked, Key, among
from integrator.models import (
    Case,
    CaseEvent,
    CaseState,
    Job,
    Message,
    Transition,
)
from integrator.roles import Role
from returns.models import Exchange, Return, ReturnItem
from returns.queries import units_judged
from returns.states import Custody

ROWS = 400  # of one order; more than this is an accident, and the newest are shown


@require_safe
@needs("order.see")
def orders(request: DeskRequest) -> HttpResponse:
    """The newest orders, paged by their key."""
    found = with_refunded(Order.objects.select_related("connection"))
    sku = Sku.objects.filter(pk=number(request.GET.get("sku", ""))).first()
    if sku is not None:
        found = found.filter(Exists(OrderItem.objects.filter(order=OuterRef("pk"), sku=sku)))
    after = request.GET.get("after", "")
    page = paging.page_of(found, "placed_at", after, newest_first=True)
    context = {
        "orders": [(order, STATUS_SYMBOLS[OrderStatus(order.status)]) for order in page.rows],
        "older": page.after,
        "is_first_page": page.is_first,
        "sku": sku,
        "known": directory.current(at=request.at),
        "table": screens.shown(request, columns.ORDERS),
    }
    return render(request, "fulfilment/orders.html", context)


@require_safe
@needs("order.see")
def order(request: DeskRequest, order_id: int) -> HttpResponse:
    """One order: where its units and its money are, what is owed, and what happened."""
    found = whole_order(order_id)
    if "as_of" in request.GET:
        return order_as_of.page(request, found)
    return page_of(request, found)


def whole_order(order_id: int) -> Order:
    """An order with what of other records its page shows beside it: all in one statement."""
    rows: QuerySet[Order] = Order.objects.select_related(
        "connection__retailer", "customer", "made_for__order", "made_for__return_record"
    ).annotate(links=linked(order_id=OuterRef("pk")))
    order = with_refunded(rows).filter(pk=order_id).first()
    if order is None:
        raise Http404
    return order


def page_of(request: DeskRequest, order: Order, **more: Any) -> HttpResponse:
    """The page of one ``whole_order``; ``more`` is what a form that came back adds to it."""
    return render(request, "fulfilment/order.html", {**_context(request, order), **more})


def _context(request: DeskRequest, order: Order) -> dict[str, Any]:
    at, known = request.at, directory.current(at=request.at)
    items = list(OrderItem.objects.filter(order=order).select_related("sku").order_by("id"))
    units = list(_returned(order))
    refunds = list(Refund.objects.filter(order=order).order_by("id"))
    movements: list[StockMovement] = _newest(
        StockMovement.objects.filter(order_id=order.pk).select_related("sku", "location")
    )
    transitions: list[Transition] = _newest(Transition.objects.filter(order_id=order.pk))
    jobs = list(Job.objects.filter(order_id=order.pk).order_by("-id")[:ROWS])
    case_events = _case_events(request, order)
    messages = list(Message.objects.filter(order_id=order.pk).order_by("-id")[:ROWS])
    events = timeline.build(
        messages=messages,
        transitions=transitions,
        movements=movements,
        jobs=jobs,
        case_events=case_events,
        known=known,
    )
    panel = timeline.panel_of(events, request.GET.get("show", ""), known, at=at)
    open_cases = _open_cases(case_events)
    is_open = {case.pk for case, _, _ in open_cases}
    owed, kept = promises([step_of(job, request, open_cases=is_open) for job in jobs])
    times = rails.reached(transitions)
    exchanges = exchanges_of(Q(order=order)) if any(unit.goes_out for unit in units) else []
    about = records_of(
        [unit.return_record for unit in units],
        units=units,
        refunds=refunds,
        exchanges=[one.row for one in exchanges],
    )
    waits = _first_of_each([case for case, _, _ in open_cases], about)
    owes = _first_of_each([one.job for one in owed], about)
    told = _told(units, refunds, exchanges, movements)
    shipments = list(Shipment.objects.filter(order=order).order_by("id"))
    may_read = may(request, "record.read_again")
    asked = among(messages, jobs) if may_read else {}
    return {
        "order": order,
        "tile": known.tile(order.connection_id),
        "connection_name": known.name(order.connection_id),
        "customer": _customer(request, order, timeline.narrowed(events, panel["theme"])),
        "items": order_items.listed(order, items, units),
        "split": {item.parent_id for item in items},
        "returns": _returns(
            units, times, movements, known, asked if may_read else None, waits, owes, refunds, at
        ),
        "reading": read_again.of_order(order, asked, known, at=at) if may_read else None,
        "exchanges": exchanges,
        "made_for": _made_for(order),
        "refunds": [figures_of(refund) for refund in refunds],
        "movements": movements,
        "open_steps": [*paid_by_hand(refunds, [one for one, _, _ in open_cases]), *owed],
        "kept_steps": kept,
        "cases": open_cases,
        "more_cases": open_cases[1:],
        **panel,
        "trust": _trust(order, units, known, history=len(events)),
        "there": known.page(order.connection_id, "order", order.external_id),
        "shipments": shipments,
        "tellings": telling.sayings(items, units, shipments, told),
        "head": _head(units, refunds, movements),
        "may_ask_goodwill": may(request, "goodwill.ask"),
        "known": known,
    }


def _case_events(request: DeskRequest, order: Order) -> list[CaseEvent]:
    """The newest first."""
    events = CaseEvent.objects.filter(case__order_id=order.pk).select_related("case", "note")
    found = list(events.order_by("-id")[:ROWS])
    personal.cover_notes(request, found)
    return found


def _trust(
    order: Order, units: list[ReturnItem], known: directory.Directory, *, history: int
) -> Trust:
    """What every platform calls this order, its buyer and its returns."""
    ids = [Id(order.connection_id, "order", order.external_id, order.read_at)]
    if order.customer is not None:
        ids.append(Id(order.connection_id, "customer", order.customer.external_id or ""))
    for unit in units:
        rma = unit.return_record
        ids.append(Id(rma.connection_id, "rma", rma.external_id, rma.read_at))
    ids += ids_in(order.links)  # type: ignore[attr-defined]  # comes with ``whole_order``
    return trust_of(ids, known, history=history, history_href="#timeline")


def _customer(
    request: DeskRequest, order: Order, events: list[timeline.Event]
) -> personal.Shown | None:
    if order.customer is None:
        return None
    notes = any(event.is_note for event in events)
    return personal.show(request, personal.Page.ORDER, order.customer, notes=notes)


def _newest(rows: Any) -> list[Any]:
    """The newest rows, oldest first."""
    return list(reversed(rows.order_by("-id")[:ROWS]))


def _made_for(order: Order) -> Exchange | None:
    """The exchange this order was made for, when it is none of the shop's own sales."""
    return getattr(order, "made_for", None) if order.kind == OrderKind.EXCHANGE else None


def _returned(order: Order) -> Any:
    """The returned units of an order; ``goes_out``: goods are sent for something of the return."""
    sent = Exchange.objects.filter(return_record=OuterRef("return_record"))
    units = units_judged(ReturnItem.objects.filter(return_record__order=order))
    return units.annotate(goes_out=Exists(sent)).order_by("return_record_id", "id")


def _told(
    units: Sequence[ReturnItem],
    refunds: Sequence[Refund],
    exchanges: Sequence[Replacement],
    movements: Sequence[StockMovement],
) -> list[telling.Saying]:
    """What may be told of each return of the order, in the words of its own page."""
    said = []
    for rma in {unit.return_record_id: unit.return_record for unit in units}.values():
        now = return_says.Standing(
            rma,
            [one for one in units if one.return_record_id == rma.pk],
            [one for one in refunds if one.return_record_id == rma.pk],
            [one.row for one in exchanges if one.row.return_record_id == rma.pk],
            movements,
        )
        name, state = f"Return {rma.external_id}", return_says.headline(now)
        said.append(telling.Saying(name, state, return_says.for_customer(now)))
    return said


def _returns(
    units: list[ReturnItem],
    times: rails.Reached,
    movements: list[StockMovement],
    known: directory.Directory,
    asked: Mapping[Key, Asked] | None,
    waits: Mapping[int, Case],
    owes: Mapping[int, Job],
    refunds: Sequence[Refund],
    at: datetime,
) -> list[dict[str, Any]]:
    """The returns with their units, each unit with its two rails.

    ``asked`` is None for who may not have them read again; ``waits`` is the next due case of each
    return, ``owes`` a step that is not done.
    """
    found: dict[int, dict[str, Any]] = {}
    for unit in units:
        rma: Return = unit.return_record
        panel = found.setdefault(
            rma.pk,
            {
                "rma": rma,
                "tile": known.tile(rma.connection_id),
                "name": known.name(rma.connection_id),
                "stage": stages.stage_of(
                    rma,
                    known,
                    case=waits.get(rma.pk),
                    owes=rma.pk in owes,
                    refunds=[one for one in refunds if one.return_record_id == rma.pk],
                ),
                "reading": None
                if asked is None
                else read_again.of_return(rma, asked, known, at=at),
                "units": [],
            },
        )
        panel["units"].append(rails.unit_of(unit, times=times, movements=movements, at=at))
    return list(found.values())


_About = TypeVar("_About", Case, Job)


def _first_of_each(rows: Iterable[_About], about: Records) -> dict[int, _About]:
    """By the number of its return: the first of those that are about a record of it."""
    found: dict[int, _About] = {}
    for one in rows:
        if one.record_id in about.of.get(one.record_kind, {}):
            found.setdefault(about.return_of(one.record_kind, one.record_id), one)
    return found


def _open_cases(events: list[CaseEvent]) -> list[tuple[Case, str, str]]:
    """The order's open cases with title and owner, the next due first."""
    found = {event.case_id: event.case for event in events}
    cases = [case for case in found.values() if case.state != CaseState.SOLVED]
    return [
        (
            case,
            catalogue.said_of(case).title,
            str(Role(case.owner).label) if case.owner in Role.values else case.owner,
        )
        for case in sorted(cases, key=lambda case: (case.due_at, case.pk))
    ]


def _head(
    units: list[ReturnItem], refunds: list[Refund], movements: list[StockMovement]
) -> dict[str, Any]:
    """The head line: where the units are and where the money is, in one sentence."""
    back = [unit for unit in units if unit.custody != Custody.CLOSED]
    arrived = [u for u in back if u.custody in (Custody.RECEIVED, Custody.INSPECTED)]
    open_refund = next((one for one in refunds if one.status in REFUND_OPEN), None)
    said = stands(
        len(back),
        len(arrived),
        open_refund,
        where="of this order in return",
        unsold=sum(return_says.lies_unsold(unit, movements) for unit in units),
    )
    in_doubt = open_refund is not None and open_refund.status == RefundStatus.IN_DOUBT
    return {"says": said, "in_doubt": in_doubt, "under_way": len(back)}


def stands(
    units: int, arrived: int, open_refund: Refund | None, *, where: str, unsold: int = 0
) -> str:
    """How many units are coming back and how it stands with the refund that is not proved yet.

    ``unsold``: units of returns that have ended which are here and which nobody can buy yet.
    """
    said = []
    if units:
        came = f"{arrived} arrived" if arrived else "none arrived yet"
        said.append(f"{words.plural(units, 'unit')} {where}, {came}.")
    elif not unsold:
        said.append(f"No unit {where}.")
    if unsold:
        are = "is" if unsold == 1 else "are"
        said.append(f"{words.plural(unsold, 'unit')} came back and {are} not on sale yet.")
    if open_refund is not None:
        money = words.amount_text(open_refund.calculated_minor, open_refund.currency)
        said.append(f"A refund of {money} is {open_refund.get_status_display().lower()}.")
    return " ".join(said)
