"""Toy flows that fail, and one shop to run them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrator.engine.flow import Flow
from tests.engine import toys
from tests.engine.conftest import Shop

Open = Callable[..., Shop]


def raising(error: Exception, **parts: Any) -> Flow:
    def call(work: Any) -> Any:
        raise error

    return toys.flow("send", call=call, **parts)


def run(shop: Open, flow: Flow) -> Shop:
    here = shop(flow)
    here.hear(flow.name, "a/1")
    here.work()
    return here
