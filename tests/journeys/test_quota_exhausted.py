"""ReturnGO's calls of a day run out: writes still go, readings wait, nothing is lost.

Judged by what ReturnGO itself counted, and by both platforms' books on the next day.
"""

from __future__ import annotations

from typing import Any

import pytest

from integrator.engine import lag, limits
from integrator.models import Attempt, Case, Connection, Job, RateWindow
from tests.story import Row, Stage

LIST = ("returngo", "/rmas")
SKU = "JKT-NVY-M"


def allows(stage: Stage, **settings: Any) -> None:
    connection = stage.connection("returngo")
    kept = connection.settings | settings
    Connection.objects.filter(pk=connection.pk).update(settings=kept)
    limits.forget()


def only_readings_left(stage: Stage, readings: int) -> None:
    """A day of 2,000 calls, and so busy a morning that only this many readings are left of it."""
    rest = 2000 // 4 + readings
    allows(stage, daily_call_limit=2000)
    RateWindow.objects.filter(scope="day").update(limit=2000, remaining=rest)
    stage.sandbox.world.limits.returngo_daily = 2000
    day = ("returngo", f"{stage.now():%Y%m%d}")
    assert day in stage.sandbox.world.spent
    stage.sandbox.world.spent[day] = 2000 - rest


def readings_of(stage: Stage, rma: Row) -> int:
    return stage.calls("GET").count(f"GET /rma/{rma['id']}")


def refused_for_the_limit(stage: Stage) -> list[Any]:
    return [one for one in stage.wire.calls if one.platform == "returngo" and one.status == 429]


@pytest.mark.requirement("R009")
def test_writes_go_on_when_readings_are_used_up_and_the_next_day_reads_everything(
    stage: Stage,
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.clock.shift(300)
    stage.tick_and_work()  # the verdict is read, and the shop is told to pay
    assert "POST /fulfillment/return-items" in stage.calls("POST")
    more = [stage.sold(SKU) for _ in range(4)]
    only_readings_left(stage, 0)

    # Nothing more is read: neither new returns, nor what happens to the old one.
    others = [stage.shopper_returns(one) for one in more]
    waiting = Job.objects.filter(flow="take_return", state="WAITING").order_by("id")
    assert [job.error_class for job in waiting] == ["OutOfCalls"] * 4
    assert not Job.objects.filter(record_kind="return").exclude(state="DONE").exists()

    # The money of the first return was proved: ReturnGO hears of it all the same.
    stage.passes(minutes=10)
    assert stage.rma_there(rma)["status"] == "Done"
    assert [row["status"] for row in stage.transactions_there(rma)] == ["Success"]

    stage.passes(hours=6, step=30)
    assert stage.open_cases() == ["CALLS_RUN_LOW"], "one case, not one for each step that waits"
    case = stage.case("CALLS_RUN_LOW")
    assert (case.facts["used"], case.facts["allowed"], case.facts["reserve"]) == (1500, 2000, 500)
    assert 3500 < case.facts["needed"] < 4000, "1,500 calls in nine hours and a bit"
    behind = next(one for one in lag.all_lags(at=stage.now()) if one.stream == "rma")
    assert behind.oldest_unprocessed.total_seconds() > 6 * 3600
    assert behind.is_behind

    before = len(stage.wire.calls)
    stage.passes(hours=11, step=60)  # over midnight
    swept = [one for one in stage.wire.calls[before:] if (one.platform, one.path) == LIST]
    assert len(swept) < 20, "looks that were due meanwhile are one look"
    assert refused_for_the_limit(stage) == [], "ReturnGO never had to refuse a call"
    assert [stage.returned(one).status for one in others] == ["REQUESTED"] * 4
    done = Attempt.objects.filter(job__in=waiting.values("pk"), outcome="DONE").order_by("id")
    assert [one.job_id for one in done] == sorted(one.job_id for one in done), "in their order"
    assert Case.objects.get(kind="CALLS_RUN_LOW").resolution == "BY_ITSELF"
    assert stage.open_cases() == []
    assert stage.owed() == []
    assert "0 differences" in stage.compare()


def test_a_write_overtakes_a_reading_of_the_same_return_that_waits(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.clock.shift(300)
    stage.tick_and_work()
    only_readings_left(stage, 0)
    body = {"eventName": "RMA_STATUS_UPDATED", "rmaId": str(rma["id"]), "status": "Validated"}
    stage.hears("returngo", body)
    stage.work()
    assert Job.objects.get(flow="take_return", state="WAITING").error_class == "OutOfCalls"

    stage.passes(minutes=10)

    assert stage.rma_there(rma)["status"] == "Done"
    assert Job.objects.filter(flow="take_return", state="WAITING").exists()
    stage.passes(hours=16, step=240)
    assert stage.owed() == []
    assert "0 differences" in stage.compare()


def test_who_is_allowed_more_goes_on_at_once(stage: Stage) -> None:
    order = stage.sold(SKU)
    only_readings_left(stage, 0)
    rma = stage.shopper_returns(order)
    stage.passes(minutes=2)
    assert stage.owed()

    stage.sandbox.world.limits.returngo_daily = 5000
    stage.decide(stage.case("CALLS_RUN_LOW"), "allow_calls", by=stage.ada, data={"calls": "5000"})

    assert stage.returned(rma).status == "REQUESTED"
    assert stage.owed() == []


def test_callbacks_about_one_return_share_a_reading(stage: Stage) -> None:
    allows(stage, nudge_wait_seconds=300)
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    assert readings_of(stage, rma) == 1, "the first is answered at once"
    stage.approves(rma)
    stage.hands_in(rma)
    stage.arrives(rma)
    assert readings_of(stage, rma) == 1
    assert stage.returned(rma).status == "REQUESTED"

    stage.passes(minutes=6, step=1)

    assert readings_of(stage, rma) == 2
    assert stage.returned(rma).status == "RECEIVED"


def test_when_half_of_the_day_is_spent_even_the_first_waits_for_others(stage: Stage) -> None:
    allows(stage, nudge_wait_seconds=300)
    order = stage.sold(SKU)
    RateWindow.objects.filter(scope="day").update(limit=1_000_000, remaining=400_000)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    assert readings_of(stage, rma) == 0
    stage.passes(minutes=5, step=1)

    assert readings_of(stage, rma) == 1
    assert stage.returned(rma).status == "AUTHORISED"


def test_only_what_waits_for_returngo_is_read_again(stage: Stage) -> None:
    stage.configure(refund_executor=None)
    allows(stage, reread_minutes=10, reread_ours_minutes=1440, reread_done_minutes=1440)
    theirs = stage.comes_back(stage.sold(SKU))
    ours = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(ours)  # nobody is named to pay: it waits for us
    credit = stage.comes_back(stage.sold(SKU), resolution="RefundToStoreCredit")
    stage.warehouse_checks(credit)
    assert stage.rma_there(credit)["status"] == "Done"
    stage.passes(minutes=10, step=5)
    before = {rma["id"]: readings_of(stage, rma) for rma in (theirs, ours, credit)}

    stage.passes(hours=2, step=5)

    read = {key: readings_of(stage, {"id": key}) - number for key, number in before.items()}
    assert read[theirs["id"]] in range(8, 13)  # by every second or third sweep
    assert (read[ours["id"]], read[credit["id"]]) == (0, 0)


def test_reading_again_is_spread_over_the_day_oldest_first(stage: Stage) -> None:
    rmas = [stage.comes_back(stage.sold(SKU)) for _ in range(5)]
    allows(stage, reread_minutes=10)
    only_readings_left(stage, 400)
    stage.clock.shift(1200)
    before = {rma["id"]: readings_of(stage, rma) for rma in rmas}
    stage.passes(minutes=11, step=5.5)

    read = [readings_of(stage, rma) - before[rma["id"]] for rma in rmas]
    # 400 readings, half of them for this, 176 sweeps until midnight: about one each.
    assert 1 <= sum(read) <= 4
    assert read == sorted(read, reverse=True), "the oldest reading first"
