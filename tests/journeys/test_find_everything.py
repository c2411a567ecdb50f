"""A customer calls, with one number at hand: one search, and both platforms are on one page."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client as Browser
from werkzeug.test import Client

from integrator.desk import directory
from tests.journeys.causes import CAUSES
from tests.journeys.causing import SKU
from tests.story import Row, Stage


@pytest.fixture
def desk(stage: Stage) -> Browser:
    directory.forget()  # the connections are those of this stage
    browser = Browser()
    browser.force_login(stage.carla)
    return browser


def links(html: str, *, to: str) -> list[str]:
    """The ways from a page that lead there; following one is a click."""
    found = re.findall(r'<a [^>]*href="([^"]+)"', html)
    return [unescape(one) for one in found if re.match(to, one)]


def opened(desk: Browser, path: str) -> str:
    answer = desk.get(path, follow=True)
    assert answer.status_code == 200, path
    return answer.content.decode()


def keys_of(stage: Stage, order: Row, rma: Row) -> dict[str, str]:
    return {
        "order number": stage.order(order).number,
        "return number": stage.returned(rma).external_id,
        "e-mail": order["customer_email"],
        "SKU": SKU,
    }


@pytest.mark.requirement("R014")
@pytest.mark.parametrize("key", ["order number", "return number", "e-mail", "SKU"])
def test_any_of_the_four_keys_leads_to_a_page_with_both_platforms_and_the_ways_into_them(
    key: str, stage: Stage, desk: Browser
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    page = f"/orders/{stage.order(order).pk}/"

    found = desk.get("/find/", {"q": keys_of(stage, order, rma)[key]})
    assert found.status_code == 302, "one exact match opens at once"
    path = found.url
    clicks = 0
    while not path.startswith(page):
        clicks += 1
        assert clicks <= 2, path
        html = opened(desk, path)
        path = next(iter(links(html, to=page)), "") or links(html, to=r"/orders/\?sku=")[0]

    html = opened(desk, path)
    said = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))
    assert "Status Completed the shop says: paid" in said  # the shop
    assert "ReturnGO says Received" in said
    there = set(links(html, to="http://127.0.0.1"))
    assert {re.sub(r".*/_page", "", one) for one in there} >= {
        f"/scayle/order/{order['id']}",
        f"/returngo/rma/{rma['id']}",
    }
    for one in there:
        answer = Client(stage.sandbox).get(re.sub(r".*/_page", "/_page", one))
        assert answer.status_code == 200, one
        assert SKU in answer.text or "/customer/" in one


@pytest.mark.requirement("R014")
@pytest.mark.parametrize("kind", ["UNIT_RETURNED_TWICE", "REFUND_BY_HAND", "MAPPING_MISSING"])
def test_from_an_exception_to_its_order_are_two_clicks_at_most(kind: str, stage: Stage) -> None:
    CAUSES[kind](stage)
    case = stage.case(kind)
    directory.forget()
    desk = Browser()
    desk.force_login(
        {"CX": stage.carla, "FINANCE": stage.fiona, "OPERATIONS": stage.omar}[case.owner]
    )

    in_list = opened(desk, f"/queue/{case.owner.lower()}/?tab=all")
    first = links(in_list, to=rf"/(queue/\w+/\?.*case={case.pk}\b|cases/{case.pk}/)")
    assert first, "the case is one click away from its list"
    html = opened(desk, first[0])

    assert links(html, to=r"/orders/\d+/"), "and its order is the second"
