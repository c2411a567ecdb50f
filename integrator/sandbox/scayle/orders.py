"""SCAYLE's order endpoints: reads, import, reference key, custom data, billing status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from integrator.sandbox.calls import Call, Refusal, Reply, Route, moment, page, text
from integrator.sandbox.scayle import bodies
from integrator.sandbox.scayle.books import (
    SHOP_COUNTRIES,
    SHOP_KEY,
    Address,
    Customer,
    Item,
    Order,
)
from integrator.sandbox.world import World

_BASE = "/shops/<shop>/countries/<country>"
_PAGE_SIZE = 100
_BILLING_CODES = {
    "billing_completed",
    "billing_partially_refunded",
    "billing_refunded",
    "billing_payment_cancelled",
}
_STATUSES = {
    "order_open",
    "payment_pending",
    "payment_reserved",
    "invoice_partially_completed",
    "invoice_completed",
    "cancellation_pending",
    "cancellation_completed",
}


def check_shop(shop: str, country: str) -> None:
    if shop != SHOP_KEY or country.upper() not in SHOP_COUNTRIES:
        raise Refusal(404, "SHOP_COUNTRY_NOT_FOUND", f"No shop country {shop}/{country}.")


def page_size(call: Call) -> int:
    given = call.query.get("limit", str(_PAGE_SIZE))
    # The largest page is not documented: assumed.
    if not given.isdigit() or not 1 <= int(given) <= 1000:
        raise Refusal(400, "INVALID_PARAMETER", "limit must lie between 1 and 1000.")
    return int(given)


def entities(call: Call, rows: list[Any]) -> Reply:
    shown, following = page(rows, call, size=page_size(call), cursor=call.query.get("cursor"))
    return Reply(body={"entities": shown, "cursor": {"next": following}})


def find(orders: dict[int, Order], identifier: str) -> Order:
    """By id or ``key=<referenceKey>``; form encoding leaves a plus for a space."""
    if identifier.startswith("key="):
        key = identifier.removeprefix("key=").replace("+", " ")
        found = next((row for row in orders.values() if row.reference_key == key), None)
    else:
        found = orders.get(int(identifier)) if identifier.isdigit() else None
    if found is None:
        raise Refusal(404, "ORDER_NOT_FOUND", f"No order {identifier}.")
    return found


def list_orders(world: World, call: Call, shop: str, country: str) -> Reply:
    check_shop(shop, country)
    rows = [
        row
        for row in world.scayle.orders.seen(call.at).values()
        if row.shop_country == country.upper() and _wanted(row, call)
    ]
    rows.sort(key=lambda row: row.id)
    wanted = set(call.listed("with"))
    return entities(call, [bodies.order(row, wanted) for row in rows])


def _wanted(row: Order, call: Call) -> bool:
    exact: dict[str, str] = {
        "id": str(row.id),
        "referenceKey": row.reference_key,
        "status": bodies.overall_status(row),
        "customerId": str(row.customer.id),
        "customerReferenceKey": row.customer.reference,
        "shippingAddressCountryCode": row.address.country,
    }
    bounds: dict[str, tuple[datetime, Callable[[datetime, datetime], bool]]] = {
        "minUpdatedAt": (row.updated_at, lambda value, bound: value >= bound),
        "maxUpdatedAt": (row.updated_at, lambda value, bound: value <= bound),
        "minCreatedAt": (row.created_at, lambda value, bound: value >= bound),
        "maxCreatedAt": (row.created_at, lambda value, bound: value <= bound),
    }
    for name in call.query:
        if not name.startswith("filters["):
            continue
        key = name.removeprefix("filters[").removesuffix("]")
        if key in exact:
            if exact[key] not in call.listed(name):
                return False
        elif key in bounds:
            value, holds = bounds[key]
            if not holds(value, moment(call.query[name], name)):
                return False
        else:
            # What SCAYLE does with a filter it does not know is not documented: assumed.
            raise Refusal(400, "INVALID_FILTER", f"Unknown filter {key}.")
    return True


def get_order(world: World, call: Call, shop: str, country: str, order: str) -> Reply:
    # Shop and country must be in the path but do not filter: documented.
    row = find(world.scayle.orders.seen(call.at), order)
    return Reply(body=bodies.order(row, set(call.listed("with"))))


def get_status(world: World, call: Call, shop: str, country: str, order: str) -> Reply:
    body = bodies.order(find(world.scayle.orders.seen(call.at), order), set())
    return Reply(body={name: body[name] for name in ("status", "detailedStatus")})


def list_invoices(world: World, call: Call, shop: str, country: str, order: str) -> Reply:
    row = find(world.scayle.orders.seen(call.at), order)
    return entities(call, [bodies.invoice(each) for each in row.invoices])


def set_billing_status(world: World, call: Call, shop: str, country: str, order: str) -> Reply:
    """Mirrors money that moved elsewhere: it pays nobody."""
    row = find(world.scayle.orders, order)
    body = call.object()
    code = _billing_code(body, "code")
    reason = body.get("reason")
    targets: list[tuple[Item, str]] = []
    for number, target in enumerate(body.get("items") or []):
        item = row.item(target.get("id", 0)) if isinstance(target, dict) else None
        if item is None:
            raise Refusal(400, "INVALID_PARAMETER", f"items[{number}].id is not of this order.")
        targets.append((item, _billing_code(target, "code")))
    row.billing_code = code
    for item, item_code in targets:
        item.billing_code = item_code
    row.billing_log.append(
        {
            "code": code,
            "reason": reason,
            "items": [{"id": item.id, "code": item_code} for item, item_code in targets],
            "at": call.at.isoformat(),
        }
    )
    row.updated_at = call.at
    return Reply(body=bodies.order(row, set()))


def _billing_code(body: dict[str, Any], name: str) -> str:
    code = text(body, name)
    if code not in _BILLING_CODES:
        raise Refusal(400, "INVALID_PARAMETER", f"{name} is not a billing status: {code}")
    return code


def set_custom_data(world: World, call: Call, shop: str, country: str, order: str) -> Reply:
    row = find(world.scayle.orders, order)
    # Takes the place of what was there: assumed.
    row.custom_data = call.object()
    row.updated_at = call.at
    return Reply(204)


def set_item_custom_data(
    world: World, call: Call, shop: str, country: str, order: str, item: int
) -> Reply:
    row = find(world.scayle.orders, order)
    unit = row.item(item)
    if unit is None:
        raise Refusal(404, "ORDER_ITEM_NOT_FOUND", f"No item {item} in order {row.id}.")
    unit.custom_data = call.object()
    unit.updated_at = row.updated_at = call.at
    return Reply(body=bodies.item(unit, True))


def set_reference_key(world: World, call: Call, shop: str, country: str, order: str) -> Reply:
    row = find(world.scayle.orders, order)
    row.reference_key = text(call.object(), "referenceKey")
    row.updated_at = call.at
    return Reply(body=bodies.order(row, set()))


def import_order(world: World, call: Call, shop: str, country: str) -> Reply:
    """An order is written into the books: nothing is reserved and nothing is delegated.

    A reference key that exists already makes a second order (assumed): nothing public says that
    SCAYLE refuses it, so whoever does not look first is found out here.
    """
    check_shop(shop, country)
    body = call.object()
    if text(body, "status") not in _STATUSES:
        raise Refusal(400, "INVALID_PARAMETER", f"status is unknown: {body['status']}")
    order_id = world.next_id("order")
    customer = _known_customer(world, body)
    address = _address(world, body)
    items = _imported_items(world, call.at, body)
    row = Order(
        id=order_id,
        reference_key=text(body, "referenceKey"),
        public_key=str(body.get("publicKey") or f"DE-{order_id}"),
        customer=customer,
        address=address,
        items=items,
        payments=[],
        shipping_fee=0,
        created_at=call.at,
        updated_at=call.at,
        confirmed_at=call.at,
        custom_data=dict(body.get("legacyCustomData") or {}),
        shop_country=country.upper(),
        imported=body,
    )
    world.scayle.orders[order_id] = row
    return Reply(201, bodies.order(row, {"legacyCustomData", "items.legacyCustomData"}))


def _known_customer(world: World, body: dict[str, Any]) -> Customer:
    customer = body.get("customer")
    if not isinstance(customer, dict):
        raise Refusal(400, "INVALID_PARAMETER", "customer is required.")
    for row in world.scayle.customers.values():
        if row.reference == customer.get("referenceKey") or row.id == customer.get("id"):
            return row
    raise Refusal(400, "CUSTOMER_NOT_FOUND", "customer.referenceKey is not known.")


def _address(world: World, body: dict[str, Any]) -> Address:
    shipping = (body.get("address") or {}).get("shipping")
    if not isinstance(shipping, dict):
        raise Refusal(400, "INVALID_PARAMETER", "address.shipping is required.")
    person = shipping.get("recipient") or {}
    for name in ("street", "zipCode", "city"):
        text(shipping, name)
    country = text(shipping, "countryCode")
    if len(country) != 3:
        raise Refusal(400, "INVALID_PARAMETER", "address.shipping.countryCode must be ISO-3.")
    return Address(
        id=world.next_id("address"),
        first_name=str(person.get("firstName", "")),
        last_name=str(person.get("lastName", "")),
        street=shipping["street"],
        house_number=str(shipping.get("houseNumber") or ""),
        zip_code=shipping["zipCode"],
        city=shipping["city"],
        country=country,
    )


def _imported_items(world: World, at: datetime, body: dict[str, Any]) -> list[Item]:
    sent = body.get("items")
    if not isinstance(sent, list) or not sent:
        raise Refusal(400, "INVALID_PARAMETER", "items must not be empty.")
    rows = []
    for number, each in enumerate(sent):
        if not isinstance(each, dict) or not isinstance(each.get("variant"), dict):
            raise Refusal(400, "INVALID_PARAMETER", f"items[{number}].variant is required.")
        variant = each["variant"]
        found = world.catalogue.by_variant_id(variant.get("id") or 0) or world.catalogue.by_sku(
            str(variant.get("referenceKey"))
        )
        if found is None or found[1].deleted:
            raise Refusal(400, "VARIANT_NOT_FOUND", f"items[{number}].variant is not known.")
        product, known = found
        price = (each.get("price") or {}).get("withTax")
        if not isinstance(price, int):
            raise Refusal(400, "INVALID_PARAMETER", f"items[{number}].price.withTax is required.")
        rows.append(
            Item(
                id=world.next_id("item"),
                key=str(each.get("key") or f"i{number + 1}"),
                sku=known.sku,
                variant_id=known.id,
                product_id=product.id,
                name=product.name,
                price=price,
                list_price=known.price,
                created_at=at,
                updated_at=at,
                status=str(each.get("status") or "available"),
                components=known.components,
            )
        )
    return rows


def delete_order(world: World, call: Call, shop: str, country: str, order: str) -> Reply:
    row = find(world.scayle.orders, order)
    # Only what was imported can be deleted: assumed.
    if row.imported is None:
        raise Refusal(409, "ORDER_NOT_DELETABLE", "Only imported orders can be deleted.")
    del world.scayle.orders[row.id]
    return Reply(204)


def list_customers(world: World, call: Call, shop: str, country: str) -> Reply:
    check_shop(shop, country)
    return entities(call, [bodies.customer(row) for row in world.scayle.customers.values()])


def get_customer(world: World, call: Call, shop: str, country: str, customer: str) -> Reply:
    check_shop(shop, country)
    reference = customer.removeprefix("key=")
    for row in world.scayle.customers.values():
        if str(row.id) == customer or (customer.startswith("key=") and row.reference == reference):
            return Reply(body=bodies.customer(row))
    raise Refusal(404, "CUSTOMER_NOT_FOUND", f"No customer {customer}.")


ROUTES = (
    Route("GET", f"{_BASE}/orders", list_orders, "ordersRead"),
    Route("POST", f"{_BASE}/orders", import_order, "ordersWrite"),
    Route("GET", f"{_BASE}/orders/<order>", get_order, "ordersRead"),
    Route("DELETE", f"{_BASE}/orders/<order>", delete_order, "ordersWrite"),
    Route("GET", f"{_BASE}/orders/<order>/status", get_status, "ordersRead"),
    Route("GET", f"{_BASE}/orders/<order>/invoices", list_invoices, "ordersRead"),
    Route("PATCH", f"{_BASE}/orders/<order>/billing-status", set_billing_status, "ordersWrite"),
    Route("PUT", f"{_BASE}/orders/<order>/reference-key", set_reference_key, "ordersWrite"),
    Route("PUT", f"{_BASE}/orders/<order>/legacy-custom-data", set_custom_data, "customDataWrite"),
    Route(
        "PUT",
        f"{_BASE}/orders/<order>/items/<int:item>/legacy-custom-data",
        set_item_custom_data,
        "customDataWrite",
    ),
    Route("GET", f"{_BASE}/customers", list_customers, "customersRead"),
    Route("GET", f"{_BASE}/customers/<customer>", get_customer, "customersRead"),
)
