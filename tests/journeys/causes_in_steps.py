"""Causes in the steps themselves: stopped, late, refused, not read, or out of calls."""

from __future__ import annotations

from integrator.models import Connection, RateWindow
from tests.journeys.causing import ORDERS, RMA, SKU, STATUSES, Story, inspected
from tests.story import Stage
from tests.wire import Death


def job_failed(stage: Stage) -> Story:
    stage.breaks("scayle", ORDERS, "error", status=403)
    stage.passes(minutes=6, step=6)
    stage.mended()
    return Story({}, {})


def job_crashes(stage: Stage) -> Story:
    order = stage.sold(SKU)
    rma = stage.act("returngo", "request_return", order_id=order["id"])
    # Every reading of this return kills its worker, until one of them has done so three times.
    for _ in range(12):
        stage.dies_at("GET", f"/rma/{rma['id']}", after=False)
    for _ in range(12):
        try:
            stage.passes(minutes=3, step=1)
        except Death:
            stage.new_worker()
            stage.clock.shift(61)
        if "JOB_CRASHES" in stage.open_cases():
            break
    stage.wire.traps.clear()
    stage.settle()
    return Story(order, rma)


def job_late(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.breaks("returngo", RMA, "error", status=503)
    rma = stage.shopper_returns(order)
    stage.passes(minutes=14, step=2)
    stage.mended()
    return Story(order, rma)


def mapping_missing(stage: Stage) -> Story:
    return inspected(stage, stage.sold(SKU), outcome={"location": "WH-9"})


def credentials_refused(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.breaks("returngo", "*", "error", status=401)
    rma = stage.shopper_returns(order)
    stage.mended()
    return Story(order, rma)


def write_switched_off(stage: Stage) -> Story:
    switch(stage, "off")
    return inspected(stage, stage.sold(SKU))


def switch(stage: Stage, to: str) -> None:
    connection = stage.connection("returngo")
    settings = connection.settings | {"write_set_rma_status": to}
    Connection.objects.filter(pk=connection.pk).update(settings=settings)


def message_unknown(stage: Stage) -> Story:
    body = {"key": "new-1", "type": "order-teleported", "payload": {"id": 7}}
    assert stage.hears("scayle", body | {"occurredAt": stage.now().isoformat()}) == 200
    stage.settle()
    return Story({}, {})


def message_changed(stage: Stage) -> Story:
    stage.breaks("scayle", "order-delegated", "callback_same_id_other_body", times=1)
    return Story(stage.sold(SKU), {})


def row_not_read(stage: Stage) -> Story:
    """The first order of the list has no date any more: the others are found all the same."""
    first = stage.sold(SKU)
    stage.breaks("scayle", ORDERS, "missing_field", field="entities.updatedAt")
    stage.passes(minutes=6, step=6)
    return Story(first, {})


def status_not_posted(stage: Stage) -> Story:
    order = stage.sold(SKU)
    stage.breaks("scayle", STATUSES, "error", status=422)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=12, step=4)
    stage.mended()
    return Story(order, rma)


def calls_run_low(stage: Stage) -> Story:
    order = stage.sold(SKU)
    connection = stage.connection("returngo")
    settings = connection.settings | {"daily_call_limit": 1000}
    Connection.objects.filter(pk=connection.pk).update(settings=settings)
    window = RateWindow.objects.filter(connection=connection, scope="day")
    window.update(limit=1000, remaining=300)
    stage.passes(minutes=2)
    return Story(order, {})
