"""Shops of one tenant have its articles and its stock in common: which those are. No flow."""

from __future__ import annotations

from fulfilment.models import Location, Sku, StockLevel
from integrator.models import Connection, Mapping, MappingKind


def tenants() -> dict[int, int]:
    """Each shop's number, and that of the first shop at the same address: its tenant's."""
    first: dict[tuple[str, str], int] = {}
    shops = Connection.objects.order_by("id").values_list("id", "platform", "base_url")
    return {
        pk: first.setdefault((platform, address.rstrip("/")), pk) for pk, platform, address in shops
    }


def stock_lane(tenant: int, sku_code: str) -> str:
    """Everything that changes the tenant's figure of one article happens in this lane."""
    return f"stock:{tenant}:{sku_code}"[:120]


def article_of(lane: str) -> str:
    """The code of the article whose lane it is."""
    return lane.split(":", 2)[2]


def shops_of(warehouse: str, connection: Connection, code: str) -> list[int]:
    """The shops of a connection's tenant that mean this warehouse by our place of that code."""
    of = tenants()
    shops = [pk for pk, tenant in of.items() if tenant == of[connection.pk]]
    named = Mapping.objects.filter(
        connection__in=shops,
        connection__retailer=connection.retailer_id,
        kind=MappingKind.LOCATION,
        theirs=warehouse,
        ours=code,
        ended_at__isnull=True,
    )
    return list(named.values_list("connection_id", flat=True))


def last_figure(
    connection: Connection, sku: Sku, shelf: Location, warehouse: str
) -> StockLevel | None:
    """The newest figure that this warehouse's tenant confirmed, to whichever of its shops."""
    shops = shops_of(warehouse, connection, shelf.code)
    levels = StockLevel.objects.filter(connection__in=shops, sku=sku, location=shelf)
    return levels.filter(counted_at__isnull=False).order_by("-counted_at").first()
