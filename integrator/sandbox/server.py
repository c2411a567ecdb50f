"""The sandbox as a real server on this machine: broken connections break, callbacks are posted.

For the demo, for rehearsals and for tests that kill processes. It binds to 127.0.0.1 only and does
not start without DEMO=1.
"""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from integrator.sandbox.app import SLOW_HEADER, Sandbox
from integrator.sandbox.faults import ConnectionDropped, Hang

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"
_EFFECT_SECONDS = 1.0
_POST_TIMEOUT_SECONDS = 5.0
_TICK_SECONDS = 0.2

logger = logging.getLogger(__name__)


class UnableToServe(Exception):
    """The sandbox may not run here: it is for demonstrations on this machine."""


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """A line per call would drown what matters."""


class _RealConnections:
    """Turns the sandbox's connection faults into what a socket does."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._sandbox(environ, self._delayed(start_response))
        except Hang as fault:
            _wait_for_the_caller(environ["werkzeug.socket"], fault.seconds)
        except ConnectionDropped:
            pass
        # The caller sees the connection end without an answer; the server takes our error as such.
        with suppress(OSError):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("dropped by the switchboard")

    def _delayed(self, start_response: StartResponse) -> StartResponse:
        def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            time.sleep(float(dict(headers).get(SLOW_HEADER, 0)))
            return start_response(status, headers, *rest)  # type: ignore[arg-type]

        return start  # type: ignore[return-value]


def _wait_for_the_caller(connection: socket.socket, seconds: float) -> None:
    """Be silent until the time is over or the caller gives up."""
    until = time.monotonic() + seconds
    while (rest := until - time.monotonic()) > 0:
        connection.settimeout(rest)
        try:
            if not connection.recv(1, socket.MSG_PEEK):
                return
            # Something was sent ahead: it stays unread, and silence goes on.
            time.sleep(min(rest, _TICK_SECONDS))
        except OSError:
            return


def http_post(url: str, headers: dict[str, str], body: bytes) -> int:
    """Post one callback; the status of the answer. Raises ``OSError`` when there is none."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_POST_TIMEOUT_SECONDS)
    try:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


class Server:
    """The listening socket and the thread that lets time pass."""

    def __init__(self, sandbox: Sandbox, port: int, *, host: str = HOST) -> None:
        if os.environ.get("DEMO") != "1":
            raise UnableToServe("Set DEMO=1: the sandbox takes no part in real operation.")
        if host != HOST:
            raise UnableToServe(f"The sandbox listens on {HOST} only, not on {host}.")
        self.sandbox = sandbox
        sandbox.post = http_post
        self._stopped = threading.Event()
        self._server: BaseWSGIServer = make_server(
            host, port, _RealConnections(sandbox), threaded=True, request_handler=_QuietHandler
        )
        self.port = int(self._server.port)
        self._threads = [
            threading.Thread(target=self._server.serve_forever, name="sandbox-http", daemon=True),
            threading.Thread(target=self._pass_time, name="sandbox-time", daemon=True),
        ]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        self._stopped.wait()

    def end_waiting(self) -> None:
        """Let ``wait`` return, for example from a signal handler."""
        self._stopped.set()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join(timeout=_POST_TIMEOUT_SECONDS)

    def _pass_time(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            try:
                self.sandbox.tick()
                self.sandbox.deliver(http_post)
            except Exception:
                # One bad callback must not end the sandbox's time.
                logger.exception("the sandbox could not let time pass")


def serve(host: str, port: int, seed: int) -> Server:
    """A started server; the caller stops it."""
    server = Server(Sandbox(seed, effect_delay=_EFFECT_SECONDS), port, host=host)
    server.start()
    return server
