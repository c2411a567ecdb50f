"""Bundles in orders: their components as units of their own, with their share of the price.

Every function is one step, safe to repeat, inside a transaction. The arithmetic is in ``shares``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import prefetch_related_objects

from fulfilment.cases import BUNDLE_PRICE_FALLBACK, BUNDLE_UNREADABLE
from fulfilment.models import Order, OrderItem, Sku, Variant
from fulfilment.shapes import BundleSeen, ComponentSeen, ShareBasis, VariantSeen
from fulfilment.shares import has_prices, split, spread, spread_tax
from integrator.engine import cases
from integrator.engine.cases import About, CaseKind
from integrator.engine.states import Trace
from integrator.models import Connection

EQUAL = "equal"  # the policy's other answer to a bundle without prices; "hold" splits nothing


def open_lines(*, connection: Connection, order_id: str) -> Mapping[str, bool] | None:
    """The lines of an order by their id: whether it must still be found out what they are.

    None while the order is not known at all. A bundle is open until it has components, and as long
    as they stand in equal parts that nobody has agreed to and nothing of them was returned.
    """
    orders = Order.objects.filter(connection=connection, external_id=order_id)
    lines = list(OrderItem.objects.filter(order__in=orders, parent=None))
    if not lines and not orders.exists():
        return None
    bundles = [line for line in lines if line.is_bundle]
    prefetch_related_objects(bundles, "components__return_items")
    return {line.external_id: line.is_bundle and _is_open(line) for line in lines}


def _is_open(bundle: OrderItem) -> bool:
    if bundle.share_basis:
        return not bundle.components.exists()  # a person has decided how it is split
    return all(
        unit.share_basis == ShareBasis.EQUAL and not unit.return_items.all()
        for unit in bundle.components.all()
    )


def variants_note(*, connection: Connection, seen: Sequence[VariantSeen], trace: Trace) -> None:
    """Keep where the shop's catalogue has its articles, and what it calls them."""
    by_code = {one.sku: one for one in sorted(seen, key=lambda one: one.sku)}
    skus = _skus(connection.retailer_id, list(by_code))
    for code, one in by_code.items():
        sku = skus[code]
        if (sku.name, sku.is_composite) != (one.name[:200], one.is_composite):
            Sku.objects.filter(pk=sku.pk).update(name=one.name[:200], is_composite=one.is_composite)
    Variant.objects.bulk_create(
        [
            Variant(
                connection=connection,
                external_id=one.external_id,
                product_id=one.product_id,
                sku=skus[code],
                is_composite=one.is_composite,
                read_at=trace.at,
            )
            for code, one in by_code.items()
        ],
        update_conflicts=True,
        unique_fields=["connection", "external_id"],
        update_fields=["product_id", "sku", "is_composite", "read_at"],
    )


def _skus(retailer_id: int, codes: Sequence[str]) -> dict[str, Sku]:
    Sku.objects.bulk_create(
        [Sku(retailer_id=retailer_id, code=code) for code in sorted(set(codes))],
        ignore_conflicts=True,
    )
    return {one.code: one for one in Sku.objects.filter(retailer_id=retailer_id, code__in=codes)}


def bundles_capture(
    *, order: Order, bundles: Mapping[str, BundleSeen], fallback: str, trace: Trace
) -> bool:
    """Give the bundles of an order their components. True when a line became clear by that.

    A line nobody can make out is kept as a bundle without components: its returns are held, and a
    case says so. ``fallback`` is the policy for components without any price.
    """
    clear = False
    lines = order.items.filter(parent=None, external_id__in=bundles, refunded_minor=0)
    for line in lines.select_related("sku").prefetch_related("components"):
        clear |= _capture(order, line, bundles[line.external_id], fallback, trace)
    return clear


def _capture(
    order: Order, line: OrderItem, bundle: BundleSeen, fallback: str, trace: Trace
) -> bool:
    if not bundle.components and not bundle.unreadable:
        _close(BUNDLE_UNREADABLE, line, trace, "It is no set")
        return bundle_is_one_piece(line)
    if not line.is_bundle:
        OrderItem.objects.filter(pk=line.pk).update(is_bundle=True)
        line.is_bundle = True
    if bundle.unreadable:
        _report(BUNDLE_UNREADABLE, order, line, trace, error=bundle.unreadable)
        return False
    _close(BUNDLE_UNREADABLE, line, trace, "What it consists of is known now")
    agreed = line.share_basis == ShareBasis.EQUAL
    priced = has_prices(bundle)
    if not priced and not agreed:
        unpriced = [one.sku for one in bundle.components if one.price_minor is None]
        none = "any component" if not unpriced else ", ".join(unpriced)
        done = "It was split in equal parts." if fallback == EQUAL else "It was not split."
        _report(BUNDLE_PRICE_FALLBACK, order, line, trace, unpriced=none, done=done)
        if fallback != EQUAL:
            return False
    known = list(line.components.all())
    if known and not priced:
        return False  # it stands in equal parts already
    if known:
        _split_again(known, line, bundle)
    else:
        _components_create(order, line, bundle)
    if priced or agreed:
        _close(BUNDLE_PRICE_FALLBACK, line, trace, "Its price is split")
    return True


def _components_create(order: Order, line: OrderItem, bundle: BundleSeen) -> None:
    skus = _skus(order.connection.retailer_id, [one.sku for one in bundle.components])
    OrderItem.objects.bulk_create(
        OrderItem(
            order=order,
            parent=line,
            external_id=_unit_id(line, one.component, one.number),
            sku=skus[one.component.sku],
            variant_id=one.component.variant_id,
            product_id=one.component.product_id,
            share_basis=one.basis,
            catalogue_minor=one.component.price_minor,
            paid_minor=one.paid_minor,
            tax_minor=one.tax_minor,
            tax_rate=line.tax_rate,
            platform_status=line.platform_status,
            platform_word=line.platform_word,
            shipped_at=line.shipped_at,
            cancelled_at=line.cancelled_at,
            returned_at=line.returned_at,
        )
        for one in split(line.paid_minor, line.tax_minor, bundle)
    )


def _unit_id(line: OrderItem, component: ComponentSeen, number: int) -> str:
    return f"{line.external_id}/{component.sku}/{number}"[:120]


def _split_again(known: Sequence[OrderItem], line: OrderItem, bundle: BundleSeen) -> None:
    """Prices came after the bundle had been split in equal parts, and nothing of it came back."""
    units = {one.external_id: one for one in known}
    for one in split(line.paid_minor, line.tax_minor, bundle):
        unit = units.get(_unit_id(line, one.component, one.number))
        if unit is not None:
            unit.share_basis, unit.catalogue_minor = one.basis, one.component.price_minor
    if any(unit.share_basis == ShareBasis.EQUAL for unit in known):
        return  # its definition has changed since: what was sold stays as it was taken
    bundle_reprice(line, known)


def bundle_reprice(line: OrderItem, units: Sequence[OrderItem]) -> None:
    """Split a bundle's price over the units it has, by what they were split by."""
    by_price = all(unit.catalogue_minor is not None for unit in units) and not any(
        unit.share_basis == ShareBasis.EQUAL for unit in units
    )
    weights = [(unit.catalogue_minor or 0) if by_price else 1 for unit in units]
    paid = spread(line.paid_minor, weights)
    tax = spread_tax(line.tax_minor, paid)
    for unit, share, part in zip(units, paid, tax, strict=True):
        unit.paid_minor, unit.tax_minor = share, part
    OrderItem.objects.bulk_update(
        units, ["paid_minor", "tax_minor", "share_basis", "catalogue_minor"]
    )


def bundle_agree_to_equal_parts(line: OrderItem) -> None:
    """A person says: split it equally. The next reading of the order does, or leaves it so."""
    OrderItem.objects.filter(pk=line.pk, is_bundle=True).update(share_basis=ShareBasis.EQUAL)


def bundle_is_one_piece(line: OrderItem) -> bool:
    """A person says: it is no bundle. False when it has components already."""
    bare = OrderItem.objects.filter(pk=line.pk, is_bundle=True, components=None)
    return bool(OrderItem.objects.filter(pk__in=bare.values("pk")).update(is_bundle=False))


def _report(kind: CaseKind, order: Order, line: OrderItem, trace: Trace, **facts: str) -> None:
    cases.open_case(
        kind,
        About(
            "order_item",
            line.pk,
            order.pk,
            order.connection_id,
            money_minor=line.paid_minor,
            currency=order.currency,
        ),
        trace=trace,
        facts={
            "order": order.number,
            "sku": line.sku.code,
            "platform": order.connection.name,
            **facts,
        },
    )


def _close(kind: CaseKind, line: OrderItem, trace: Trace, reason: str) -> None:
    cases.close_by_fact(
        trace=trace, reason=reason, kinds=[kind], record_kind="order_item", record_id=line.pk
    )
