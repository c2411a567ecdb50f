"""SCAYLE's stock and reservations: absolute figures guarded by ``changedAt``, and blockers."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from integrator.sandbox.calls import Call, Refusal, Reply, Route, moment, text, whole_number
from integrator.sandbox.catalogue import Variant
from integrator.sandbox.scayle import bodies, events
from integrator.sandbox.scayle.books import WAREHOUSES, Blocker, Reservation, StockRow
from integrator.sandbox.scayle.products import find_variant
from integrator.sandbox.world import World


def get_stock(world: World, call: Call, variant: str) -> Reply:
    """Without a cursor, as in the SDK's fixture."""
    row = find_variant(world, variant)
    stock = world.scayle.stock.seen(call.at)
    if row.is_composite:
        rows = [_derived(stock, row, warehouse) for warehouse in WAREHOUSES]
    else:
        rows = [each for each in stock.values() if each.variant_id == row.id]
    return Reply(body={"entities": [bodies.stock(each) for each in rows]})


def _derived(stock: dict[tuple[int, str], StockRow], bundle: Variant, warehouse: str) -> StockRow:
    """A bundle has as many as its scarcest component: documented."""
    by_sku = {row.sku: row for row in stock.values() if row.warehouse == warehouse}
    parts = [(by_sku[sku], count) for sku, count in bundle.components]
    return StockRow(
        variant_id=bundle.id,
        sku=bundle.sku,
        warehouse=warehouse,
        quantity=min(row.sellable // count for row, count in parts),
        changed_at=max(row.changed_at for row, _ in parts),
        updated_at=max(row.updated_at for row, _ in parts),
        truth=min(row.truth // count for row, count in parts),
    )


def _row(world: World, variant: Variant, body: dict[str, Any]) -> StockRow:
    if variant.is_composite:
        # The rule is documented, its code is not: assumed.
        message = "Stock of a composite variant is derived from its components."
        raise Refusal(400, "COMPOSITE_VARIANT_STOCK", message)
    warehouse = text(body, "warehouseReferenceKey")
    if warehouse not in WAREHOUSES:
        raise Refusal(400, "WAREHOUSE_NOT_FOUND", f"warehouseReferenceKey unknown: {warehouse}")
    return world.scayle.stock[variant.id, warehouse]


def post_stock(world: World, call: Call, variant: str) -> Reply:
    body = call.object()
    row = _row(world, find_variant(world, variant), body)
    quantity = whole_number(body.get("quantity"), "quantity")
    changed_at = call.at
    if body.get("changedAt") is not None:
        changed_at = moment(body["changedAt"], "changedAt")
    expected = _expected(body.get("expectedAvailabilityAt"), call.at)
    if changed_at <= row.changed_at:
        # Older news is ignored and answered with the current row: documented. So is the very same
        # instant (assumed), which makes a repeated call harmless.
        return Reply(body=bodies.stock(row))
    row.quantity = quantity
    row.changed_at = changed_at
    row.updated_at = call.at
    row.sellable_without_stock = bool(body.get("sellableWithoutStock", row.sellable_without_stock))
    row.expected_at = expected
    # An update younger than a blocker releases it, for the figure must already contain it.
    row.blockers = [blocker for blocker in row.blockers if blocker.at >= changed_at]
    events.about_stock(world, row, call.at)
    return Reply(body=bodies.stock(row))


def _expected(value: object, at: datetime) -> str | None:
    if value is None:
        return None
    try:
        expected = date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise Refusal(400, "INVALID_PARAMETER", "expectedAvailabilityAt is no date.") from error
    if expected <= at.date():
        raise Refusal(400, "INVALID_PARAMETER", "expectedAvailabilityAt must be in the future.")
    return expected.isoformat()


def set_sellable_without_stock(world: World, call: Call, variant: str) -> Reply:
    body = call.object()
    row = _row(world, find_variant(world, variant), body)
    row.sellable_without_stock = bool(body.get("sellableWithoutStock"))
    row.updated_at = call.at
    return Reply(body=body)


def reserve(world: World, call: Call) -> Reply:
    """2xx with one answer per entry: some may be held and others not."""
    rows = call.body()
    if not isinstance(rows, list) or not rows:
        raise Refusal(400, "INVALID_BODY", "The body must be an array of reservations.")
    answers = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Refusal(400, "INVALID_BODY", f"[{number}] must be an object.")
        last = number == len(rows) - 1
        refused = last and "partial_batch" in call.behaviours
        answers.append(_reserve_one(world, call.at, row, refused=refused))
    return Reply(201, {"entities": answers})


def _reserve_one(
    world: World, at: datetime, row: dict[str, Any], *, refused: bool
) -> dict[str, Any]:
    reference = text(row, "referenceKey")
    known_one = world.scayle.reservation_of(reference)
    if known_one is not None:
        # A reference names one reservation: the same again is answered with it (assumed).
        return {"referenceKey": reference, "id": known_one.id, "reservationTtl": known_one.ttl}
    variant = row.get("variant") or {}
    identifier = str(variant.get("id") or f"key={variant.get('referenceKey')}")
    try:
        known = find_variant(world, identifier)
        stock = _row(world, known, row)
    except Refusal as error:
        return {
            "referenceKey": reference,
            "error": {"errorKey": error.key, "message": error.message},
        }
    if refused or stock.sellable < 1:
        # The key is not documented: assumed.
        error_body = {"errorKey": "OUT_OF_STOCK", "message": f"{known.sku} cannot be reserved."}
        return {"referenceKey": reference, "error": error_body}
    number = world.next_id("reservation")
    ttl = row.get("reservationTtl")
    world.scayle.reservations[number] = Reservation(
        number, reference, known.id, stock.warehouse, at, ttl if isinstance(ttl, int) else None
    )
    blocker = Blocker(f"reservation:{number}", at, "reservation")
    world.scayle.block([(known.sku, 1)], blocker)
    return {"referenceKey": reference, "id": number, "reservationTtl": ttl}


def unreserve(world: World, call: Call, reservation: int) -> Reply:
    if reservation not in world.scayle.reservations:
        raise Refusal(404, "RESERVATION_NOT_FOUND", f"No reservation {reservation}.")
    _release(world, reservation)
    return Reply(204)


def _release(world: World, number: int) -> None:
    reservation = world.scayle.reservations.pop(number)
    world.scayle.unblock(f"reservation:{number}")
    row = world.scayle.stock[reservation.variant_id, reservation.warehouse]
    world.scayle.back_on_shelf([(row.sku, 1)])


def expire_reservations(world: World, at: datetime) -> None:
    """The unit of the time to live is seconds (inferred)."""
    for number, row in list(world.scayle.reservations.items()):
        if (
            row.shipped_with is None
            and row.ttl is not None
            and row.created_at + timedelta(seconds=row.ttl) <= at
        ):
            _release(world, number)


ROUTES = (
    Route("GET", "/variants/<variant>/stocks", get_stock, "stocksRead"),
    Route("POST", "/variants/<variant>/stocks", post_stock, "stocksWrite"),
    Route(
        "PUT",
        "/variants/<variant>/stocks/sellableWithoutStock",
        set_sellable_without_stock,
        "stocksWrite",
    ),
    Route("POST", "/reservations", reserve, "reservationsWrite"),
    Route("DELETE", "/reservations/<int:reservation>", unreserve, "reservationsWrite"),
)
