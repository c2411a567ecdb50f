"""Find anything by a number at hand: one exact match opens at once, and nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fulfilment.models import Customer, Order
from integrator.models import Link
from returns.models import Return, ReturnItem
from tests.desk import factories
from tests.desk.plans import explained, read


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    made = factories.order("100482913", at)
    factories.return_of(made, "RMA3271840", at)
    return made


@pytest.mark.requirement("R014")
@pytest.mark.parametrize(
    "text",
    [
        "100482913",
        "REF-100482913",
        "9100482913",
        "JJD100482913",
        " 100482913 ",
    ],
)
def test_any_number_of_an_order_leads_to_it(
    text: str, order: Order, as_: Callable[[str], Client]
) -> None:
    response = as_("carla").get("/find/", {"q": text})

    assert response.status_code == 302
    assert response.url.startswith(f"/orders/{order.pk}/")


@pytest.mark.requirement("R014")
@pytest.mark.parametrize("text", ["buyer-100482913@example.com", "Buyer-100482913@Example.com"])
def test_an_address_leads_to_its_customer(
    text: str, order: Order, as_: Callable[[str], Client]
) -> None:
    response = as_("carla").get("/find/", {"q": text})

    assert response.status_code == 302
    assert response.url == f"/customers/{order.customer_id}/"


def test_an_address_of_several_customers_lists_each_with_its_orders(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    """Guests have no number: the shop cannot say that two of them are one person."""
    other = factories.order("100482914", at)
    address = "buyer-100482913@example.com"
    Customer.objects.filter(pk=other.customer_id).update(email=address, external_id=None)

    html = as_("carla").get("/find/", {"q": address}).content.decode()

    assert f'href="/customers/{order.customer_id}/">Customer c-100482913</a>' in html
    assert f'href="/customers/{other.customer_id}/">Guest</a>' in html
    assert "1 order, the last 100482914" in html


@pytest.mark.requirement("R014")
def test_a_sku_leads_to_its_article(order: Order, as_: Callable[[str], Client]) -> None:
    response = as_("carla").get("/find/", {"q": "4068-PET-M"})

    assert response.status_code == 302
    assert response.url == f"/skus/{order.items.get().sku_id}/"


def test_units_of_no_article_of_ours_lead_to_their_returns(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    """Each return once, however many such units it has; what fits an article is its article's."""
    rma = order.returns.get()
    other = factories.return_of(factories.order("100482914", at), "RMA3271841", at)
    strange(rma, "OUTLET-77", "OUTLET-77")
    strange(other, "OUTLET-78")

    assert as_("carla").get("/find/", {"q": "OUTLET-77"}).url == f"/returns/{rma.pk}/"
    strange(other, "OUTLET-77")
    html = as_("carla").get("/find/", {"q": "OUTLET-77"}).content.decode()
    assert re.findall(r'href="(/returns/\d+/)"', html) == [
        f"/returns/{other.pk}/",
        f"/returns/{rma.pk}/",
    ]
    assert html.count("returned unit OUTLET-77") == 2


@pytest.mark.parametrize("scanned", [{}, {"scan": "1"}])
def test_a_unit_of_no_article_is_found_without_reading_all_units(
    scanned: dict[str, str], order: Order, as_: Callable[[str], Client]
) -> None:
    rma = order.returns.get()
    strange(rma, *(f"OUTLET-{number}" for number in range(3_000)))
    with database.cursor() as cursor:
        cursor.execute("ANALYZE returns_returnitem, returns_return")
    carla = as_("carla")

    with CaptureQueriesContext(database) as queries:
        assert carla.get("/find/", {"q": "OUTLET-77", **scanned}).url == f"/returns/{rma.pk}/"

    asked = [one["sql"] for one in queries if "returns_returnitem" in one["sql"]]
    touched = [part for one in asked for part in read(explained(one), "returns_returnitem")]
    assert 0 < sum(count for count, _ in touched) < 10, touched


def strange(rma: Return, *codes: str) -> None:
    """Units of the return that fit no article of ours, as the platform called them."""
    known, so_far = rma.items.exclude(sku=None).get(), rma.items.count()
    units = [
        ReturnItem(
            return_record=rma,
            external_id=f"{rma.external_id}-{place}",
            sku_code=code,
            resolution=known.resolution,
            resolution_word=known.resolution_word,
            method=known.method,
            method_word=known.method_word,
            claimed_minor=known.claimed_minor,
            currency=known.currency,
            blocked_by="UNIT_NOT_BOUGHT",
        )
        for place, code in enumerate(codes, start=so_far + 1)
    ]
    ReturnItem.objects.bulk_create(units)


def test_a_case_is_found_by_its_number(at: datetime, as_: Callable[[str], Client]) -> None:
    case = factories.case("SYSTEMS_DIFFER", at)

    assert as_("carla").get("/find/", {"q": f"c-{case.pk}"}).url == f"/cases/{case.pk}/"


def test_an_auditor_does_not_find_people_by_their_address(
    order: Order, as_: Callable[[str], Client]
) -> None:
    response = as_("otto").get("/find/", {"q": "buyer-100482913@example.com"})

    assert response.status_code == 200
    assert "does not search by e-mail" in response.content.decode()


def test_several_matches_are_listed_each_once(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    other = factories.order("100482914", at)
    Order.objects.filter(pk=other.pk).update(reference="100482913")

    html = as_("carla").get("/find/", {"q": "100482913"}).content.decode()

    assert html.count(f'href="/orders/{order.pk}/"') == 1
    assert html.count(f'href="/orders/{other.pk}/"') == 1


@pytest.mark.parametrize("text", ["10048291", "%", "' OR 1=1 --", "1004829\x001", "x" * 500])
def test_a_part_of_a_number_finds_nothing_and_breaks_nothing(
    text: str, order: Order, as_: Callable[[str], Client]
) -> None:
    response = as_("carla").get("/find/", {"q": text})

    assert response.status_code == 200
    assert "Nothing fits" in response.content.decode()


@pytest.mark.requirement("R014", "R063")
@pytest.mark.parametrize("has_order", [True, False])
def test_a_return_s_number_leads_to_the_return_itself(
    has_order: bool, order: Order, as_: Callable[[str], Client]
) -> None:
    rma = order.returns.get()
    if not has_order:
        type(rma).objects.filter(pk=rma.pk).update(order=None)
        Link.objects.filter(record_kind="return", record_id=rma.pk).update(order_id=None)

    assert as_("carla").get("/find/", {"q": "RMA3271840"}).url == f"/returns/{rma.pk}/"


def test_a_platform_s_own_number_of_a_return_leads_to_it_too(
    order: Order, as_: Callable[[str], Client]
) -> None:
    rma = order.returns.get()
    link = {"record_kind": "return", "record_id": rma.pk, "order_id": order.pk}
    Link.objects.create(connection=rma.connection, external_kind="rma", external_id="77120", **link)

    assert as_("carla").get("/find/", {"q": "77120"}).url == f"/returns/{rma.pk}/"


def test_an_order_and_a_return_of_one_number_are_both_listed(
    order: Order, as_: Callable[[str], Client]
) -> None:
    rma = order.returns.get()
    type(rma).objects.filter(pk=rma.pk).update(external_id=order.number)

    html = as_("carla").get("/find/", {"q": order.number}).content.decode()

    assert f'href="/orders/{order.pk}/"' in html
    assert f'href="/returns/{rma.pk}/"' in html
