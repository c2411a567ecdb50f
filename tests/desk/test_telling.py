"""What the team may tell a customer: true for the state, in plain words, and nothing of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html import unescape

import pytest
from django.test import Client

from finance.states import RefundStatus
from fulfilment.models import Order, OrderItem, Shipment
from fulfilment.shapes import UnitStatus
from fulfilment.states import OrderStatus
from integrator.desk import telling
from integrator.engine.states import move
from returns.states import Custody
from tests.desk import factories

OURS = re.compile(
    r"\b(SCAYLE|ReturnGO|RMA|case|platform|sync|status|unit|payload|refund|tomorrow|soon)\b", re.I
)
SENTENCES = [
    *(tell for _, tell in telling.UNITS.values() if tell),
    *telling.RETURNED.values(),
    *telling.ORDERS.values(),
]


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at, units=(("A-1", "Jacket", 100), ("B-2", "Hat", 50)))


def told(client: Client, order: Order) -> dict[str, tuple[str, str]]:
    """What the page says of each group of pieces, and the sentence one may copy."""
    html = client.get(f"/orders/{order.pk}/").content.decode()
    panel = html[html.index('id="te-h"') :].partition("</section>")[0]
    found = {}
    for row in re.findall(r"<li>(.*?)</li>", panel, re.S):
        what, says = re.findall(r"<b>(.*?)</b>.*?<div class=\"cap\">(.*?)</div>", row, re.S)[0]
        copied = re.search(r'data-copy="([^"]*)"', row)
        quoted = re.search(r"<q>(.*?)</q>", row, re.S)
        plain = re.sub(r"<[^>]+>", "", unescape(quoted[1])) if quoted else ""
        assert plain == (unescape(copied[1]) if copied else "")
        found[re.sub(r"<[^>]+>", "", what)] = (unescape(says), plain)
    return found


@pytest.mark.requirement("R078")
def test_every_state_has_its_words_and_a_sentence_unless_nobody_knows() -> None:
    """Those that the shop and the returns platform tell us; a warehouse that tells its own adds
    its words to the same tables.
    """
    assert set(telling.UNITS) == set(UnitStatus)
    assert set(telling.RETURNED) == set(Custody) - {Custody.CLOSED}
    assert set(telling.ORDERS) == set(OrderStatus)
    assert [one for one, (_, tell) in telling.UNITS.items() if not tell] == [UnitStatus.UNKNOWN]


@pytest.mark.requirement("R078")
@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_promises_nothing_and_has_no_word_of_ours(sentence: str) -> None:
    assert OURS.search(sentence) is None
    assert sentence.endswith(".") and len(sentence.split()) <= 20


def test_pieces_are_told_by_their_state_and_parcels_by_their_number(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    hat = OrderItem.objects.get(sku__code="B-2")
    OrderItem.objects.filter(pk=hat.pk).update(platform_status=UnitStatus.CANCELLED)
    parcel = Shipment.objects.get(order=order)

    found = told(as_("carla"), order)

    assert found["Jacket"][1] == "This has left our warehouse: Jacket."
    assert "only its carrier knows" in found["Jacket"][0]
    assert found["Hat"][1] == "This was cancelled and will not be sent: Hat."
    said = next(tell for what, (_, tell) in found.items() if parcel.tracking in what)
    assert said.startswith("Your parcel left our warehouse on ")
    assert said.endswith(f"You can follow it under the number {parcel.tracking}.")


def test_what_comes_back_is_told_as_its_return_and_what_nobody_knows_not_at_all(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)
    hat = OrderItem.objects.get(sku__code="B-2")
    OrderItem.objects.filter(pk=hat.pk).update(platform_status=UnitStatus.UNKNOWN)

    found = told(as_("carla"), order)

    assert found["Return RMA1"][1].startswith(
        "Your return RMA1 has arrived and is not checked yet."
    )
    assert found["Hat"][1] == "" and "Ask operations" in found["Hat"][0]


def test_the_time_line_has_a_sentence_for_what_a_customer_may_know(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    move(order, "status", OrderStatus.COMPLETED, reason="All sent", trace=factories.trace(at))
    factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)

    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()
    line = html[html.index('id="timeline"') :].partition("</section>")[0]

    assert 'data-copy="Everything of your order that will be sent has left our warehouse."' in line
    assert 'data-copy="Your return has arrived and will be checked."' in line
    assert line.count("data-copy=") == line.count("For the customer")
    assert telling.of_change("return_item", "money", "SENT") == ""
    assert telling.of_change("return_item", "custody", "CLOSED") == ""


@pytest.mark.requirement("R078")
def test_a_return_is_told_with_its_money_as_on_its_own_page(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)
    factories.refund_of(rma, at, status=RefundStatus.RECORDED)
    client = as_("carla")

    found = told(client, order)

    assert "Jacket" not in found, "its return tells of it"
    assert "paid back to you" in found["Return RMA1"][1]
    assert unescape(client.get(f"/returns/{rma.pk}/").content.decode()).count(
        found["Return RMA1"][1]
    )
    assert "Hat" in found and any("T-1" in what or "DHL" in what for what in found)
    hat = OrderItem.objects.get(sku__code="B-2")
    factories.return_of(order, "RMA2", at, item=hat)
    assert sorted(told(client, order)) == ["Return RMA1", "Return RMA2"], "no parcel to follow"
