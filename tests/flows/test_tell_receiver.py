"""A retailer's own systems are told of cases by signed calls, and somebody when they fail."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core import mail

from fulfilment.models import Customer, Order
from integrator.engine import cases, http
from integrator.engine.cases import About
from integrator.engine.errors import Misconfigured, Transient
from integrator.flows.kinds import CASE_KINDS
from integrator.models import Case, CaseEvent, Job, Retailer
from tests.flows.receivers import ADDRESS, REFUSED, Receiver, listens
from tests.story import Stage


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    http.mount("https://chat.example/", made)
    yield made
    http.mount("https://chat.example/", None)


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
        "64:ff9b::a00:7",
    ],
)
def test_addresses_inside_a_house_are_not_public(address: str) -> None:
    assert not http.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
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
