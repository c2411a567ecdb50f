"""Plain pages of the sandbox's own records: what stands in for the platforms' screens in the demo.

Read only. Nobody signs in, no fault strikes and no limit counts here: people look, programs call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from integrator.sandbox.calls import Call, Refusal, Reply
from integrator.sandbox.returngo import bodies as returngo
from integrator.sandbox.scayle import bodies as scayle
from integrator.sandbox.world import World

if TYPE_CHECKING:
    from integrator.sandbox.app import Sandbox

Body = dict[str, Any]
_TITLES = {"scayle": "SCAYLE", "returngo": "ReturnGO"}
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
p.where { opacity: .75; }
dl { display: grid; grid-template-columns: minmax(8rem, 16rem) 1fr; gap: .25rem 1rem; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
th, td { border: 1px solid #8886; padding: .25rem .5rem; text-align: left; }
div.wide { overflow-x: auto; }
"""


def _order(world: World, number: int, at: datetime) -> Body | None:
    row = world.scayle.orders.seen(at).get(number)
    return scayle.order(row, {"legacyCustomData"}) if row is not None else None


def _customer(world: World, number: int, at: datetime) -> Body | None:
    row = world.scayle.customers.get(number)
    return scayle.customer(row) if row is not None else None


def _product(world: World, number: int, at: datetime) -> Body | None:
    row = world.catalogue.products.get(number)
    return scayle.product(row, world.catalogue) if row is not None else None


def _rma(world: World, number: int, at: datetime) -> Body | None:
    row = world.returngo.rmas.seen(at).get(number)
    return returngo.rma(row, world.returngo.transactions_of(row)) if row is not None else None


_KINDS: Mapping[tuple[str, str], tuple[str, Callable[[World, int, datetime], Body | None]]] = {
    ("scayle", "order"): ("Order", _order),
    ("scayle", "customer"): ("Customer", _customer),
    ("scayle", "product"): ("Product", _product),
    ("returngo", "rma"): ("RMA", _rma),
}


def show(sandbox: Sandbox, call: Call, platform: str, kind: str, number: str) -> Reply:
    """One record as the platform's interface gives it."""
    if (platform, kind) not in _KINDS:
        raise Refusal(404, "kind", f"no page of {platform} {kind}")
    title, find = _KINDS[platform, kind]
    is_number = number.isascii() and number.isdigit() and len(number) < 18
    body = find(sandbox.world, int(number), call.at) if is_number else None
    if body is None:
        raise Refusal(404, "number", f"the sandbox has no {title} {number}")
    return Reply(page=_page(_TITLES[platform], f"{title} {number}", body))


def _page(platform: str, title: str, body: Body) -> str:
    parts = "".join(_facts(body)) + "".join(_lists(body))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · '
        f'{platform} sandbox</title><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><style>{_STYLE}</style></head><body><p class="where">{platform}, as the '
        f"sandbox plays it: only to look at</p><h1>{escape(title)}</h1>{parts}</body></html>"
    )


def _facts(body: Body) -> Iterator[str]:
    yield "<dl>"
    for name, value in _flat(body):
        if not isinstance(value, list):
            yield f"<dt>{escape(name)}</dt><dd>{_cell(value)}</dd>"
    yield "</dl>"


def _lists(body: Body) -> Iterator[str]:
    """A table per list; a list inside a row of it is only counted."""
    for name, rows in _flat(body):
        if not isinstance(rows, list) or not rows:
            continue
        flat = [dict(_flat(row)) if isinstance(row, dict) else {name: row} for row in rows]
        heads = list(dict.fromkeys(head for row in flat for head in row))
        yield f'<h2>{escape(name)}</h2><div class="wide" tabindex="0"><table><tr>'
        yield "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>"
        for row in flat:
            cells = "".join(f"<td>{_cell(row.get(head))}</td>" for head in heads)
            yield f"<tr>{cells}</tr>"
        yield "</table></div>"


def _flat(body: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return escape(f"{len(value)} inside" if isinstance(value, list) else str(value))
