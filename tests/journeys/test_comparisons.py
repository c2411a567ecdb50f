"""The hourly comparison: what it may close, and whose shops it reads."""

from __future__ import annotations

from finance.models import Reconciliation
from integrator.models import Connection, Job
from tests.journeys.causes import CAUSES, SKU
from tests.story import Stage


def hourly(stage: Stage) -> None:
    stage.passes(minutes=61, step=61)


def test_a_difference_is_not_closed_by_its_age(stage: Stage) -> None:
    CAUSES["SYSTEMS_DIFFER"](stage)

    stage.passes(days=31, step=31 * 24 * 60)  # nothing moved in the shop, so it is not read again
    hourly(stage)

    assert stage.open_cases() == ["SYSTEMS_DIFFER"]


def test_a_difference_is_not_closed_while_its_order_is_on_its_way(stage: Stage) -> None:
    story = CAUSES["SYSTEMS_DIFFER"](stage)

    # Both would agree now; but the order is moving, so this comparison leaves it out.
    stage.passes(minutes=55, step=55)
    shop = stage.sandbox.world.scayle.orders[story.order["id"]]
    shop.billing_code = ""
    shop.updated_at = stage.now()
    stage.passes(minutes=6, step=6)
    assert stage.open_cases() == ["SYSTEMS_DIFFER"]

    hourly(stage)
    assert stage.open_cases() == []


def second_shop(stage: Stage) -> Connection:
    """The same account at SCAYLE, another shop in it."""
    first = stage.connection("scayle")
    return Connection.objects.create(
        retailer=stage.retailer,
        platform="scayle",
        slug="second-shop",
        name="SCAYLE Austria",
        base_url=first.base_url,
        settings={**first.settings, "country_code": "AT"},
        secrets=bytes(first.secrets),
        callback_token_hash="second",
    )


def test_all_shops_of_a_retailer_are_compared(stage: Stage) -> None:
    austria = second_shop(stage)
    stage.sold(SKU)
    there = stage.sold(SKU, country="AT")  # nobody calls us from that shop: the sweep finds it

    stage.passes(minutes=6, step=3)
    assert stage.order(there).connection == austria
    stage.sandbox.world.scayle.orders[there["id"]].billing_code = "billing_refunded"
    hourly(stage)

    assert stage.owed() == []
    assert stage.case("SYSTEMS_DIFFER").connection == austria


def test_a_returns_platform_without_a_shop_is_compared_with_our_account(stage: Stage) -> None:
    stage.comes_back(stage.sold(SKU))
    shops = Connection.objects.filter(platform="scayle")
    shops.update(platform="none")  # as if it had never been connected

    before = Reconciliation.objects.count()
    hourly(stage)

    assert not Job.objects.filter(flow="compare_scayle_returngo").exclude(state="DONE").exists()
    assert Reconciliation.objects.count() == before + 1
    assert Reconciliation.objects.latest("id").compared == 1
