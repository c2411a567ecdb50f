"""An exchange that nobody packs: every wish ends as one order that was shipped, or as a case.

Judged by the sandbox's own books: its orders, reservations, comments and what was sent.
"""

from __future__ import annotations

from typing import Any

import pytest

from fulfilment.models import Order
from integrator.models import MappingKind
from integrator.platforms.scayle.client import Scayle
from tests.journeys.exchanges import (
    COMMENT,
    FREE,
    ORDERS,
    OTHER,
    RESERVE,
    SKU,
    approved,
    ends_well,
    exchange,
    leaves,
    means,
    orders_there,
    reserved_there,
    to_the_end,
    wants,
)
from tests.story import Row, Stage
from tests.wire import Death


@pytest.mark.requirement("R031", "R030")
def test_an_exchange_is_ordered_released_shipped_and_told(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = approved(stage, order)

    (made,) = orders_there(stage)
    assert (made["reference_key"], made["public_key"]) == (
        f"EXC-{rma['id']}-1",
        f"{order['public_key']}-X1",
    )
    assert (made["total"], made["imported"], made["customer_id"]) == (
        0,
        True,
        order["customer_id"],
    )
    ours = Order.objects.get(reference=made["reference_key"])
    assert (ours.kind, ours.paid_minor) == ("EXCHANGE", 0)
    assert stage.open_cases() == ["EXCHANGE_RELEASE_BY_HAND"]

    leaves(stage)
    assert exchange(rma).status == "SHIPPED"
    assert stage.rma_there(rma)["status"] == "Approved"
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    ends_well(stage, rma)


@pytest.mark.requirement("R030")
def test_the_order_carries_tag_type_and_status_in_one_call(stage: Stage) -> None:
    """What of R030 can be proved without a warehouse system: it is recognisable at once."""
    connection = stage.connection("scayle")
    type(connection).objects.filter(pk=connection.pk).update(
        settings=connection.settings | {"exchange_channel": "exchange"}
    )
    order = stage.sold(SKU)
    rma = approved(stage, order)

    (made,) = orders_there(stage)
    assert stage.calls("POST").count(ORDERS) == 1
    assert made["sent"]["channel"] == {"key": "exchange"}
    assert made["status"] == "payment_reserved"
    assert made["custom_data"] == {
        "kind": "exchange",
        "originalOrderId": str(order["id"]),
        "originalOrder": order["public_key"],
        "rma": str(rma["id"]),
    }
    (payment,) = made["sent"]["payment"]
    assert payment == {"key": "exchange", "amount": 0, "transactionKey": f"RMA-{rma['id']}"}
    assert Order.objects.get(reference=made["reference_key"]).kind == "EXCHANGE"


def test_a_wish_in_a_word_that_a_person_has_explained_goes_out_like_any_other(
    stage: Stage,
) -> None:
    means(stage, MappingKind.RESOLUTION, "SwapIt", "EXCHANGE")
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, **wants(order))
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].resolution = "SwapIt"
    stage.approves(rma)

    assert stage.unit(rma).resolution == "UNKNOWN"
    to_the_end(stage, rma)


def test_so_does_one_for_what_is_kept_by_such_a_word(stage: Stage) -> None:
    stage.configure(exchange_trigger="inspected")
    means(stage, MappingKind.METHOD, "StaysThere", "KEPT")
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, **wants(order))
    stage.sandbox.world.returngo.rmas[rma["id"]].items[0].method = "StaysThere"
    stage.approves(rma)

    leaves(stage)
    assert exchange(rma).status == "SHIPPED"


# --- calls whose answer is lost, and workers that die --------------------------------------------

AFTER = ("drop_after", "timeout_after", "error_after", "truncated")


@pytest.mark.parametrize("fault", AFTER)
@pytest.mark.parametrize("endpoint", [RESERVE, ORDERS])
def test_a_lost_answer_makes_no_second_order_and_no_second_reservation(
    stage: Stage, endpoint: str, fault: str
) -> None:
    rule = stage.breaks("scayle", endpoint, fault, times=1)
    rma = approved(stage, stage.sold(SKU))
    stage.passes(minutes=20, step=4)

    assert rule.struck == 1
    to_the_end(stage, rma)


@pytest.mark.parametrize("fault", ["drop_after", "truncated"])
def test_a_lost_answer_about_a_comment_tells_nobody_twice(stage: Stage, fault: str) -> None:
    rule = stage.breaks("returngo", COMMENT, fault, times=1)
    rma = approved(stage, stage.sold(SKU))
    stage.passes(minutes=9, step=3)

    assert rule.struck == 1
    to_the_end(stage, rma)


def test_an_order_that_is_shown_late_is_waited_for(stage: Stage) -> None:
    rule = stage.breaks("scayle", ORDERS, "visible_after", seconds=200, times=1)
    order = stage.sold(SKU)
    stage.act("returngo", "request_return", order_id=order["id"], **wants(order))
    rma = stage.books("returngo")["rmas"][0]
    stage.act("returngo", "approve", rma_id=rma["id"])
    stage.deliver()
    for _ in range(10):  # the platforms settle nothing meanwhile: what is hidden stays hidden
        stage.clock.shift(60)
        stage.tick_and_work()

    assert rule.struck == 1
    assert stage.calls("POST").count(ORDERS) == 1
    to_the_end(stage, rma)


def test_a_busy_shop_right_after_the_order_makes_no_second_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken with 201, shown after 200 seconds, and the look right after it meets the limit."""
    looks = "GET /shops/nb/countries/DE/orders"
    create = Scayle.create_order
    limits: list[Any] = []

    def created(self: Scayle, *args: Any) -> None:
        create(self, *args)
        busy = {"status": 429, "retry_after": 5, "times": 1}
        limits.extend([] if limits else [stage.breaks("scayle", looks, "error", **busy)])

    monkeypatch.setattr(Scayle, "create_order", created)
    stage.breaks("scayle", ORDERS, "visible_after", seconds=200, times=1)
    order = stage.sold(SKU)
    stage.act("returngo", "request_return", order_id=order["id"], **wants(order))
    stage.act("returngo", "approve", rma_id=stage.books("returngo")["rmas"][0]["id"])
    stage.deliver()
    for _ in range(10):
        stage.clock.shift(60)
        stage.tick_and_work()

    assert limits[0].struck == 1
    assert stage.calls("POST").count(ORDERS) == 1
    assert len(orders_there(stage)) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before it left", "after it arrived"])
@pytest.mark.parametrize("path", ["/reservations", "/shops/nb/countries/DE/orders"])
def test_a_worker_killed_in_the_middle_orders_once(stage: Stage, path: str, after: bool) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, **wants(order))
    stage.dies_at("POST", path, after=after)
    with pytest.raises(Death):
        stage.approves(rma)
    stage.new_worker()
    stage.clock.shift(61)
    stage.passes(minutes=20, step=4)

    to_the_end(stage, rma)


@pytest.mark.parametrize("after", [False, True], ids=["before it left", "after it arrived"])
def test_a_worker_killed_while_telling_tells_once(stage: Stage, after: bool) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, **wants(order))
    stage.dies_at("POST", f"/rma/{rma['id']}/comment", after=after)
    with pytest.raises(Death):
        stage.approves(rma)
    stage.new_worker()
    stage.clock.shift(61)
    stage.passes(minutes=9, step=3)

    to_the_end(stage, rma)


def test_callbacks_twice_late_and_out_of_order_change_nothing(stage: Stage) -> None:
    for platform in ("scayle", "returngo"):
        stage.breaks(platform, "*", "callback_duplicate")
        stage.breaks(platform, "*", "callback_reorder")
    rma = approved(stage, stage.sold(SKU))
    stage.passes(minutes=9, step=3)

    to_the_end(stage, rma)


def test_no_callback_at_all_and_it_still_goes_out(stage: Stage) -> None:
    for platform in ("scayle", "returngo"):
        stage.breaks(platform, "*", "callback_suppress")
    order = stage.sold(SKU)
    rma = approved(stage, order)
    stage.passes(minutes=12, step=4)
    leaves(stage)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.passes(minutes=15, step=3)

    ends_well(stage, rma)


# --- what stops it -------------------------------------------------------------------------------


def test_without_a_piece_there_is_a_case_and_no_order(stage: Stage) -> None:
    stage.act("scayle", "change_stock", sku=OTHER, quantity=0)
    rma = approved(stage, stage.sold(SKU))

    case = stage.case("EXCHANGE_NO_STOCK")
    assert case.facts["sku"] == OTHER
    assert orders_there(stage) == []
    assert reserved_there(stage) == []
    stage.act("scayle", "change_stock", sku=OTHER, quantity=5)
    stage.decide(case, "try_again", by=stage.carla)
    to_the_end(stage, rma)


def test_two_pieces_are_reserved_both_or_not_at_all(stage: Stage) -> None:
    rule = stage.breaks("scayle", RESERVE, "partial_batch", times=1)
    rma = approved(stage, stage.sold(SKU), exchange_quantity=2, exchange_price=1)

    assert rule.struck == 1
    assert stage.case("EXCHANGE_NO_STOCK").facts["sku"] == OTHER
    assert reserved_there(stage) == []
    assert stage.sellable(OTHER) == stage.stock_there(OTHER)["truth"] == 200
    assert orders_there(stage) == []
    assert exchange(rma).status == "REQUESTED"


@pytest.mark.parametrize("fault", ["drop_after", "timeout_after", "error_after"])
def test_what_was_reserved_is_given_back_even_if_the_answer_is_lost(
    stage: Stage, fault: str
) -> None:
    stage.breaks("scayle", ORDERS, "error", status=400, times=1)
    rule = stage.breaks("scayle", FREE, fault, times=1)
    rma = approved(stage, stage.sold(SKU))
    stage.passes(minutes=20, step=4)

    # The look-ups decide that it may be tried again, and this time the shop takes it.
    assert rule.struck == 1
    to_the_end(stage, rma)


def test_a_refused_order_keeps_nothing_reserved(stage: Stage) -> None:
    stage.breaks("scayle", ORDERS, "error", status=400)
    rma = approved(stage, stage.sold(SKU))

    assert stage.open_cases() == ["EXCHANGE_REFUSED"]
    assert reserved_there(stage) == []
    assert stage.sellable(OTHER) == stage.stock_there(OTHER)["truth"] == 200
    stage.mended()
    stage.decide(stage.case("EXCHANGE_REFUSED"), "try_again", by=stage.carla)
    to_the_end(stage, rma)


@pytest.mark.requirement("R031")
@pytest.mark.parametrize("field", ["street", "zipCode", "city", "recipient"])
def test_a_missing_field_is_named_before_anything_is_sent(stage: Stage, field: str) -> None:
    order = stage.sold(SKU)
    path = f"address.shipping.{field}"
    read = "GET /shops/nb/countries/DE/orders/{order}"
    stage.breaks("scayle", read, "missing_field", field=path)
    rma = approved(stage, order)

    names = {"street": "street", "zipCode": "postcode", "city": "city"}
    case = stage.case("EXCHANGE_DATA_MISSING")
    assert case.facts["field"] == names.get(field, "the recipient's name")
    assert case.facts["where"] == "SCAYLE"
    assert RESERVE not in stage.calls("POST")
    assert ORDERS not in stage.calls("POST")
    stage.mended()
    stage.decide(case, "try_again", by=stage.carla)
    to_the_end(stage, rma)


@pytest.mark.requirement("R031")
def test_without_the_customers_reference_nothing_is_sent(stage: Stage) -> None:
    order = stage.sold(SKU)
    read = "GET /shops/nb/countries/DE/orders/{order}"
    stage.breaks("scayle", read, "missing_field", field="customer.referenceKey")
    approved(stage, order)

    assert stage.case("EXCHANGE_DATA_MISSING").facts["field"] == "the customer's reference"
    assert orders_there(stage) == []
    assert reserved_there(stage) == []


@pytest.mark.requirement("R031", "R002")
def test_every_address_field_is_copied_and_a_new_address_wins_and_is_logged(stage: Stage) -> None:
    order = stage.sold(SKU, SKU)
    first = stage.shopper_returns(order, **wants(order))
    stage.approves(first)
    second = stage.shopper_returns(order, **wants(order, place=1))
    stage.act("returngo", "send_elsewhere", rma_id=second["id"], street1="Lindenweg 9")
    stage.approves(second)

    copied, moved = (row["sent"]["address"]["shipping"] for row in orders_there(stage))
    there = stage.sandbox.world.scayle.orders[order["id"]].address
    assert copied["recipient"]["firstName"] == there.first_name
    assert copied["recipient"]["lastName"] == there.last_name
    assert (copied["street"], copied["houseNumber"]) == (there.street, there.house_number)
    assert (copied["zipCode"], copied["city"], copied["countryCode"]) == (
        there.zip_code,
        there.city,
        "DEU",
    )
    assert (moved["street"], moved["zipCode"], moved["countryCode"]) == (
        "Lindenweg 9",
        "10115",
        "DEU",
    )
    assert exchange(first).address_source == "ORDER"
    assert exchange(second).address_source == "RETURNS_PLATFORM"
    assert exchange(second).address is not None
    original = stage.order(order).shipping_address
    assert original is not None
    assert original.postcode == there.zip_code


@pytest.mark.requirement("R031")
@pytest.mark.parametrize("wish", [{"without": ["city"]}, {"country": "XX"}])
def test_a_new_address_with_a_gap_is_named_too(stage: Stage, wish: Row) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order, **wants(order))
    stage.act("returngo", "send_elsewhere", rma_id=rma["id"], **wish)
    stage.approves(rma)

    case = stage.case("EXCHANGE_DATA_MISSING")
    assert case.facts["field"] == ("city" if "without" in wish else "country")
    assert case.facts["where"] == "ReturnGO"
    assert orders_there(stage) == []
