"""The hourly comparison: what it may close, and whose shops it reads."""

from __future__ import annotations

from finance.models import Reconciliation
from integrator.engine.inbox import nudge
from integrator.engine.worker import Worker
from integrator.flows import ROUTES, tasks
from integrator.models import Case, Connection, Job, Message
from tests.journeys.causes import CAUSES
from tests.journeys.causing import ORDER, ORDERS, SKU
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
    stage.worker = Worker(ROUTES, threads=0)  # what the sweep finds is known before it begins
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

    stage.passes(minutes=6, step=6)
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


def newest_run() -> Reconciliation:
    return Reconciliation.objects.latest("id")


def test_a_row_nobody_can_read_is_named_and_the_rest_is_compared(stage: Stage) -> None:
    first, second = stage.sold(SKU), stage.sold(SKU)
    rma = stage.comes_back(second)
    stage.passes(minutes=30, step=10)
    stage.sandbox.world.scayle.orders[second["id"]].billing_code = "billing_refunded"
    stage.breaks("scayle", ORDERS, "missing_field", field="entities.updatedAt")
    hourly(stage)

    assert stage.owed() == []
    assert (newest_run().compared, newest_run().unreadable) == (2, 1)
    assert stage.case("SYSTEMS_DIFFER").facts["what"] == f"Order {second['id']}"
    asked = Case.objects.filter(kind="ROW_NOT_READ", facts__row=str(first["id"]))
    assert asked.get().state == "OPEN"
    said = stage.compare()
    assert f"order {first['id']} at" in said
    assert "1 not readable" in said
    assert stage.rma_there(rma)["status"] == "Received"

    stage.mended()
    hourly(stage)
    assert stage.open_cases() == ["SYSTEMS_DIFFER"]
    assert newest_run().unreadable == 0


def test_a_row_only_the_comparison_reads_is_asked_about_by_it(stage: Stage) -> None:
    """The list of what changed lately does not reach back to it; the comparison's does."""
    first = stage.sold(SKU)
    stage.passes(minutes=40, step=10)
    second = stage.sold(SKU)
    stage.passes(minutes=6, step=6)
    stage.breaks("scayle", ORDERS, "missing_field", field="entities.updatedAt")
    hourly(stage)
    hourly(stage)

    rows = Case.objects.filter(kind="ROW_NOT_READ").order_by("facts__row")
    assert [one.facts["row"] for one in rows] == [str(first["id"]), str(second["id"])]
    assert "compared-order" in rows[0].cause
    stage.decide(rows[0], "not_an_error", by=stage.ada)
    hourly(stage)
    assert [one.state for one in rows.all()] == ["SOLVED", "OPEN"]


def test_a_comparison_with_an_unreadable_return_goes_on(stage: Stage) -> None:
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.breaks("returngo", "GET /rmas", "missing_field", field="rmas.status")
    hourly(stage)
    hourly(stage)

    # The look for missed returns stumbles over the same row: it is asked about once.
    assert stage.case("ROW_NOT_READ").facts["row"] == str(rma["id"])
    assert (newest_run().compared, newest_run().unreadable) == (1, 1)
    assert "0 differences" in stage.compare()
    assert "could be read" in stage.compare()


def test_an_order_nobody_told_us_of_is_asked_for_before_it_is_called_missing(stage: Stage) -> None:
    """Its callbacks are lost, and the comparison comes before the next look for missed orders."""
    stage.breaks("scayle", "*", "callback_suppress")
    stage.passes(minutes=30, step=5)
    order = stage.ships(stage.shop_sells(SKU))
    portal = stage.connection("returngo")
    stage.clock.shift(1200)
    nudge(
        connection_id=portal.pk,
        topic="compare-due",
        kind="compare-due",
        resource=("connection", str(portal.pk)),
        origin=Message.Origin.CLOCK,
        at=stage.now(),
    )
    stage.work()

    assert (newest_run().compared, newest_run().pending, newest_run().different) == (1, 1, 0)
    assert stage.order(order).status == "COMPLETED"  # it was asked for at once
    stage.passes(minutes=70, step=10)
    assert stage.open_cases() == []


def test_an_order_that_stays_away_is_missing(stage: Stage) -> None:
    stage.breaks("scayle", ORDER, "error", status=403)
    order = stage.ships(stage.shop_sells(SKU))
    stage.settle()
    stage.passes(minutes=122, step=10)

    assert stage.case("SYSTEMS_DIFFER").facts["what"] == f"Order {order['id']}"


def test_what_came_while_nobody_worked_is_on_its_way(stage: Stage) -> None:
    """Heard twenty minutes ago, and looked at only now, together with the comparison."""
    stage.passes(minutes=50, step=10)
    order = stage.ships(stage.shop_sells(SKU))
    stage.deliver()
    stage.clock.shift(1200)
    tasks.tick()
    for queue in ("local", "returngo"):  # the comparison is quicker than the reading of the order
        while stage.worker.round([queue]):
            pass

    assert (newest_run().pending, newest_run().different) == (1, 0)
    stage.work()
    assert stage.order(order).status == "COMPLETED"
