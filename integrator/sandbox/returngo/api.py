"""ReturnGO's API: key, daily limit, error shape, and its endpoints."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from integrator.sandbox.callbacks import Subscription
from integrator.sandbox.calls import Call, Refusal, Reply, Route, Table, moment, page, text
from integrator.sandbox.returngo import bodies, process
from integrator.sandbox.returngo.books import SHOP_NAME, Parcel, Rma, Transaction, Validation
from integrator.sandbox.world import World

PREFIX = "/returngo"
KEY = "sandbox-returngo-key"

Row = TypeVar("Row")

_COMPARISONS = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}
_SORTS = {
    "rma_created_at": operator.attrgetter("created_at"),
    "rma_updated_at": operator.attrgetter("last_updated"),
}


def refuse(error: Refusal) -> Reply:
    """The text is in ``message``: seen in client code only."""
    return Reply(error.status, {"message": error.message}, error.headers)


def meter(world: World, route: Route, call: Call) -> tuple[dict[str, str], Refusal | None]:
    """Count the call in the day. That the limit headers are sent is not confirmed."""
    limit = world.limits.returngo_daily
    window = ("returngo", f"{call.at:%Y%m%d}")
    world.spent[window] += 1
    rest = limit - world.spent[window]
    midnight = (call.at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    wait = int((midnight - call.at).total_seconds())
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, rest)),
        "X-RateLimit-Reset": str(wait),
        "x-amzn-requestid": f"{world.seed:08x}-{world.spent[window]:012x}",
    }
    if rest < 0:
        return headers, Refusal(429, "limit", "Limit Exceeded", {"Retry-After": str(wait)})
    return headers, None


def admit(world: World, call: Call) -> None:
    if call.headers.get("x-api-key") != KEY:
        raise Refusal(401, "x-api-key", "Unauthorized")
    if call.headers.get("x-shop-name") != SHOP_NAME:
        raise Refusal(403, "x-shop-name", "The key does not own this shop")


def _matches(call: Call, name: str, value: datetime) -> bool:
    """``{lt|lte|gt|gte|eq|neq}:YYYY-MM-DDTHH:mm:ss`` in UTC; bodies show whole seconds."""
    given = call.query.get(name)
    if given is None:
        return True
    comparison, _, text_ = given.partition(":")
    if comparison not in _COMPARISONS:
        raise Refusal(400, name, f"{name}: unknown criterion {comparison}")
    bound = moment(text_, name).astimezone(UTC)
    return bool(_COMPARISONS[comparison](value.replace(microsecond=0), bound))


def _listed(call: Call, name: str, value: str) -> bool:
    return name not in call.query or value in call.listed(name)


def _page(call: Call, rows: Sequence[Row]) -> tuple[list[Row], str | None]:
    size = call.query.get("pagesize", "")
    if not size.isdigit() or not 1 <= int(size) <= 500:
        raise Refusal(400, "pagesize", "pagesize is required and lies between 1 and 500")
    return page(rows, call, size=int(size), cursor=call.query.get("cursor"))


def list_rmas(world: World, call: Call) -> Reply:
    rows = [
        row
        for row in world.returngo.rmas.seen(call.at).values()
        if _matches(call, "rma_created_at", row.created_at)
        # The lagging one (assumed): receipt and validation are not found by this filter.
        and _matches(call, "rma_updated_at", row.last_updated)
        and _listed(call, "status", row.status)
        and _listed(call, "order_name", row.order_name)
        and _listed(call, "customer_ids", row.customer_id)
        and _tracked(call, row)
    ]
    for key in reversed(call.listed("sort_by") or ["+rma_created_at"]):
        # A plus that was not encoded arrives as a blank.
        column = _SORTS.get(key.lstrip("+- "))
        if column is None:
            raise Refusal(400, "sort_by", f"sort_by: unknown column {key}")
        rows.sort(key=column, reverse=key.startswith("-"))
    shown, following = _page(call, rows)
    return Reply(body={"rmas": [bodies.summary(row) for row in shown], "next_cursor": following})


def _tracked(call: Call, row: Rma) -> bool:
    wanted = call.listed("tracking_numbers")
    return not wanted or any(parcel.tracking_number in wanted for parcel in row.parcels)


def _visible(world: World, call: Call, rma_id: int) -> Rma:
    return _found(world.returngo.rmas.seen(call.at).get(rma_id), "rmaId")


def _rma(world: World, rma_id: int) -> Rma:
    return _found(world.returngo.rmas.get(rma_id), "rmaId")


def _found(row: Row | None, name: str) -> Row:
    if row is None:
        raise Refusal(404, name, "Not found")
    return row


def _document(world: World, call: Call, row: Rma) -> dict[str, Any]:
    seen = world.returngo.transactions.seen(call.at).values()
    return bodies.rma(row, [each for each in seen if each.rma_id == row.id])


def get_rma(world: World, call: Call, rma_id: int) -> Reply:
    return Reply(body=_document(world, call, _visible(world, call, rma_id)))


def add_comment(world: World, call: Call, rma_id: int) -> Reply:
    """``htmlText`` is the newest and most used of three bodies seen in client code."""
    row = _rma(world, rma_id)
    html = text(call.object(), "htmlText")
    process.comment(row, html, call.at, kind="merchant", by="API")
    return Reply(body={"message": "OK"})


def set_status(world: World, call: Call, rma_id: int) -> Reply:
    """The path is documented, the body is assumed."""
    row = _rma(world, rma_id)
    process.set_status(world, row, text(call.object(), "status"), call.at)
    return Reply(body=_document(world, call, row))


def validate_item(world: World, call: Call, rma_id: int, item_id: int) -> Reply:
    """Assumed from the read model: no such path is public."""
    row = _rma(world, rma_id)
    item = _found(row.item(item_id), "returnedItemId")
    body = call.object()
    for name in ("isReturned", "isRestockable"):
        if not isinstance(body.get(name), bool):
            raise Refusal(400, name, f"{name} must be true or false")
    outcome = Validation(
        returned=body["isReturned"],
        restockable=body["isRestockable"],
        non_restockable_reason=body.get("nonRestockableReason"),
        non_returned_reason=body.get("nonReturnedReason"),
        location=text(body, "storeLocationId"),
        at=call.at,
        by="API",
    )
    process.validate(world, row, item, outcome, call.at)
    return Reply(body=bodies.validation(item.id, item.validation))


def _parcel(world: World, shipment_id: int) -> tuple[Rma, Parcel]:
    return _found(world.returngo.parcel(shipment_id), "shipmentId")


def set_shipment(world: World, call: Call, shipment_id: int) -> Reply:
    """Only the moves that ReturnGO documents; the same status updates the other fields."""
    rma, parcel = _parcel(world, shipment_id)
    body = call.object()
    if "status" in body:
        process.move_parcel(world, rma, parcel, text(body, "status"), call.at)
    parcel.carrier = body.get("carrierName", parcel.carrier)
    parcel.tracking_number = body.get("trackingNumber", parcel.tracking_number)
    parcel.tracking_url = body.get("trackingURL", parcel.tracking_url)
    parcel.label_url = body.get("labelURL", parcel.label_url)
    return Reply(body=bodies.shipment(rma, parcel))


def delete_shipment(world: World, call: Call, shipment_id: int) -> Reply:
    _, parcel = _parcel(world, shipment_id)
    parcel.deleted = True
    return Reply(body={"message": "OK"})


def list_transactions(world: World, call: Call) -> Reply:
    rows = [
        row
        for row in world.returngo.transactions.seen(call.at).values()
        if _matches(call, "created_at", row.created_at)
        and _matches(call, "updated_at", row.last_updated)
        and _listed(call, "rma_ids", str(row.rma_id))
        and _listed(call, "order_ids", row.order_id)
        and _listed(call, "statuses", row.status)
        and _listed(call, "types", row.type)
        and _listed(call, "processors", row.processor)
        and _listed(call, "ids", str(row.id))
    ]
    shown, following = _page(call, rows)
    # The name of the list is not public: assumed, like that of the RMAs.
    listed = [bodies.transaction(row) for row in shown]
    return Reply(body={"transactions": listed, "next_cursor": following})


def set_transaction(world: World, call: Call, transaction_id: int) -> Reply:
    """Reports the outcome of a payment made elsewhere; the body is assumed."""
    row: Transaction = _found(world.returngo.transactions.get(transaction_id), "transactionId")
    body = call.object()
    process.set_transaction(
        world,
        row,
        call.at,
        status=text(body, "status"),
        reference=str(body.get("externalReferenceId") or ""),
        kind=str(body.get("externalReferenceType") or ""),
    )
    return Reply(body=bodies.transaction(row))


def push_order(world: World, call: Call, order_id: str) -> Reply:
    """Assumed: nothing public says how a shop outside Shopify brings its orders."""
    world.returngo.pushed_orders[order_id] = call.object()
    return Reply(body={"message": "OK"})


def _subscription(row: Subscription) -> dict[str, Any]:
    return {"id": row.id, "url": row.url, "eventName": row.event}


def _event(body: dict[str, Any]) -> str:
    event = text(body, "eventName")
    if event not in process.EVENTS:
        raise Refusal(400, "eventName", f"unknown event {event}")
    return event


def list_webhooks(world: World, call: Call) -> Reply:
    # The name of the list is assumed.
    rows = [_subscription(row) for row in world.outbox.subscribed("returngo")]
    return Reply(body={"webhooks": rows})


def create_webhook(world: World, call: Call) -> Reply:
    body = call.object()
    number = world.next_id("webhook")
    row = Subscription(number, _event(body), text(body, "url"), created_at=call.at)
    world.outbox.subscriptions["returngo", number] = row
    return Reply(body=_subscription(row))


def _webhook(world: World, number: int) -> Subscription:
    return _found(world.outbox.subscriptions.get(("returngo", number)), "id")


def change_webhook(world: World, call: Call, number: int) -> Reply:
    row = _webhook(world, number)
    body = call.object()
    row.url = text(body, "url") if "url" in body else row.url
    row.event = _event(body) if "eventName" in body else row.event
    return Reply(body=_subscription(row))


def delete_webhook(world: World, call: Call, number: int) -> Reply:
    _webhook(world, number)
    del world.outbox.subscriptions["returngo", number]
    return Reply(body={"message": "OK"})


TABLE = Table(
    [
        Route("GET", "/rmas", list_rmas),
        Route("GET", "/rma/<int:rma_id>", get_rma),
        Route("POST", "/rma/<int:rma_id>/comment", add_comment),
        Route("PUT", "/rma/<int:rma_id>/status", set_status),
        Route("PUT", "/rma/<int:rma_id>/items/<int:item_id>/validation", validate_item),
        Route("PUT", "/shipment/<int:shipment_id>", set_shipment),
        Route("DELETE", "/shipment/<int:shipment_id>", delete_shipment),
        Route("GET", "/transactions", list_transactions),
        Route("PUT", "/transaction/<int:transaction_id>", set_transaction),
        Route("PUT", "/order/<order_id>", push_order),
        Route("GET", "/webhooks", list_webhooks),
        Route("POST", "/webhook", create_webhook),
        Route("PUT", "/webhook/<int:number>", change_webhook),
        Route("DELETE", "/webhook/<int:number>", delete_webhook),
    ]
)
