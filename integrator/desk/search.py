"""Find anything by a number people have at hand. One exact match opens at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Lower
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from fulfilment.models import Customer, Order, Shipment, Sku
from integrator.desk import buyer, personal, words
from integrator.desk.auth import DeskRequest, needs
from integrator.models import Case, Link
from returns.models import Return

LIMIT = 50
_CASE = re.compile(r"[cC]-?(\d{1,17})")


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found: what it is, why it fits, and where it is."""

    kind: str
    label: str
    why: str
    href: str


@require_safe
@needs("order.see")
def find(request: DeskRequest) -> HttpResponse:
    """Search by order, return, e-mail, SKU, parcel or a platform's number: exact, never guessed."""
    text = words.typed(request.GET.get("q", ""))[:200]
    hits = _hits(request, text) if text else []
    if len(hits) == 1:
        return HttpResponseRedirect(hits[0].href)
    context = {
        "q": text,
        "hits": hits[:LIMIT],
        "more": len(hits) > LIMIT,
        "may_see_people": personal.may_see(request),
    }
    return render(request, "desk/find.html", context)


def _hits(request: DeskRequest, text: str) -> list[Hit]:
    """Everything that fits, each place once."""
    found = [*_cases(text), *_orders(text), *_returns(text), *_parcels(text), *_links(text)]
    if "@" in text and personal.may_see(request):
        found += _people(request, text)
    found += _skus(text)
    once: dict[str, Hit] = {}
    for hit in found:
        once.setdefault(hit.href.partition("#")[0], hit)
    return list(once.values())


def _order_hit(order: Order, why: str) -> Hit:
    return Hit("Order", order.number, why, reverse("order", args=[order.pk]))


def _cases(text: str) -> list[Hit]:
    match = _CASE.fullmatch(text)
    if match is None:
        return []
    found = Case.objects.filter(pk=int(match[1])).first()
    if found is None:
        return []
    return [Hit("Case", f"C-{found.pk}", "case number", reverse("case", args=[found.pk]))]


def _orders(text: str) -> list[Hit]:
    fits = Q(number=text) | Q(reference=text) | Q(external_id=text)
    orders = Order.objects.filter(fits).order_by("-placed_at", "-id")[: LIMIT + 1]
    return [
        _order_hit(order, "order number" if order.number == text else "reference")
        for order in orders
    ]


def _returns(text: str) -> list[Hit]:
    returns = Return.objects.filter(external_id=text).select_related("order")[: LIMIT + 1]
    return [_return_hit(one) for one in returns]


def _return_hit(one: Return) -> Hit:
    why = f"order {one.order.number}" if one.order is not None else "belongs to no order yet"
    return Hit("Return", one.external_id, why, reverse("return", args=[one.pk]))


def _parcels(text: str) -> list[Hit]:
    parcels = Shipment.objects.filter(tracking=text).select_related("order")[: LIMIT + 1]
    return [_order_hit(one.order, f"parcel {one.tracking}") for one in parcels]


def _links(text: str) -> list[Hit]:
    """A platform's number of a return leads to the return, of anything else to its order."""
    links = list(Link.objects.filter(external_id=text)[: LIMIT + 1])
    of_returns = {one.record_id for one in links if one.record_kind == Return.RECORD_KIND}
    orders = {
        one.order_id for one in links if one.order_id and one.record_kind != Return.RECORD_KIND
    }
    returns = Return.objects.filter(pk__in=of_returns).select_related("order")
    return [
        *(_return_hit(one) for one in returns),
        *(_order_hit(one, "a platform's number") for one in Order.objects.filter(pk__in=orders)),
    ]


def _people(request: DeskRequest, text: str) -> list[Hit]:
    """Customers with this address. The shop may know one person as several customers.

    Whoever is told whose address it is has seen it.
    """
    newest = Order.objects.filter(customer=OuterRef("pk")).order_by("-placed_at", "-id")
    found = (
        Customer.objects.alias(address=Lower("email"))
        .filter(address=text.lower())
        .annotate(bought=Count("order"), last=Subquery(newest.values("number")[:1]))
        .order_by("-pk")
    )
    people = list(found[: LIMIT + 1])
    personal.saw(request, personal.Page.SEARCH, [one.pk for one in people[:LIMIT]])
    hits = []
    for one in people:
        why = f"e-mail, {words.plural(one.bought, 'order')}"
        if one.last:
            why += f", the last {one.last}"
        href = reverse("customer", args=[one.pk])
        hits.append(Hit("Customer", buyer.number_of(one), why, href))
    return hits


def _skus(text: str) -> list[Hit]:
    found = Sku.objects.filter(code=text).select_related("retailer").order_by("pk")
    return [
        Hit("Article", one.code, f"SKU of {one.retailer.name}", reverse("sku", args=[one.pk]))
        for one in found[: LIMIT + 1]
    ]
