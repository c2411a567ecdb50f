"""Stock rises when a unit was checked and found good, and at no other moment."""

from __future__ import annotations

import tomllib

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from fulfilment.models import Location, StockLevel, StockMovement
from fulfilment.states import Bucket
from integrator import configuration
from integrator.engine.states import UnableToMove, move
from integrator.models import Case, Mapping
from returns.models import ReturnItem
from returns.states import CUSTODY_MOVES, Custody, Disposition
from tests.house import DEMO
from tests.story import Stage

SKU = "JKT-NVY-M"
STEPS = ("requests", "approves", "hands_in", "arrives")


def goes_as_far_as(stage: Stage, step: str) -> dict:
    rma = stage.shopper_returns(stage.sold(SKU))
    for verb in STEPS[1 : STEPS.index(step) + 1]:
        getattr(stage, verb)(rma)
    stage.passes(minutes=12, step=4)
    return rma


@pytest.mark.requirement("R008")
@pytest.mark.parametrize(
    ("step", "custody", "buckets"),
    [
        ("requests", Custody.REQUESTED, []),
        ("approves", Custody.AUTHORISED, []),
        ("hands_in", Custody.IN_TRANSIT, ["OUTSIDE>IN_TRANSIT"]),
        ("arrives", Custody.RECEIVED, ["OUTSIDE>IN_TRANSIT", "IN_TRANSIT>RECEIVED"]),
    ],
)
def test_before_the_inspection_nothing_becomes_sellable(
    stage: Stage, step: str, custody: str, buckets: list[str]
) -> None:
    before = stage.sellable(SKU)
    rma = goes_as_far_as(stage, step)

    assert stage.unit(rma).custody == custody
    assert stage.movements(rma) == buckets
    assert stage.sellable(SKU) == before - 1  # the one that was sold
    assert not [one for one in stage.calls("POST") if "/stocks" in one]
    assert not StockLevel.objects.exists()


def test_every_status_before_the_inspection_is_one_of_those_above() -> None:
    assert set(Custody) - {Custody.INSPECTED, Custody.CLOSED} == {
        Custody.REQUESTED,
        Custody.AUTHORISED,
        Custody.IN_TRANSIT,
        Custody.RECEIVED,
    }


@pytest.mark.requirement("R008")
@pytest.mark.parametrize("end", ["reject", "cancel"])
def test_a_return_that_ends_without_goods_moves_no_stock(stage: Stage, end: str) -> None:
    before = stage.sellable(SKU)
    rma = stage.shopper_returns(stage.sold(SKU))
    stage.act("returngo", end, rma_id=rma["id"])
    stage.settle()
    stage.passes(minutes=12, step=4)

    assert stage.returned(rma).status == "CLOSED"
    assert stage.movements(rma) == []
    assert stage.sellable(SKU) == before - 1


@pytest.mark.requirement("R021")
def test_in_transit_received_and_sellable_are_counted_apart(stage: Stage) -> None:
    order = stage.sold(SKU, SKU, SKU)
    for place, verbs in enumerate((["hands_in"], ["hands_in", "arrives"], ["hands_in", "arrives"])):
        rma = stage.shopper_returns(order, place)
        for verb in ["approves", *verbs]:
            getattr(stage, verb)(rma)
    stage.warehouse_checks(rma)

    held = dict.fromkeys(Bucket, 0)
    for one in StockMovement.objects.filter(sku__code=SKU):
        held[Bucket(one.from_bucket)] -= one.quantity
        held[Bucket(one.to_bucket)] += one.quantity
    assert held == {
        Bucket.OUTSIDE: -3,
        Bucket.IN_TRANSIT: 1,
        Bucket.RECEIVED: 1,
        Bucket.SELLABLE: 1,
        Bucket.QUARANTINE: 0,
        Bucket.WRITTEN_OFF: 0,
    }
    labels = [custody.label for custody in (Custody.IN_TRANSIT, Custody.RECEIVED)]
    assert labels == ["On its way", "Received"]


@pytest.mark.requirement("R021")
@pytest.mark.parametrize(
    ("step", "old"),
    [
        ("approves", Custody.AUTHORISED),
        ("hands_in", Custody.IN_TRANSIT),
        ("arrives", Custody.RECEIVED),
    ],
)
def test_a_step_out_of_order_is_refused_here_and_by_the_database(
    stage: Stage, step: str, old: Custody
) -> None:
    unit = stage.unit(goes_as_far_as(stage, step))
    forbidden = [new for new in Custody if new != old and new not in CUSTODY_MOVES[old]]

    assert forbidden
    for new in forbidden:
        with pytest.raises(UnableToMove):
            move(unit, "custody", new, reason="out of order", trace=stage.trace("test"))
        with pytest.raises(DatabaseError, match="Invalid transition"), transaction.atomic():
            ReturnItem.objects.filter(pk=unit.pk).update(custody=new)
    unit.refresh_from_db()
    assert unit.custody == old


@pytest.mark.requirement("R022")
@pytest.mark.parametrize(
    ("outcome", "disposition", "way"),
    [
        ({"restockable": False}, Disposition.QUARANTINE, "RECEIVED>QUARANTINE"),
        ({"returned": False}, Disposition.NOT_RETURNED, "RECEIVED>OUTSIDE"),
    ],
)
def test_only_one_disposition_makes_a_unit_sellable(
    stage: Stage, outcome: dict, disposition: str, way: str
) -> None:
    order = stage.sold(SKU)
    before = stage.sellable(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, **outcome)

    assert stage.unit(rma).inspections.get().disposition == disposition
    assert stage.movements(rma)[-1] == way
    assert stage.sellable(SKU) == before == stage.stock_there(SKU)["truth"]
    assert not [one for one in stage.calls("POST") if "/stocks" in one]


@pytest.mark.requirement("R022")
def test_a_place_nobody_mapped_holds_the_unit_and_once_mapped_releases_all(stage: Stage) -> None:
    orders = [stage.sold(SKU) for _ in range(3)]
    before = stage.sellable(SKU)
    rmas = [stage.comes_back(order) for order in orders]
    for rma in rmas:
        stage.warehouse_checks(rma, location="WH-9")

    # The customers have their money; the units wait for somebody to say where WH-9 is.
    assert [len(stage.refunds_there(order)) for order in orders] == [1, 1, 1]
    assert stage.sellable(SKU) == before
    assert stage.open_cases() == ["MAPPING_MISSING"] * 3
    says = set(Case.objects.values_list("connection__platform", flat=True))
    assert says == {"returngo"}, "whose word it is, not whom the step calls"
    assert not StockMovement.objects.filter(to_bucket=Bucket.SELLABLE).exists()

    first = Case.objects.filter(kind="MAPPING_MISSING").first()
    assert first is not None
    stage.decide(first, "save_mapping", by=stage.omar, data={"ours": "hamburg"})
    stage.passes(minutes=3)

    assert stage.sellable(SKU) == before + 3 == stage.stock_there(SKU)["truth"]
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R022")
def test_a_place_with_two_partners_is_mended_by_naming_the_one(stage: Stage) -> None:
    """Somebody mistyped the warehouse's key: our place then has two, and each is as good."""
    configure_words(stage, connection="scayle", theirs="WH-HAN", ours="hamburg")
    rma = stage.comes_back(stage.sold(SKU))
    before = stage.sellable(SKU)
    stage.warehouse_checks(rma)
    assert stage.open_cases() == ["MAPPING_MISSING"]
    assert stage.sellable(SKU) == before

    case = stage.case("MAPPING_MISSING")
    stage.decide(case, "save_mapping", by=stage.omar, data={"ours": "WH-HAM"})
    stage.passes(minutes=3)

    assert stage.open_cases() == []
    assert stage.sellable(SKU) == before + 1 == stage.stock_there(SKU)["truth"]
    current = Mapping.objects.filter(ours="hamburg", connection=stage.connection("scayle"))
    assert [one.theirs for one in current.filter(ended_at=None)] == ["WH-HAM"]


@pytest.mark.requirement("R022")
def test_a_word_mapped_in_the_retailers_file_releases_what_waits_for_it(stage: Stage) -> None:
    rma = stage.comes_back(stage.sold(SKU))
    before = stage.sellable(SKU)
    stage.warehouse_checks(rma, location="WH-9")
    assert stage.open_cases() == ["MAPPING_MISSING"]

    configure_words(stage, connection="returngo", theirs="WH-9", ours="hamburg")
    stage.passes(minutes=3)

    assert stage.open_cases() == []
    assert stage.sellable(SKU) == before + 1
    assert "0 differences" in stage.compare()


def configure_words(stage: Stage, **words: str) -> None:
    content = tomllib.loads(DEMO.read_text())
    content["mapping"].append({"kind": "location", **words})
    configuration.apply(content, trace=stage.trace("configure"))


@pytest.mark.requirement("R023")
def test_the_database_refuses_sellable_stock_without_an_inspection(stage: Stage) -> None:
    stage.comes_back(stage.sold(SKU))
    booked = StockMovement.objects.get(to_bucket=Bucket.RECEIVED)

    booked.pk, booked.key, booked.location = None, "forged", Location.objects.get()
    booked.from_bucket, booked.to_bucket = Bucket.RECEIVED, Bucket.SELLABLE
    with (
        pytest.raises(IntegrityError, match="movement_sellable_needs_inspection"),
        transaction.atomic(),
    ):
        booked.save(force_insert=True)


@pytest.mark.requirement("R023")
def test_a_unit_is_made_sellable_once_for_it_is_in_one_place_only(stage: Stage) -> None:
    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma)
    booked = StockMovement.objects.get(to_bucket=Bucket.SELLABLE)

    booked.pk, booked.key = None, "again"
    with (
        pytest.raises(DatabaseError, match="is in SELLABLE, not in RECEIVED"),
        transaction.atomic(),
    ):
        booked.save(force_insert=True)


@pytest.mark.requirement("R023")
def test_the_shops_figure_is_written_only_after_an_inspection(stage: Stage) -> None:
    rma = stage.comes_back(stage.sold(SKU))
    before = len(stage.wire.calls)
    stage.passes(hours=2, step=10)
    waiting = stage.wire.calls[before:]
    stage.warehouse_checks(rma)

    assert not [one for one in waiting if one.method != "GET" and "/variants/" in one.path]
    posts = [one for one in stage.wire.calls if one.method == "POST" and "/stocks" in one.path]
    inspected = stage.unit(rma).inspections.get()
    assert [one.at > inspected.inspected_at for one in posts] == [True]
