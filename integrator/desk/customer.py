"""One customer: everything bought, returned, replaced and paid back. Writes nothing."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from finance.account import account_of
from fulfilment.models import Order
from integrator.desk import buyer, directory, personal
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.customer_rows import KINDS, key_of, story
from integrator.desk.open_cases import CASES, open_cases, told
from integrator.desk.trust import Id, trust_of


@require_safe
@needs("order.see")
def customer(request: DeskRequest, customer_id: int) -> HttpResponse:
    """The customer's story, newest first, the sums per currency, and what is open."""
    newest = Order.objects.filter(customer=OuterRef("pk")).order_by("-read_at").values("read_at")
    # The shop tells of its customers with their orders.
    told_by = buyer.with_privacy().annotate(read_at=Subquery(newest[:1]))
    found = told_by.filter(pk=customer_id).first()
    if found is None:
        raise Http404
    show = request.GET.get("show", "all")
    show = show if show in KINDS else "all"
    after = key_of(request.GET.get("after", ""))
    rows, older = story(found.pk, show=show, after=after)
    account = account_of(found.pk)
    known = directory.current(at=request.at)
    cases = open_cases(Q(order_id__in=Order.objects.filter(customer=found.pk).values("pk")))
    context = {
        "customer": personal.show(request, personal.Page.CUSTOMER, found),
        "external_id": found.external_id,
        "privacy": buyer.privacy_of(found),
        "connection_name": known.name(found.connection_id),
        "sums": account.sums,
        "chips": _chips(account.counts),
        "chosen": show,
        "rows": rows,
        "older": older,
        "is_first_page": after is None,
        "cases": told(request, cases[:CASES]),
        "trust": trust_of(
            [Id(found.connection_id, "customer", found.external_id or "", found.read_at)],
            known,
            history=sum(account.counts.values()),
            history_href="?show=all#story",
        ),
        "more_cases": len(cases) > CASES,
    }
    return render(request, "fulfilment/customer.html", context)


def _chips(counts: Any) -> list[tuple[str, str, int]]:
    """The lists one may narrow the story to, each with how much is in it."""
    chips = [(kind, label, counts.get(kind, 0)) for kind, label in KINDS.items()]
    return [("all", "All", sum(count for _, _, count in chips)), *chips]
