"""The items of an order, a row a piece: where each is, how a bundle's price was shared out."""

from __future__ import annotations

from fulfilment.models import Order, OrderItem
from fulfilment.shapes import ShareBasis
from fulfilment.shares import RULE
from integrator.desk import words
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
        share = "" if bundle is None else _share(order, item, bundle, parts[bundle.pk])
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


def _share(order: Order, item: OrderItem, bundle: OrderItem, parts: list[OrderItem]) -> str:
    """``64.90 × 24.90 / 74.70, by their prices on their own``: how the share came about."""
    paid = words.number_of(bundle.paid_minor, order.currency)
    basis = ShareBasis(item.share_basis)
    if basis == ShareBasis.EQUAL or item.catalogue_minor is None:
        return f"{paid} / {len(parts)}, {RULE[basis]}"
    price = words.number_of(item.catalogue_minor, order.currency)
    whole = sum(one.catalogue_minor or 0 for one in parts)
    return f"{paid} × {price} / {words.number_of(whole, order.currency)}, {RULE[basis]}"
