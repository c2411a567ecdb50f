"""Load for a web server: closed loop, keep-alive, one request under way per connection.

Several processes, each with plain sockets in one loop, so that the client takes little of the
processor it shares with what it measures. Every request has its own id.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count

PROCESSES = 2
ID = b"@@@@-request-id-@@@@"  # replaced in every request by an id of the same length
_ids = count()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answers of one window, how long each took, and for how long the window was open."""

    seconds: float
    answered: int
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        return self.answered / self.seconds

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def request(port: int, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One POST as it goes over the wire; ``ID`` may stand in the body."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(port: int, raw: bytes, *, connections: int, seconds: float) -> Outcome:
    """Send for ``seconds``; whatever is under way then is still waited for and counted."""
    before, after = raw.split(ID)
    window = next(_ids)
    share = connections // PROCESSES
    with ProcessPoolExecutor(PROCESSES) as pool:
        outcomes = list(
            pool.map(
                _drive,
                [port] * PROCESSES,
                [(before, after)] * PROCESSES,
                [f"{window:04}-{process:02}-" for process in range(PROCESSES)],
                [share] * PROCESSES,
                [seconds] * PROCESSES,
            )
        )
    latencies = [one for outcome in outcomes for one in outcome.latencies]
    return Outcome(max(one.seconds for one in outcomes), len(latencies), latencies)


def _drive(
    port: int, raw: tuple[bytes, bytes], prefix: str, connections: int, seconds: float
) -> Outcome:
    before, after = raw
    numbers = count()
    width = len(ID) - len(prefix)

    def fresh() -> bytes:
        return before + f"{prefix}{next(numbers):0{width}}".encode() + after

    loop = selectors.DefaultSelector()
    sent: dict[socket.socket, float] = {}
    latencies: list[float] = []
    for _ in range(connections):
        peer = socket.create_connection(("127.0.0.1", port), timeout=10)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.register(peer, selectors.EVENT_READ)
    started = time.perf_counter()
    for key in list(loop.get_map().values()):
        sent[key.fileobj] = time.perf_counter()
        key.fileobj.sendall(fresh())
    while sent:
        ready = loop.select(timeout=10)
        assert ready, "the server stopped answering"
        for key, _ in ready:
            peer = key.fileobj
            _read_answer(peer)
            moment = time.perf_counter()
            latencies.append(moment - sent.pop(peer))
            if moment - started < seconds:
                sent[peer] = moment
                peer.sendall(fresh())
    elapsed = time.perf_counter() - started
    for key in list(loop.get_map().values()):
        key.fileobj.close()
    return Outcome(elapsed, len(latencies), latencies)


def _read_answer(peer: socket.socket) -> None:
    """One whole answer; anything but a 2xx ends the benchmark."""
    answer = peer.recv(65536)
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _more(peer, answer)
    assert answer[9:10] == b"2", answer[:300]
    head = answer[:end].lower()
    at = head.find(b"content-length:")
    assert at >= 0, answer[:300]
    length = int(head[at + 15 :].split(b"\r\n", 1)[0])
    while len(answer) < end + 4 + length:
        answer += _more(peer, answer)


def _more(peer: socket.socket, answer: bytes) -> bytes:
    more = peer.recv(65536)
    assert more, f"the server hung up after {answer[:100]!r}"
    return more
