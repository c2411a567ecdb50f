"""The only way out of the building: one HTTP call to one platform, its answer classified.

Only this module imports ``requests``. It repeats nothing but a GET, once; the Job owns retries. It
never runs inside a transaction of ours. Bodies are never logged.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.db import transaction
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import HTTPError

from integrator.engine import answers, limits, secrets
from integrator.engine.clock import now
from integrator.engine.errors import Misconfigured, PlatformError, Refused, Transient, Unknown
from integrator.engine.shapes import Limit, Reply
from integrator.models import Connection

BODY_TIMEOUTS = 1  # what is read in parts may take as long as the wait for the first one
PART_BYTES = 1 << 16
ANSWER_BYTES_MAX = 32 << 20  # a page of orders has less than one
_LOCAL = threading.local()
_NO_COOKIES = DefaultCookiePolicy(allowed_domains=())  # a cookie of one is none of another's
_MOUNTS: dict[str, BaseAdapter] = {}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# Found out before anything left: a setting is wrong, and no look-up is needed.
_NOT_AN_ADDRESS = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one platform speaks HTTP. Each platform package exports one as ``DIALECT``.

    ``not_executed`` are the statuses of a write that prove that nothing happened there.
    ``daily_limit_setting`` names the connection's setting that holds its calls per day.
    """

    name: str
    headers: Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, str]]
    limit: Callable[[Mapping[str, str], str], Limit | None]
    not_executed: frozenset[int]
    error_text: Callable[[Any], str]
    is_rate_limit: Callable[[int, Any], bool]
    daily_limit_setting: str = ""
    request_id_headers: tuple[str, ...] = ()


def mount(prefix: str, adapter: BaseAdapter | None) -> None:
    """Answer every address below ``prefix`` with ``adapter`` instead of the network (for tests)."""
    if adapter is None:
        _MOUNTS.pop(prefix, None)
    else:
        _MOUNTS[prefix] = adapter
    _LOCAL.__dict__.pop("session", None)


class Endless(requests.RequestException):
    """The answer has begun, and goes on for longer than anybody waits, or than anybody reads."""


def _read(response: requests.Response) -> None:
    """Read the whole body, a small one at once; ``Endless`` when it takes too long to come."""
    if response.raw is None:
        return
    until = time.monotonic() + BODY_TIMEOUTS * settings.HTTP_TIMEOUT_SECONDS
    body = bytearray()
    while part := response.raw.read1(PART_BYTES, decode_content=True):
        body += part
        if len(body) > ANSWER_BYTES_MAX or time.monotonic() > until:
            response.close()
            raise Endless
    response._content = bytes(body)


def _session() -> requests.Session:
    """One Session per thread: connections are kept, cookies are not."""
    session: requests.Session | None = getattr(_LOCAL, "session", None)
    if session is None:
        session = requests.Session()
        session.trust_env = False
        session.cookies.set_policy(_NO_COOKIES)
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=4, max_retries=0)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        for prefix, mounted in _MOUNTS.items():
            session.mount(prefix, mounted)
        _LOCAL.session = session
    return session


class Http:
    """Calls to one connection. ``log`` collects method, path, status and milliseconds of each.

    ``answers`` counts those that the platform answered, a refusal included; ``written`` the writes
    that were carried out, or may have been. ``for_write`` says that its readings belong to a write:
    they may use what is kept of a day's calls for writes. Without ``again`` not even a blip of a
    reading is tried once more. ``clock_seconds`` is how far the platform's clock was ahead of ours
    at its last answer; None when an answer does not tell. ``on_begin`` comes before each call, and
    may raise what keeps it from being made.
    """

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        *,
        log: list[dict[str, Any]] | None = None,
        on_send: Callable[[], None] | None = None,
        for_write: bool = False,
        again: bool = True,
        on_begin: Callable[[], None] = lambda: None,
    ) -> None:
        self.for_write = for_write
        self.again = again
        self.on_begin = on_begin
        self.clock_seconds: float | None = None
        self.connection = connection
        self.dialect = dialect
        self.log = log if log is not None else []
        self.on_send = on_send
        self.answers = 0
        self.written = 0
        try:
            own = dialect.headers(connection.settings, secrets.read(connection))
        except PlatformError as error:
            error.connection_id = connection.pk
            raise
        self._headers = {"Accept": "application/json", "User-Agent": "Integrator/1", **own}

    def get(self, path: str, *, params: Mapping[str, str] | None = None, scope: str = "") -> Reply:
        """Read. A blip is tried once more at once; anything else is ``Transient`` or worse."""
        try:
            return self._call("GET", path, params, None, scope, is_write=False)
        except Transient as blip:
            if blip.retry_after is not None or not blip.platform_down or not self.again:
                raise
            return self._call("GET", path, params, None, scope, is_write=False)

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        scope: str = "",
    ) -> Reply:
        """Change something there. Never repeated; ``Unknown`` when it may have happened."""
        try:
            reply = self._call(method, path, params, json, scope, is_write=True)
        except Unknown:
            self.written += 1
            raise
        self.written += 1
        return reply

    def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        scope: str,
        *,
        is_write: bool,
    ) -> Reply:
        try:
            return self._exchange(method, path, params, body, scope, is_write=is_write)
        except PlatformError as error:
            error.connection_id = self.connection.pk
            raise

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        scope: str,
        *,
        is_write: bool,
    ) -> Reply:
        refuse_inside_transaction()
        self.on_begin()
        limits.spend(
            self.connection,
            scope,
            self.dialect.daily_limit_setting,
            for_write=is_write or self.for_write,
        )
        if is_write and self.on_send is not None:
            self.on_send()
        entry: dict[str, Any] = {"method": method, "path": path.split("?")[0]}
        self.log.append(entry)
        started = time.perf_counter()
        try:
            response = _session().request(
                method,
                self.connection.base_url.rstrip("/") + path,
                params=params,
                json=body,
                headers=self._headers,
                timeout=(settings.CONNECT_TIMEOUT_SECONDS, settings.HTTP_TIMEOUT_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            _read(response)
        except _NOT_AN_ADDRESS as error:
            entry["status"] = type(error).__name__
            raise Misconfigured(
                f"the address or a header of {self.connection.name} cannot be used"
            ) from error
        except (requests.RequestException, HTTPError) as error:
            entry["status"] = type(error).__name__
            raise self._no_answer(error, is_write=is_write) from error
        finally:
            entry["ms"] = round((time.perf_counter() - started) * 1000)
        entry["status"] = response.status_code
        return self._answer(response, scope, entry, is_write=is_write)

    def _no_answer(self, error: Exception, *, is_write: bool) -> Exception:
        name = self.connection.name
        never_left = isinstance(error, requests.ConnectTimeout) or (
            isinstance(error, requests.ConnectionError) and answers.refused(error)
        )
        if never_left:
            return Transient(f"{name} could not be reached", platform_down=True)
        if is_write:
            return Unknown(f"{name} did not answer after we sent it")
        if isinstance(error, Endless):
            return Transient(f"{name} did not come to the end of its answer")
        return Transient(f"{name} did not answer", platform_down=True)

    def _answer(
        self, response: requests.Response, scope: str, entry: dict[str, Any], *, is_write: bool
    ) -> Reply:
        headers = {key.lower(): value for key, value in response.headers.items()}
        request_id = next(
            (headers[name] for name in self.dialect.request_id_headers if name in headers), ""
        )
        if request_id:
            entry["request_id"] = request_id[:80]
        limit = self.dialect.limit(headers, scope)
        if limit is not None:
            limits.told(self.connection, limit)
        data, readable = _parse(response)
        status = response.status_code
        self.answers += status < 500
        self.clock_seconds = answers.seconds_to(headers.get("date", ""), at=now())
        if 200 <= status < 300:
            if readable:
                return Reply(status, data, headers, request_id)
            if is_write:
                raise Unknown(
                    f"{self.connection.name} answered with something unreadable",
                    status=status,
                    request_id=request_id,
                )
            raise Transient(f"{self.connection.name} answered with something unreadable")
        raise self._failure(status, data, headers, request_id, is_write=is_write)

    def _failure(
        self,
        status: int,
        data: Any,
        headers: Mapping[str, str],
        request_id: str,
        *,
        is_write: bool,
    ) -> Exception:
        said = self.dialect.error_text(data) or f"status {status}"
        message = f"{self.connection.name}: {said}"[:400]
        about: dict[str, Any] = {"status": status, "request_id": request_id}
        if status == 429 or self.dialect.is_rate_limit(status, data):
            return Transient(message, retry_after=answers.retry_after(headers, at=now()), **about)
        if status in (401, 403):
            return Misconfigured(message, credentials=status == 401, **about)
        if status >= 500 or status in (408, 424):
            if is_write and status not in self.dialect.not_executed:
                return Unknown(message, **about)
            asked = answers.retry_after(headers, at=now(), default=None)
            return Transient(message, retry_after=asked, platform_down=status >= 500, **about)
        return Refused(message, **about)


class _PublicOnly(HTTPAdapter):
    """Talks to public addresses only: whoever names a host must not reach what is inside."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _public_only(type(pool).ConnectionCls)
        return pool


@lru_cache(maxsize=4)
def _public_only(connection_class: Any) -> Any:
    """Judged by the address really connected to, before a byte is sent: a name may move."""

    class PublicOnly(connection_class):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            sock = super()._new_conn()
            if not is_public(sock.getpeername()[0]):
                sock.close()
                raise Misconfigured("the address lies in a private network, which is not allowed")
            return sock

    return PublicOnly


def is_public(address: str) -> bool:
    """Whether an IP address can be anybody's on the internet, and nobody's inside the house."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        within = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None
        ip = within or ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_global and not ip.is_multicast


def tell(
    address: str,
    *,
    name: str,
    body: bytes,
    headers: Mapping[str, str],
    private_network: bool,
    log: list[dict[str, Any]],
) -> None:
    """Tell a system that is no platform something that may be told twice, once.

    Only 2xx counts as taken; everything else is ``Transient``, a redirect too, for none is
    followed. The log names the host alone: the rest of such an address is often a secret.
    """
    refuse_inside_transaction()
    entry: dict[str, Any] = {"method": "POST", "path": urlsplit(address).hostname or ""}
    log.append(entry)
    session = requests.Session()
    session.trust_env = False
    for prefix in ("https://", "http://"):
        session.mount(prefix, HTTPAdapter() if private_network else _PublicOnly())
    for prefix, mounted in _MOUNTS.items():
        session.mount(prefix, mounted)
    about = {"Content-Type": "application/json", "User-Agent": "Integrator/1", **headers}
    started = time.perf_counter()
    try:
        # Only the first line of the answer counts, so its body is never read.
        with session.post(
            address,
            data=body,
            headers=about,
            timeout=(settings.CONNECT_TIMEOUT_SECONDS, settings.HTTP_TIMEOUT_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as response:
            entry["status"] = status = response.status_code
            asked = answers.retry_after(response.headers, at=now(), default=None)
    except _NOT_AN_ADDRESS as error:
        entry["status"] = type(error).__name__
        raise Misconfigured(f"the address of {name} cannot be used") from error
    except requests.RequestException as error:
        entry["status"] = type(error).__name__
        raise Transient(f"{name} did not answer") from error
    finally:
        entry["ms"] = round((time.perf_counter() - started) * 1000)
    if not 200 <= status < 300:
        raise Transient(f"{name} answered with status {status}", retry_after=asked, status=status)


def refuse_inside_transaction() -> None:
    """No network inside a transaction: a slow platform must never hold our locks."""
    blocks = transaction.get_connection().atomic_blocks
    if any(not getattr(block, "_from_testcase", False) for block in blocks):
        raise AssertionError("a platform was called inside a transaction")


def _parse(response: requests.Response) -> tuple[Any, bool]:
    """The JSON body and whether it could be read. An empty body is None and fine."""
    if not response.content.strip():
        return None, True
    try:
        return response.json(), True
    except ValueError:
        return None, False
