"""More is sold than is there (R024): operations and customer service see it early."""

from __future__ import annotations

import pytest

from fulfilment.models import StockLevel
from integrator.models import Case
from tests.journeys.causes_in_goods import oversell_risk
from tests.journeys.causing import SKU
from tests.story import Stage


@pytest.mark.requirement("R024")
def test_the_last_unit_is_sold_and_turns_out_damaged(stage: Stage) -> None:
    story = oversell_risk(stage)

    risk, order = stage.case("OVERSELL_RISK"), stage.case("ORDER_OVERSOLD")
    assert (risk.owner, risk.facts["missing"]) == ("OPERATIONS", 1)
    assert story.order["public_key"] in risk.facts["orders"]
    assert (order.owner, order.facts["order"]) == ("CX", story.order["public_key"])
    # The figure cannot say how bad it is: it stops at zero, and we keep the rest.
    assert (stage.sellable(SKU), stage.stock_there(SKU)["truth"]) == (0, -1)
    assert StockLevel.objects.get().short == 1


@pytest.mark.requirement("R024")
def test_the_next_unit_that_comes_back_makes_up_for_the_missing_one(stage: Stage) -> None:
    earlier = stage.sold(SKU)
    oversell_risk(stage)
    stage.warehouse_checks(stage.comes_back(earlier))

    # One came in and one was owed: nothing of it may be sold again.
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"] == 0
    assert stage.open_cases() == []
    assert StockLevel.objects.get().short == 0


@pytest.mark.requirement("R024")
def test_units_that_are_brought_close_it_without_anybody(stage: Stage) -> None:
    oversell_risk(stage)
    stage.act("scayle", "change_stock", sku=SKU, quantity=2)
    stage.passes(minutes=6, step=6)

    assert stage.open_cases() == []
    assert {case.resolution for case in Case.objects.all()} == {"BY_ITSELF"}


@pytest.mark.requirement("R024")
def test_a_shop_that_sells_more_than_it_confirmed(stage: Stage) -> None:
    """Somebody lets the shop sell without stock; the figure it confirmed was one."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.act("scayle", "change_stock", sku=SKU, quantity=0)
    stage.warehouse_checks(rma)
    assert stage.sellable(SKU) == 1
    stage.shop_sells(SKU)
    stage.settle()
    assert stage.open_cases() == []

    row = next(row for row in stage.sandbox.world.scayle.stock.values() if row.sku == SKU)
    row.quantity += 1  # a blocker is lost there: the sale above is forgotten
    stage.shop_sells(SKU)
    stage.settle()

    assert stage.open_cases() == ["ORDER_OVERSOLD", "OVERSELL_RISK"]
    assert len(stage.case("OVERSELL_RISK").facts["orders"].split(", ")) == 2
