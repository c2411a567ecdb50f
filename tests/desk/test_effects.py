"""What a platform that is late means for the business: each number is the length of its list."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

from django.test import Client

from finance.states import RefundStatus
from integrator.desk import effects
from integrator.flows import FLOWS
from integrator.models import Connection, ConnectionState, JobState
from integrator.platforms import PLATFORMS
from tests.desk import factories


def effect(client: Client) -> str:
    """The sentence about the first connection, as HTML."""
    html = client.get("/connections/").content.decode()
    found = re.search(r'<p class="effect">(.*?)</p>', html, re.DOTALL)
    assert found is not None
    return found[1]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


def test_refunds_wait_with_their_money_and_the_rest_flows(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    factories.heartbeat(at)
    for number in range(2):
        order = factories.order(f"70{number}", at, units=(("SKU-1", "Tee", 1250),))
        made = factories.return_of(order, f"RMA{number}", at)
        factories.job("refund", at, record=("return", made.pk), order_id=order.pk, to=scayle)
    paid = factories.return_of(factories.order("709", at), "RMA9", at)
    factories.refund_of(paid, at, status=RefundStatus.RECORDED)
    factories.job("refund", at, record=("return", paid.pk), to=scayle, state=JobState.DONE)

    said = words(effect(as_("carla")))

    assert said.startswith("2 refund steps ( EUR 25.00 still owed) wait.")
    assert "Still flowing: stock, orders, replacements." in said


def test_every_number_is_the_length_of_its_list_and_together_they_are_what_waits(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    flows = ["refund", "restock", "restock", "capture_order", "mirror_refund", "sweep_scayle"]
    flows += ["place_exchange", "place_exchange", "a_flow_of_tomorrow"]
    for number, flow in enumerate(flows):
        factories.job(flow, at, record=("order", number), to=scayle)
    factories.job("refund", at, record=("order", 90), to=scayle, state=JobState.PARKED)
    factories.job("restock", at, record=("order", 91), to=scayle, state=JobState.IN_DOUBT)
    factories.job("restock", at, record=("order", 92), to=scayle, state=JobState.DONE)
    client = as_("omar")

    links = re.findall(r'<a href="([^"]+)">([\d,]+)</a>', effect(client))

    assert sum(int(count) for _, count in links) == len(flows) + 1
    for href, count in links:
        listed = client.get(unescape(href)).content.decode()
        assert listed.count('<th scope="row">') == int(count), href


def test_a_group_stays_narrowed_in_every_state(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    factories.job("restock", at, record=("order", 1), to=scayle)
    factories.job("refund", at, record=("order", 2), to=scayle)

    html = as_("omar").get(f"/steps/?connection={scayle.pk}&about=stock").content.decode()

    assert "Only stock figures" in html
    assert f'href="?show=stopped&amp;connection={scayle.pk}&amp;about=stock"' in html
    assert html.count('<th scope="row">') == 1
    unknown = as_("omar").get("/steps/?about=nonsense").content.decode()
    assert unknown.count('<th scope="row">') == 2


def test_nothing_that_waits_is_said_plainly(
    scayle: Connection, as_: Callable[[str], Client]
) -> None:
    assert words(effect(as_("carla"))) == "Nothing waits for SCAYLE."


def test_what_is_held_does_not_flow(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    factories.job("restock", at, record=("order", 1), to=scayle)
    as_("ada").post(f"/connections/{scayle.pk}/switch/", {"to": "pause", "reason": "x"})

    said = words(effect(as_("carla")))

    assert said == "1 stock figure waits. All of it is held, in order, until SCAYLE is switched on."
    assert "none until it is switched on" in words(as_("ada").get("/connections/").content.decode())


def test_one_that_does_not_answer_says_when_the_next_call_goes(
    at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    factories.heartbeat(at)
    Connection.objects.filter(pk=scayle.pk).update(
        state=ConnectionState.DEGRADED, failures=7, open_until=at + timedelta(seconds=30)
    )
    factories.job("refund", at, record=("order", 1), to=scayle)
    client = as_("carla")

    said = words(client.get("/connections/").content.decode())

    assert "one at a time 7 calls in a row got no answer; the next goes at" in said
    assert "1 refund step waits." in said
    assert "Still flowing" not in said, "nobody knows"
    Connection.objects.filter(pk=scayle.pk).update(open_until=at - timedelta(seconds=1))
    said = words(client.get("/connections/").content.decode())
    assert "7 calls in a row got no answer; the next goes now" in said


def test_every_step_towards_a_platform_has_a_name_of_the_business() -> None:
    named = [flow for group in effects.GROUPS.values() for flow in group.flows]
    towards = {flow.name for flow in FLOWS.values() if flow.queue in PLATFORMS}
    ours = {name for name in towards if name.startswith(("sweep_", "compare_", "try_"))}

    assert sorted(named) == sorted(towards - ours), "name the flow in one of effects.GROUPS"
