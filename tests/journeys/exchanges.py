"""Exchanges in stories: wished for, let go, sent, and the books of both platforms about them."""

from __future__ import annotations

from integrator.engine import mappings
from integrator.models import MappingKind
from returns.models import Exchange
from tests.story import Row, Stage

SKU, OTHER = "JKT-NVY-M", "JKT-NVY-L"
ORDERS = "POST /shops/nb/countries/DE/orders"
RESERVE = "POST /reservations"
FREE = "DELETE /reservations/{reservation}"
COMMENT = "POST /rma/{rma}/comment"


def wants(order: Row, sku: str = OTHER, place: int = 0, **more: object) -> Row:
    return {"units": [{"item_id": order["items"][place]["id"], "exchange_sku": sku, **more}]}


def approved(stage: Stage, order: Row, sku: str = OTHER, **more: object) -> Row:
    rma = stage.shopper_returns(order, **wants(order, sku, **more))
    stage.approves(rma)
    return rma


def means(stage: Stage, kind: MappingKind, theirs: str, ours: str) -> None:
    """An administrator has said what a word of ReturnGO means."""
    where = stage.connection("returngo")
    mappings.save(connection=where, kind=kind, theirs=theirs, ours=ours, trace=stage.trace("ada"))


def orders_there(stage: Stage) -> list[Row]:
    """The exchange orders in the shop's own books."""
    rows = stage.books("scayle")["orders"]
    return [row for row in rows if row["reference_key"].startswith("EXC-")]


def reserved_there(stage: Stage) -> list[str]:
    return [row["reference"] for row in stage.books("scayle")["reservations"]]


def exchange(rma: Row) -> Exchange:
    found = Exchange.objects.filter(return_record__external_id=str(rma["id"]))
    return found.order_by("-number")[0]


def released(stage: Stage, reference: str = "WMS-1") -> None:
    case = stage.case("EXCHANGE_RELEASE_BY_HAND")
    stage.decide(case, "exchange_released", by=stage.omar, data={"reference": reference})


def leaves(stage: Stage) -> None:
    """Operations tell the warehouse, and the parcel leaves."""
    released(stage)
    (made,) = orders_there(stage)
    stage.act("scayle", "send_imported", order_id=made["id"])
    stage.settle()


def ends_well(stage: Stage, rma: Row, *pieces: str) -> None:
    """One order, one reservation a piece, shipped, told, and the return is done."""
    pieces = pieces or (OTHER,)
    (made,) = orders_there(stage)
    assert [item["sku"] for item in made["items"]] == list(pieces)
    assert all(item["shipped"] for item in made["items"])
    assert reserved_there(stage) == [
        f"{made['reference_key']}-{place}" for place in range(1, len(pieces) + 1)
    ]
    told = [one["htmlText"] for one in stage.rma_there(rma)["comments"]]
    assert sum(made["public_key"] in one for one in told) == 1
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.returned(rma).status == "COMPLETED"
    assert exchange(rma).status == "SHIPPED"
    for sku in pieces:
        assert stage.sellable(sku) == stage.stock_there(sku)["truth"]
    assert stage.books("scayle")["refunds"] == []
    assert stage.owed() == []
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def to_the_end(stage: Stage, rma: Row, *pieces: str) -> None:
    leaves(stage)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    stage.passes(minutes=9, step=3)
    ends_well(stage, rma, *pieces)
