"""Callbacks taken in per second, and the slowest hundredth of them, against a bare Django project.

Ours authenticates, reads, dedupes, stores and answers after commit. The peer has no middleware and
one ORM insert. Both run under granian with the same figures and get the same body.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench import databases, load, measure, sides
from bench.load import ID, Outcome
from bench.measure import Comparison, Goal
from bench.processes import free_port, running, until_listening

CONNECTIONS = 16
SECONDS = 2.0
WARM_UP_SECONDS = 1.0
BODY_BYTES = 2005

OURS_COUNT = """SELECT count(*) FROM integrator_message m
                  JOIN integrator_payload p ON p.message_id = m.id
                 WHERE m.verdict = 'ACCEPTED' AND m.event_id <> ''"""
PEER_COUNT = "SELECT count(*) FROM peers_event"


def against_bare_django() -> list[Comparison]:
    rate = Comparison("intake", "callbacks/s", Goal(1.0), notes={"load": _LOAD})
    slowest = Comparison("intake_p99", "ms", Goal(1.2, at_least=False), notes={"load": _LOAD})
    ours_port, peer_port = free_port(), free_port()
    basic = b64encode(f"{sides.USER}:{sides.PASSWORD}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {basic}"}
    body = _body()
    ours = load.request(ours_port, f"/callbacks/scayle/{sides.TOKEN}", body, headers)
    peer = load.request(peer_port, "/callbacks/", body, headers)
    measured: dict[str, Outcome] = {}

    def take(name: str, database: str, count: str, port: int, raw: bytes, seconds: float) -> None:
        before = _count(database, count)
        outcome = load.drive(port, raw, connections=CONNECTIONS, seconds=seconds)
        kept = _count(database, count) - before
        assert kept == outcome.answered, f"{name}: answered {outcome.answered}, kept {kept}"
        measured[name] = outcome

    take_ours = partial(take, "ours", databases.OURS, OURS_COUNT, ours_port, ours)
    take_peer = partial(take, "peer", databases.PEERS, PEER_COUNT, peer_port, peer)
    with (
        running([_granian("integrator.wsgi", ours_port)], sides.ours()) as ours_runs,
        running([_granian("bench.peers.wsgi", peer_port)], sides.peer("settings")) as peer_runs,
    ):
        until_listening(ours_port, ours_runs)
        until_listening(peer_port, peer_runs)
        take_ours(WARM_UP_SECONDS)
        take_peer(WARM_UP_SECONDS)
        for number in range(measure.ROUNDS):
            measure.in_turn(number, [partial(take_ours, SECONDS), partial(take_peer, SECONDS)])
            rate.add(measured["ours"].rate, measured["peer"].rate)
            slowest.add(
                measured["ours"].quantile(0.99) * 1000, measured["peer"].quantile(0.99) * 1000
            )
    return [rate, slowest]


_LOAD = f"own client, {CONNECTIONS} connections, {BODY_BYTES} bytes"


def _granian(application: str, port: int) -> Sequence[str]:
    """The figures of the Procfile."""
    figures = "--workers 2 --blocking-threads 4 --no-ws --log-level warning"
    return [
        str(Path(sys.executable).with_name("granian")),
        *("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *figures.split(),
        f"{application}:application",
    ]


def _body() -> bytes:
    """A SCAYLE order event: its key differs in every request, its length never."""
    items: list[Mapping[str, object]] = []
    while True:
        document = {
            "type": "order-confirmed",
            "key": ID.decode(),
            "occurredAt": "2026-11-21T08:00:00Z",
            "payload": {"order": {"id": 4711, "items": items, "note": ""}},
        }
        missing = BODY_BYTES - len(json.dumps(document))
        if missing < 130:
            document["payload"]["order"]["note"] = "x" * missing  # type: ignore[index]
            return json.dumps(document).encode()
        items.append(
            {"id": 100_000 + len(items), "sku": "SKU-000-000-1", "price": {"amount": 4995}}
        )


def _count(name: str, statement: str) -> int:
    with databases.connect(name) as database:
        return int(database.execute(statement).fetchone()[0])
