"""ReturnGO's callbacks: which of them we know, and which return each one is about.

A callback is a nudge: only its ids are read here, the facts are read from ReturnGO afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrator.engine.errors import Malformed
from integrator.engine.shapes import Heard
from integrator.platforms.returngo import CONTRACT, wire
from integrator.platforms.tame import Field, document

# A random token in the path: ReturnGO signs nothing.
AUTH = "token"

TOPICS: dict[str, str] = {
    "RMA_CREATED": "rma",
    "RMA_STATUS_UPDATED": "rma",
    "SHIPMENT_CREATED": "rma",
    "SHIPMENT_STATUS_UPDATED": "rma",
    "SHIPMENT_TRACKER_STATUS_UPDATED": "rma",
    "TRANSACTION_CREATED": "rma",
    "REFUND_CREATED": "rma",
}
IGNORED: frozenset[str] = frozenset()
EVENTS: tuple[str, ...] = tuple(TOPICS)

_JSON = {"Content-Type": "application/json"}
REPLIES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "stored": (200, _JSON, b'{"result":"stored"}'),
    "known": (200, _JSON, b'{"result":"known"}'),
    "quarantined": (200, _JSON, b'{"result":"quarantined"}'),
    "malformed": (400, _JSON, b'{"result":"malformed"}'),
    "unauthenticated": (401, _JSON, b'{"result":"unauthenticated"}'),
    "unavailable": (503, {**_JSON, "Retry-After": "30"}, b'{"result":"unavailable"}'),
}


def split(body: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]) -> list[Heard]:
    """The one thing a callback says.

    ReturnGO sends no event id. A callback that names its shipment or transaction but not its
    return cannot be followed: it is kept as not understood, and the sweep finds the return.
    """
    said = document(body)
    kind = said["eventName"].text()
    if kind not in TOPICS:
        resource_id = _first_id(said, "webhook_rma_id")
        return [Heard("", kind, "rma" if resource_id else "", resource_id, understood=False)]
    if resource_id := _first_id(said, "webhook_rma_id"):
        return [Heard(TOPICS[kind], kind, "rma", resource_id)]
    for resource_kind in ("shipment", "transaction"):
        if other := _first_id(said, f"webhook_{resource_kind}_id"):
            return [Heard("", kind, resource_kind, other, understood=False)]
    said["rmaId"].fail("is missing")


def _first_id(body: Field, assumption: str) -> str:
    """The id at the first of the assumed places that holds one."""
    for path in CONTRACT.assumption(assumption):
        field = body
        try:
            for key in path.split("."):
                field = field[key]
            if not field.absent:
                return wire.rma_id(field) if assumption == "webhook_rma_id" else field.text()
        except Malformed:
            continue  # another place may hold it
    return ""
