"""A retailer's own systems are told of cases by signed calls, and somebody when they fail."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from typing import Any

import pytest
import requests
from django.core import mail
from requests.adapters import BaseAdapter

from fulfilment.models import Customer, Order
from integrator import configuration
from integrator.engine import cases, http, secrets
from integrator.engine.cases import About
from integrator.engine.errors import Misconfigured, Transient
from integrator.flows.kinds import CASE_KINDS
from integrator.models import AlertReceiver, Case, CaseEvent, Job, Retailer
from integrator.retailer_file import UnableToConfigure
from integrator.roles import Role
from tests.house import DEMO
from tests.story import Stage

KEY = b"a key of thirty-two bytes, twice"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
ADDRESS = "https://chat.example/finance/a-secret-path"
REFUSED = "REFUND_REFUSED"


@dataclass
class Receiver(BaseAdapter):
    """A system that follows Standard Webhooks: checks the signature, drops what it knows."""

    calls: list[requests.PreparedRequest] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.calls.append(request)
        answer = requests.Response()
        answer.request, answer.url = request, str(request.url)
        answer.raw = BytesIO()
        answer.status_code = self.statuses.pop(0) if self.statuses else 204
        answer.headers.update(self.headers)
        if answer.status_code == 0:
            raise requests.ConnectionError("the line went dead")
        if answer.status_code == 204:
            self.takes(request)
        return answer

    def takes(self, request: requests.PreparedRequest) -> None:
        body = request.body
        assert isinstance(body, bytes)
        message, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        at = datetime.fromtimestamp(int(stamp), UTC)
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
        expected = hmac.new(KEY, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
        wanted = f"v1,{base64.b64encode(expected).decode()}"
        assert request.headers["webhook-signature"] == wanted
        self.told.setdefault(message, json.loads(body))

    def close(self) -> None:
        pass

    @property
    def news(self) -> list[dict[str, Any]]:
        return list(self.told.values())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    http.mount("https://chat.example/", made)
    yield made
    http.mount("https://chat.example/", None)


def listens(stage: Stage, **values: Any) -> AlertReceiver:
    return AlertReceiver.objects.create(
        **{
            "retailer": stage.retailer,
            "slug": values.get("role", "FINANCE").lower(),
            "name": "Finance channel",
            "role": "FINANCE",
            "address": ADDRESS,
            "secrets": secrets.seal({"secret": SECRET}),
            **values,
        }
    )


def refuse_a_refund(stage: Stage) -> Case:
    stage.breaks("scayle", "POST /fulfillment/return-items", "error", status=422)
    order = stage.sold("JKT-NVY-M")
    stage.warehouse_checks(stage.comes_back(order))
    return stage.case(REFUSED)


@pytest.mark.requirement("R028", "R112")
def test_a_failed_refund_is_told_to_the_channel_of_finance_within_a_minute(
    stage: Stage, receiver: Receiver
) -> None:
    listens(stage)

    case = refuse_a_refund(stage)

    refused = next(one for one in stage.wire.calls if "return-items" in str(one))
    told = CaseEvent.objects.get(case=case, data__receiver="Finance channel")
    assert timedelta() <= told.at - refused.at < timedelta(minutes=1)
    (news,) = receiver.news
    assert news["type"] == "case.opened"
    data = news["data"]
    assert (data["kind"], data["role"], data["case"]) == (REFUSED, "FINANCE", case.pk)
    assert data["link"].endswith(f"/cases/{case.pk}/")
    assert data["money_minor"] == case.money_minor > 0
    assert data["currency"] == "EUR"
    assert data["order"] in data["happened"] + data["title"]
    assert "The sandbox was told to answer 422." in data["happened"]


def test_nothing_about_the_shopper_leaves_the_house(stage: Stage, receiver: Receiver) -> None:
    listens(stage)
    case = refuse_a_refund(stage)
    buyer = Customer.objects.get(pk=Order.objects.get(pk=case.order_id).customer_id)
    sent = b"".join(bytes(one.body or b"") for one in receiver.calls).decode()
    for said in (buyer.email, buyer.first_name, buyer.last_name):
        assert said
        assert not re.search(rf"\b{re.escape(said)}\b", sent)
    # The address of a channel is often a secret itself: what was called is kept without it.
    assert "a-secret-path" not in json.dumps(
        list(Job.objects.filter(flow="tell_receiver").values("evidence", "error", "kept"))
    )


def test_every_receiver_hears_of_its_own_role_and_kinds_only(
    stage: Stage, receiver: Receiver
) -> None:
    listens(stage, role="CX", name="CX channel")
    listens(stage, slug="other", kinds=["REFUND_FAILED"])
    listens(stage, slug="off", is_on=False)
    named = listens(stage, slug="named", kinds=[REFUSED], name="Refund channel")

    refuse_a_refund(stage)

    assert [one.headers["webhook-id"].rpartition("-")[2] for one in receiver.calls] == [
        str(named.pk)
    ]


def test_another_retailers_receiver_is_not_told(stage: Stage, receiver: Receiver) -> None:
    other = Retailer.objects.create(slug="other", name="Other", currency="EUR")
    listens(stage, retailer=other)

    refuse_a_refund(stage)

    assert receiver.calls == []


@pytest.mark.requirement("R112")
def test_a_case_nobody_acts_on_is_told_to_the_role_it_is_lifted_to(
    stage: Stage, receiver: Receiver
) -> None:
    case = refuse_a_refund(stage)
    ladder = CASE_KINDS[REFUSED].ladder
    listens(stage, role=ladder[0], name="Their lead's channel")

    stage.passes(hours=CASE_KINDS[REFUSED].due_hours + 1, step=60)

    lifted = [one for one in receiver.news if one["data"]["case"] == case.pk]
    assert [one["type"] for one in lifted] == ["case.escalated"]
    assert lifted[0]["data"]["role"] == ladder[0]


def test_a_call_that_may_have_arrived_is_made_again_with_the_same_id(
    stage: Stage, receiver: Receiver
) -> None:
    listens(stage)
    receiver.statuses = [0, 503, 204, 204]

    refuse_a_refund(stage)
    stage.passes(minutes=5)

    assert len(receiver.calls) == 3
    assert len({one.headers["webhook-id"] for one in receiver.calls}) == 1
    assert len(receiver.news) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(stage: Stage, receiver: Receiver, status: int) -> None:
    listens(stage)
    receiver.statuses = [status, 204]
    receiver.headers = {"Location": "https://elsewhere.example/"}

    refuse_a_refund(stage)
    stage.passes(minutes=2)

    assert {one.url for one in receiver.calls} == {ADDRESS}


def test_a_receiver_that_keeps_failing_is_one_case_and_mended_once_hears_all(
    stage: Stage, receiver: Receiver
) -> None:
    channel = listens(stage)
    receiver.statuses = [500] * 200
    first = refuse_a_refund(stage)
    rest = [
        cases.open_case(
            CASE_KINDS[REFUSED],
            About("order", first.order_id or 0, order_id=first.order_id),
            trace=stage.trace("test"),
            cause=str(number),
        )
        for number in range(3)
    ]
    stage.passes(minutes=25, step=5)
    assert "ALERT_NOT_TAKEN" not in stage.open_cases()

    stage.passes(hours=2, step=10)

    case = stage.case("ALERT_NOT_TAKEN")
    assert (case.owner, case.record_id) == ("ADMIN", channel.pk)
    assert "Finance channel" in mail.outbox[-1].subject
    assert len([one for one in mail.outbox if "does not take" in one.subject]) == 1

    receiver.statuses = []
    stage.decide(case, "try_again", by=stage.ada)

    assert {one["data"]["case"] for one in receiver.news} == {first.pk, *(one.pk for one in rest)}
    assert "ALERT_NOT_TAKEN" not in stage.open_cases()


def test_that_a_receiver_fails_is_not_told_to_receivers(stage: Stage, receiver: Receiver) -> None:
    """Two channels of administrators would tell each other for ever."""
    listens(stage)
    listens(stage, role="ADMIN", name="Admin channel")
    receiver.statuses = [500] * 200

    refuse_a_refund(stage)
    stage.passes(hours=2, step=10)

    assert stage.case("ALERT_NOT_TAKEN")
    kinds = {json.loads(bytes(one.body or b""))["data"]["kind"] for one in receiver.calls}
    assert kinds == {REFUSED}


# --- Where a receiver may be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.7",
        "2002:0a00:0007::1",
    ],
)
def test_addresses_inside_a_house_are_not_public(address: str) -> None:
    assert not http.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert http.is_public(address)


@pytest.fixture
def inside() -> Iterator[tuple[str, list[bytes]]]:
    """A server inside the house, and what it was told."""
    heard: list[bytes] = []

    class Inside(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Inside)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/metadata", heard
    server.shutdown()
    server.server_close()
    thread.join()


def say(address: str, *, private_network: bool) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = []
    http.tell(
        address,
        name="Inside",
        body=b"{}",
        headers={},
        private_network=private_network,
        log=log,
    )
    return log


@pytest.mark.django_db
def test_a_private_address_gets_not_one_byte_unless_it_is_allowed(
    inside: tuple[str, list[bytes]],
) -> None:
    address, heard = inside

    with pytest.raises(Misconfigured, match="private network"):
        say(address, private_network=False)
    assert heard == []

    log = say(address, private_network=True)
    assert heard == [b"{}"]
    assert [(one["path"], one["status"]) for one in log] == [("localhost", 204)]


@pytest.mark.django_db
def test_a_receiver_that_is_not_there_can_be_told_later() -> None:
    with pytest.raises(Transient, match="Inside did not answer"):
        say("http://127.0.0.1:9/", private_network=True)


# --- The retailer's file -------------------------------------------------------------------------


def entry(**values: Any) -> dict[str, Any]:
    return {
        "slug": "finance",
        "name": "Finance channel",
        "role": "finance",
        "kinds": "all",
        "address": ADDRESS,
        "secret": "FINANCE_CHANNEL_SECRET",
        **values,
    }


@pytest.fixture
def file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FINANCE_CHANNEL_SECRET", SECRET)

    def apply(*entries: dict[str, Any]) -> list[str]:
        content = tomllib.loads(DEMO.read_text()) | {"alert_receiver": list(entries)}
        return configuration.apply(content, trace=stage.trace("configure"))

    return apply


def test_the_file_sets_receivers_up_once_and_takes_them_away(file: Any) -> None:
    assert file(entry(kinds=[REFUSED])) == [
        "alert receiver finance: added",
        "alert receiver finance: secret set",
    ]
    assert file(entry(kinds=[REFUSED])) == []

    row = AlertReceiver.objects.get()
    assert (row.role, row.kinds, row.is_on) == (Role.FINANCE, [REFUSED], True)
    assert SECRET.encode() not in bytes(row.secrets)

    assert file() == ["alert receiver finance: is_on True → False"]
    assert file(entry()) == [
        f"alert receiver finance: kinds ['{REFUSED}'] → []",
        "alert receiver finance: is_on False → True",
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"role": "boss"}, "role must be one of"),
        ({"kinds": []}, "kinds is missing|kinds must be"),
        ({"kinds": "some"}, "kinds must be"),
        ({"kinds": ["REFUND_LOST"]}, "REFUND_LOST"),
        ({"kinds": [{}]}, "no kind of case"),
        ({"address": "ftp://chat.example/"}, "https"),
        ({"address": "https://me:secret@chat.example/"}, "without a password"),
        ({"address": "https:///finance"}, "https address"),
        ({"private_network": "yes"}, "true or false"),
        ({"secret": "NO_SUCH_VARIABLE"}, "no variable NO_SUCH_VARIABLE"),
        ({"secret": "SCAYLE_ACCESS_TOKEN"}, "whsec_"),
    ],
)
def test_a_faulty_receiver_is_refused_in_words(
    file: Any, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnableToConfigure, match=said):
        file(entry(**values))
    assert not AlertReceiver.objects.exists()


def test_outside_of_a_demo_only_encrypted_addresses_are_taken(file: Any, settings: Any) -> None:
    assert file(entry(address="http://chat.example/"))  # a demo talks to this machine
    settings.DEMO = False

    with pytest.raises(UnableToConfigure, match="https://"):
        configuration._address("http://chat.example/", "alert_receiver[0]")


def test_two_receivers_need_two_names(file: Any) -> None:
    with pytest.raises(UnableToConfigure, match="two receivers called finance"):
        file(entry(), entry())
