"""Units on their way back are counted apart, here and, where wanted, in the shop's Panel (R038)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Q, Sum

from fulfilment.models import Location, StockMovement
from fulfilment.states import Bucket
from integrator.engine import mappings
from integrator.models import MappingKind
from tests.journeys.test_stock_races import another_country, sold_in
from tests.story import Stage

SKU = "JKT-NVY-M"
TRANSIT = "RET-TRANSIT"


def shows_what_travels(stage: Stage) -> None:
    """A warehouse of the shop that sells nowhere, and the policy that names it."""
    Location.objects.create(
        retailer=stage.retailer, code="on-its-way", name="On its way", authority="scayle"
    )
    mappings.save(
        connection=stage.connection("scayle"),
        kind=MappingKind.LOCATION,
        theirs=TRANSIT,
        ours="on-its-way",
        trace=stage.trace("test"),
    )
    stage.configure(in_transit_location="on-its-way")


def shown(stage: Stage) -> int:
    return int(stage.stock_there(SKU, TRANSIT)["quantity"])


def held(bucket: Bucket) -> int:
    moved = StockMovement.objects.filter(sku__code=SKU).aggregate(
        came=Sum("quantity", filter=Q(to_bucket=bucket), default=0),
        left=Sum("quantity", filter=Q(from_bucket=bucket), default=0),
    )
    return int(moved["came"] - moved["left"])


@pytest.mark.requirement("R038")
def test_what_is_handed_in_is_shown_until_it_arrives_and_is_never_for_sale(stage: Stage) -> None:
    shows_what_travels(stage)
    order = stage.sold(SKU, SKU)
    before = stage.sellable(SKU)
    rmas = [stage.shopper_returns(order, place) for place in (0, 1)]
    for rma in rmas:
        stage.approves(rma)
    assert shown(stage) == 0

    for number, rma in enumerate(rmas, start=1):
        stage.hands_in(rma)
        stage.passes(minutes=6, step=6)
        assert shown(stage) == held(Bucket.IN_TRANSIT) == number
        assert stage.sellable(SKU) == before

    stage.arrives(rmas[0])
    stage.passes(minutes=6, step=6)
    assert (shown(stage), held(Bucket.IN_TRANSIT), held(Bucket.RECEIVED)) == (1, 1, 1)
    stage.arrives(rmas[1])
    for rma in rmas:
        stage.warehouse_checks(rma)

    assert (shown(stage), held(Bucket.IN_TRANSIT), held(Bucket.SELLABLE)) == (0, 0, 2)
    assert sum(held(bucket) for bucket in Bucket) == 0  # no unit came from or went to nowhere
    assert stage.sellable(SKU) == before + 2 == stage.stock_there(SKU)["truth"]
    assert "\n0 differences" in stage.compare()


@pytest.mark.requirement("R038")
def test_a_lost_answer_leaves_the_right_count(stage: Stage) -> None:
    shows_what_travels(stage)
    stage.breaks("scayle", "POST /variants/{variant}/stocks", "drop_after", times=1)
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.approves(rma)
    stage.hands_in(rma)
    stage.passes(minutes=6, step=1)

    assert shown(stage) == 1
    assert stage.owed() == []


@pytest.mark.requirement("R038")
def test_a_figure_the_shop_ignored_is_sent_again_until_it_shows(stage: Stage) -> None:
    """Somebody counted there with a clock that is ahead of ours: older news is ignored."""
    shows_what_travels(stage)
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.approves(rma)
    rows = stage.sandbox.world.scayle.stock.values()
    row = next(one for one in rows if (one.warehouse, one.sku) == (TRANSIT, SKU))
    row.changed_at = stage.now() + timedelta(minutes=5)
    stage.hands_in(rma)

    stage.passes(minutes=4, step=1)
    assert (shown(stage), held(Bucket.IN_TRANSIT)) == (0, 1)
    assert [one.split(":")[0] for one in stage.owed()] == ["show_in_transit"]

    stage.passes(minutes=20, step=1)
    assert shown(stage) == 1
    assert (stage.owed(), stage.open_cases()) == ([], [])


@pytest.mark.requirement("R038")
def test_two_shops_of_one_tenant_count_in_its_warehouse_together(stage: Stage) -> None:
    """The figure is the tenant's: each shop's own count would overwrite the other's."""
    shows_what_travels(stage)
    other = another_country(stage)
    mappings.save(
        connection=other,
        kind=MappingKind.LOCATION,
        theirs=TRANSIT,
        ours="on-its-way",
        trace=stage.trace("test"),
    )
    for order in (stage.sold(SKU), sold_in(stage, other)):
        rma = stage.shopper_returns(order)
        stage.approves(rma)
        stage.hands_in(rma)
        stage.passes(minutes=6, step=1)

    assert shown(stage) == held(Bucket.IN_TRANSIT) == 2


@pytest.mark.requirement("R038")
def test_without_the_policy_it_is_counted_here_only(stage: Stage) -> None:
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.approves(rma)
    stage.hands_in(rma)
    stage.passes(minutes=6, step=6)

    assert held(Bucket.IN_TRANSIT) == 1
    assert not [one for one in stage.calls("POST") if "/stocks" in one]


@pytest.mark.requirement("R038")
def test_a_parcel_of_a_return_that_was_called_off_is_not_expected_any_more(stage: Stage) -> None:
    shows_what_travels(stage)
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.approves(rma)
    stage.hands_in(rma)
    stage.act("returngo", "cancel", rma_id=rma["id"])
    stage.settle()
    stage.passes(minutes=6, step=6)

    assert (shown(stage), held(Bucket.IN_TRANSIT)) == (0, 0)
