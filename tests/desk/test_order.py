"""The order page: where each unit and its money are, what is owed, and what happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from finance.states import RefundStatus
from fulfilment.models import Order, OrderItem
from fulfilment.shapes import OrderKind
from integrator.engine.states import move
from integrator.models import Case, Connection
from returns.models import Exchange, ExchangeItem
from returns.states import Custody, ReturnStatus
from tests.desk import factories

UNITS = (
    ("4068-PET-M", "Trailrun Jacket W, petrol, M", 12995),
    ("2291-BLK-S", "Studio Tight 7/8, black, S", 4995),
)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def rails(html: str) -> list[list[tuple[str, str]]]:
    """Each rail as (state, step) pairs."""
    return [
        re.findall(r'<li class="(\w+)"><b>([^<]+)</b>', rail)
        for rail in re.findall(r'<ol class="rail">.*?</ol>', html, re.DOTALL)
    ]


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at, units=UNITS)


@pytest.mark.requirement("R014")
def test_item_and_money_have_a_rail_each_and_are_never_one(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA3271840", at)
    factories.refund_of(rma, at, status=RefundStatus.SENT)

    custody, money = rails(as_("carla").get(f"/orders/{order.pk}/").content.decode())

    assert custody == [
        ("done", "Asked for"),
        ("done", "Agreed"),
        ("done", "On its way"),
        ("done", "Received"),
        ("done", "Checked"),
        ("done", "On sale"),
    ]
    assert money == [
        ("done", "Proposed"),
        ("done", "Authorised"),
        ("done", "Sent"),
        ("here", "Recorded"),
    ]


def test_items_and_fees_add_up_to_what_was_paid(order: Order, as_: Callable[[str], Client]) -> None:
    order.fees = [{"category": "delivery", "key": "express", "amount_minor": 495}]
    order.paid_minor += 495
    order.save()

    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()

    listed = html[html.index('id="it-h"') : html.index("</tfoot>")]
    *parts, total = [round(float(one) * 100) for one in re.findall(r"EUR ([\d.]+)", words(listed))]
    assert "Delivery EUR 4.95" in words(listed)
    assert sum(parts) == total == order.paid_minor


def test_a_received_unit_waits_for_its_check_and_is_not_on_sale(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)

    custody, _ = rails(as_("carla").get(f"/orders/{order.pk}/").content.decode())

    assert custody[3:] == [("done", "Received"), ("here", "Checked"), ("next", "On sale")]


@pytest.mark.parametrize(
    ("reached", "end"),
    [(Custody.INSPECTED, ("done", "On sale")), (Custody.AUTHORISED, ("block", "Closed"))],
)
def test_a_closed_unit_ends_where_it_lies_or_was_cut_short(
    order: Order,
    at: datetime,
    as_: Callable[[str], Client],
    reached: Custody,
    end: tuple[str, str],
) -> None:
    """That a return is completed is no reason for red."""
    made = factories.return_of(order, "RMA1", at, reached=reached)
    for unit in made.items.all():
        move(unit, "custody", Custody.CLOSED, reason="completed", trace=factories.trace(at))

    custody, money = rails(as_("carla").get(f"/orders/{order.pk}/").content.decode())[:2]

    assert custody[-1] == end
    assert money == [("done", "No money")]


def test_goods_instead_of_money_are_no_money_that_is_still_to_come(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    made = factories.return_of(order, "RMA1", at)
    made.items.update(resolution="EXCHANGE")

    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()

    assert rails(html)[1] == [("done", "No money")]
    assert "goods are sent instead" in html


def test_a_refund_in_doubt_is_drawn_as_doubt_not_as_done(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    factories.refund_of(rma, at, status=RefundStatus.IN_DOUBT)

    html = as_("fiona").get(f"/orders/{order.pk}/").content.decode()

    _, money = rails(html)
    assert ("doubt", "In doubt") in money
    assert ("done", "Sent") not in money
    assert "a refund is in doubt" in html


def test_the_three_figures_of_a_refund_are_kept_apart(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    """Claimed, calculated and paid; the paid one is derived until a payout line confirms it."""
    rma = factories.return_of(order, "RMA1", at)
    rma.items.update(claimed_minor=13495)
    refund = factories.refund_of(rma, at, status=RefundStatus.RECORDED)
    assert refund.executed_is_derived

    html = as_("fiona").get(f"/orders/{order.pk}/").content.decode()

    row = html[html.index("what was asked for, what is owed") :].partition("</section>")[0]
    assert words(row).count("EUR 134.95") == 1
    assert words(row).count("EUR 129.95") == 2
    assert "derived" in row


def test_an_unknown_paid_amount_is_dashed_not_zero(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.refund_of(factories.return_of(order, "RMA1", at), at)

    html = as_("fiona").get(f"/orders/{order.pk}/").content.decode()

    row = html[html.index("what was asked for, what is owed") :].partition("</section>")[0]
    assert '<span class="unknown">not known</span>' in row


@pytest.mark.parametrize(
    ("name", "sees"), [("carla", True), ("fiona", True), ("ada", False), ("otto", False)]
)
def test_the_customer_is_shown_only_to_those_who_need_the_name(
    name: str, sees: bool, order: Order, as_: Callable[[str], Client]
) -> None:
    html = as_(name).get(f"/orders/{order.pk}/").content.decode()

    assert ("Lena" in html) is sees
    assert ("buyer-100482913@example.com" in html) is sees


@pytest.mark.requirement("R014")
def test_open_cases_of_the_order_stand_on_top_and_solved_ones_do_not(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("REFUND_REFUSED", at, record=("order", order.pk), order_id=order.pk)

    html = as_("fiona").get(f"/orders/{order.pk}/").content.decode()

    assert f"Open case C-{case.pk}" in html


@pytest.mark.parametrize("rows", [1, 60])
def test_an_order_takes_the_same_few_queries_however_much_happened(
    rows: int,
    order: Order,
    at: datetime,
    scayle: Connection,
    as_: Callable[[str], Client],
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    factories.refund_of(rma, at)
    for number in range(rows):
        factories.message(scayle, "order-x", at - timedelta(hours=number), order_id=order.pk)
        factories.job("restock", at, record=("order", number), order_id=order.pk, to=scayle)
        factories.case("REFUND_REFUSED", at, record=("order", number), order_id=order.pk)
    client = as_("fiona")
    client.get("/")

    with CaptureQueriesContext(database) as queries:
        assert client.get(f"/orders/{order.pk}/").status_code == 200

    assert len(queries) <= 15


@pytest.mark.parametrize("rows", [1, 12])
def test_the_order_page_asks_no_more_often_for_more_replacements(
    rows: int, order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    for number in range(1, rows + 1):
        if number > 1:
            rma.pk, rma.external_id, rma.status = None, f"RMA{number}", ReturnStatus.REQUESTED
            rma.save(force_insert=True)
        exchange = Exchange.objects.create(
            connection=rma.connection,
            return_record=rma,
            order=order,
            number=number,
            key=f"EXC-RMA1-{number}",
            currency="EUR",
            requested_at=at,
        )
        ExchangeItem.objects.create(exchange=exchange, place=1, sku_code="4068-PET-L")
        made = factories.order(f"100482913-X{number}", at)
        trace = factories.trace(at)
        changes = {"exchange_order_id": made.pk, "ordered_at": at}
        move(exchange, "status", "ORDERED", reason="It is there", trace=trace, **changes)
    client = as_("fiona")
    client.get("/")

    with CaptureQueriesContext(database) as queries:
        html = client.get(f"/orders/{order.pk}/").content.decode()

    assert html.count("EXC-RMA1-") >= rows
    assert len(queries) <= 15


@pytest.mark.parametrize(
    ("amount", "note", "said"),
    [("ten", "It came late", "Write an amount like 49.90"), ("10", " ", "Say why in one sentence")],
)
def test_a_wish_for_goodwill_with_a_mistake_comes_back_as_it_was_typed(
    amount: str, note: str, said: str, order: Order, as_: Callable[[str], Client]
) -> None:
    given = {"amount": amount, "note": note}
    html = as_("carla").post(f"/orders/{order.pk}/goodwill/", given).content.decode()

    assert said in html
    assert f'value="{amount}"' in html
    assert note.strip() in html
    assert not Case.objects.exists()


def test_a_set_says_whether_its_price_is_split(order: Order, as_: Callable[[str], Client]) -> None:
    unit, part = order.items.order_by("id")
    OrderItem.objects.filter(pk=unit.pk).update(is_bundle=True)
    page = words(as_("carla").get(f"/orders/{order.pk}/").content.decode())
    assert "a set: its price is not split yet" in page

    OrderItem.objects.filter(pk=part.pk).update(
        parent=unit, share_basis="EQUAL", paid_minor=unit.paid_minor, tax_minor=unit.tax_minor
    )
    page = words(as_("carla").get(f"/orders/{order.pk}/").content.decode())
    assert "a set: its price is split below" in page
    assert "share: 129.95 / 1, " in page


def test_the_list_pages_through_every_order_once(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(53):
        factories.order(f"1004829{number:02}", at)
    client = as_("carla")

    first = client.get("/orders/").content.decode()
    older = re.search(r'href="(\?after=[^"]+)">Older', first)
    assert older is not None
    second = client.get(f"/orders/{unescape(older[1])}").content.decode()

    numbers = re.findall(r'<a class="id" href="/orders/\d+/">(\d+)</a>', first + second)
    assert len(numbers) == len(set(numbers)) == 53


def test_an_order_that_is_not_there_is_a_page_with_a_search(as_: Callable[[str], Client]) -> None:
    response = as_("carla").get("/orders/999999/")

    assert response.status_code == 404
    assert 'role="search"' in response.content.decode()


@pytest.mark.requirement("R032")
def test_a_replacement_is_shown_with_its_order_difference_and_what_it_waits_for(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA3271840", at)
    made = factories.order("100482913-X1", at, units=(("4068-PET-L", "Jacket L", 1500),))
    Order.objects.filter(pk=made.pk).update(kind=OrderKind.EXCHANGE)
    exchange = Exchange.objects.create(
        connection=rma.connection,
        return_record=rma,
        return_item=rma.items.first(),
        order=order,
        number=1,
        key="EXC-RMA3271840-1",
        difference_minor=1500,
        currency="EUR",
        requested_at=at,
    )
    ExchangeItem.objects.create(exchange=exchange, place=1, sku_code="4068-PET-L")
    trace = factories.trace(at)
    move(exchange, "difference", "OPEN", reason="It costs more", trace=trace)
    changes = {"exchange_order_id": made.pk, "ordered_at": at}
    move(exchange, "status", "ORDERED", reason="It is there", trace=trace, **changes)

    page = words(as_("carla").get(f"/orders/{order.pk}/").content.decode())
    for said in ("EXC-RMA3271840-1", "4068-PET-L", "100482913-X1", "EUR 15.00", "not paid yet"):
        assert said in page
    assert "Ordered waits for the payment" in page
    other = words(as_("carla").get(f"/orders/{made.pk}/").content.decode())
    assert "No sale: it replaces a unit of order 100482913" in other
