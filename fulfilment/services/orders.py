"""What happens to orders: taken over, followed, found.

Every function is one step, safe to repeat, inside a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import QuerySet

from fulfilment.bundles import bundle_reprice, bundles_capture
from fulfilment.cases import ORDER_DOES_NOT_ADD_UP
from fulfilment.models import Address, Customer, Order, OrderItem, Shipment, Sku
from fulfilment.shapes import BundleSeen, OrderSeen, Progress, UnitSeen, UnitStatus
from fulfilment.states import ORDER_MOVES, OrderStatus
from integrator.engine import cases, links
from integrator.engine.money import money_text
from integrator.engine.states import Trace, born, move
from integrator.models import Connection

_STATUS_OF = {
    Progress.CONFIRMED: OrderStatus.CAPTURED,
    Progress.DELEGATED: OrderStatus.CAPTURED,
    Progress.SHIPPED: OrderStatus.SHIPPED,
    Progress.COMPLETED: OrderStatus.COMPLETED,
    Progress.CANCELLED: OrderStatus.CANCELLED,
}


NO_BUNDLES: Mapping[str, BundleSeen] = {}


def order_capture(
    *,
    connection: Connection,
    seen: OrderSeen,
    trace: Trace,
    bundles: Mapping[str, BundleSeen] = NO_BUNDLES,
    fallback: str = "hold",
) -> Order | None:
    """Take an order over as the shop shows it now. The same again changes nothing.

    None for an order that is not confirmed yet: it is not ours to act on. Prices are a snapshot of
    the first reading that adds up; later readings update statuses, billing and parcels. An older
    reading than the one we have is ignored. ``bundles`` are the lines that are bundles, by their
    id, and ``fallback`` the policy for those without prices.
    """
    if seen.progress in (Progress.OPEN, Progress.UNKNOWN):
        return None
    order = (
        Order.objects.select_for_update(no_key=True)
        .filter(connection=connection, external_id=seen.external_id)
        .first()
    )
    if order is None:
        order = _order_create(connection, seen, trace)
    elif seen.updated_at < order.source_updated_at:
        return order
    _items_update(order, seen)
    bundles_capture(order=order, bundles=bundles, fallback=fallback, trace=trace)
    _shipments_update(order, seen)
    _order_advance(order, seen, trace)
    Order.objects.filter(pk=order.pk).update(
        billing=seen.billing, source_updated_at=seen.updated_at, read_at=trace.at
    )
    order.billing = seen.billing
    _check_sum(order, seen, trace)
    return order


def _order_create(connection: Connection, seen: OrderSeen, trace: Trace) -> Order:
    order = Order.objects.create(
        connection=connection,
        external_id=seen.external_id,
        number=seen.number,
        reference=seen.reference,
        shop=seen.shop,
        country=seen.country,
        currency=seen.currency,
        billing=seen.billing,
        paid_minor=sum(payment.amount_minor for payment in seen.payments),
        fees=_fees(seen),
        customer=_customer(connection, seen),
        shipping_address=_address(seen),
        placed_at=seen.created_at,
        captured_at=trace.at,
        source_updated_at=seen.updated_at,
        read_at=trace.at,
    )
    _items_create(order, seen.units)
    links.bind(
        connection=connection,
        external_kind="order",
        external_id=seen.external_id,
        record_kind="order",
        record_id=order.pk,
        order_id=order.pk,
    )
    born(order, "status", reason="The shop confirmed the order", trace=trace)
    return order


def _customer(connection: Connection, seen: OrderSeen) -> Customer:
    """The buyer's row. A buyer without an id gets a new one: it may be anybody."""
    values = {
        "reference": seen.customer.reference,
        "email": seen.customer.email,
        "first_name": seen.customer.first_name,
        "last_name": seen.customer.last_name,
    }
    if not seen.customer.external_id:
        return Customer.objects.create(connection=connection, **values)
    customer, _ = Customer.objects.update_or_create(
        connection=connection, external_id=seen.customer.external_id, defaults=values
    )
    return customer


def _address(seen: OrderSeen) -> Address | None:
    found = seen.shipping_address
    if found is None:
        return None
    return Address.objects.create(
        first_name=found.first_name,
        last_name=found.last_name,
        street=found.street,
        house_number=found.house_number,
        additional=found.additional,
        postcode=found.postcode,
        city=found.city,
        state=found.state,
        country=found.country,
        phone=found.phone,
    )


def _items_create(order: Order, units: Sequence[UnitSeen]) -> None:
    retailer = order.connection.retailer
    codes = sorted({unit.sku for unit in units})
    Sku.objects.bulk_create(
        [Sku(retailer=retailer, code=code) for code in codes], ignore_conflicts=True
    )
    skus = {sku.code: sku for sku in Sku.objects.filter(retailer=retailer, code__in=codes)}
    OrderItem.objects.bulk_create(
        OrderItem(
            order=order,
            external_id=unit.external_id,
            sku=skus[unit.sku],
            variant_id=unit.variant_id,
            product_id=unit.product_id,
            paid_minor=unit.paid_minor,
            tax_minor=unit.tax_minor,
            tax_rate=unit.tax_rate,
            platform_status=unit.status,
            platform_word=unit.raw_status,
            shipped_at=unit.shipped_at,
            cancelled_at=unit.cancelled_at,
            returned_at=unit.returned_at,
        )
        for unit in units
    )


def _items_update(order: Order, seen: OrderSeen) -> None:
    """Follow the shop's word on each unit. One that was added to the order later is taken over."""
    units = {unit.external_id: unit for unit in seen.units}
    items = list(order.items.select_related("parent"))
    known_ids = {item.external_id for item in items}
    if added := [unit for unit in seen.units if unit.external_id not in known_ids]:
        _items_create(order, added)
    changed = []
    for item in items:
        unit = units.get(item.line_id)
        if unit is None:
            continue
        fresh = (
            unit.status,
            unit.raw_status,
            unit.shipped_at,
            unit.cancelled_at,
            unit.returned_at,
        )
        known = (
            item.platform_status,
            item.platform_word,
            item.shipped_at,
            item.cancelled_at,
            item.returned_at,
        )
        if fresh != known:
            (
                item.platform_status,
                item.platform_word,
                item.shipped_at,
                item.cancelled_at,
                item.returned_at,
            ) = fresh
            changed.append(item)
    if changed:
        OrderItem.objects.bulk_update(
            changed,
            ["platform_status", "platform_word", "shipped_at", "cancelled_at", "returned_at"],
        )


def _shipments_update(order: Order, seen: OrderSeen) -> None:
    Shipment.objects.bulk_create(
        [
            Shipment(
                order=order,
                external_id=parcel.external_id,
                key=parcel.shipment_key,
                carrier=parcel.carrier,
                tracking=parcel.tracking,
                shipped_at=parcel.shipped_at,
            )
            for parcel in seen.parcels
        ],
        update_conflicts=True,
        unique_fields=["order", "external_id"],
        update_fields=["key", "carrier", "tracking", "shipped_at"],
    )


def _order_advance(order: Order, seen: OrderSeen, trace: Trace) -> None:
    """Follow the shop forwards. It never un-ships: a step back is only stored with the reading."""
    target = _STATUS_OF[seen.progress]
    if any(unit.status == UnitStatus.SHIPPED for unit in seen.units):
        target = OrderStatus.SHIPPED if target == OrderStatus.CAPTURED else target
    if target != order.status and target in ORDER_MOVES[order.status]:
        said = seen.raw_status.replace("_", " ")
        move(order, "status", target, reason=f"The shop says {said}", trace=trace)


def _check_sum(order: Order, seen: OrderSeen, trace: Trace) -> None:
    """Σ units + fees must be Σ payments, else a refund could be worked out from a wrong price."""
    items = sum(unit.paid_minor for unit in seen.units) + sum(fee.amount_minor for fee in seen.fees)
    paid = sum(payment.amount_minor for payment in seen.payments)
    if items == paid:
        _prices_mend(order, seen, paid)
        cases.close_by_fact(
            trace=trace,
            reason="The order adds up now",
            kinds=[ORDER_DOES_NOT_ADD_UP],
            record_kind="order",
            record_id=order.pk,
        )
        return
    cases.open_case(
        ORDER_DOES_NOT_ADD_UP,
        cases.About(
            "order",
            order.pk,
            order_id=order.pk,
            connection_id=order.connection_id,
            money_minor=abs(items - paid),
            currency=order.currency,
        ),
        trace=trace,
        facts={
            "order": order.number,
            "items": money_text(items, order.currency),
            "paid": money_text(paid, order.currency),
            "platform": order.connection.name,
        },
    )


def _prices_mend(order: Order, seen: OrderSeen, paid: int) -> None:
    """The snapshot did not add up and this reading does: take its prices while nothing went back.

    After a refund the prices stand, for it was worked out from them. What was paid may then only
    grow, by units that were added: never beyond their prices, nor beyond what the shop says.
    """
    fees = sum(int(fee["amount_minor"]) for fee in order.fees)
    lines = order.items.filter(parent=None)  # components are inside their bundle's price
    taken = sum(lines.values_list("paid_minor", flat=True)) + fees
    if taken == order.paid_minor:
        return
    if order.refunded_minor:
        order.paid_minor = max(order.paid_minor, min(taken, paid))
        order.save(update_fields=["paid_minor"])
        return
    order.fees = _fees(seen)
    order.paid_minor = paid
    order.save(update_fields=["fees", "paid_minor"])
    units = {unit.external_id: unit for unit in seen.units}
    for line in lines.prefetch_related("components"):
        if unit := units.get(line.external_id):
            line.paid_minor, line.tax_minor = unit.paid_minor, unit.tax_minor
            line.save(update_fields=["paid_minor", "tax_minor"])
            if components := list(line.components.all()):
                bundle_reprice(line, components)


def _fees(seen: OrderSeen) -> list[dict[str, object]]:
    return [
        {"category": fee.category, "key": fee.key, "amount_minor": fee.amount_minor}
        for fee in seen.fees
    ]


def order_find(*, retailer_id: int, external_id: str, number: str) -> Order | None:
    """The order a returns platform means: by the shop's id, else by the number customers know.

    Two shops of a retailer may use one id or number for two orders. What could mean either means
    none: a person says which it is.
    """
    orders = Order.objects.filter(connection__retailer_id=retailer_id)
    if external_id:
        named = orders.filter(external_id=external_id)
        found = list(named[:2])
        if found:
            return found[0] if len(found) == 1 else _only(named.filter(number=number))
    return _only(orders.filter(number=number)) if number else None


def _only(orders: QuerySet[Order]) -> Order | None:
    found = list(orders[:2])
    return found[0] if len(found) == 1 else None
