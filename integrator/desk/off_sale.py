"""Good units that nobody can buy: how many there are, and each of them. Writes nothing."""

from __future__ import annotations

from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fulfilment.models import Order
from integrator.desk import catalogue
from integrator.desk.auth import DeskRequest, needs
from integrator.models import Case, CaseState
from returns.models import ReturnItem
from returns.queries import units_off_sale

ROWS = 200  # the oldest; the total counts all


@require_safe
@needs("order.see")
def off_sale(request: DeskRequest) -> HttpResponse:
    """The total, and its rows: each with its order and with the case that holds it, if any."""
    found = units_off_sale()
    rows = list(found[:ROWS])
    units = [row.return_item_id for row in rows]
    orders = Order.objects.in_bulk([row.order_id for row in rows if row.order_id])
    returned = ReturnItem.objects.select_related("return_record").in_bulk(units)
    cases: dict[int, Case] = {}
    open_ones = Case.objects.filter(record_kind="return_item", record_id__in=units)
    for case in open_ones.exclude(state=CaseState.SOLVED).order_by("-severity", "id"):
        cases.setdefault(case.record_id, case)
    listed = [
        {
            "row": row,
            "order": orders.get(row.order_id or 0),
            "rma": returned[row.return_item_id].return_record,
            "case": cases.get(row.return_item_id),
            "why": catalogue.said_of(cases[row.return_item_id]).title
            if row.return_item_id in cases
            else "",
        }
        for row in rows
    ]
    total = found.aggregate(units=Sum("quantity", default=0))["units"]
    return render(request, "returns/off_sale.html", {"rows": listed, "total": total})
