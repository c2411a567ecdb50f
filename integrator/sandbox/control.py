"""The sandbox's own routes: switchboard, books, acts, pages. No platform has these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integrator.sandbox import pages
from integrator.sandbox.acting import Wish
from integrator.sandbox.calls import Call, Refusal, Reply, Route, Table
from integrator.sandbox.returngo import acts as returngo_acts
from integrator.sandbox.returngo import exchange_acts
from integrator.sandbox.scayle import acts as scayle_acts
from integrator.sandbox.scayle import report as scayle_report

if TYPE_CHECKING:
    from integrator.sandbox.app import Sandbox

_ACTS = {
    "scayle": scayle_acts.ACTS,
    "returngo": {**returngo_acts.ACTS, **exchange_acts.ACTS},
}
_BOOKS = {"scayle": scayle_report.books, "returngo": returngo_acts.books}


def refuse(error: Refusal) -> Reply:
    return Reply(error.status, {"error": {"field": error.key, "message": error.message}})


def _object(call: Call) -> dict[str, Any]:
    return call.object() if call.raw else {}


def show_faults(sandbox: Sandbox, call: Call) -> Reply:
    return Reply(body={"rules": sandbox.world.switchboard.shown()})


def set_faults(sandbox: Sandbox, call: Call) -> Reply:
    """A bare list replaces all rules; {"clear": true} and {"add": [...]} do what they say."""
    board = sandbox.world.switchboard
    body = call.body()
    if isinstance(body, list):
        kept = list(board.rules)
        board.clear()
        try:
            board.add(body)
        except Refusal:
            board.rules = kept
            raise
        return show_faults(sandbox, call)
    if not isinstance(body, dict) or set(body) - {"add", "clear"} or not body:
        raise Refusal(400, "body", 'must be a list of rules, {"add": [...]} or {"clear": true}')
    if body.get("clear"):
        board.clear()
    board.add(body.get("add") or [])
    return show_faults(sandbox, call)


def set_limits(sandbox: Sandbox, call: Call) -> Reply:
    """{"scayle": {"ordersRead": 5}, "returngo": {"daily": 20}}"""
    limits = sandbox.world.limits
    body = call.object()
    for platform, values in body.items():
        if platform not in _ACTS or not isinstance(values, dict):
            raise Refusal(400, platform, "must be a platform with its limits")
    scopes = body.get("scayle", {})
    limits.scayle_per_minute |= {scope: Wish(scopes).number(scope) for scope in scopes}
    if "returngo" in body:
        limits.returngo_daily = Wish(body["returngo"]).number("daily")
    return Reply(
        body={"scayle": limits.scayle_per_minute, "returngo": {"daily": limits.returngo_daily}}
    )


def show_books(sandbox: Sandbox, call: Call, platform: str) -> Reply:
    return Reply(body=sandbox.books(platform))


def act(sandbox: Sandbox, call: Call, platform: str, action: str) -> Reply:
    return Reply(body=sandbox.act(platform, action, **_object(call)))


def reset(sandbox: Sandbox, call: Call) -> Reply:
    seed = Wish(_object(call)).number("seed", 1)
    sandbox.reset(seed)
    return Reply(body={"seed": seed})


def settle(sandbox: Sandbox, call: Call) -> Reply:
    return Reply(body={"applied": sandbox.settle()})


def deliver(sandbox: Sandbox, call: Call) -> Reply:
    """Only the server can post; in one process a test delivers with its own ``post``."""
    if sandbox.post is None:
        raise Refusal(409, "deliver", "this sandbox has no way to post; call deliver(post)")
    return Reply(body={"sent": sandbox.deliver(sandbox.post)})


def perform(sandbox: Sandbox, platform: str, action: str, values: dict[str, Any]) -> dict[str, Any]:
    acts = _ACTS.get(platform)
    if acts is None:
        raise Refusal(404, "platform", f"no such platform: {platform}")
    if action not in acts:
        raise Refusal(404, "action", f"no such act: {action}")
    world = sandbox.world
    return acts[action](world, Wish(values), world.now())


def books(sandbox: Sandbox, platform: str) -> dict[str, list[dict[str, Any]]]:
    if platform not in _BOOKS:
        raise Refusal(404, "platform", f"no such platform: {platform}")
    return _BOOKS[platform](sandbox.world)


TABLE = Table(
    [
        Route("GET", "/_faults", show_faults),
        Route("POST", "/_faults", set_faults),
        Route("POST", "/_limits", set_limits),
        Route("GET", "/_books/<platform>", show_books),
        Route("GET", "/_page/<platform>/<kind>/<number>", pages.show),
        Route("POST", "/_act/<platform>/<action>", act),
        Route("POST", "/_reset", reset),
        Route("POST", "/_settle", settle),
        # What is delivered calls the receiver, which may call us: see Sandbox.
        Route("POST", "/_deliver", deliver, scope="unlocked"),
    ]
)
