"""The page of a return: where the item is, where the money is, who is next."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.test import Client

from finance.models import Refund, RefundItem
from finance.states import RefundStatus
from fulfilment.models import Order, OrderItem
from integrator.desk import directory
from integrator.engine import choices
from integrator.engine.states import born, move
from integrator.models import Batch, BatchItem, BatchItemState, Connection, JobState, Transition
from returns.models import Inspection, Return, ReturnItem
from returns.states import Custody, Disposition
from tests.desk import factories

UNITS = (
    ("4068-PET-M", "Trailrun Jacket W, petrol, M", 12995),
    ("2291-BLK-S", "Studio Tight 7/8, black, S", 4995),
)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def section(html: str, heading: str) -> str:
    """The words of one panel."""
    found = re.search(rf'aria-labelledby="{heading}".*?</section>', html, re.DOTALL)
    assert found is not None, heading
    return words(found[0])


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at, units=UNITS)


@pytest.fixture
def opened(as_: Callable[[str], Client]) -> Callable[..., str]:
    def page(rma: Return, *, by: str = "carla", query: str = "") -> str:
        answer = as_(by).get(f"/returns/{rma.pk}/{query}")
        assert answer.status_code == 200
        return answer.content.decode()

    return page


@pytest.mark.requirement("R019", "R063")
def test_where_the_item_is_where_the_money_is_and_who_is_next(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    choices.save(
        retailer=factories.retailer(),
        values={"refund_executor": "scayle", "stage_hours": {"RECEIVED": 48}},
        made_by="test",
    )
    directory.forget()
    rma = factories.return_of(order, "RMA3271840", at, reached=Custody.RECEIVED)

    page = words(opened(rma))

    assert "Received, not checked yet; refund EUR 129.95 claimed, nothing decided yet." in page
    assert re.search(r"Next Operations until \w{3} \d+ \w{3} \d\d:\d\d", page)
    assert "Stage Received since" in page
    assert "Answers for it Operations" in page
    assert "Look in ReturnGO" in page
    assert "Order 100482913" in page


@pytest.mark.requirement("R019")
def test_an_open_case_is_next_until_it_is_due(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    refund = factories.refund_of(rma, at)
    unit = rma.items.get()
    about = [("return", rma.pk), ("return_item", unit.pk), ("refund", refund.pk)]
    cases = [
        factories.case("REFUND_REFUSED", at, record=record, opened_at=at - timedelta(days=age))
        for age, record in enumerate(about)
    ]
    factories.case("REFUND_REFUSED", at, record=("return", rma.pk + 1))
    factories.case("REFUND_REFUSED", at, record=("order", order.pk), order_id=order.pk)

    html = opened(rma)

    assert f'<dd><a href="/cases/{cases[2].pk}/">Finance</a><small>' in html
    assert "overdue" in words(html)
    assert "needs a person" in words(html)
    listed = section(html, "oc-h")
    assert "3 cases, the next due first" in listed
    assert [f"C-{one.pk}" for one in reversed(cases)] == re.findall(r"C-\d+", listed)


def test_each_step_says_which_platform_has_it_and_which_has_not(
    order: Order, at: datetime, scayle: Connection, opened: Callable[..., str]
) -> None:
    """The returns platform said it; the shop is told in batches, and a later one tells it all."""
    rma = factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)
    unit = rma.items.get()
    steps = {
        one.new: one.pk
        for one in Transition.objects.filter(record_kind="return_item", record_id=unit.pk)
    }
    for place, (state, facts) in enumerate(
        (
            (BatchItemState.POSTED, [steps["AUTHORISED"], steps["IN_TRANSIT"]]),
            (BatchItemState.FAILED, [steps["RECEIVED"]]),
        )
    ):
        batch = Batch.objects.create(
            connection=scayle, kind="RETURN_STATUSES", opened_at=at, closes_at=at + timedelta(place)
        )
        item = BatchItem.objects.create(
            batch=batch,
            record_kind="order",
            record_id=order.pk,
            order_id=order.pk,
            changes=facts,
            since=at,
        )
        trace = factories.trace(at)
        move(item, "state", BatchItemState.DUE, reason="", trace=trace)
        more = {"error": "refused"} if state == BatchItemState.FAILED else {}
        move(item, "state", state, reason="", trace=trace, ended_at=at, **more)

    html = opened(rma)

    rail = re.findall(r"<li[^>]*><b>([^<]+)</b>(.*?)</li>", html, re.DOTALL)
    said = {label: words(rest).strip() for label, rest in rail}
    assert re.fullmatch(r"RG .+ SC \d\d:\d\d", said["Agreed"])
    assert re.fullmatch(r"RG .+ SC \d\d:\d\d", said["On its way"])
    assert re.fullmatch(r"RG .+ SC not yet", said["Received"])
    assert said["Checked"] == "not yet"


def test_money_is_proved_by_its_payer_and_then_told_to_the_returns_platform(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    choices.save(
        retailer=factories.retailer(), values={"refund_executor": "scayle"}, made_by="test"
    )
    directory.forget()
    rma = factories.return_of(order, "RMA1", at)
    factories.refund_of(rma, at, status=RefundStatus.RECORDED)

    def recorded() -> str:
        found = re.search(r"<b>Recorded</b>(.*?)</li>", opened(rma), re.DOTALL)
        assert found is not None
        return words(found[1]).strip()

    assert re.fullmatch(r"SC \d\d:\d\d RG not yet", recorded())
    Return.objects.filter(pk=rma.pk).update(completed_at=at)
    assert re.fullmatch(r"SC \d\d:\d\d RG \d\d:\d\d", recorded())


def test_a_unit_says_why_it_came_what_was_decided_and_what_was_paid_for_it(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    refund = factories.refund_of(rma, at)
    unit = rma.items.get()
    row = {"unit": unit.sku_code, "paid_minor": 12995, "result_minor": 12495}
    less = [{"key": "returnFee", "amount_minor": 500}]
    Refund.objects.filter(pk=refund.pk).update(
        arithmetic=[{**row, "less": less, "return_item": unit.pk}]
    )

    said = section(opened(rma, by="fiona"), "un-h")

    assert "because: too small" in said
    assert "The customer gets Refund to the payment method" in said
    assert re.search(r"Verdict May be sold again ReturnGO, checked", said)
    assert "Counted Sellable at Hamburg warehouse" in said
    assert "EUR 129.95 of refund 1 Sent" in said
    assert "129.95 paid \N{MINUS SIGN} 5.00 return fee = 124.95" in said


def test_a_part_of_a_set_stands_under_it_with_the_parts_that_stay_away(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    part, other = order.items.order_by("id")
    bundle = OrderItem.objects.get(pk=part.pk)
    bundle.pk, bundle.external_id, bundle.is_bundle = None, "set-1", True
    bundle.paid_minor, bundle.tax_minor = 9990, 0
    bundle.save(force_insert=True)
    for one, price in ((part, 6000), (other, 4000)):
        OrderItem.objects.filter(pk=one.pk).update(
            parent=bundle,
            share_basis="CATALOGUE",
            catalogue_minor=price,
            paid_minor=9990 * price // 10000,
            tax_minor=0,
        )
    rma = factories.return_of(order, "RMA1", at)

    html = opened(rma)

    assert html.count('<ul class="plain tree">') == 1
    said = section(html, "un-h")
    assert "sold as one line, comes back in parts" in said
    assert "Studio Tight 7/8, black, S 2291-BLK-S not in this return" in said
    assert "Share of the set 99.90 × 60.00 / 100.00" in said


@pytest.mark.requirement("R019")
def test_every_verdict_is_kept_with_who_when_and_from_what_to_what(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    unit = rma.items.get()
    again = Inspection.objects.create(
        return_item=unit,
        version=2,
        disposition=Disposition.QUARANTINE,
        location=factories.location("berlin", "Berlin shop"),
        reason="A seam is torn",
        inspected_at=at,
        learned_at=at,
        approval_id=7,
    )
    born(again, "disposition", reason="", trace=factories.trace(at, "user:omar"))

    said = section(opened(rma), "ve-h")

    first = said.index("version 2")
    assert first < said.index("version 1"), "the newest comes first"
    assert "omar a second person agreed" in said
    assert "May be sold again → Not for sale, Berlin shop A seam is torn" in said
    assert said[said.index("version 1") :].count("→") == 0


@pytest.mark.requirement("R063")
def test_its_time_line_and_promises_are_its_own_and_no_other_return_s(
    order: Order, at: datetime, returngo: Connection, opened: Callable[..., str]
) -> None:
    mine = factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)
    factories.refund_of(mine, at)
    other = Return.objects.create(
        connection=returngo,
        external_id="RMA2",
        order=order,
        platform_status="REQUESTED",
        platform_word="Pending",
        requested_at=at,
        read_at=at,
    )
    for rma in (mine, other):
        number = f"proof-of-{rma.external_id}"
        job = {"order_id": order.pk, "to": returngo, "state": JobState.DONE}
        factories.job(
            "complete_return", at, record=("return", rma.pk), evidence={"rma": number}, **job
        )
        message = factories.message(returngo, f"heard-{rma.external_id}", at, order_id=order.pk)
        heard = factories.job("take_return", at, record=("message", message.pk), **job)
        assert heard.order_id == order.pk
    elsewhere = factories.return_of(factories.order("100482914", at), "RMA9", at)
    case = factories.case("REFUND_REFUSED", at, record=("return", elsewhere.pk))

    html = opened(mine)

    page = words(html)
    assert "proof-of-RMA1" in page
    assert "proof-of-RMA2" not in page
    assert "Refund: sent" in page
    assert "The unit is received" in page
    assert f"C-{case.pk}" not in page
    assert "0 steps open, 1 done" in section(html, "pr-h")
    narrowed = words(opened(mine, query="?show=money"))
    assert "Refund: sent" in narrowed
    assert "The unit is received" not in narrowed


def test_read_again_comes_back_to_where_it_was_pressed(
    order: Order, at: datetime, opened: Callable[..., str], as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    html = opened(rma, query="?show=money")
    form = html[html.index(f'action="/returns/{rma.pk}/read/"') :]
    where = re.search(r'name="next" value="([^"]*)"', form)
    assert where is not None

    pressed = as_("carla").post(f"/returns/{rma.pk}/read/", {"next": unescape(where[1])})
    alone = as_("carla").post(f"/returns/{rma.pk}/read/", {})

    assert pressed["Location"] == f"/returns/{rma.pk}/?show=money#read-return-{rma.pk}"
    assert alone["Location"] == f"/returns/{rma.pk}/#read-return-{rma.pk}"
    assert "is asked in a moment" in words(opened(rma))
    assert "Read again from" not in words(opened(rma, by="otto"))


def test_it_prints_as_a_slip_whose_code_finds_it_again(
    order: Order, at: datetime, opened: Callable[..., str], as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA3271840", at)

    html = opened(rma)

    code = re.search(r'<svg class="barcode".*?</svg>', html, re.DOTALL)
    assert code is not None
    assert 'aria-label="RMA3271840 as a barcode"' in code[0]
    assert code[0].count('fill="#000"') == 3 * 11 + 4, "three bars a sign, four at the end"
    assert "style=" not in html
    assert re.search(r'class="printed">Demo Sport · Return slip · printed .+ by Carla', html)
    assert as_("omar").get("/find/", {"q": "RMA3271840"}).url == f"/returns/{rma.pk}/"
    Return.objects.filter(pk=rma.pk).update(external_id="Rückgabe-1")
    assert "barcode" not in opened(rma)


@pytest.mark.parametrize(("name", "sees"), [("carla", True), ("ada", False), ("otto", False)])
def test_the_customer_is_named_only_to_those_who_need_the_name(
    name: str, sees: bool, order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    html = opened(factories.return_of(order, "RMA1", at), by=name)

    assert ("Lena" in html) is sees
    assert f'href="/customers/{order.customer_id}/"' in html


def test_a_return_of_no_known_order_and_with_no_unit_says_so(
    at: datetime, returngo: Connection, opened: Callable[..., str]
) -> None:
    rma = Return.objects.create(
        connection=returngo,
        external_id="RMA1",
        order_number="DE-1",
        platform_status="REQUESTED",
        platform_word="Pending",
        requested_at=at,
        read_at=at,
    )

    page = words(opened(rma))

    assert "Asked for." in page
    assert "Order not known ReturnGO names DE-1" in page
    assert "ReturnGO names no unit in this return." in page


def test_a_return_that_is_not_there_is_a_page_with_a_search(as_: Callable[[str], Client]) -> None:
    answer = as_("carla").get("/returns/999999/")

    assert answer.status_code == 404
    assert 'role="search"' in answer.content.decode()


def test_units_of_several_refunds_show_each_part(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    """A part that was paid more than it should and its difference are two parts of one unit."""
    rma = factories.return_of(order, "RMA1", at)
    refund = factories.refund_of(rma, at, status=RefundStatus.RECORDED)
    unit = ReturnItem.objects.get(return_record=rma)
    RefundItem.objects.filter(refund=refund).update(amount_minor=9995)
    assert unit.order_item is not None
    second = Refund.objects.create(
        order=order,
        return_record=rma,
        number=2,
        executor="manual",
        currency="EUR",
        claimed_minor=3000,
        calculated_minor=3000,
        policy_version=1,
        authorised_at=at,
    )
    RefundItem.objects.create(refund=second, order_item=unit.order_item, amount_minor=3000)

    html = opened(rma, by="fiona")

    assert "EUR 99.95 of refund 1 Recorded" in section(html, "un-h")
    assert "Refund 2" in section(html, "rf-h")
    assert "EUR 129.95 paid back; refund EUR 30.00 decided, not sent yet" not in words(html)
    assert "refund EUR 30.00 decided, not sent yet; EUR 129.95 paid back" in words(html)
