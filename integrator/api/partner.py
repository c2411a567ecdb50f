"""What a returns platform may ask us: an order as the shop sold it, from our own copy (R006).

``GET /api/partner/returngo/orders/<number>`` with ``Authorization: Bearer <partner_key>``, the
key kept with the connection's credentials. It reads and changes nothing, and answers so many
questions a minute: order numbers follow each other, and an answer names the customer.
"""

from __future__ import annotations

import hmac
import math
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from fulfilment.models import Order, OrderItem
from fulfilment.services.orders import order_find
from fulfilment.shapes import UnitStatus
from integrator.engine import clock, limits, secrets
from integrator.engine.errors import Misconfigured
from integrator.models import Connection

PLATFORM = "returngo"
# A portal asks once for each return that a customer begins: assumed, ReturnGO names no number.
# A connection may set another.
QUESTIONS_A_MINUTE = 120


@require_GET
def order(request: HttpRequest, number: str) -> HttpResponse:
    """One order by the number the customer knows; 404 also for another retailer's.

    And for a number that two shops of the retailer use: nobody is told a stranger's order.
    """
    connection = _caller(request)
    if connection is None:
        refusal = JsonResponse({"error": "unauthorised"}, status=401)
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    allowed = int(connection.settings.get("questions_a_minute", QUESTIONS_A_MINUTE))
    if wait := limits.let_in(connection, allowed, at=clock.now()):
        refusal = JsonResponse({"error": "too many requests"}, status=429)
        refusal["Retry-After"] = str(math.ceil(wait))
        return refusal
    found = _find(connection, number)
    if found is None:
        return JsonResponse({"error": "not found"}, status=404)
    answer = JsonResponse(_document(found))
    answer["Cache-Control"] = "no-store"
    return answer


def _find(connection: Connection, number: str) -> Order | None:
    if "\x00" in number:
        return None  # no order is called so, and the database cannot even be asked
    return order_find(retailer_id=connection.retailer_id, external_id="", number=number)


def _caller(request: HttpRequest) -> Connection | None:
    """The connection whose key was sent. Every key is compared, so time tells nothing."""
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent:
        return None
    caller = None
    for connection in Connection.objects.filter(platform=PLATFORM):
        key = _key(connection)
        if key and hmac.compare_digest(secrets.hashed(sent), secrets.hashed(key)):
            caller = connection
    return caller


def _key(connection: Connection) -> str:
    try:
        return secrets.read(connection).get("partner_key", "")
    except Misconfigured:
        return ""  # credentials nobody can open let nobody in


def _document(order: Order) -> dict[str, Any]:
    lines = order.items.filter(parent=None).select_related("sku")
    items = lines.prefetch_related("components__sku").order_by("id")
    return {
        "orderId": order.external_id,
        "orderNumber": order.number,
        "currency": order.currency,
        "placedAt": order.placed_at.isoformat(),
        "asOf": order.read_at.isoformat(),
        "customerEmail": order.customer.email if order.customer else "",
        "items": [_item(item) for item in items],
    }


def _item(item: OrderItem) -> dict[str, Any]:
    return {
        "lineItemId": item.external_id,
        "sku": item.sku.code,
        "paidMinor": item.paid_minor,
        "shippedAt": item.shipped_at.isoformat() if item.shipped_at else None,
        "isReturnable": item.platform_status == UnitStatus.SHIPPED,
        "components": [
            {"sku": unit.sku.code, "paidMinor": unit.paid_minor}
            for unit in sorted(item.components.all(), key=lambda unit: unit.pk)
        ],
    }
