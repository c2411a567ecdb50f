"""The time line of an order: when it happened, when we learnt it, who said so, what is folded."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from fulfilment.models import Order
from integrator.models import Connection, Job, JobState
from tests.desk import factories
from tests.desk.test_order import UNITS, words


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at, units=UNITS)


def test_one_time_line_tells_when_it_happened_when_we_learnt_it_and_who_said_so(
    order: Order,
    at: datetime,
    scayle: Connection,
    returngo: Connection,
    as_: Callable[[str], Client],
) -> None:
    factories.message(
        returngo,
        "RMA_STATUS_UPDATED",
        at - timedelta(hours=5),
        order_id=order.pk,
        learnt_after=timedelta(hours=2, minutes=14),
    )
    for kind, hours in (("missed", 4), ("read-again", 3), ("read-again", 2)):
        factories.message(
            returngo, kind, at - timedelta(hours=hours), order_id=order.pk, origin="SWEEP"
        )
    factories.job(
        "restock",
        at,
        record=("return_item", 1),
        order_id=order.pk,
        to=scayle,
        state=JobState.DONE,
        evidence={"level": 9},
    )

    text = words(as_("carla").get(f"/orders/{order.pk}/").content.decode())

    assert "2 h 14 min later" in text
    assert "ReturnGO told us: return status updated" in text
    assert "Our own look found news at ReturnGO" in text
    assert "No callback had told us." in text
    assert "We read it again from ReturnGO" in text
    assert "A routine look. and 1 more time" in text
    last = timezone.localtime(at - timedelta(hours=2), ZoneInfo("Europe/Berlin"))
    before = text[: text.index("We read it again from ReturnGO")]
    assert re.findall(r"\d\d:\d\d", before)[-1] == f"{last:%H:%M}", "where it was done last"
    assert "Proof: level 9" in text
    assert "1 missed by callback" in text


def test_equal_messages_are_one_line_with_a_count(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    for number in range(4):
        message = factories.message(
            scayle, "order-invoiced", at - timedelta(minutes=number), order_id=order.pk
        )
        type(message).objects.filter(pk=message.pk).count()
    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()
    assert html.count("SCAYLE told us: order invoiced") == 4, (
        "each event id is a message of its own"
    )

    for number in range(3):
        factories.nudge(scayle, "order-changed", at + timedelta(minutes=number), order_id=order.pk)
    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()

    assert html.count("SCAYLE told us: order changed") == 1
    assert "same message 2 more times, counted once" in html


def test_the_time_line_can_be_narrowed_and_its_days_go_backwards(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    factories.refund_of(rma, at)
    client = as_("carla")

    everything = words(client.get(f"/orders/{order.pk}/").content.decode())
    money = words(client.get(f"/orders/{order.pk}/?show=money").content.decode())

    assert "The unit is received" in everything
    assert "The unit is received" not in money
    assert "Refund: sent" in money
    assert everything.index("The unit is received") < everything.index("The unit is on its way")


def test_readings_that_changed_nothing_are_one_line_at_the_last_of_them(
    order: Order, at: datetime, returngo: Connection, as_: Callable[[str], Client]
) -> None:
    for minutes, changed in ((30, 2), (20, 0), (10, 0)):
        message = factories.message(returngo, f"m{minutes}", at, order_id=order.pk)
        job = factories.job(
            "take_return",
            at,
            record=("message", message.pk),
            order_id=order.pk,
            to=returngo,
            state=JobState.DONE,
            evidence={"steps": changed, "rma": "RMA1"},
        )
        Job.objects.filter(pk=job.pk).update(finished_at=at - timedelta(minutes=minutes))

    line = words(as_("carla").get(f"/orders/{order.pk}/").content.decode()).split("Time line")[1]

    assert line.count("no units changed") == 1 and line.count("2 units changed") == 1
    assert line.index("no units changed") < line.index("2 units changed")
    assert "no units changed and 1 more time" in line
