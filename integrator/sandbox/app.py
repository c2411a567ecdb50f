"""The sandbox as one WSGI application, deterministic when it is given a seed and a clock.

In one process a broken connection is an exception (``faults.ConnectionDropped``, ``faults.Hang``)
for the test adapter to translate; ``server`` makes it real.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from integrator.sandbox import callbacks, control, faults
from integrator.sandbox.callbacks import Callback, Post
from integrator.sandbox.calls import Call, Refusal, Reply, Route, Table
from integrator.sandbox.faults import ConnectionDropped, Hang, Rule
from integrator.sandbox.returngo import api as returngo
from integrator.sandbox.scayle import api as scayle
from integrator.sandbox.world import Clock, World, utc_clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# How long a silent platform keeps a caller waiting when the rule does not say.
_HANG_SECONDS = 60.0
# Tells the server, and a test adapter, to hold this answer back so long.
SLOW_HEADER = "X-Sandbox-Slow"


@dataclass(frozen=True)
class Platform:
    slug: str
    prefix: str
    table: Table
    refuse: Callable[[Refusal], Reply]
    meter: Callable[[World, Route, Call], tuple[dict[str, str], Refusal | None]]
    admit: Callable[[World, Call], None]


PLATFORMS = (
    Platform("scayle", scayle.PREFIX, scayle.TABLE, scayle.refuse, scayle.meter, scayle.admit),
    Platform(
        "returngo",
        returngo.PREFIX,
        returngo.TABLE,
        returngo.refuse,
        returngo.meter,
        returngo.admit,
    ),
)


class Sandbox:
    """A WSGI application and, for tests in the same process, its controls as methods.

    ``effect_delay`` is how many seconds of the sandbox's clock an accepted write takes to show its
    effects; None means that they wait for ``settle``.
    """

    def __init__(
        self, seed: int = 1, clock: Clock | None = None, *, effect_delay: float | None = None
    ) -> None:
        self._clock = clock or utc_clock
        self._effect_delay = effect_delay
        # One lock for all state. Never held while something is posted.
        self._lock = threading.RLock()
        self.post: Post | None = None
        self.reset(seed)

    def reset(self, seed: int = 1) -> None:
        with self._lock:
            self.world = World(seed=seed, clock=self._clock, effect_delay=self._effect_delay)

    def act(self, platform: str, action: str, /, **values: Any) -> dict[str, Any]:
        """What people do in that platform. Raises ``Refusal`` naming the field that is wrong."""
        with self._lock:
            return control.perform(self, platform, action, values)

    def books(self, platform: str) -> dict[str, list[dict[str, Any]]]:
        with self._lock:
            return control.books(self, platform)

    def add_faults(self, *rules: dict[str, Any]) -> list[Rule]:
        with self._lock:
            return self.world.switchboard.add(list(rules))

    def clear_faults(self) -> None:
        with self._lock:
            self.world.switchboard.clear()

    def tick(self) -> int:
        """Apply the effects whose time has come."""
        with self._lock:
            return self.world.tick(self.world.now())

    def settle(self) -> int:
        """Apply everything that is delayed, now."""
        with self._lock:
            return self.world.settle(self.world.now())

    def pending_callbacks(self) -> list[Callback]:
        with self._lock:
            return self.world.outbox.pending()

    def deliver(self, post: Post) -> int:
        """Send the callbacks that are due with ``post(url, headers, body) -> status``."""
        with self._lock:
            world = self.world
        return callbacks.deliver(world.outbox, self._lock, world.now, post)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        reply, truncated = self._answer(Request(environ))
        data = reply.data()
        # Half of the JSON under the length of the half: the receiver sees a complete, broken text.
        data = data[: len(data) // 2] if truncated else data
        response = Response(data, status=reply.status, content_type=reply.content_type)
        response.headers.update(reply.headers)
        return response(environ, start_response)

    def _answer(self, request: Request) -> tuple[Reply, bool]:
        call = Call(
            method=request.method,
            path=request.path,
            query=request.args,
            headers=request.headers,
            raw=request.get_data(),
            at=self._clock(),
        )
        for platform in PLATFORMS:
            if request.path.startswith(platform.prefix + "/"):
                call.path = request.path.removeprefix(platform.prefix)
                with self._lock:
                    return self._platform_answer(platform, call)
        try:
            route, values = control.TABLE.match(call.method, call.path)
            if route.scope == "unlocked":
                return route.handler(self, call, **values), False
            with self._lock:
                return route.handler(self, call, **values), False
        except Refusal as error:
            return control.refuse(error), False

    def _platform_answer(self, platform: Platform, call: Call) -> tuple[Reply, bool]:
        world = self.world
        world.tick(call.at)
        endpoint = f"{call.method} {call.path}"
        kinds = faults.READ_FAULTS if call.method == "GET" else faults.WRITE_FAULTS
        rule = world.switchboard.strike(platform.slug, endpoint, kinds)
        if rule and rule.fault in faults.BEFORE:
            return _refused_before(platform, rule), False
        headers: dict[str, str] = {}
        try:
            route, values = platform.table.match(call.method, call.path)
            headers, over = platform.meter(world, route, call)
            platform.admit(world, call)
            if over:
                raise over
            reply = _handled(world, platform, route, call, values, rule)
        except Refusal as error:
            reply = platform.refuse(error)
        reply.headers = headers | reply.headers
        return _after(platform, reply, rule) if rule else (reply, False)


def _refused_before(platform: Platform, rule: Rule) -> Reply:
    """The call never reached the books."""
    if rule.fault == "refused":
        raise ConnectionDropped("refused before it was handled")
    if rule.fault == "hang":
        raise Hang(rule.seconds or _HANG_SECONDS)
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    key = "RATE_LIMIT_EXCEED" if rule.status == 429 else "SANDBOX_FAULT"
    message = f"The sandbox was told to answer {rule.status}."
    return platform.refuse(Refusal(rule.status, key, message, headers))


def _handled(
    world: World,
    platform: Platform,
    route: Route,
    call: Call,
    values: dict[str, Any],
    rule: Rule | None,
) -> Reply:
    if rule is None:
        return route.handler(world, call, **values)
    if rule.fault == "rows_repeated":
        call.page_shift = -1
    elif rule.fault == "rows_skipped":
        call.page_shift = 1
    elif rule.fault in faults.BEHAVIOUR:
        call.behaviours.add(rule.fault)
    elif rule.fault in faults.VISIBILITY:
        return _hidden(world, platform, route, call, values, rule)
    return route.handler(world, call, **values)


def _hidden(
    world: World,
    platform: Platform,
    route: Route,
    call: Call,
    values: dict[str, Any],
    rule: Rule,
) -> Reply:
    """Handle the write, and let readers see the former state for a while."""
    delay = timedelta(seconds=rule.seconds)
    call.extra_delay = delay
    shelves = world.shelves(platform.slug)
    before = [shelf.copied() for shelf in shelves]
    reply = route.handler(world, call, **values)
    for shelf, former in zip(shelves, before, strict=True):
        shelf.hide_changes(former, call.at + delay)
    return reply


def _after(platform: Platform, reply: Reply, rule: Rule) -> tuple[Reply, bool]:
    """The books have changed; what the caller gets to know of it."""
    if rule.fault == "drop_after":
        raise ConnectionDropped("dropped after it was handled")
    if rule.fault == "timeout_after":
        raise Hang(rule.seconds or _HANG_SECONDS)
    if rule.fault == "error_after":
        message = f"The sandbox was told to answer {rule.status} after its work."
        return platform.refuse(Refusal(rule.status, "SANDBOX_FAULT", message)), False
    if rule.fault == "slow":
        reply.headers[SLOW_HEADER] = str(rule.seconds)
    if rule.fault in {"missing_field", "wrong_type", "new_enum"} and reply.body is not None:
        # A copy: a handler may have answered with what is in the books.
        reply.body = faults.spoiled(_copied(reply), rule)
    return reply, rule.fault == "truncated"


def _copied(reply: Reply) -> Any:
    return json.loads(reply.data())
