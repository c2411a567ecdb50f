"""Find anything by a number at hand: one exact match opens at once, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client

from fulfilment.models import Order
from tests.desk import factories


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
        "RMA3271840",
        "JJD100482913",
        "4068-PET-M",
        "buyer-100482913@example.com",
        "Buyer-100482913@Example.com",
        " 100482913 ",
    ],
)
def test_any_number_of_an_order_leads_to_it(
    text: str, order: Order, as_: Callable[[str], Client]
) -> None:
    response = as_("carla").get("/find/", {"q": text})

    assert response.status_code == 302
    assert response.url.startswith(f"/orders/{order.pk}/")


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

    html = as_("carla").get("/find/", {"q": "4068-PET-M"}).content.decode()

    assert html.count(f'href="/orders/{order.pk}/"') == 1
    assert html.count(f'href="/orders/{other.pk}/"') == 1


@pytest.mark.parametrize("text", ["10048291", "%", "' OR 1=1 --", "1004829\x001", "x" * 500])
def test_a_part_of_a_number_finds_nothing_and_breaks_nothing(
    text: str, order: Order, as_: Callable[[str], Client]
) -> None:
    response = as_("carla").get("/find/", {"q": text})

    assert response.status_code == 200
    assert "Nothing fits" in response.content.decode()


def test_a_return_without_an_order_leads_to_its_case(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = order.returns.get()
    type(rma).objects.filter(pk=rma.pk).update(order=None)
    case = factories.case("RETURN_ORDER_UNKNOWN", at, record=("return", rma.pk))

    assert as_("carla").get("/find/", {"q": "RMA3271840"}).url == f"/cases/{case.pk}/"
