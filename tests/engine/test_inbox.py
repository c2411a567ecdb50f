"""Keeping what platforms say: once, all of it, and never two things as one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import DatabaseError, connections

from integrator.engine import links, router
from integrator.engine.inbox import KNOWN, Stored, store
from integrator.engine.shapes import Heard
from integrator.models import Connection, Job, Message, Payload
from tests.engine import toys
from tests.engine.conftest import START, Clock


def say(
    connection: Connection,
    *heard: Heard,
    body: bytes = b"{}",
    headers: Any = None,
    origin: str = Message.Origin.CALLBACK,
) -> list[Stored]:
    return store(
        connection_id=connection.pk,
        heard=heard,
        body=body,
        headers=headers or {},
        origin=origin,
        at=START,
    )


def event(event_id: str = "e-1", identity: bytes = b"a", resource_id: str = "7") -> Heard:
    return Heard("order", "order-changed", "order", resource_id, event_id, identity)


def nudge(resource_id: str = "7", kind: str = "changed") -> Heard:
    return Heard("order", kind, "order", resource_id)


def test_a_delivery_is_kept_with_its_body_and_headers(connection: Connection) -> None:
    [stored] = say(connection, event(), body=b'{"id": 7}', headers={"x-trace": "t"})

    message = Message.objects.get(pk=stored.message_id)
    assert (message.verdict, message.topic, message.resource_id) == ("ACCEPTED", "order", "7")
    assert bytes(message.payload.body) == b'{"id": 7}'
    assert message.payload.headers == {"x-trace": "t"}


def test_the_same_event_again_is_known(connection: Connection) -> None:
    say(connection, event())

    assert say(connection, event()) == [Stored(KNOWN, None)]
    assert Message.objects.count() == 1


def test_an_event_id_is_unique_for_ever_also_after_routing(
    connection: Connection, clock: Clock
) -> None:
    say(connection, event())
    router.route({}, at=clock.at)

    assert say(connection, event()) == [Stored(KNOWN, None)]


def test_another_connection_may_use_the_same_event_id(connection: Connection) -> None:
    say(connection, event())

    assert say(toys.connect(slug="toy-2"), event())[0].verdict == "ACCEPTED"


def test_the_same_id_with_other_content_is_quarantined_once(connection: Connection) -> None:
    say(connection, event(identity=b"a"))

    [first] = say(connection, event(identity=b"b"), body=b"the other one")
    again = say(connection, event(identity=b"b"))

    assert first.verdict == "QUARANTINED"
    assert again == [Stored(KNOWN, None)]
    assert say(connection, event(identity=b"c"))[0].verdict == "QUARANTINED"
    assert Message.objects.filter(verdict="ACCEPTED").count() == 1
    assert bytes(Payload.objects.get(message=first.message_id).body) == b"the other one"


def test_what_is_quarantined_is_not_routed_as_the_event(
    connection: Connection, clock: Clock
) -> None:
    say(connection, event(identity=b"a"))
    say(connection, event(identity=b"b"))
    flow = toys.flow("note", record=toys.write_down)

    router.route({"heard:toy:order": [flow], "heard:quarantined": []}, at=clock.at)

    assert Job.objects.count() == 1


def test_equal_nudges_are_one_only_while_the_first_is_unrouted(
    connection: Connection, clock: Clock
) -> None:
    say(connection, nudge())
    assert say(connection, nudge())[0].verdict == KNOWN
    assert say(connection, nudge("8"))[0].verdict == "ACCEPTED"
    assert say(connection, nudge(kind="shipped"))[0].verdict == "ACCEPTED"

    router.route({}, at=clock.at)

    # The read that the first one causes may be over already: this one needs another.
    assert say(connection, nudge())[0].verdict == "ACCEPTED"


def test_a_callback_in_parts_is_kept_whole_or_not_at_all(committed: None) -> None:
    connection = toys.connect()
    broken = Heard("x" * 61, "k", "order", "9", event_id="e-3")  # longer than the column
    with pytest.raises(DatabaseError):
        say(connection, event("e-1"), event("e-2", resource_id="8"), broken)

    assert Message.objects.count() == 0
    assert [one.verdict for one in say(connection, event("e-1"), event("e-2"))] == ["ACCEPTED"] * 2


def test_of_a_repeated_delivery_only_the_new_part_is_kept(connection: Connection) -> None:
    say(connection, event("e-1"))

    verdicts = [one.verdict for one in say(connection, event("e-1"), event("e-2"))]

    assert verdicts == [KNOWN, "ACCEPTED"]


def test_an_event_we_do_not_know_is_kept(connection: Connection) -> None:
    unknown = Heard("", "order-teleported", "order", "7", "e-9", understood=False)

    assert say(connection, unknown)[0].verdict == "UNKNOWN"
    assert say(connection, unknown)[0].verdict == KNOWN


def test_a_message_about_a_record_of_ours_is_on_its_orders_page(connection: Connection) -> None:
    links.bind(
        connection=connection,
        external_kind="order",
        external_id="7",
        record_kind="order",
        record_id=3,
        order_id=3,
    )

    [stored] = say(connection, event(resource_id="7"))

    assert Message.objects.get(pk=stored.message_id).order_id == 3


@pytest.mark.parametrize(
    "heard",
    [
        Heard("order", "k\x00ind", "order", "i\x00d", "e\x00vent"),
        Heard("order", "k" * 500, "order", "i" * 500, "e" * 500),
    ],
    ids=["NUL", "very long"],
)
def test_odd_text_is_kept_too(connection: Connection, heard: Heard) -> None:
    assert say(connection, heard, headers={"x": "a\x00b"})[0].verdict == "ACCEPTED"
    assert say(connection, heard)[0].verdict == KNOWN


def test_ten_deliveries_of_one_event_at_once_are_one(committed: None) -> None:
    connection = toys.connect()
    results: list[str] = []
    barrier = threading.Barrier(10)

    def deliver(heard: Sequence[Heard]) -> None:
        barrier.wait()
        results.extend(one.verdict for one in say(connection, *heard))
        connections.close_all()

    threads = [threading.Thread(target=deliver, args=([event(), nudge()],)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["ACCEPTED"] * 2 + [KNOWN] * 18
    assert Message.objects.count() == 2
