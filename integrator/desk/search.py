"""Find anything by a number people have at hand. One exact match opens at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Lower
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from fulfilment.models import Customer, Order, Shipment, Sku
from integrator.desk import buyer, catalogue, personal, scanned, words
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
    is_scan = request.GET.get("scan") == "1"
    texts = scanned.spellings(text) if is_scan else [text]
    waiting = _waiting(request, texts) if is_scan and text else []
    if len(waiting) == 1:
        return HttpResponseRedirect(waiting[0].href)
    hits = _once([*waiting, *_hits(request, texts)]) if text else []
    if len(hits) == 1:
        return HttpResponseRedirect(hits[0].href)
    context = {
        "q": text,
        "scan_first": is_scan,
        "hits": hits[:LIMIT],
        "more": len(hits) > LIMIT,
        "may_see_people": personal.may_see(request),
    }
    return render(request, "desk/find.html", context)


def _hits(request: DeskRequest, texts: Sequence[str]) -> list[Hit]:
    """Everything that fits one of these spellings, each place once."""
    found = [*_cases(texts), *_orders(texts), *_returns(texts), *_parcels(texts), *_links(texts)]
    found += _units(texts)
    if "@" in texts[0] and personal.may_see(request):
        found += _people(request, texts[0])
    return _once([*found, *_skus(texts)])


def _once(hits: Sequence[Hit]) -> list[Hit]:
    once: dict[str, Hit] = {}
    for hit in hits:
        once.setdefault(hit.href.partition("#")[0], hit)
    return list(once.values())


def _waiting(request: DeskRequest, texts: Sequence[str]) -> list[Hit]:
    """The open cases about what was scanned that wait for this person's teams."""
    return [
        Hit("Case", f"C-{one.pk}", catalogue.said_of(one).title, reverse("case", args=[one.pk]))
        for one in scanned.waiting(request.roles, texts)
    ]


def _order_hit(order: Order, why: str) -> Hit:
    return Hit("Order", order.number, why, reverse("order", args=[order.pk]))


def _cases(texts: Sequence[str]) -> list[Hit]:
    numbers = [int(match[1]) for text in texts if (match := _CASE.fullmatch(text))]
    return [
        Hit("Case", f"C-{one.pk}", "case number", reverse("case", args=[one.pk]))
        for one in (Case.objects.filter(pk__in=numbers) if numbers else ())
    ]


def _orders(texts: Sequence[str]) -> list[Hit]:
    fits = Q(number__in=texts) | Q(reference__in=texts) | Q(external_id__in=texts)
    orders = Order.objects.filter(fits).order_by("-placed_at", "-id")[: LIMIT + 1]
    return [
        _order_hit(order, "order number" if order.number in texts else "reference")
        for order in orders
    ]


def _returns(texts: Sequence[str]) -> list[Hit]:
    returns = Return.objects.filter(external_id__in=texts).select_related("order")[: LIMIT + 1]
    return [_return_hit(one) for one in returns]


def _return_hit(one: Return, why: str = "") -> Hit:
    if not why:
        why = f"order {one.order.number}" if one.order is not None else "belongs to no order yet"
    return Hit("Return", one.external_id, why, reverse("return", args=[one.pk]))


def _units(texts: Sequence[str]) -> list[Hit]:
    """The returns of units that fit no article of ours: by the article, nobody would find them."""
    units = (
        scanned.of_no_article(texts)
        .select_related("return_record")
        .order_by("-return_record_id", "id")
        .distinct("return_record_id")
    )
    return [
        _return_hit(one.return_record, f"returned unit {one.sku_code}")
        for one in units[: LIMIT + 1]
    ]


def _parcels(texts: Sequence[str]) -> list[Hit]:
    parcels = Shipment.objects.filter(tracking__in=texts).select_related("order")[: LIMIT + 1]
    return [_order_hit(one.order, f"parcel {one.tracking}") for one in parcels]


def _links(texts: Sequence[str]) -> list[Hit]:
    """A platform's number of a return leads to the return, of anything else to its order."""
    links = list(Link.objects.filter(external_id__in=texts)[: LIMIT + 1])
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


def _skus(texts: Sequence[str]) -> list[Hit]:
    found = Sku.objects.filter(code__in=texts).select_related("retailer").order_by("pk")
    return [
        Hit("Article", one.code, f"SKU of {one.retailer.name}", reverse("sku", args=[one.pk]))
        for one in found[: LIMIT + 1]
    ]
