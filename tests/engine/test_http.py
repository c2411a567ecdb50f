"""Every way a call can end, and what may be tried again. One table, both kinds of call."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
import requests
import urllib3
from django.db import connection as database
from django.db import transaction

from integrator.engine import answers, http
from integrator.engine.errors import Misconfigured, PlatformError, Refused, Transient, Unknown
from integrator.engine.http import Http
from integrator.models import Connection
from tests.engine import toys
from tests.engine.conftest import Clock

pytestmark = pytest.mark.requirement("R027")


@pytest.fixture
def toy(connection: Connection) -> Http:
    return Http(connection, toys.DIALECT)


def refused() -> requests.ConnectionError:
    """What requests raises when nobody listens: wrapped three times."""
    pool = urllib3.HTTPConnectionPool("toy.test")
    new = urllib3.exceptions.NewConnectionError(pool, "refused")  # type: ignore[arg-type]
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", new))


NO_ANSWER = [
    # what happened, a read, a write
    (requests.ConnectTimeout(), Transient, Transient),
    (refused(), Transient, Transient),
    (requests.ReadTimeout(), Transient, Unknown),
    (requests.ConnectionError("Connection aborted"), Transient, Unknown),
    (requests.exceptions.ChunkedEncodingError(), Transient, Unknown),
    (requests.exceptions.SSLError(), Transient, Unknown),
    (requests.exceptions.InvalidURL(), Misconfigured, Misconfigured),
]
ANSWERS = [
    (400, Refused, Refused),
    (401, Misconfigured, Misconfigured),
    (403, Misconfigured, Misconfigured),
    (404, Refused, Refused),
    (408, Transient, Unknown),
    (409, Refused, Refused),
    (420, Transient, Transient),  # this platform's own word for "too many"
    (422, Refused, Refused),
    (424, Transient, Unknown),
    (429, Transient, Transient),
    (301, Refused, Refused),
    (500, Transient, Unknown),
    (502, Transient, Unknown),
    (503, Transient, Transient),  # this platform's 503 proves that nothing was done
    (504, Transient, Unknown),
]


@pytest.mark.parametrize(("happened", "read", "write"), NO_ANSWER, ids=repr)
def test_no_answer(
    toy: Http,
    answers: toys.Answers,
    happened: Exception,
    read: type[PlatformError],
    write: type[PlatformError],
) -> None:
    answers.will(happened)
    with pytest.raises(PlatformError) as of_write:
        toy.send("POST", "/x", json={})
    answers.will(*[happened] * (2 if read is Transient else 1))
    with pytest.raises(PlatformError) as of_read:
        toy.get("/x")

    assert type(of_write.value) is write
    assert type(of_read.value) is read
    assert of_write.value.connection_id == toy.connection.pk


@pytest.mark.parametrize(("status", "read", "write"), ANSWERS)
def test_answers(
    toy: Http,
    answers: toys.Answers,
    status: int,
    read: type[PlatformError],
    write: type[PlatformError],
) -> None:
    answers.will((status, {"error": "because"}))
    with pytest.raises(PlatformError) as of_write:
        toy.send("POST", "/x", json={})
    answers.will(*[(status, {"error": "because"})] * (2 if status >= 500 else 1))
    with pytest.raises(PlatformError) as of_read:
        toy.get("/x")

    assert type(of_write.value) is write
    assert type(of_read.value) is read
    assert (of_write.value.status, str(of_write.value)) == (status, "Toy-1: because")


def test_only_401_is_about_our_key(toy: Http, answers: toys.Answers) -> None:
    found = []
    for status in (401, 403):
        answers.will((status, {}))
        with pytest.raises(Misconfigured) as error:
            toy.get("/x")
        found.append(error.value.credentials)

    assert found == [True, False]


def test_a_blip_of_a_read_is_repeated_once(toy: Http, answers: toys.Answers) -> None:
    answers.will(requests.ReadTimeout(), (200, {"ok": 1}))

    assert toy.get("/x").data == {"ok": 1}
    assert len(answers.seen) == 2


@pytest.mark.parametrize(
    "answer", [(503, {}, {"Retry-After": "5"}), (429, {}), (404, {}), (200, b"{")], ids=str
)
def test_nothing_else_is_repeated_here(toy: Http, answers: toys.Answers, answer: Any) -> None:
    answers.will(answer)
    with pytest.raises(PlatformError):
        toy.get("/x")

    assert len(answers.seen) == 1


@pytest.mark.parametrize("answer", [requests.ReadTimeout(), (500, {}), (503, {}), (429, {})])
def test_a_write_is_never_repeated_here(toy: Http, answers: toys.Answers, answer: Any) -> None:
    answers.will(answer)
    with pytest.raises(PlatformError):
        toy.send("PUT", "/x", json={})

    assert len(answers.seen) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0.2", 1),
        ("-5", 1),
        ("1e9", 86_400),
        ("inf", 86_400),
        ("nan", 30),
        ("soon", 30),
        (None, 30),
    ],
)
def test_how_long_a_rate_limit_asks_us_to_wait(
    toy: Http, answers: toys.Answers, header: str | None, seconds: float
) -> None:
    answers.will((429, {}, {"Retry-After": header} if header else {}))
    with pytest.raises(Transient) as error:
        toy.get("/x")

    assert error.value.retry_after == seconds
    assert not error.value.platform_down


def test_a_date_to_wait_for(toy: Http, answers: toys.Answers, clock: Clock) -> None:
    until = format_datetime(clock.at + timedelta(seconds=90), usegmt=True)
    answers.will((503, {}, {"Retry-After": until}))
    with pytest.raises(Transient) as error:
        toy.get("/x")

    assert error.value.retry_after == 90


def test_an_unreadable_answer_to_a_write_means_doubt(toy: Http, answers: toys.Answers) -> None:
    answers.will((201, b'{"id": 4', {"X-Request-Id": "r-3"}))
    with pytest.raises(Unknown) as error:
        toy.send("POST", "/x", json={})

    assert error.value.request_id == "r-3"


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_answer_is_fine(toy: Http, answers: toys.Answers, body: bytes) -> None:
    answers.will((204, body))

    assert toy.send("DELETE", "/x").data is None


def test_the_job_is_told_before_a_write_leaves_and_never_about_a_read(
    connection: Connection, answers: toys.Answers
) -> None:
    order: list[str] = []
    toy = Http(connection, toys.DIALECT, on_send=lambda: order.append("told"))
    answers.before = lambda: order.append("left")
    answers.will((200, {}), (200, {}))

    toy.get("/x")
    toy.send("POST", "/x")

    assert order == ["left", "told", "left"]


def test_nothing_leaves_when_the_job_is_not_ours_any_more(
    connection: Connection, answers: toys.Answers
) -> None:
    def lost() -> None:
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError):
        Http(connection, toys.DIALECT, on_send=lost).send("POST", "/x")

    assert answers.seen == []


def test_no_call_is_made_inside_a_transaction(committed: None, answers: toys.Answers) -> None:
    toy = Http(toys.connect(), toys.DIALECT)
    with transaction.atomic(), pytest.raises(AssertionError, match="inside a transaction"):
        toy.get("/x")

    answers.will((200, {}))
    assert not database.in_atomic_block
    assert toy.get("/x").status == 200


def test_the_log_names_calls_and_never_bodies_or_keys(
    connection: Connection, answers: toys.Answers
) -> None:
    log: list[dict[str, Any]] = []
    toy = Http(connection, toys.DIALECT, log=log)
    answers.will((200, {"secret": "in the answer"}))
    toy.send("POST", "/x?token=hidden", json={"secret": "in the body"})

    [entry] = log
    assert entry["path"] == "/x"
    assert entry["ms"] >= 0
    assert not {"in the answer", "in the body", "hidden"} & {str(one) for one in entry.values()}


class Server(BaseHTTPRequestHandler):
    """A platform of its own on this machine: what it was sent, and how it answers."""

    cookies: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/drips":
            self._drip()
        else:
            self._answer()

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        with contextlib.suppress(OSError):  # when nobody reads any more
            for _ in range(100):
                self.wfile.write(b" ")
                time.sleep(0.05)

    def _answer(self) -> None:
        self.cookies.append(self.headers.get("Cookie"))
        self.send_response(200)
        self.send_header("Set-Cookie", f"session=of-{self.path}; Path=/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.cookies.clear()
    with HTTPServer(("127.0.0.1", 0), Server) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_no_cookie_is_kept_for_the_next_call(db: None, server: str) -> None:
    """Two shops may share a host: the session of one must not go out with the other's call."""
    for slug in ("a", "b"):
        Http(toys.connect(slug=slug, base_url=server), toys.DIALECT).get(f"/{slug}")

    assert Server.cookies == [None, None]


def test_an_answer_that_drips_is_given_up(db: None, server: str, settings: Any) -> None:
    settings.HTTP_TIMEOUT_SECONDS = 0.2
    there = Http(toys.connect(base_url=server), toys.DIALECT)
    started = time.monotonic()

    with pytest.raises(Transient, match="did not come to the end of its answer"):
        there.get("/drips")
    with pytest.raises(Unknown):
        there.send("POST", "/drips")
    assert time.monotonic() - started < 5  # either of them to its end would take that


def test_an_answer_without_end_is_given_up(
    db: None, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1)
    with pytest.raises(Transient, match="did not come to the end of its answer"):
        Http(toys.connect(base_url=server), toys.DIALECT).get("/x")


def test_redirects_are_not_followed(toy: Http, answers: toys.Answers) -> None:
    answers.will((302, b"", {"Location": f"{toys.PLACE}/elsewhere"}))
    with pytest.raises(Refused):
        toy.send("POST", "/x", json={})

    assert len(answers.seen) == 1


def test_an_unreachable_name_proves_that_nothing_left() -> None:
    assert answers.refused(refused())
    assert not answers.refused(requests.ConnectionError("Connection aborted"))
