"""The receiver of callbacks, called as a web server calls it: who is let in, what is kept."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from integrator.api import callbacks
from integrator.engine import inbox, router
from integrator.engine.secrets import hashed
from integrator.flows import ROUTES, tasks
from integrator.models import Connection, Job, Message
from integrator.models.facts import Stranger
from integrator.platforms import PLATFORMS
from tests.engine import toys
from tests.engine.conftest import Clock

BASIC = "Basic " + b64encode(b"shop:hunter2 is long enough").decode()
EVENT = {
    "key": "6f0c1c52",
    "occurredAt": "2026-10-20T09:06:07+00:00",
    "type": "order-confirmed",
    "version": 1,
    "payload": {"id": 70412},
}


@pytest.fixture(autouse=True)
def nudges(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Wakes nobody, and notes who would have been woken. The receiver forgets what it knew."""
    woken: list[str] = []
    monkeypatch.setattr(tasks, "nudge", lambda queue="local": woken.append(queue))
    # It would close the one connection that holds the test's transaction.
    monkeypatch.setattr(callbacks, "close_old_connections", lambda: None)
    callbacks._remembered.clear()
    yield woken
    callbacks._remembered.clear()


@pytest.fixture
def scayle(db: None, clock: Clock) -> Connection:
    return toys.connect(
        slug="shop",
        platform="scayle",
        callback_token_hash=hashed("t0ken"),
        callback_user="shop",
        callback_password_hash=hashed("hunter2 is long enough"),
    )


@pytest.fixture
def returngo(db: None, clock: Clock) -> Connection:
    return toys.connect(slug="rg", platform="returngo", callback_token_hash=hashed("rg-token"))


def call(
    path: str = "/callbacks/scayle/t0ken",
    body: Any = EVENT,
    *,
    authorization: str | None = BASIC,
    method: str = "POST",
    address: str = "203.0.113.9",
    **environ: Any,
) -> tuple[int, dict[str, str], bytes]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(content)),
        "CONTENT_TYPE": "application/json",
        "REMOTE_ADDR": address,
        "wsgi.input": BytesIO(content),
        **({"HTTP_AUTHORIZATION": authorization} if authorization else {}),
        **environ,
    }
    answered: list[Any] = []
    sent = b"".join(
        callbacks.application(request, lambda status, headers: answered.extend([status, headers]))  # type: ignore[arg-type]
    )
    status, headers = answered
    assert dict(headers)["Content-Length"] == str(len(sent))
    return int(status.split()[0]), dict(headers), sent


def test_a_genuine_callback_is_kept_and_wakes_the_router(
    scayle: Connection, nudges: list[str]
) -> None:
    assert call()[0] == 200

    message = Message.objects.get()
    assert (message.connection, message.topic, message.resource_id) == (scayle, "order", "70412")
    assert message.verdict == "ACCEPTED"
    assert json.loads(bytes(message.payload.body)) == EVENT
    assert nudges == ["local"]


@pytest.mark.requirement("R010")
def test_from_callback_to_queued_job_it_takes_one_nudge(scayle: Connection, clock: Clock) -> None:
    """Nothing polls, nothing waits for a minute: store, wake, one turn of the router."""
    call()

    router.route(ROUTES, at=clock.at)

    job = Job.objects.get()
    assert (job.flow, job.queue, job.not_before) == ("capture_order", "scayle", clock.at)


def test_headers_are_kept_without_secrets(scayle: Connection) -> None:
    call(HTTP_COOKIE="session=1", HTTP_X_TRACE="t-1")

    headers = Message.objects.get().payload.headers
    assert headers["x-trace"] == "t-1"
    assert BASIC not in json.dumps(headers)
    assert "session" not in json.dumps(headers)


def test_a_repeat_is_known_and_wakes_nobody(scayle: Connection, nudges: list[str]) -> None:
    call()
    nudges.clear()

    assert call()[2] == PLATFORMS["scayle"].webhook.REPLIES["known"][2]
    assert Message.objects.count() == 1
    assert nudges == []


def test_a_repeat_that_says_something_else_is_quarantined(scayle: Connection) -> None:
    call()

    assert call(body={**EVENT, "payload": {"id": 1}})[2] == b'{"result":"quarantined"}'
    assert sorted(Message.objects.values_list("verdict", flat=True)) == ["ACCEPTED", "QUARANTINED"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic",
        "Basic !!!",
        "Bearer t0ken",
        "Basic " + b64encode(b"shop:wrong").decode(),
        "Basic " + b64encode(b"other:hunter2 is long enough").decode(),
        "Basic " + b64encode(b"\xff\xfe").decode(),
        "Basic " + b64encode(b"shop:").decode(),
    ],
)
def test_wrong_credentials_are_refused(scayle: Connection, authorization: str | None) -> None:
    status, headers, _ = call(authorization=authorization)

    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="callbacks"')
    assert Message.objects.count() == 0
    assert Stranger.objects.get().reason == "wrong credentials"


def test_a_connection_without_a_password_lets_nobody_in(scayle: Connection) -> None:
    Connection.objects.update(callback_password_hash="")

    for password in (b"", b"hunter2 is long enough"):
        token = "Basic " + b64encode(b"shop:" + password).decode()
        assert call(authorization=token)[0] == 401


@pytest.mark.parametrize("path", ["/callbacks/scayle/wrong", "/callbacks/returngo/t0ken"])
def test_a_wrong_address_is_refused(scayle: Connection, path: str) -> None:
    assert call(path)[0] == 401
    assert Message.objects.count() == 0


@pytest.mark.parametrize(
    "path", ["/callbacks/", "/callbacks/scayle", "/callbacks/nobody/t0ken", "/callbacks/a/b/c"]
)
def test_an_address_of_no_platform_is_not_found(scayle: Connection, path: str) -> None:
    assert call(path)[0] == 404


def test_a_token_is_enough_where_the_platform_sends_no_credentials(returngo: Connection) -> None:
    body = {"eventName": "RMA_CREATED", "rmaId": "R-1"}

    assert call("/callbacks/returngo/rg-token", body, authorization=None)[0] == 200
    assert Message.objects.get().connection == returngo


def test_the_token_is_found_by_its_hash_and_remembered_for_seconds_only(
    scayle: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    call()
    Connection.objects.update(callback_token_hash=hashed("new one"))
    assert call(body={**EVENT, "key": "2"})[0] == 200  # still remembered

    moment = callbacks.time.monotonic() + callbacks.REMEMBER_SECONDS
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: moment)

    assert call(body={**EVENT, "key": "3"})[0] == 401
    assert "t0ken" not in str(Connection.objects.values_list())


def test_strangers_are_kept_up_to_a_cap_per_address_and_day_then_counted(
    scayle: Connection, clock: Clock
) -> None:
    many = callbacks.STRANGERS_PER_ADDRESS_AND_DAY + 30
    for number in range(many):
        call(body=b"%d" % number + b"x" * 5000, authorization=None)
    call(body=b"from elsewhere", authorization=None, address="198.51.100.1")
    call(body=b"from nowhere", authorization=None, address="")

    kept = Stranger.objects.filter(address="203.0.113.9")
    assert kept.count() == callbacks.STRANGERS_PER_ADDRESS_AND_DAY + 1
    assert kept.get(digest="").count == 30
    assert {len(bytes(one.head)) for one in kept.exclude(digest="")} == {callbacks.HEAD_MAX}
    assert Stranger.objects.filter(address="198.51.100.1").count() == 1
    assert Stranger.objects.filter(address=None).count() == 1

    clock.forward(days=1)
    call(body=b"a new day", authorization=None)
    assert Stranger.objects.filter(day=clock.at.date()).get().digest != ""


def test_what_a_stranger_said_is_erased_once_it_is_old(scayle: Connection, clock: Clock) -> None:
    """A callback with yesterday's key carries a customer as well as any other."""
    call(body=b"Lena Berg, Hamburg", authorization=None)
    clock.forward(days=30)
    assert inbox.forget_strangers(at=clock.at) == 0
    clock.forward(days=1)
    call(body=b"of today", authorization=None)

    assert inbox.forget_strangers(at=clock.at) == 1
    assert inbox.forget_strangers(at=clock.at) == 0
    old, new = Stranger.objects.order_by("day")
    assert (bytes(old.head), old.count, bytes(new.head)) == (b"", 1, b"of today")
    assert old.digest == hashlib.sha256(b"Lena Berg, Hamburg").hexdigest()


def test_the_same_stranger_again_is_counted(scayle: Connection) -> None:
    for _ in range(3):
        call(authorization=None)

    assert Stranger.objects.get().count == 3


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"payload": 1}', b"null"])
def test_what_is_genuine_and_unreadable_is_kept_for_a_person(
    scayle: Connection, clock: Clock, body: bytes
) -> None:
    status, _, _ = call(body=body)

    message = Message.objects.get()
    assert message.verdict == "UNKNOWN"
    assert bytes(message.payload.body) == body
    assert status in (200, 400)
    router.route(ROUTES, at=clock.at)
    assert Job.objects.get().flow == "review_message"


def test_an_event_nobody_knows_is_kept_for_a_person(scayle: Connection, clock: Clock) -> None:
    assert call(body={**EVENT, "type": "order-teleported"})[0] == 200

    assert Message.objects.get().verdict == "UNKNOWN"


def test_an_event_we_ignore_is_answered_and_dropped(scayle: Connection) -> None:
    assert call(body={**EVENT, "type": "newsletter-subscribed"})[0] == 200
    assert Message.objects.count() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"CONTENT_LENGTH": str(callbacks.BODY_MAX + 1)},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "many"},
        {"CONTENT_LENGTH": "5000"},  # more than is sent
        {"method": "GET"},
        {"method": "PUT"},
    ],
    ids=str,
)
def test_a_body_of_the_wrong_size_or_another_method_is_refused(
    scayle: Connection, wrong: dict[str, Any]
) -> None:
    assert call(**wrong)[0] == 400
    assert Message.objects.count() == 0


IN_CHUNKS = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}


def test_a_callback_that_comes_in_chunks_is_read(scayle: Connection) -> None:
    """No length is announced; the input ends by itself, as our web server says."""
    assert call(**IN_CHUNKS, **{"wsgi.input_terminated": True})[0] == 200

    message = Message.objects.get()
    assert message.resource_id == "70412"
    assert json.loads(bytes(message.payload.body)) == EVENT


@pytest.mark.parametrize(
    ("body", "ends"),
    [(b" " * (callbacks.BODY_MAX + 1), True), (EVENT, False)],
    ids=["too long", "a server that does not say where it ends"],
)
def test_chunks_without_an_end_are_refused(scayle: Connection, body: Any, ends: bool) -> None:
    assert call(body=body, **IN_CHUNKS, **{"wsgi.input_terminated": ends})[0] == 400


def test_without_a_database_the_platform_is_asked_to_come_again(
    scayle: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise OperationalError("the database is gone")

    with monkeypatch.context() as broken:
        broken.setattr(CursorWrapper, "execute", down)
        status, headers, _ = call()
    assert (status, headers["Retry-After"]) == (503, "30")

    assert call()[0] == 200  # and when it comes again, nothing is missing


def test_the_address_our_own_proxy_saw_is_the_one_that_is_kept(
    scayle: Connection, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = 1
    call(authorization=None, HTTP_X_FORWARDED_FOR="6.6.6.6, 198.51.100.7")

    assert Stranger.objects.get().address == "198.51.100.7"


def test_without_a_proxy_nobody_can_choose_their_address(scayle: Connection) -> None:
    call(authorization=None, HTTP_X_FORWARDED_FOR="6.6.6.6")

    assert Stranger.objects.get().address == "203.0.113.9"
