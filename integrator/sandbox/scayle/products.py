"""SCAYLE's catalogue endpoints: products, variants, product state, carriers, warehouses."""

from __future__ import annotations

from datetime import datetime

from integrator.sandbox.calls import Call, Refusal, Reply, Route, text
from integrator.sandbox.catalogue import Product, Variant
from integrator.sandbox.scayle import bodies, events
from integrator.sandbox.scayle.books import CARRIERS, MERCHANT, WAREHOUSES
from integrator.sandbox.scayle.orders import entities
from integrator.sandbox.world import World

_REQUESTABLE_STATES = {"live", "draft", "blocked"}


def list_products(world: World, call: Call) -> Reply:
    """The list's filters are not documented; these three are assumed."""
    rows = [product for product in world.catalogue.products.values() if _alive(product)]
    ids = call.listed("filters[id]")
    keys = call.listed("filters[referenceKey]")
    states = call.listed("filters[state]")
    rows = [
        row
        for row in rows
        if (not ids or str(row.id) in ids)
        and (not keys or row.reference in keys)
        and (not states or row.state in states)
    ]
    return entities(call, [bodies.product(row, world.catalogue) for row in rows])


def _alive(product: Product) -> bool:
    return any(not variant.deleted for variant in product.variants)


def _product(world: World, identifier: str) -> Product:
    key = identifier.removeprefix("key=").replace("+", " ")
    for row in world.catalogue.products.values():
        named = identifier.startswith("key=") and row.reference == key
        if _alive(row) and (named or str(row.id) == identifier):
            return row
    raise Refusal(404, "PRODUCT_NOT_FOUND", f"No product {identifier}.")


def find_variant(world: World, identifier: str) -> Variant:
    """By id or ``key=<referenceKey>``; a deleted one is not found (inferred)."""
    key = identifier.removeprefix("key=").replace("+", " ")
    for _, row in world.catalogue.pairs():
        named = identifier.startswith("key=") and row.sku == key
        if not row.deleted and (named or str(row.id) == identifier):
            return row
    raise Refusal(404, "VARIANT_NOT_FOUND", f"No variant {identifier}.")


def get_product(world: World, call: Call, product: str) -> Reply:
    return Reply(body=bodies.product(_product(world, product), world.catalogue))


def list_variants(world: World, call: Call, product: str) -> Reply:
    rows = [row for row in _product(world, product).variants if not row.deleted]
    return entities(call, [bodies.variant(row, world.catalogue) for row in rows])


def get_variant(world: World, call: Call, product: str, variant: str) -> Reply:
    row = find_variant(world, variant)
    if row not in _product(world, product).variants:
        raise Refusal(404, "VARIANT_NOT_FOUND", f"No variant {variant} in product {product}.")
    return Reply(body=bodies.variant(row, world.catalogue))


def set_state(world: World, call: Call, product: str) -> Reply:
    row = _product(world, product)
    state = text(call.object(), "state")
    if state not in _REQUESTABLE_STATES:
        raise Refusal(400, "INVALID_PARAMETER", f"state cannot be requested: {state}")
    if state == "draft" and row.state == "live":
        raise Refusal(400, "INVALID_STATE", "A live product cannot go back to draft.")
    change_state(world, row, state, call.at)
    states = [{"merchantReferenceKey": MERCHANT, "state": row.state}]
    return Reply(body={"state": row.state, "merchantProductStates": states})


def change_state(world: World, product: Product, state: str, at: datetime) -> None:
    product.state = state
    product.updated_at = at
    events.emit(world, "product-updated", bodies.product(product, world.catalogue), at)


def list_carriers(world: World, call: Call) -> Reply:
    return entities(call, [bodies.carrier(key) for key in CARRIERS])


def list_warehouses(world: World, call: Call) -> Reply:
    return entities(call, [bodies.warehouse(key) for key in WAREHOUSES])


ROUTES = (
    Route("GET", "/products", list_products, "productRead"),
    Route("GET", "/products/<product>", get_product, "productRead"),
    Route("PUT", "/products/<product>/state", set_state, "productWrite"),
    Route("GET", "/products/<product>/variants", list_variants, "productRead"),
    Route("GET", "/products/<product>/variants/<variant>", get_variant, "productRead"),
    Route("GET", "/carriers", list_carriers, "globalRead"),
    Route("GET", "/warehouses", list_warehouses, "globalRead"),
)
