"""When "it is not there" is believed is for a platform's contract to say, and for no flow."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from integrator.engine.flow import Flow, only_reads
from integrator.flows import FLOWS
from integrator.flows.settling import settling, write_named
from integrator.platforms import PLATFORMS

WRITERS = {"write", "_write", "_order_write"}  # how a client's method names its write


def write_methods() -> dict[str, set[str]]:
    """The methods of the clients that change something there, and the writes they make."""
    found: dict[str, set[str]] = {}
    for slug, platform in PLATFORMS.items():
        tree = ast.parse(inspect.getsource(sys.modules[platform.client.__module__]))
        for method in ast.walk(tree):
            if isinstance(method, ast.FunctionDef):
                for name in _named_writes(method):
                    found.setdefault(method.name, set()).add(f"{slug}:{name}")
    return found


def _named_writes(method: ast.FunctionDef) -> Iterator[str]:
    for call in ast.walk(method):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in WRITERS
            and isinstance(call.args[0], ast.Constant)
        ):
            yield str(call.args[0].value)


def calls_of(module: ModuleType) -> set[str]:
    """The methods called in a flow's file, and in the files without a flow that it imports from."""
    tree = ast.parse(inspect.getsource(module))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("integrator.flows."):
            other = sys.modules[str(node.module)]
            if not hasattr(other, "FLOW"):
                called |= calls_of(other)
    return called


METHODS = write_methods()


def test_the_clients_writes_are_found() -> None:
    assert METHODS["return_items"] == {"scayle:return_items"}
    assert METHODS["set_transaction"] == {"returngo:set_transaction"}
    assert METHODS["set_billing_status"] == {"scayle:set_billing_status"}
    assert "rma" not in METHODS


@pytest.mark.parametrize("flow", FLOWS.values(), ids=list(FLOWS))
def test_a_flow_names_the_writes_it_makes_and_settles_as_they_do(flow: Flow) -> None:
    makes: set[str] = set()
    if flow.queue in PLATFORMS and flow.probe is not only_reads:
        called = calls_of(sys.modules[flow.record.__module__])
        makes = {name for method in called for name in METHODS.get(method, ())}

    assert set(flow.writes) == makes, "name them in settling(…)"
    if makes:
        said = [write_named(one) for one in makes]
        assert flow.settle_minutes == max(one.settle_minutes for one in said)
        assert flow.lookups_needed == max(one.lookups_needed for one in said)


def test_the_slowest_and_the_strictest_of_several_writes_count() -> None:
    flow = FLOWS["place_exchange"]
    one = settling(flow, "scayle:return_items", "scayle:create_order")

    assert (one.settle_minutes, one.lookups_needed) == (15, 3)


def test_only_where_a_repeat_may_harm_does_a_person_decide() -> None:
    """Their look-ups answer "may be repeated" where something was not there."""
    harmful = {
        name
        for name, flow in FLOWS.items()
        if not all(write_named(one).repeat_harmless for one in flow.writes)
    }

    assert harmful == {"refund"}
