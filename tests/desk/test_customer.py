"""The customer page: one story of everything bought, with sums that are never mixed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from finance.models import Refund
from finance.states import Executor, RefundStatus, Subject
from fulfilment.erasing import customer_erase
from fulfilment.models import Customer, Order
from integrator.engine.states import move
from integrator.models import Connection, JobState, Message
from returns.models import Exchange
from returns.states import Custody
from tests.desk import factories


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def main(html: str) -> str:
    return html[html.index("<main") :]


def numbers(html: str) -> list[str]:
    """What the story lists, in its order."""
    listed = html[html.index('id="story"') :]
    return re.findall(r'<th scope="row">[\w ]+ <a class="id" href="[^"]*">([^<]+)</a>', listed)


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at)


def second(order: Order, number: str, at: datetime, *, currency: str = "EUR") -> Order:
    """Another order of the same customer."""
    made = factories.order(number, at)
    Order.objects.filter(pk=made.pk).update(customer=order.customer, currency=currency)
    made.refresh_from_db()
    return made


def page(client: Client, order: Order, query: str = "") -> str:
    return client.get(f"/customers/{order.customer_id}/{query}").content.decode()


@pytest.mark.requirement("R063")
def test_everything_of_a_customer_is_one_story_newest_first(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    factories.refund_of(rma, at, status=RefundStatus.RECORDED)
    exchange_of(order, at, difference=0)
    gift_of(order, at)
    second(order, "100482914", at - timedelta(days=30))
    strangers = factories.order("100482999", at)

    html = page(as_("carla"), order)

    assert numbers(html) == [
        "EXC-RMA1-1",  # wanted now
        "1 of 100482913",  # goodwill, an hour ago
        "1 of 100482913",  # the refund, six hours ago
        "RMA1",  # four days ago
        "100482913",  # six days ago
        "100482914",
    ]
    assert strangers.number not in html
    assert f'href="/returns/{rma.pk}/"' in html
    assert f'href="/orders/{order.pk}/#rf-h"' in html


def exchange_of(order: Order, at: datetime, *, difference: int) -> Exchange:
    rma = order.returns.get()
    return Exchange.objects.create(
        connection=rma.connection,
        return_record=rma,
        return_item=rma.items.first(),
        order=order,
        number=1,
        key=f"EXC-{rma.external_id}-1",
        difference_minor=difference,
        currency="EUR",
        requested_at=at,
    )


def gift_of(order: Order, at: datetime, *, amount: int = 1000) -> Refund:
    """Goodwill that was paid by hand."""
    gift = Refund.objects.create(
        order=order,
        subject=Subject.GOODWILL,
        number=1,
        executor=Executor.MANUAL,
        currency=order.currency,
        claimed_minor=amount,
        calculated_minor=amount,
        policy_version=1,
        authorised_at=at - timedelta(hours=1),
    )
    move(
        gift,
        "status",
        RefundStatus.RECORDED,
        reason="Paid by hand",
        trace=factories.trace(at),
        evidence={"reference": "BANK-1"},
        executed_minor=amount,
        recorded_at=at,
    )
    return gift


def test_sums_are_kept_apart_by_currency_and_by_what_is_known_of_them(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    """Proved, decided, a gift and merely claimed are four figures, none of them added up."""
    factories.refund_of(factories.return_of(order, "RMA1", at), at, status=RefundStatus.RECORDED)
    gift_of(order, at)
    sent = second(order, "100482914", at)
    factories.refund_of(factories.return_of(sent, "RMA2", at), at, status=RefundStatus.SENT)
    doubt = second(order, "100482915", at)
    factories.refund_of(factories.return_of(doubt, "RMA3", at), at, status=RefundStatus.IN_DOUBT)
    waits = second(order, "100482916", at)
    factories.return_of(waits, "RMA4", at, reached=Custody.RECEIVED)
    second(order, "100482917", at, currency="CHF")

    html = page(as_("fiona"), order)

    rows = re.findall(r"<tr>.*?</tr>", html[html.index('id="su-h"') : html.index('id="story"')])
    said = {words(row).split()[0]: words(row) for row in rows[1:]}
    assert said["CHF"].startswith(" CHF CHF 129.95 all orders CHF 0.00")
    assert "EUR 519.80 all orders" in said["EUR"]  # four orders
    assert "EUR 129.95 proved" in said["EUR"]
    assert "EUR 10.00 proved, a gift" in said["EUR"]
    assert "EUR 259.90 decided, not proved; in doubt EUR 129.95" in said["EUR"]
    assert "EUR 129.95 nothing decided yet" in said["EUR"]


def test_a_price_difference_that_is_owed_counts_as_owed(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.return_of(order, "RMA1", at)
    exchange = exchange_of(order, at, difference=-700)
    move(exchange, "difference", "OWED", reason="It costs less", trace=factories.trace(at))

    html = page(as_("fiona"), order)

    assert "EUR 7.00 decided, not proved" in words(html)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("orders", ["100482913"]),
        ("returns", ["RMA1"]),
        ("replacements", ["EXC-RMA1-1"]),
        ("refunds", ["1 of 100482913"]),
        ("goodwill", ["1 of 100482913"]),
    ],
)
def test_each_count_is_the_length_of_the_list_behind_it(
    kind: str, expected: list[str], order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.refund_of(factories.return_of(order, "RMA1", at), at)
    exchange_of(order, at, difference=0)
    gift_of(order, at)

    html = page(as_("carla"), order, f"?show={kind}")

    chip = re.search(rf'href="\?show={kind}#story"[^>]*aria-current="true">([^<]+)<', html)
    assert chip is not None
    assert int(chip[1].split()[-1]) == len(expected)
    assert numbers(html) == expected


def test_the_story_pages_through_everything_once_even_what_happened_at_one_instant(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(60):
        made = second(order, f"2{number:03}", at)
        factories.return_of(made, f"RMA{number:03}", at, reached=Custody.RECEIVED)
    client = as_("carla")

    seen, query = [], ""
    for _ in range(4):
        html = page(client, order, query)
        seen += numbers(html)
        older = re.search(r'href="([^"]+)">Older', html)
        if older is None:
            break
        query = unescape(older[1]).removesuffix("#story")

    assert len(seen) == len(set(seen)) == 121


@pytest.mark.parametrize(
    "query",
    [
        "?after=x",
        "?after=2026-01-01_orders_1",
        "?after=0001-01-01T00:00:00%2B14:00_orders_1",
        "?after=2026-01-01T00:00:00%2B00:00_nothing_1",
        "?after=2026-01-01T00:00:00%2B00:00_orders_" + "9" * 40,
        "?show=%00",
    ],
)
def test_a_broken_address_shows_the_page_all_the_same(
    query: str, order: Order, as_: Callable[[str], Client]
) -> None:
    assert as_("carla").get(f"/customers/{order.customer_id}/{query}").status_code == 200


@pytest.mark.parametrize("number", [999999, 10**40])
def test_a_customer_who_is_not_there_is_a_page_with_a_search(
    number: int, as_: Callable[[str], Client]
) -> None:
    assert as_("carla").get(f"/customers/{number}/").status_code == 404


@pytest.mark.parametrize(
    ("name", "sees"), [("carla", True), ("clara", True), ("ada", False), ("otto", False)]
)
def test_who_may_not_see_people_sees_the_number_only(
    name: str, sees: bool, order: Order, as_: Callable[[str], Client]
) -> None:
    html = page(as_(name), order)

    assert ("Lena Berg" in html) is sees
    assert ("buyer-100482913@example.com" in html) is sees
    assert "c-100482913" in html
    assert ("not shown to your role" in html) is not sees


def test_the_name_is_in_no_tab_and_no_history_of_the_browser(
    order: Order, as_: Callable[[str], Client]
) -> None:
    html = page(as_("carla"), order)

    assert "<title>Customer c-100482913 · Desk</title>" in html
    assert ">Lena Berg</h1>" in html


def erasing(order: Order, at: datetime, scayle: Connection, state: JobState) -> None:
    """The shop has told us to forget the customer, and the step is this far."""
    assert order.customer is not None
    told = Message.objects.create(
        connection=scayle,
        origin="CALLBACK",
        verdict=Message.Verdict.ACCEPTED,
        topic="customer",
        kind="customer-anonymized",
        resource_kind="customer",
        resource_id=order.customer.external_id,
        event_id="anon-1",
        digest=b"\0" * 32,
        occurred_at=at,
        received_at=at,
        routed_at=at,
    )
    factories.job("erase_customer", at, record=("message", told.pk), state=state)


def test_an_erased_customer_is_said_to_be_and_nothing_of_the_person_is_there(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    erasing(order, at, scayle, JobState.DONE)
    assert order.customer is not None
    customer_erase(connection_id=scayle.pk, external_id=str(order.customer.external_id))

    html = page(as_("carla"), order)

    assert "This customer was erased" in html
    assert "Customer c-100482913" in html
    for personal in ("Lena", "Berg", "buyer-100482913"):
        assert personal not in html
    assert numbers(html) == ["100482913"]
    assert "This customer was erased" in page(as_("otto"), order)
    assert ">Customer c-100482913</a>" in as_("carla").get(f"/orders/{order.pk}/").content.decode()


def test_an_erasure_that_waits_for_money_is_said_to_wait(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    erasing(order, at, scayle, JobState.WAITING)

    html = page(as_("carla"), order)

    assert "This customer is to be erased" in html
    assert "This customer was erased" not in html


def test_a_customer_the_shop_never_named_is_not_called_erased(
    order: Order, as_: Callable[[str], Client]
) -> None:
    Customer.objects.update(first_name="", last_name="", email="", reference="")

    html = page(as_("carla"), order)

    assert "erased" not in main(html)
    assert "not given" in html


def test_a_guest_is_called_one_and_has_no_other_orders(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    Customer.objects.filter(pk=order.customer_id).update(external_id=None)
    other = factories.order("100482914", at)
    Customer.objects.filter(pk=other.customer_id).update(
        external_id=None, email="buyer-100482913@example.com"
    )

    html = page(as_("otto"), order)

    assert ">Guest</h1>" in html
    assert numbers(html) == ["100482913"]


def test_an_open_return_says_where_it_stands_and_an_ended_one_does_not(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    factories.refund_of(rma, at, status=RefundStatus.SENT)
    said = "1 unit in this return, 1 arrived. A refund of EUR 129.95 is sent."

    assert said in words(page(as_("carla"), order))

    move(rma, "status", "COMPLETED", reason="Done there", trace=factories.trace(at))
    html = words(page(as_("carla"), order))
    assert said not in html
    assert "Completed" in html


def test_open_cases_of_every_order_are_there_and_solved_and_foreign_ones_are_not(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    other = second(order, "100482914", at)
    strangers = factories.order("100482999", at)
    mine = [
        factories.case("REFUND_REFUSED", at, record=("order", one.pk), order_id=one.pk)
        for one in (order, other)
    ]
    foreign = factories.case(
        "REFUND_REFUSED", at, record=("order", strangers.pk), order_id=strangers.pk
    )

    html = page(as_("carla"), order)

    assert all(f'href="/cases/{case.pk}/"' in html for case in mine)
    assert f'href="/cases/{foreign.pk}/"' not in html


def test_order_and_case_lead_to_the_customer(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    case = factories.case("REFUND_REFUSED", at, record=("order", order.pk), order_id=order.pk)
    wanted = f'href="/customers/{order.customer_id}/"'

    assert wanted in as_("otto").get(f"/orders/{order.pk}/").content.decode()
    assert wanted in as_("fiona").get(f"/cases/{case.pk}/").content.decode()


@pytest.mark.parametrize("rows", [1, 30])
def test_the_page_asks_no_more_often_for_a_customer_who_bought_more(
    rows: int, order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(rows):
        made = second(order, f"3{number:03}", at)
        rma = factories.return_of(made, f"RMA{number:03}", at)
        factories.refund_of(rma, at)
        exchange_of(made, at, difference=0)
        gift_of(made, at)
        factories.case("REFUND_REFUSED", at, record=("order", made.pk), order_id=made.pk)
    client = as_("fiona")
    client.get("/")

    with CaptureQueriesContext(database) as queries:
        assert client.get(f"/customers/{order.customer_id}/").status_code == 200

    assert len(queries) <= 15
