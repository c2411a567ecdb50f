"""One article: why its sellable figures are what they are, and every unit behind them.

Writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fulfilment.cases import ORDER_OVERSOLD
from fulfilment.models import OrderItem, Sku, StockLevel, StockMovement, Variant
from fulfilment.queries import changes_of, promised, sold_of, sold_since, units_now
from fulfilment.states import Bucket
from integrator.desk import catalogue, directory
from integrator.desk.auth import DeskRequest, needs
from integrator.desk.lists import number
from integrator.desk.open_cases import CASES, open_cases, told
from integrator.desk.sku_figures import counted_at, places_of
from integrator.desk.trust import Id, Trust, trust_of
from integrator.models import Case, CaseState
from returns.models import ReturnItem
from returns.queries import Counted, off_sale_among, unit_counts

PAGE = 50
CHANGES = 10
VARIANTS = 12
OFF_SALE = 10  # the oldest; the list behind the count has all
# The lists behind the numbers, by what the address says.
UNITS: Mapping[str, tuple[str, Bucket]] = {
    "transit": ("With a carrier, on the way back", Bucket.IN_TRANSIT),
    "received": ("Received, on no shelf", Bucket.RECEIVED),
    "off-sale": ("Off sale", Bucket.RECEIVED),
    "sellable": ("Put back on sale", Bucket.SELLABLE),
    "quarantine": ("Not for sale", Bucket.QUARANTINE),
    "written-off": ("Written off", Bucket.WRITTEN_OFF),
}
SALES: Mapping[str, str] = {
    "promised": "Sold and not shipped",
    "since": "Sold since the figure was counted",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the list below: movements of units, or units that were sold."""

    title: str
    moved: list[StockMovement]
    sold: list[OrderItem]
    older: str
    first: str
    is_first_page: bool
    is_narrowed: bool


@require_safe
@needs("order.see")
def sku(request: DeskRequest, sku_id: int) -> HttpResponse:
    """The article's figures with their equations, its units, its cases and its movements."""
    found = _with_movements(sku_id)
    if found is None:
        raise Http404
    known = directory.current(at=request.at)
    levels = list(
        StockLevel.objects.filter(sku=found)
        .select_related("location")
        .order_by("location__name", "connection_id")
    )
    counted = counted_at(levels)
    counts = unit_counts(found)
    changes, told_transit = changes_of(found, levels, newest=CHANGES)
    off_sale = list(off_sale_among(units_now(found))[:OFF_SALE])
    listed = _listed(request, found, counted)
    units = ReturnItem.objects.select_related("return_record__order").in_bulk(
        [one.return_item_id for one in (*off_sale, *listed.moved)]
    )
    cases = _cases(found, list(known.connections))
    context = {
        "sku": found,
        "places": places_of(levels, changes, counts, known),
        "waiting": _waiting(counts),
        "sales": [(known.name(one.connection_id), one) for one in sold_of(found, counted)],
        "changes": [
            (one, known.tile(one.job.connection_id if one.job else None), _name(one, known))
            for one in changes[:CHANGES]
        ],
        "told_transit": told_transit,
        "off_sale": _off_sale(off_sale, units, cases),
        "off_sale_units": sum(one.units for one in counts if one.is_off_sale),
        "listed": listed,
        "moved": [(one, units.get(one.return_item_id)) for one in listed.moved],
        "cases": told(request, cases[:CASES]),
        "more_cases": len(cases) > CASES,
        "trust": _trust(found, known),
    }
    return render(request, "fulfilment/sku.html", context)


def _with_movements(sku_id: int) -> Any:
    """The article, with how many movements its history has as ``told``."""
    rows = StockMovement.objects.filter(sku=OuterRef("pk")).order_by().values("sku")
    told = Coalesce(Subquery(rows.annotate(count=Count("pk")).values("count")), 0)
    found = Sku.objects.select_related("retailer").annotate(told=told)
    return found.filter(pk=sku_id).first()


def _trust(sku: Any, known: directory.Directory) -> Trust:
    """What each shop's catalogue calls the article."""
    ids = []
    for one in Variant.objects.filter(sku=sku).order_by("connection_id", "id")[:VARIANTS]:
        ids.append(Id(one.connection_id, "product", one.product_id, one.read_at))
        ids.append(Id(one.connection_id, "variant", one.external_id, one.read_at))
    return trust_of(ids, known, history=sku.told, history_href="?#list")


def _name(change: Any, known: directory.Directory) -> str:
    return known.name(change.job.connection_id) if change.job is not None else ""


def _waiting(counts: list[Counted]) -> list[tuple[str, str, int]]:
    """Units that are in no figure and on no shelf; those off sale are among the received."""
    units: Counter[str] = Counter()
    for one in counts:
        units[one.bucket] += one.units
        units["off-sale"] += one.units if one.is_off_sale else 0
    return [
        ("transit", UNITS["transit"][0], units[Bucket.IN_TRANSIT]),
        ("received", UNITS["received"][0], units[Bucket.RECEIVED]),
        ("off-sale", UNITS["off-sale"][0], units["off-sale"]),
        ("written-off", UNITS["written-off"][0], units[Bucket.WRITTEN_OFF]),
    ]


def _off_sale(
    rows: list[StockMovement], units: Mapping[int, ReturnItem], cases: list[Case]
) -> list[tuple[StockMovement, ReturnItem | None, Case | None, str]]:
    """Each unit that is fine and not on sale, with the case that says why."""
    why: dict[int, Case] = {}
    for one in cases:
        if one.record_kind == "return_item":
            why.setdefault(one.record_id, one)
    rows_with_case = [(row, why.get(row.return_item_id)) for row in rows]
    return [
        (
            row,
            units.get(row.return_item_id),
            case,
            catalogue.said_of(case).title if case is not None else "",
        )
        for row, case in rows_with_case
    ]


def _cases(sku: Sku, connections: list[int]) -> list[Case]:
    """Open cases about the article, about its returned units, and about orders it is missing in."""
    is_open = Case.objects.exclude(state=CaseState.SOLVED).values("pk")
    units = StockMovement.objects.filter(sku=sku).values("return_item_id")
    returned = ReturnItem.objects.filter(sku=sku).values("pk")
    causes = [f"oversold:{connection}:{sku.pk}" for connection in connections]
    about = [
        is_open.filter(record_kind="sku", record_id=sku.pk),
        is_open.filter(record_kind="return_item", record_id__in=units),
        is_open.filter(record_kind="return_item", record_id__in=returned),
        is_open.filter(kind=ORDER_OVERSOLD.code, cause__in=causes),
    ]
    # A union, so that each part is found by its index.
    return open_cases(Q(pk__in=about[0].union(*about[1:])))


def _listed(request: DeskRequest, sku: Sku, counted: Mapping[int, Any]) -> Listed:
    """The list the address asks for; every movement when it asks for nothing we know."""
    asked = request.GET
    show, movement = asked.get("show", ""), number(asked.get("movement", ""))
    place, connection = number(asked.get("place", "")), number(asked.get("connection", ""))
    after = number(asked.get("after", ""))
    title = "Movements"
    rows: QuerySet[Any] = StockMovement.objects.filter(sku=sku)
    if movement:
        rows, title = rows.filter(pk=movement), "One movement"
    elif show in UNITS:
        title, bucket = UNITS[show]
        rows = units_now(sku).filter(to_bucket=bucket)
        rows = off_sale_among(units_now(sku)) if show == "off-sale" else rows
        rows = rows.filter(location=place) if place else rows
    elif show in SALES:
        title = SALES[show]
        rows = promised(sku) if show == "promised" else sold_since(sku, counted)
        rows = rows.filter(order__connection=connection) if connection else rows
        rows = rows.select_related("order")
    if after:
        rows = rows.filter(pk__lt=after)
    is_sale = not movement and show in SALES
    if not is_sale:
        rows = rows.select_related("location")
    page = list(rows.order_by("-pk")[: PAGE + 1])
    query = asked.copy()
    query.pop("after", None)
    first = f"?{query.urlencode()}"
    query["after"] = str(page[PAGE - 1].pk) if len(page) > PAGE else ""
    return Listed(
        title=title,
        moved=[] if is_sale else page[:PAGE],
        sold=page[:PAGE] if is_sale else [],
        older=f"?{query.urlencode()}" if query["after"] else "",
        first=first,
        is_first_page=not after,
        is_narrowed=bool(movement) or show in UNITS or show in SALES,
    )
