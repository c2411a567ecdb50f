"""The items of an order, a row a piece: where each is, how a bundle's price was shared out."""

from __future__ import annotations

from fulfilment.models import Order, OrderItem
from integrator.desk.set_shares import share_says
from returns.models import ReturnItem
from returns.states import Custody


def listed(
    order: Order, items: list[OrderItem], units: list[ReturnItem]
) -> list[tuple[OrderItem, str, str, str]]:
    """Each ordered unit with a symbol, where it is, and how its share of a bundle's price was
    worked out, in words; a bundle's components under it.
    """
    back = {unit.order_item_id: unit for unit in units if unit.custody != Custody.CLOSED}
    parts: dict[int | None, list[OrderItem]] = {}
    for item in items:
        parts.setdefault(item.parent_id, []).append(item)
    ordered = [one for line in parts.get(None, []) for one in (line, *parts.get(line.pk, []))]
    bundles = {item.pk: item for item in parts.get(None, [])}
    listed = []
    for item in ordered:
        bundle = bundles.get(item.parent_id or 0)
        share = ""
        if bundle is not None:
            prices = [one.catalogue_minor for one in parts[bundle.pk]]
            share = share_says(item, bundle, prices, order.currency)
        unit = back.get(item.pk)
        if unit is not None:
            said = f"return {unit.return_record.external_id}: {unit.get_custody_display().lower()}"
            listed.append((item, "wait", said, share))
        else:
            symbol = "ok" if item.shipped_at else "idle"
            said = item.get_platform_status_display().lower()
            symbol = "doubt" if item.platform_status == "UNKNOWN" else symbol
            listed.append((item, symbol, said, share))
    return listed
