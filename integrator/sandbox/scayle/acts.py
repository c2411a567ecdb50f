"""What shoppers, the warehouse and people in SCAYLE's Panel do. Acts, not API calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from integrator.sandbox.acting import Act, Wish
from integrator.sandbox.catalogue import Product, Variant
from integrator.sandbox.scayle import events, fulfilment, products, report
from integrator.sandbox.scayle.books import (
    CARRIERS,
    COUNTRY,
    WAREHOUSES,
    Address,
    Blocker,
    Customer,
    Item,
    Order,
    Package,
    Payment,
)
from integrator.sandbox.world import World

_FREE_SHIPPING_FROM = 10_000
_SHIPPING_FEE = 495
_FIRST_NAMES = ("Pat", "Robin", "Kim", "Sascha", "Toni", "Jona", "Mika", "Luca", "Alex", "Noor")
_LAST_NAMES = ("Roe", "Petersen", "Yilmaz", "Krüger", "Novak", "Hansen", "Okafor", "Lindqvist")
_STREETS = ("Kaiweg", "Am Sandtorkai", "Lange Reihe", "Schulterblatt", "Elbchaussee")
_CITIES = (("20457", "Hamburg"), ("10115", "Berlin"), ("80331", "München"), ("50667", "Köln"))


def find_order(world: World, wish: Wish) -> Order:
    """By ``order_id`` or ``order_number`` (public or reference key)."""
    if wish.has("order_id"):
        order = world.scayle.orders.get(wish.number("order_id", lowest=1))
        if order is None:
            raise wish.refuse("order_id", "no such order")
        return order
    number = wish.text("order_number")
    for order in world.scayle.orders.values():
        if number in {order.public_key, order.reference_key}:
            return order
    raise wish.refuse("order_number", "no such order")


def _chosen_items(order: Order, wish: Wish) -> list[Item]:
    ids = wish.numbers("item_ids")
    known = {item.id for item in order.items}
    if set(ids) - known:
        raise wish.refuse("item_ids", "not of this order")
    return [item for item in order.items if not ids or item.id in ids]


def place_order(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """An order confirmed and delegated. Without ``items`` a basket is drawn."""
    if wish.rows("items"):
        basket = _given_basket(world, wish)
    else:
        basket = _drawn_basket(world, bundle=wish.flag("bundle", False))
    needed = [unit for _, variant, _ in basket for unit in world.scayle.units_of(variant)]
    for sku in {sku for sku, _ in needed}:
        row = world.scayle.stock_of(sku, next(iter(WAREHOUSES)))
        if row is None or row.sellable < sum(count for each, count in needed if each == sku):
            raise wish.refuse("items", f"{sku} is sold out")
    order = _written_order(world, wish, basket, at)
    world.scayle.orders[order.id] = order
    for item in order.items:
        units = list(item.components) or [(item.sku, 1)]
        world.scayle.block(units, Blocker(f"item:{item.id}", at, "sale"))
    events.about_order(world, "order-confirmed", order, at)
    events.about_order(world, "order-delegated", order, at)
    return report.order_row(order)


Basket = list[tuple[Product, Variant, int]]


def _given_basket(world: World, wish: Wish) -> Basket:
    basket: Basket = []
    for number, row in enumerate(wish.rows("items")):
        line = Wish(row if isinstance(row, dict) else {"sku": row})
        found = world.catalogue.by_sku(line.text("sku"))
        if found is None:
            raise wish.refuse(f"items[{number}].sku", "no such variant")
        price = line.number("price", found[1].price)
        basket += [(*found, price)] * line.number("quantity", 1, lowest=1)
    return basket


def _drawn_basket(world: World, *, bundle: bool) -> Basket:
    sellable = [
        (product, variant)
        for product, variant in world.catalogue.pairs()
        if product.state == "live" and not variant.deleted
    ]
    single = [pair for pair in sellable if not pair[1].is_composite]
    bundles = [pair for pair in sellable if pair[1].is_composite]
    drawn = [world.random.choice(single) for _ in range(world.random.choice((1, 1, 2, 2, 3)))]
    if bundle and bundles:
        drawn[0] = world.random.choice(bundles)
    elif world.random.random() < 0.15:
        drawn.append(drawn[0])
    basket: Basket = []
    for product, variant in drawn:
        on_sale = world.random.random() < 0.2
        basket.append((product, variant, variant.price * 9 // 10 if on_sale else variant.price))
    return basket


def _written_order(world: World, wish: Wish, basket: Basket, at: datetime) -> Order:
    number = world.next_id("order")
    customer, address = _customer(world, wish)
    items = [
        Item(
            id=world.next_id("item"),
            key=f"k{number}-{place}",
            sku=variant.sku,
            variant_id=variant.id,
            product_id=product.id,
            name=product.name,
            price=price,
            list_price=variant.price,
            created_at=at,
            updated_at=at,
            components=variant.components,
            delegated_at=at,
        )
        for place, (product, variant, price) in enumerate(basket, start=1)
    ]
    goods = sum(item.price for item in items)
    voucher = min(wish.number("voucher", 0), goods)
    for item, share in zip(items, _spread(voucher, [item.price for item in items]), strict=True):
        item.voucher_share = share
    fee = 0 if goods >= _FREE_SHIPPING_FROM else _SHIPPING_FEE
    total = goods - voucher + fee
    gift = min(wish.number("gift_card", 0), total)
    transaction = f"tx-{number}"
    payments = [Payment("adyen_creditcard", total - gift, transaction)]
    if gift:
        payments.append(Payment("gift_card", gift, f"{transaction}-g", is_gift_card=True))
    return Order(
        id=number,
        reference_key=f"SO-{number}",
        public_key=f"DE-{number}",
        customer=customer,
        address=address,
        items=items,
        payments=[payment for payment in payments if payment.amount],
        shipping_fee=fee,
        created_at=at,
        updated_at=at,
        confirmed_at=at,
        voucher_code=f"VOUCHER-{number}" if voucher else "",
        voucher_value=voucher,
        shop_country=wish.text("country", COUNTRY),
    )


def _spread(amount: int, weights: list[int]) -> list[int]:
    """``amount`` over ``weights`` without losing a cent: largest remainder."""
    whole = sum(weights)
    if not amount or not whole:
        return [0] * len(weights)
    shares = [amount * weight // whole for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda place: (-(amount * weights[place] % whole), place)
    )
    for place in by_remainder[: amount - sum(shares)]:
        shares[place] += 1
    return shares


def _customer(world: World, wish: Wish) -> tuple[Customer, Address]:
    if wish.has("customer_id"):
        known = world.scayle.customers.get(wish.number("customer_id", lowest=1))
        if known is None:
            raise wish.refuse("customer_id", "no such customer")
        customer = known
    else:
        number = world.next_id("customer")
        first = world.random.choice(_FIRST_NAMES)
        last = world.random.choice(_LAST_NAMES)
        email = f"{first.lower()}.{number}@example.test"
        customer = Customer(number, f"CUST-{number}", first, last, email)
        world.scayle.customers[number] = customer
    zip_code, city = world.random.choice(_CITIES)
    address = Address(
        id=world.next_id("address"),
        first_name=customer.first_name,
        last_name=customer.last_name,
        street=world.random.choice(_STREETS),
        house_number=str(world.random.randint(1, 120)),
        zip_code=zip_code,
        city=city,
    )
    return customer, address


def ship_order(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The warehouse sends a parcel with the open units, or with ``item_ids``."""
    order = find_order(world, wish)
    open_items = [
        item
        for item in _chosen_items(order, wish)
        if not item.shipped_at and not item.cancelled_at and not item.shipment_accepted
    ]
    if not open_items or order.imported is not None:
        raise wish.refuse("order_id", "nothing left to ship")
    carrier = wish.choice("carrier", CARRIERS, "DHL")
    number = world.next_id("package")
    package = Package(number, f"PARCEL-{number}", carrier, at)
    fulfilment.ship(world, order, [item.id for item in open_items], package, at)
    return report.order_row(order)


def send_imported(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The warehouse sends an imported order: somebody told it, for SCAYLE delegates none."""
    order = find_order(world, wish)
    left = [item for item in order.items if not item.shipped_at and not item.cancelled_at]
    if not left or order.imported is None:
        raise wish.refuse("order_id", "nothing left to send")
    world.scayle.send_imported(order, left)
    number = world.next_id("package")
    package = Package(number, f"PARCEL-{number}", wish.choice("carrier", CARRIERS, "DHL"), at)
    fulfilment.ship(world, order, [item.id for item in left], package, at)
    return report.order_row(order)


def send_imported_due(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The warehouse sends every imported order that is ``seconds`` old: told by then, we assume.

    What costs more than came back stays until the shopper has paid the difference.
    """
    old = at - timedelta(seconds=wish.number("seconds"))
    unpaid = {
        str(row.rma_id)
        for row in world.returngo.transactions.values()
        if row.type == "InvoicePayment" and row.status != "Success"
    }
    sent = []
    for order in list(world.scayle.orders.values()):
        if order.imported is None or order.created_at > old:
            continue
        asked_for = str((order.imported.get("legacyCustomData") or {}).get("rma", ""))
        is_open = any(not item.shipped_at and not item.cancelled_at for item in order.items)
        if is_open and asked_for not in unpaid:
            send_imported(world, Wish({"order_id": order.id}), at)
            sent.append(order.id)
    return {"sent": sent}


def new_event(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """SCAYLE announces something nobody has heard of yet: new events appear monthly."""
    order = find_order(world, wish)
    events.emit_as(world, "order-confirmed", "order-gift-wrapped", {"id": order.id}, at)
    return {"id": order.id}


def cancel_order(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """A shopper or an agent cancels the units that have not left."""
    order = find_order(world, wish)
    items = _chosen_items(order, wish)
    if all(item.shipped_at or item.cancelled_at for item in items):
        raise wish.refuse("order_id", "nothing left to cancel")
    fulfilment.cancel(world, order, [item.id for item in items], at)
    return report.order_row(order)


def refund_by_hand(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """Somebody pays back in the Panel, past everybody: whole units, or a free ``amount``."""
    order = find_order(world, wish)
    items = _chosen_items(order, wish)
    amount = wish.number("amount", lowest=1) if wish.has("amount") else None
    if not order.captured:
        raise wish.refuse("order_id", "nothing has been paid yet")
    refund = fulfilment.pay_back(
        world, order, items, by="hand", executed=True, at=at, amount=amount
    )
    return report.refund_row(refund)


def refund_bounces(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The last payment back of an order fails after it had been reported as made."""
    order = find_order(world, wish)
    paid = [row for row in world.scayle.refunds if row.order_id == order.id and row.executed]
    if not paid:
        raise wish.refuse("order_id", "nothing was paid back")
    fulfilment.bounce(world, paid[-1], at)
    return report.refund_row(paid[-1])


def discontinue_sku(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The variant is deleted: from now on SCAYLE answers 404 for it."""
    found = world.catalogue.by_sku(wish.text("sku"))
    if found is None:
        raise wish.refuse("sku", "no such variant")
    product, variant = found
    variant.deleted = True
    product.updated_at = at
    events.about_variant(world, "product-variant-deleted", variant.id, at)
    return {"sku": variant.sku, "variant_id": variant.id, "deleted": True}


def restore_sku(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """A variant that had been deleted is put into the catalogue again."""
    sku = wish.text("sku")
    gone = [pair for pair in world.catalogue.pairs() if pair[1].sku == sku]
    if not gone:
        raise wish.refuse("sku", "no such variant")
    product, variant = gone[0]
    variant.deleted = False
    product.updated_at = at
    return {"sku": variant.sku, "variant_id": variant.id, "deleted": False}


def price_sku(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """Take a variant's price of its own away, or give it back (``priced``)."""
    found = world.catalogue.by_sku(wish.text("sku"))
    if found is None:
        raise wish.refuse("sku", "no such variant")
    product, variant = found
    variant.unpriced = not wish.flag("priced", False)
    product.updated_at = at
    return {"sku": variant.sku, "priced": not variant.unpriced}


def block_sku(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """The product of this SKU is taken off the shop."""
    found = world.catalogue.by_sku(wish.text("sku"))
    if found is None:
        raise wish.refuse("sku", "no such variant")
    product, variant = found
    products.change_state(world, product, "blocked", at)
    events.about_variant(world, "product-variant-availability-updated", variant.id, at)
    return {"sku": variant.sku, "product_id": product.id, "state": product.state}


def change_stock(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """Somebody counts and types the figure into the Panel: it becomes the truth as well."""
    warehouse = wish.choice("warehouse", WAREHOUSES, "WH-HAM")
    row = world.scayle.stock_of(wish.text("sku"), warehouse)
    if row is None:
        raise wish.refuse("sku", "no such variant")
    row.quantity = row.truth = wish.number("quantity")
    row.changed_at = row.updated_at = at
    row.blockers = []
    events.about_stock(world, row, at)
    return report.stock_row(row)


def sell_unit(world: World, wish: Wish, at: datetime) -> dict[str, Any]:
    """One unit of one SKU is bought: the sale that comes between a read and a write."""
    return place_order(world, Wish({"items": [{"sku": wish.text("sku")}]}), at)


ACTS: dict[str, Act] = {
    "place_order": place_order,
    "ship_order": ship_order,
    "send_imported": send_imported,
    "send_imported_due": send_imported_due,
    "cancel_order": cancel_order,
    "new_event": new_event,
    "refund_by_hand": refund_by_hand,
    "refund_bounces": refund_bounces,
    "discontinue_sku": discontinue_sku,
    "restore_sku": restore_sku,
    "price_sku": price_sku,
    "block_sku": block_sku,
    "change_stock": change_stock,
    "sell_unit": sell_unit,
}
