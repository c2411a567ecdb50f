"""ReturnGO asks us what was bought, and gets the answer within minutes of the sale (R006)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory

from fulfilment.models import Order
from integrator.api import partner
from integrator.engine import secrets
from integrator.models import Connection
from tests.story import Stage

SKU = "JKT-NVY-M"
pytestmark = pytest.mark.requirement("R006")


def asked(number: str, key: str = "partner-key", method: str = "get") -> tuple[int, Any]:
    request = getattr(RequestFactory(), method)(
        f"/api/partner/returngo/orders/{number}", headers={"Authorization": f"Bearer {key}"}
    )
    answer = partner.order(request, number)
    return answer.status_code, json.loads(answer.content or b"null")


@pytest.fixture
def keyed(stage: Stage) -> Stage:
    row = stage.connection("returngo")
    sealed = secrets.seal(secrets.read(row) | {"partner_key": "partner-key"})
    Connection.objects.filter(pk=row.pk).update(secrets=sealed)
    return stage


def test_an_order_can_be_asked_for_as_soon_as_it_is_sold(keyed: Stage) -> None:
    order = keyed.sold(SKU)

    status, found = asked(order["public_key"])

    assert status == 200
    assert found["orderId"] == str(order["id"])
    assert found["customerEmail"] == order["customer_email"]
    assert [(one["sku"], one["paidMinor"], one["isReturnable"]) for one in found["items"]] == [
        (SKU, order["items"][0]["paid"], True)
    ]


def test_an_order_whose_callbacks_were_lost_is_there_after_the_next_sweep(keyed: Stage) -> None:
    keyed.breaks("scayle", "*", "callback_suppress")
    keyed.passes(minutes=2)
    order = keyed.shop_sells(SKU)
    assert asked(order["public_key"])[0] == 404
    keyed.passes(minutes=5)

    status, found = asked(order["public_key"])
    assert status == 200
    assert [one["isReturnable"] for one in found["items"]] == [False]


def test_a_unit_that_came_back_is_not_returnable_again(keyed: Stage) -> None:
    order = keyed.sold(SKU)
    keyed.warehouse_checks(keyed.comes_back(order))

    assert [one["isReturnable"] for one in asked(order["public_key"])[1]["items"]] == [False]


@pytest.mark.parametrize("key", ["", "wrong", "sandbox-returngo-key"])
def test_without_the_partners_key_nothing_is_said(keyed: Stage, key: str) -> None:
    order = keyed.sold(SKU)

    assert asked(order["public_key"], key=key) == (401, {"error": "unauthorised"})


def test_without_a_key_of_its_own_a_connection_lets_nobody_in(stage: Stage) -> None:
    order = stage.sold(SKU)

    assert asked(order["public_key"], key="")[0] == 401


def test_it_only_reads(keyed: Stage) -> None:
    order = keyed.sold(SKU)

    assert asked("DE-0") == (404, {"error": "not found"})
    request = RequestFactory().post("/", headers={"Authorization": "Bearer partner-key"})
    assert partner.order(request, order["public_key"]).status_code == 405


def test_more_questions_than_a_portal_asks_wait_for_the_next_minute(keyed: Stage) -> None:
    """Order numbers follow each other: who has the key must not read off all customers."""
    row = keyed.connection("returngo")
    Connection.objects.filter(pk=row.pk).update(settings=row.settings | {"questions_a_minute": 3})
    number = keyed.sold(SKU)["public_key"]
    keyed.clock.move_to(keyed.now().replace(second=20, microsecond=500_000))

    assert asked(number, key="wrong")[0] == 401, "who may ask nothing uses nothing up"
    assert [asked(number)[0] for _ in range(4)] == [200, 200, 200, 429]
    headers = {"Authorization": "Bearer partner-key"}
    refused = Client().get(f"/api/partner/returngo/orders/{number}", headers=headers)
    assert (refused.status_code, refused.json()) == (429, {"error": "too many requests"})
    assert refused.headers["Retry-After"] == "40"
    page = Client()
    page.force_login(keyed.ada)
    shown = page.get("/connections/").content.decode()
    assert "questions ReturnGO asks us, a minute" in shown

    keyed.clock.shift(40)
    assert asked(number)[0] == 200


def test_a_number_that_two_shops_use_gives_no_strangers_order_away(keyed: Stage) -> None:
    order, strangers = keyed.sold(SKU), keyed.sold(SKU)
    first = keyed.connection("scayle")
    other = Connection.objects.create(
        slug="scayle-2",
        retailer=first.retailer,
        platform="scayle",
        name="SCAYLE 2",
        base_url=first.base_url,
        callback_token_hash="another",
    )
    Order.objects.filter(number=strangers["public_key"]).update(
        connection=other, number=order["public_key"]
    )

    assert asked(order["public_key"]) == (404, {"error": "not found"})


@pytest.mark.parametrize("number", ["%00", "DE%0070", "%ff", "9" * 5000])
def test_a_number_that_no_order_can_have_is_not_found(keyed: Stage, number: str) -> None:
    headers = {"Authorization": "Bearer partner-key"}

    answer = Client().get(f"/api/partner/returngo/orders/{number}", headers=headers)

    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})
