"""The door of SCAYLE's Admin API: key, rate limits, error shape, routes."""

from __future__ import annotations

from integrator.sandbox.calls import Call, Refusal, Reply, Route, Table
from integrator.sandbox.scayle import fulfilment, orders, products, stock, webhooks
from integrator.sandbox.world import World

PREFIX = "/scayle/api/admin/v1"
KEY = "sandbox-scayle-key"

TABLE = Table(
    [
        *orders.ROUTES,
        *fulfilment.ROUTES,
        *products.ROUTES,
        *stock.ROUTES,
        *webhooks.ROUTES,
    ]
)


def refuse(error: Refusal) -> Reply:
    entry = {"errorKey": error.key, "message": error.message, "context": {}}
    return Reply(error.status, {"errors": [entry]}, error.headers)


def meter(world: World, route: Route, call: Call) -> tuple[dict[str, str], Refusal | None]:
    """Count the call in its scope's minute; the headers of every answer, and perhaps a no."""
    limit = world.limits.scayle_per_minute.get(route.scope, world.limits.scayle_default)
    window = ("scayle", f"{route.scope} {call.at:%Y%m%d%H%M}")
    world.spent[window] += 1
    rest = limit - world.spent[window]
    headers = {
        "X-RateLimit-Scope": route.scope,
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, rest)),
        "X-RateLimit-Reset": str(60 - call.at.second),
    }
    if rest < 0:
        # The status of this answer is inferred, its key is documented.
        return headers, Refusal(429, "RATE_LIMIT_EXCEED", f"Too many calls to {route.scope}.")
    return headers, None


def admit(world: World, call: Call) -> None:
    if call.headers.get("X-Access-Token") != KEY:
        raise Refusal(401, "UNAUTHORIZED", "The access token is missing or wrong.")
    stock.expire_reservations(world, call.at)
