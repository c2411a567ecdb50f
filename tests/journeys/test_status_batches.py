"""The shop is told in batches what became of returned units, completely, and it comes to rest.

Judged by what the shop itself keeps on its orders.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from finance.models import Refund
from finance.summary import returns_summary
from integrator.engine import batches
from integrator.engine.batches import Change
from integrator.models import Batch, BatchItem, Cursor, Job, Transition
from tests.story import Row, Stage
from tests.wire import Death

SKU = "JKT-NVY-M"
PUT = "PUT /shops/nb/countries/DE/orders/{order}/legacy-custom-data"
TOLD = ("return", "return_item", "refund")


def told(stage: Stage, order: Row) -> Any:
    return stage.order_there(order)["custom_data"].get("integrator")


def writes(stage: Stage) -> list[str]:
    return [one for one in stage.calls("PUT") if one.endswith("/legacy-custom-data")]


def somebody_else_keeps(stage: Stage, order: Row, **data: Any) -> None:
    path = f"/scayle/api/admin/v1/shops/nb/countries/DE/orders/{order['id']}/legacy-custom-data"
    headers = {"X-Access-Token": "sandbox-scayle-key"}
    assert stage.api.put(path, json=data, headers=headers).status_code == 204


def to_be_told() -> set[int]:
    """The source list: every change of a return, a unit or a refund that the shop must know."""
    rows = Transition.objects.filter(record_kind__in=TOLD)
    money = rows.filter(field="money").exclude(new__in=["REFUSED", "WAIVED"])
    refunds = rows.filter(record_kind="refund").exclude(new__in=["RECORDED", "SETTLED"])
    return set(rows.difference(money, refunds).values_list("id", flat=True))


@pytest.mark.requirement("R004")
def test_the_changes_of_a_window_make_one_batch_whose_totals_are_those_of_the_list(
    stage: Stage,
) -> None:
    stage.configure(status_posting="daily at 18:00")
    orders = [stage.sold(SKU), stage.sold(SKU), stage.sold("TEE-BLK-L")]
    somebody_else_keeps(stage, orders[0], loyalty={"points": 7})
    rmas = [stage.comes_back(order) for order in orders]
    for rma in rmas[:2]:
        stage.warehouse_checks(rma)
    assert writes(stage) == [], "the window is open"
    assert Batch.objects.get().state == "COLLECTING"

    stage.passes(hours=8, step=60)  # six in the evening in Berlin is five here

    batch = Batch.objects.get()
    assert (batch.state, batch.closed_at.hour) == ("DONE", 17)  # type: ignore[union-attr]
    items = list(batch.items.all())
    assert {item.state for item in items} == {"POSTED"}
    listed = [fact for item in items for fact in item.changes]
    assert set(listed) == to_be_told()
    assert batch.count == len(listed) == len(set(listed))
    paid = sum(one.executed_minor or 0 for one in Refund.objects.filter(status="RECORDED"))
    assert batch.totals == {"EUR": paid} == {"EUR": sum(item.amount_minor for item in items)}
    assert len(writes(stage)) == 3

    kept = stage.order_there(orders[0])["custom_data"]
    assert kept["loyalty"] == {"points": 7}
    assert kept["integrator"] == returns_summary(stage.order(orders[0]).pk)
    unit = str(orders[0]["items"][0]["id"])
    done = kept["integrator"]["returns"][str(rmas[0]["id"])]
    assert done["status"] == "COMPLETED"
    assert done["units"] == {
        unit: {"custody": "CLOSED", "money": "RECORDED", "disposition": "RESTOCK"}
    }
    (refund,) = kept["integrator"]["refunds"]
    assert (refund["amount"], refund["units"]) == (orders[0]["items"][0]["paid"], [unit])
    waiting = told(stage, orders[2])
    assert waiting["returns"][str(rmas[2]["id"])]["status"] == "RECEIVED"
    assert waiting["refunds"] == []


@pytest.mark.requirement("R004")
def test_one_bad_item_does_not_stop_the_rest_and_is_in_the_next_batch(stage: Stage) -> None:
    stage.configure(status_posting="every 30 minutes")
    good, bad = stage.sold(SKU), stage.sold(SKU)
    for order in (good, bad):
        stage.shopper_returns(order)
    path = PUT.replace("{order}", str(bad["id"]))
    rule = stage.breaks("scayle", path, "error", status=422, times=1)
    stage.passes(minutes=31, step=5)

    assert rule.struck == 1
    first = Batch.objects.earliest("id")
    assert first.state == "DONE"
    ended = {item.order_id: item.state for item in first.items.all()}
    assert ended == {stage.order(good).pk: "POSTED", stage.order(bad).pk: "FAILED"}
    case = stage.case("STATUS_NOT_POSTED")
    assert (case.record_kind, case.record_id) == ("order", stage.order(bad).pk)
    assert told(stage, bad) is None

    stage.passes(minutes=30, step=5)

    second = Batch.objects.latest("id")
    (item,) = second.items.all()
    failed = first.items.get(state="FAILED")
    assert (item.state, item.carried_from, item.changes) == ("POSTED", failed, failed.changes)
    assert told(stage, bad) == returns_summary(stage.order(bad).pk)
    assert stage.open_cases() == []
    assert stage.owed() == [], "the step that was set aside is not owed any more"


def test_at_once_tells_each_change_when_it_happens(stage: Stage) -> None:
    stage.configure(status_posting="at once")
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    assert told(stage, order)["returns"][str(rma["id"])]["status"] == "REQUESTED"
    stage.approves(rma)
    assert told(stage, order)["returns"][str(rma["id"])]["status"] == "AUTHORISED"

    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)

    assert told(stage, order) == returns_summary(stage.order(order).pk)
    assert not Batch.objects.exclude(state="DONE").exists()
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R004")
def test_telling_the_shop_comes_to_rest(stage: Stage) -> None:
    """Our write makes the order younger there. Neither the sweep nor a callback answers that."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=40, step=5)
    assert told(stage, order)["returns"][str(rma["id"])]["status"] == "COMPLETED"
    wrote, facts = len(writes(stage)), Transition.objects.count()
    found = Cursor.objects.get(stream="order").missed_total

    stage.passes(hours=3, step=5)

    assert len(writes(stage)) == wrote
    assert Transition.objects.count() == facts
    assert Cursor.objects.get(stream="order").missed_total == found
    assert not Job.objects.exclude(state="DONE").exists()


def test_what_the_shop_shows_already_is_not_written_again(stage: Stage) -> None:
    order = stage.sold(SKU)
    stage.shopper_returns(order)
    stage.passes(minutes=16, step=4)
    wrote = len(writes(stage))
    ours = stage.order(order)
    change = Change("order", ours.pk, ours.pk, [1], stage.now())
    batches.collect(
        change,
        connection_id=ours.connection_id,
        kind=Batch.Kind.RETURN_STATUSES,
        rule="at once",
        timezone="UTC",
        trace=stage.trace("test"),
    )
    stage.work()

    assert BatchItem.objects.latest("id").state == "UNCHANGED"
    assert len(writes(stage)) == wrote


def test_a_death_after_the_write_is_looked_up_and_not_repeated(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    path = PUT.removeprefix("PUT ").replace("{order}", str(order["id"]))
    stage.dies_at("PUT", path, after=True)
    with pytest.raises(Death):
        stage.passes(minutes=16, step=4)
    stage.new_worker()
    stage.passes(minutes=5)

    assert len(writes(stage)) == 1
    assert told(stage, order)["returns"][str(rma["id"])]["status"] == "REQUESTED"
    assert BatchItem.objects.get().state == "POSTED"


def test_a_write_that_shows_later_is_waited_for(stage: Stage) -> None:
    stage.breaks("scayle", PUT, "visible_after", seconds=45, times=1)
    order = stage.sold(SKU)
    stage.shopper_returns(order)
    stage.passes(minutes=20, step=1)

    assert told(stage, order) == returns_summary(stage.order(order).pk)
    assert BatchItem.objects.get().state == "POSTED"
    assert stage.open_cases() == []


def test_a_report_does_not_hold_back_the_money_of_its_order(stage: Stage) -> None:
    stage.configure(status_posting="at once")
    stage.breaks("scayle", PUT, "error", status=500)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=40, step=2)

    assert [row["executed"] for row in stage.refunds_there(order)] == [True]
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == ["STATUS_NOT_POSTED"]

    stage.mended()
    stage.passes(minutes=20, step=4)
    assert told(stage, order) == returns_summary(stage.order(order).pk)
    assert stage.open_cases() == []


@pytest.mark.requirement("R004")
@pytest.mark.parametrize(("kind", "hours"), [("JOB_LATE", 6), ("STATUS_NOT_POSTED", 24 * 8)])
def test_a_batch_ends_when_its_last_step_is_given_up(stage: Stage, kind: str, hours: int) -> None:
    """Given up while it was only late, and after it had stopped by itself."""
    stage.breaks("scayle", PUT, "error", status=429, retry_after=3600)
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.passes(hours=hours, step=hours * 3)
    assert Batch.objects.get().state == "POSTING"

    stage.decide(stage.case(kind), "give_up", by=stage.ada)

    assert (stage.owed(), "STATUS_NOT_POSTED" in stage.open_cases()) == ([], False)
    assert (Batch.objects.get().state, BatchItem.objects.get().state) == ("DONE", "FAILED")
    stage.mended()
    stage.approves(rma)
    stage.passes(minutes=40, step=5)
    assert told(stage, order) == returns_summary(stage.order(order).pk)
    assert BatchItem.objects.latest("id").state == "POSTED"
    assert not Batch.objects.exclude(state="DONE").exists()


@pytest.mark.requirement("R004")
def test_a_batch_that_stopped_ends_when_a_later_one_tells_the_same_order(stage: Stage) -> None:
    stage.breaks("scayle", PUT, "error", status=429, retry_after=3600)
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.passes(hours=24 * 8, step=480)
    assert "STATUS_NOT_POSTED" in stage.open_cases()
    stage.mended()

    stage.approves(rma)
    stage.passes(minutes=40, step=5)

    assert told(stage, order) == returns_summary(stage.order(order).pk)
    ended = list(BatchItem.objects.order_by("id").values_list("state", "error"))
    assert ended == [("FAILED", f"Batch {Batch.objects.latest('id').pk} told it"), ("POSTED", "")]
    assert not Batch.objects.exclude(state="DONE").exists()
    assert (stage.owed(), stage.open_cases()) == ([], [])


@pytest.mark.requirement("R004")
def test_an_item_that_had_failed_ends_well_when_its_step_is_tried_again(stage: Stage) -> None:
    stage.configure(status_posting="daily at 18:00")
    order = stage.sold(SKU)
    stage.shopper_returns(order)
    rule = stage.breaks("scayle", PUT, "error", status=422, times=1)
    stage.passes(hours=8, step=60)
    assert (rule.struck, BatchItem.objects.earliest("id").state) == (1, "FAILED")

    stage.decide(stage.case("STATUS_NOT_POSTED"), "try_again", by=stage.ada)

    assert BatchItem.objects.earliest("id").state == "POSTED"
    assert told(stage, order) == returns_summary(stage.order(order).pk)
    assert stage.open_cases() == []


def test_an_order_that_does_not_show_what_others_keep_is_not_written(stage: Stage) -> None:
    order = stage.sold(SKU)
    somebody_else_keeps(stage, order, loyalty={"points": 7})
    stage.shopper_returns(order)
    stage.breaks(
        "scayle",
        "GET /shops/nb/countries/DE/orders/{order}",
        "missing_field",
        field="legacyCustomData",
    )
    stage.passes(minutes=16, step=4)

    assert writes(stage) == []
    assert stage.order_there(order)["custom_data"] == {"loyalty": {"points": 7}}
    assert stage.open_cases() == ["STATUS_NOT_POSTED"]


def test_the_shop_is_told_nothing_about_the_person(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=30, step=5)

    ours = stage.order(order)
    assert ours.customer is not None and ours.shipping_address is not None
    written = json.dumps(told(stage, order))
    address = ours.shipping_address
    for word in (ours.customer.email, address.last_name, address.street, address.postcode):
        assert word and word not in written
