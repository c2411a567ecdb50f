"""What an order's page calls refunded, done and at its end: only what is proved, asked or over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from finance.models import Refund
from finance.states import RefundStatus
from fulfilment.models import Order, StockMovement
from integrator.engine import cases
from integrator.engine.states import move
from integrator.models import Case, Connection, Job, JobState
from returns.models import Inspection, Return
from returns.states import Custody, Money, ReturnStatus
from tests.desk import factories
from tests.desk.test_order import UNITS, rails, words


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at, units=UNITS)


@pytest.mark.parametrize(
    ("status", "proved", "decided"),
    [
        (RefundStatus.AUTHORISED, "EUR 0.00", "EUR 129.95 decided, not proved"),
        (RefundStatus.IN_DOUBT, "EUR 0.00", "EUR 129.95 decided, not proved"),
        (RefundStatus.RECORDED, "EUR 129.95", ""),
    ],
)
def test_money_is_refunded_once_that_is_proved_and_not_when_it_is_set_aside(
    order: Order,
    at: datetime,
    as_: Callable[[str], Client],
    status: RefundStatus,
    proved: str,
    decided: str,
) -> None:
    factories.refund_of(factories.return_of(order, "RMA1", at), at, status=status)
    Order.objects.filter(pk=order.pk).update(refunded_minor=12995)  # set aside
    client = as_("fiona")

    listed = words(client.get("/orders/").content.decode())
    page = words(client.get(f"/orders/{order.pk}/").content.decode())

    assert f"EUR 179.90 {proved} {decided}".strip() in listed
    assert f"Refunded {proved} {decided or 'proved, the amount is worked out by us'}" in page
    assert ("decided, not proved" in listed) is bool(decided)


@pytest.mark.parametrize(
    ("derived", "says"), [(True, "proved, the amount is worked out by us"), (False, "proved")]
)
def test_what_the_payer_has_not_confirmed_is_not_said_to_be_proved_by_them(
    order: Order, at: datetime, as_: Callable[[str], Client], derived: bool, says: str
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    refund = factories.refund_of(rma, at, status=RefundStatus.RECORDED)
    Refund.objects.filter(pk=refund.pk).update(executed_is_derived=derived)

    page = words(as_("fiona").get(f"/orders/{order.pk}/").content.decode())

    assert f"Refunded EUR 129.95 {says}" in page


def test_a_refused_refund_is_named_in_the_list_and_on_the_page(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    for state in (Money.AUTHORISED, Money.REFUSED):
        rma.items.update(money=state)
    client = as_("fiona")

    assert "a refund was refused" in words(client.get("/orders/").content.decode())
    page = words(client.get(f"/orders/{order.pk}/").content.decode())
    assert "Refunded EUR 0.00 a refund was refused" in page


def test_the_same_done_more_than_once_is_one_line_with_a_count(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    for level in (4, 5, 6):
        factories.job(
            "restock",
            at,
            record=("return_item", 1),
            order_id=order.pk,
            to=scayle,
            state=JobState.DONE,
            evidence={"level": level},
        )

    page = words(as_("fiona").get(f"/orders/{order.pk}/").content.decode())

    assert "0 steps open, 1 done" in page
    assert "3 times proof: level 6" in page
    assert "proof: level 5" not in page


def test_a_look_that_found_nothing_to_do_is_no_promise_kept_and_told_nobody(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    why = "no unit has all its evidence yet"
    about: Any = {"record": ("order", order.pk), "order_id": order.pk, "to": scayle}
    factories.job("refund", at, state=JobState.DONE, evidence={"nothing": why}, **about)

    html = as_("fiona").get(f"/orders/{order.pk}/").content.decode()

    line = html[html.index('id="timeline"') :]
    assert f"Nothing to do: {why}." in line and "Proof" not in line
    assert 'class="hop' not in line
    assert "0 steps open, 0 done" in words(html)


@pytest.mark.parametrize(
    ("solved", "says"), [(False, "1 step open, 0 done"), (True, "0 steps open, 1 done")]
)
def test_a_step_that_asked_a_person_is_open_until_they_answer(
    order: Order, at: datetime, as_: Callable[[str], Client], solved: bool, says: str
) -> None:
    case = factories.case(
        "EXCHANGE_RELEASE_BY_HAND", at, record=("order", order.pk), order_id=order.pk
    )
    if solved:
        cases.solve(
            case, resolution=Case.Resolution.BY_ITSELF, trace=factories.trace(at), reason="It left"
        )
    factories.job(
        "release_exchange",
        at,
        record=("exchange", 1),
        order_id=order.pk,
        state=JobState.DONE,
        evidence={"case": case.pk},
    )

    page = words(as_("omar").get(f"/orders/{order.pk}/").content.decode())

    assert says in page
    assert (f"Have the warehouse send the replacement C-{case.pk} with a person" in page) is (
        not solved
    )


@pytest.mark.parametrize(("hours", "symbol"), [(1, "i-wait"), (-1, "i-bad")])
def test_a_stopped_step_is_red_only_once_it_is_overdue(
    order: Order, at: datetime, as_: Callable[[str], Client], hours: int, symbol: str
) -> None:
    made = factories.job(
        "restock", at, record=("order", order.pk), order_id=order.pk, state=JobState.PARKED
    )
    Job.objects.filter(pk=made.pk).update(due_at=at + timedelta(hours=hours))

    html = as_("omar").get(f"/orders/{order.pk}/").content.decode()

    owed = html[html.index('id="pr-h"') :].partition("</section>")[0]
    assert f"#{symbol}" in owed and "stopped" in owed


def test_a_completed_return_is_not_at_its_end_while_its_unit_lies_off_sale(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    made = factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)
    unit = made.items.get()
    Inspection.objects.create(
        return_item=unit, version=1, disposition="RESTOCK", inspected_at=at, learned_at=at
    )
    StockMovement.objects.create(
        key="RMA1:0",
        sku=unit.sku,
        quantity=1,
        from_bucket="OUTSIDE",
        to_bucket="RECEIVED",
        order_id=order.pk,
        return_item_id=unit.pk,
        actor="worker",
        reason="It arrived",
        at=at,
    )
    for custody in (Custody.INSPECTED, Custody.CLOSED):
        move(unit, "custody", custody, reason="ReturnGO says so", trace=factories.trace(at))
    Return.objects.filter(pk=made.pk).update(status=ReturnStatus.COMPLETED)
    factories.case("SKU_DISCONTINUED", at, record=("return_item", unit.pk), order_id=order.pk)

    html = as_("omar").get(f"/orders/{order.pk}/").content.decode()

    page = words(html)
    assert "1 unit came back and is not on sale yet." in page
    assert "Answers for it Operations next: Operations" in page
    assert rails(html)[0][-2:] == [("done", "Checked"), ("here", "On sale")]
    assert "may be sold again" in page and "back on sale" not in page


def test_the_time_line_shows_the_newest_and_folds_the_rest(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    for number in range(12):
        factories.message(
            scayle, f"order-told-{number}", at - timedelta(minutes=number), order_id=order.pk
        )

    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()

    line = html[html.index('id="timeline"') :]
    first, _, folded = line.partition("<details")
    assert first.count('class="say"') == 10 and folded.count('class="say"') == 4
    assert "Show all 14" in folded
