"""Goodwill, asked for on the order's page. Finance decides; nothing is paid from here."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from finance.services import goodwill_ask
from integrator.desk import words
from integrator.desk.auth import DeskRequest, needs, trace_of
from integrator.desk.case_writes import too_long
from integrator.desk.order import page_of, whole_order
from integrator.engine import choices


@require_POST
@needs("goodwill.ask")
def ask(request: DeskRequest, order_id: int) -> HttpResponse:
    """Put an amount and a reason in front of finance. A form with a mistake comes back as typed."""
    order = whole_order(order_id)
    note = words.typed(request.POST.get("note", ""))
    typed = words.typed(request.POST.get("amount", ""))
    wrong = too_long(note, "Why") if note else "Say why in one sentence"
    errors = {"note": wrong} if wrong else {}
    try:
        amount = words.minor_of(typed, order.currency)
    except words.UnableToRead as error:
        errors["amount"] = str(error)
    if errors:
        return page_of(request, order, goodwill={"amount": typed, "note": note, "errors": errors})
    policy = choices.current(order.connection.retailer)
    with transaction.atomic():
        goodwill_ask(
            order,
            amount_minor=amount,
            limits=choices.choice(policy, "goodwill_limit_minor"),
            note=note,
            by=request.user,
            trace=trace_of(request),
        )
    messages.success(request, "Finance has it now")
    return redirect("order", order_id)
