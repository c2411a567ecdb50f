"""A platform is down as announced: nothing goes there, nothing is late, all is done after it."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail

from finance.models import Refund
from integrator.desk import directory
from integrator.engine import incidents, maintenance
from integrator.flows import tasks
from integrator.models import AlertChoice, Case, Job, MaintenanceWindow, Transition
from tests.story import Row, Stage
from tests.wire import Death

SKU = "JKT-NVY-M"
REASON = "Their warehouse gets a new release"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    directory.forget()
    return stage


def announced(stage: Stage, *, hours: float = 2) -> MaintenanceWindow:
    """Ada says that SCAYLE will be down, from a quarter of an hour from now."""
    zone = ZoneInfo(stage.retailer.timezone)
    starts = stage.now() + timedelta(minutes=15)
    values = {"starts": starts, "ends": starts + timedelta(hours=hours)}
    typed = {key: f"{moment.astimezone(zone):%Y-%m-%dT%H:%M}" for key, moment in values.items()}
    shop = stage.connection("scayle").pk
    answer = stage.posts(stage.ada, "connection_plan", shop, reason=REASON, **typed)
    assert answer.status_code == 302
    return MaintenanceWindow.objects.get()


def begins(stage: Stage) -> None:
    """The quarter of an hour passes; from now on the shop really answers nobody."""
    stage.passes(minutes=16, step=1)
    assert stage.connection("scayle").state == "PAUSED"
    stage.breaks("scayle", "*", "refused")


def ends(stage: Stage) -> None:
    """The shop is back; the last minutes pass, and then some."""
    stage.mended()
    window = MaintenanceWindow.objects.get()
    left = window.ends_at - stage.now()
    stage.passes(seconds=left.total_seconds() - 60, step=10)
    assert stage.connection("scayle").state == "PAUSED"
    stage.passes(minutes=6, step=3)
    assert stage.connection("scayle").state == "ACTIVE"


def to_the_shop(stage: Stage, before: int) -> list[str]:
    return [str(one) for one in stage.wire.calls[before:] if one.platform == "scayle"]


def test_a_refund_approved_meanwhile_is_paid_once_after_it_and_nothing_is_late(
    stage: Stage,
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    announced(stage)
    begins(stage)
    before = len(stage.wire.calls)

    stage.warehouse_checks(rma)
    stage.passes(hours=1, minutes=35, step=5)

    assert to_the_shop(stage, before) == []
    assert stage.refunds_there(order) == []
    assert any(one.startswith("refund: DUE") for one in stage.owed())
    assert stage.open_cases() == []

    ends(stage)
    stage.passes(hours=1, step=5)

    [refund] = stage.refunds_there(order)
    assert refund["amount"] == sum(item["paid"] for item in order["items"])
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.sellable(SKU) == stage.stock_there(SKU)["truth"]
    assert not Case.objects.filter(kind__in=["JOB_LATE", "REFUND_NOT_RECORDED"]).exists()
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


def test_what_a_person_decides_meanwhile_is_done_once_after_it(stage: Stage) -> None:
    order, rma = refused(stage)
    announced(stage)
    begins(stage)

    stage.presses(stage.case("REFUND_REFUSED"), "try_again", by=stage.fiona)
    stage.passes(hours=1, minutes=40, step=5)
    assert stage.refunds_there(order) == []

    ends(stage)
    stage.passes(minutes=30, step=5)
    assert len(stage.refunds_there(order)) == 1
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []


def refused(stage: Stage) -> tuple[Row, Row]:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.breaks("scayle", "POST /fulfillment/return-items", "error", status=422, times=1)
    stage.warehouse_checks(rma)
    return order, rma


def test_a_refund_that_waits_for_its_proof_is_not_overdue_because_nobody_could_look(
    stage: Stage,
) -> None:
    """The shop was told right before six hours of silence: they count for nothing."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.breaks("*", "*", "callback_suppress")
    stage.breaks("scayle", "GET /orders/*", "error", status=503)  # told, and no proof is seen
    stage.checks_only(rma)
    for _ in range(8):
        stage.passes(minutes=1)
        if Refund.objects.filter(status="SENT").exists():
            break
    starts = stage.now() + timedelta(minutes=1)
    maintenance.announce(
        stage.connection("scayle"),
        starts_at=starts,
        ends_at=starts + timedelta(hours=6),
        reason=REASON,
        trace=stage.trace("user:ada"),
    )
    stage.passes(minutes=1)
    assert stage.connection("scayle").state == "PAUSED"
    assert Refund.objects.get().status == "SENT"
    stage.passes(hours=5, minutes=50, step=20)
    ends(stage)
    stage.passes(minutes=30, step=5)

    assert len(stage.refunds_there(order)) == 1
    assert Refund.objects.get().status == "RECORDED"
    assert not Case.objects.filter(kind="REFUND_NOT_RECORDED").exists()


def test_callbacks_that_were_lost_meanwhile_are_found_by_the_sweeps_and_counted(
    stage: Stage,
) -> None:
    order = stage.shop_sells(SKU)
    stage.settle()
    announced(stage)
    begins(stage)
    stage.breaks("scayle", "*", "callback_suppress")
    stage.ships(order)
    stage.passes(hours=1, minutes=40, step=10)
    ends(stage)

    assert stage.sold_unit(order).shipped_at is not None
    browser = stage.browsers[stage.ada.pk]
    shop = stage.connection("scayle")
    html = browser.get(f"/connections/{shop.pk}/history/").content.decode()
    assert "Planned maintenance" in html
    assert "found 1 missed callback during it" in html


def test_a_process_that_dies_as_it_ends_ends_it_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    window = announced(stage)
    begins(stage)
    stage.warehouse_checks(rma)
    stage.mended()
    held = Job.objects.get(flow="refund", state="DUE")
    stage.clock.move_to(window.ends_at)
    with monkeypatch.context() as broken:

        def dies(*args: object, **kwargs: object) -> None:
            raise Death

        broken.setattr("integrator.engine.connections.cases.close_by_fact", dies)
        with pytest.raises(Death):
            tasks.minute(at=stage.now())
    assert stage.connection("scayle").state == "PAUSED"
    assert Job.objects.get(pk=held.pk).due_at == held.due_at

    for _ in range(3):  # three clocks hear the same minute
        tasks.minute(at=stage.now())
    length = window.ends_at - held.created_at
    assert Job.objects.get(pk=held.pk).due_at == held.due_at + length
    stage.passes(minutes=20, step=4)
    assert len(stage.refunds_there(order)) == 1
    [one] = incidents.since(stage.connection("scayle"), start=window.starts_at)
    assert one.until == window.ends_at


def test_the_teams_that_want_it_are_told_by_mail_in_their_own_words(stage: Stage) -> None:
    for person in (stage.carla, stage.omar, stage.fiona):
        AlertChoice.objects.create(person=person, when=AlertChoice.When.AT_ONCE)
    announced(stage)
    begins(stage)

    told = {one.bcc[0].partition("@")[0]: one for one in mail.outbox if one.bcc}
    assert set(told) == {"carla", "omar", "fiona"}
    assert told["carla"].subject == "[Customer service] SCAYLE is paused"
    assert "Tell customers who ask" in told["carla"].body
    assert "New orders, returned stock and replacement orders wait" in told["omar"].body
    assert "Pay nothing by hand" in told["fiona"].body
    assert all(REASON in one.body for one in told.values())
    assert all("starts again by itself at 12:15" in one.body for one in told.values())
    mail.outbox.clear()

    stage.passes(hours=1, minutes=40, step=20)
    ends(stage)
    assert sorted(one.subject for one in mail.outbox if "works again" in one.subject) == [
        "[Customer service] SCAYLE works again",
        "[Finance] SCAYLE works again",
        "[Operations] SCAYLE works again",
    ]


def test_a_short_silence_is_told_nobody(stage: Stage) -> None:
    """It answers again before a quarter of an hour is over: neither the stop nor the end is."""
    AlertChoice.objects.create(person=stage.omar, when=AlertChoice.When.AT_ONCE)
    stage.breaks("scayle", "*", "refused")
    for _ in range(6):
        stage.ships(stage.shop_sells(SKU))
    stage.passes(minutes=4, step=2)
    assert Transition.objects.filter(record_kind="connection", new="DEGRADED").exists()
    stage.mended()
    stage.passes(minutes=30, step=2)

    assert stage.connection("scayle").state == "ACTIVE"
    assert [one.subject for one in mail.outbox if "SCAYLE" in one.subject] == []


def test_ended_early_it_starts_at_once_and_is_not_held_again(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    announced(stage)
    begins(stage)
    stage.warehouse_checks(rma)
    stage.mended()

    shop = stage.connection("scayle").pk
    stage.posts(stage.ada, "connection_switch", shop, to="resume", reason="They are back")
    stage.passes(hours=3, step=10)

    assert stage.connection("scayle").state == "ACTIVE"
    assert len(stage.refunds_there(order)) == 1
    assert maintenance.open_windows().count() == 0
