"""The wires between the product and the sandbox inside one process. No sockets, no threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ProtocolError
from werkzeug.test import EnvironBuilder, run_wsgi_app

from integrator.sandbox.app import SLOW_HEADER, Sandbox
from integrator.sandbox.faults import ConnectionDropped, Hang

CALL_SECONDS = 0.02


class Death(BaseException):
    """The process is killed here: nothing after this line runs, as with SIGKILL."""


@dataclass(frozen=True)
class Called:
    """One call the product made. ``status`` is None when it got no answer."""

    platform: str
    method: str
    path: str
    status: int | None
    at: datetime

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Trap:
    """Kills the worker at a call of this kind, before or after the platform acted.

    ``skips`` says how many such calls it lets pass first.
    """

    method: str
    path: str
    after: bool
    skips: int = 0


@dataclass
class Wire(BaseAdapter):
    """Answers ``requests`` from the sandbox. A call takes time, a silent platform takes more."""

    sandbox: Sandbox
    now: Callable[[], datetime]
    pass_seconds: Callable[[float], None]
    calls: list[Called] = field(default_factory=list)
    traps: list[Trap] = field(default_factory=list)
    extra_headers: dict[str, str] = field(default_factory=dict)  # of every answer
    # What else happens in the house while a call is on its way, and while its answer is.
    meanwhile: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        super().__init__()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        parts = urlsplit(str(request.url))
        platform, path = _platform(parts.path)
        patience = timeout[1] if isinstance(timeout, tuple) else float(timeout)
        self.pass_seconds(CALL_SECONDS)
        self.meanwhile()
        self._spring(str(request.method), path, after=False)
        status: int | None = None
        try:
            response = self._answer(request, parts.path, parts.query)
            status = response.status_code
            slow = float(response.headers.get(SLOW_HEADER, 0))
            self.pass_seconds(min(slow, patience))
            if slow >= patience:
                status = None
                raise requests.ReadTimeout(f"no answer within {patience} s")
        except Hang as fault:
            self.pass_seconds(min(fault.seconds, patience))
            if fault.seconds >= patience:
                raise requests.ReadTimeout(f"no answer within {patience} s") from fault
            raise requests.ConnectionError(ProtocolError("closed without an answer")) from fault
        except ConnectionDropped as fault:
            raise requests.ConnectionError(ProtocolError("closed without an answer")) from fault
        finally:
            self.calls.append(Called(platform, str(request.method), path, status, self.now()))
            self.meanwhile()
        self._spring(str(request.method), path, after=True)
        return response

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(
        self, request: requests.PreparedRequest, path: str, query: str
    ) -> requests.Response:
        body = request.body or b""
        environ = EnvironBuilder(
            path=path,
            query_string=query,
            method=str(request.method),
            headers=dict(request.headers),
            data=body.encode() if isinstance(body, str) else body,
        ).get_environ()
        chunks, status, headers = run_wsgi_app(self.sandbox, environ)
        response = requests.Response()
        response.status_code = int(status.split()[0])
        response.headers = CaseInsensitiveDict([*headers, *self.extra_headers.items()])
        response._content = b"".join(chunks)
        response.request = request
        response.url = str(request.url)
        return response

    def _spring(self, method: str, path: str, *, after: bool) -> None:
        for trap in self.traps:
            if (trap.method, trap.path, trap.after) == (method, path, after):
                if trap.skips:
                    trap.skips -= 1
                    continue
                self.traps.remove(trap)
                raise Death(f"{method} {path}")


def _platform(path: str) -> tuple[str, str]:
    """The platform of an address, and its path as the platform's documentation writes it."""
    platform = path.strip("/").split("/")[0]
    return platform, path.removeprefix(f"/{platform}").removeprefix("/api/admin/v1")


def post_to(application: Any, url: str, headers: dict[str, str], body: bytes) -> int:
    """Deliver one callback to a WSGI application; the status of its answer."""
    environ = EnvironBuilder(
        path=urlsplit(url).path,
        method="POST",
        headers=headers,
        data=body,
        environ_base={"REMOTE_ADDR": "192.0.2.10"},
    ).get_environ()
    chunks, status, _ = run_wsgi_app(application, environ)
    b"".join(chunks)
    return int(status.split()[0])
