"""The article's page: numbers that have a list behind them, and nothing that is not known."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fulfilment.models import Location, Order, OrderItem, Sku, StockLevel, StockMovement
from fulfilment.queries import changes_of, made_by, promised
from fulfilment.services.oversell import oversold
from fulfilment.shapes import UnitStatus
from fulfilment.states import Bucket
from integrator.desk.sku_figures import MINUS
from integrator.models import Connection, JobState
from returns.models import Inspection
from returns.states import Custody, Disposition
from tests.desk import factories

CODE = "4068-PET-M"


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def listed(html: str) -> str:
    return html[html.index('id="list"') :]


def equations(html: str) -> list[str]:
    return [words(one).strip() for one in re.findall(r'<p class="equation">.*?</p>', html)]


@pytest.fixture
def order(db: None, at: datetime) -> Order:
    return factories.order("100482913", at)


def page(client: Client, query: str = "") -> str:
    return client.get(f"/skus/{Sku.objects.get(code=CODE).pk}/{query}").content.decode()


def level(of: Connection, at: datetime, confirmed: int | None, **values: object) -> StockLevel:
    return StockLevel.objects.create(
        connection=of,
        sku=Sku.objects.get(code=CODE),
        location=factories.location(),
        confirmed=confirmed,
        confirmed_at=at,
        counted_at=at,
        **values,
    )


def put_on_sale(
    of: Connection, order: Order, at: datetime, *, before: int, confirmed: int, sent: int
) -> StockLevel:
    """A unit went on sale as ``restock`` books it: movement, figure and proof of one instant."""
    unit = factories.return_of(order, f"RMA-{order.number}", at).items.get()
    last = StockMovement.objects.filter(return_item_id=unit.pk).latest("id")
    job = factories.job(
        "restock",
        at,
        record=("return_item", unit.pk),
        to=of,
        order_id=order.pk,
        state=JobState.DONE,
        evidence={"to": "SELLABLE", "before": before, "sellable": confirmed},
    )
    for number, (old, new) in enumerate(
        ((Bucket.SELLABLE, Bucket.RECEIVED), (Bucket.RECEIVED, Bucket.SELLABLE)), start=7
    ):
        StockMovement.objects.create(
            key=f"{unit.pk}:{number}",
            sku=last.sku,
            location=last.location,
            quantity=1,
            from_bucket=old,
            to_bucket=new,
            order_id=order.pk,
            return_item_id=unit.pk,
            inspection_id=last.inspection_id,
            job_id=job.pk if new == Bucket.SELLABLE else None,
            actor="worker",
            reason="Verdict 1: back on sale",
            at=at,
        )
    return level(of, at, confirmed, sent=sent, wanted=sent)


@pytest.mark.parametrize(
    ("before", "sent", "confirmed", "said"),
    [
        (8, 9, 9, "8 SCAYLE showed + 1 put back on sale = 9 SCAYLE shows, as counted"),
        (0, 0, 0, "0 SCAYLE showed + 1 put back on sale {MINUS} 1 sold earlier and missing"),
        (8, 9, 7, "8 SCAYLE showed + 1 put back on sale {MINUS} 2 sold meanwhile = 7 SCAYLE shows"),
    ],
)
def test_a_figure_we_made_adds_up(
    before: int,
    sent: int,
    confirmed: int,
    said: str,
    order: Order,
    at: datetime,
    scayle: Connection,
    as_: Callable[[str], Client],
) -> None:
    put_on_sale(scayle, order, at, before=before, sent=sent, confirmed=confirmed)

    (equation,) = equations(page(as_("omar")))

    assert said.replace("{MINUS}", MINUS) in equation
    signed = equation.replace(f"{MINUS} ", "-").replace("+ ", "+").partition(" = ")
    assert sum(int(one) for one in re.findall(r"[-+]?\d+", signed[0])) == confirmed


def test_a_figure_that_was_only_looked_at_is_not_split_up(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    made = put_on_sale(scayle, order, at, before=8, sent=9, confirmed=9)
    StockLevel.objects.filter(pk=made.pk).update(confirmed_at=at + timedelta(hours=1), confirmed=4)

    html = page(as_("omar"))

    assert equations(html) == ["4 SCAYLE shows"]
    assert "so we cannot split it up" in html
    assert "SCAYLE answered 9" in words(html)  # what was sent before stays proved


def test_a_change_is_never_taken_for_another_shops_or_another_figures(
    order: Order, at: datetime, scayle: Connection, returngo: Connection
) -> None:
    mine = put_on_sale(scayle, order, at, before=8, sent=9, confirmed=9)
    changes, _ = changes_of(mine.sku, [mine], newest=10)

    assert made_by(mine, changes) is not None
    mine.connection = returngo
    assert made_by(mine, changes) is None
    mine.connection, mine.confirmed = scayle, 8
    assert made_by(mine, changes) is None


def test_units_missing_for_sales_are_said_to_be(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    level(scayle, at, 0, short=2)

    assert "2 units sold here that turned out not to be fit for sale" in words(page(as_("omar")))


def unit_in(order: Order, rma: str, at: datetime, bucket: Bucket, *, fine: bool = False) -> None:
    """A returned unit whose last movement ends in ``bucket``."""
    reached = Custody.INSPECTED if fine else Custody.RECEIVED
    if fine:
        unit = factories.return_of(order, rma, at, reached=Custody.RECEIVED).items.get()
        Inspection.objects.create(
            return_item=unit,
            version=1,
            disposition=Disposition.RESTOCK,
            inspected_at=at,
            learned_at=at,
        )
    else:
        unit = factories.return_of(order, rma, at, reached=reached).items.get()
    assert unit.sku is not None
    StockMovement.objects.create(
        key=f"{rma}:in",
        sku=unit.sku,
        location=factories.location() if bucket == Bucket.QUARANTINE else None,
        quantity=1,
        from_bucket=Bucket.OUTSIDE,
        to_bucket=bucket,
        order_id=order.pk,
        return_item_id=unit.pk,
        actor="worker",
        reason="It came",
        at=at,
    )


@pytest.mark.requirement("R014")
def test_every_number_has_exactly_the_list_behind_it(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    kinds = {
        "transit": (Bucket.IN_TRANSIT, False, 3),
        "received": (Bucket.RECEIVED, False, 2),
        "off-sale": (Bucket.RECEIVED, True, 1),
        "quarantine": (Bucket.QUARANTINE, False, 2),
    }
    for show, (bucket, fine, count) in kinds.items():
        for number in range(count):
            name = f"{show}-{number}"
            unit_in(factories.order(name, at), f"RMA-{name}", at, bucket, fine=fine)
    client = as_("omar")
    html = page(client)

    wanted = {"transit": 3, "received": 3, "off-sale": 1, "quarantine": 2, "sellable": 0}
    for show, count in wanted.items():
        link = re.search(rf'href="(\?show={show}[^"#]*)#list">(\d+)<', html)
        assert link is not None, show
        rows = listed(page(client, unescape(link[1])))
        found = re.findall(r">(RMA-[^<]+)</a>", rows)
        assert len(found) == int(link[2]) == count, show


def test_a_unit_off_sale_names_its_case(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    unit_in(order, "RMA1", at, Bucket.RECEIVED, fine=True)
    unit = order.returns.get().items.get()
    html = page(as_("omar"))
    assert "No case is open" in html

    case = factories.case("SKU_DISCONTINUED", at, record=("return_item", unit.pk))

    html = page(as_("omar"))
    panel = html[html.index('id="os-h"') : html.index('id="list"')]
    assert f'href="/cases/{case.pk}/"' in panel
    assert "No case is open" not in panel


def test_open_cases_are_those_of_the_article_its_units_and_its_oversold_orders(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    other = factories.order("1", at, units=(("OTHER", "Other", 100),))
    unit_in(order, "RMA1", at, Bucket.RECEIVED, fine=True)
    unit = order.returns.get().items.get()
    sku = Sku.objects.get(code=CODE)
    cause = f"oversold:{scayle.pk}:{sku.pk}"
    mine = [
        factories.case("OVERSELL_RISK", at, record=("sku", sku.pk), cause=cause),
        factories.case("SKU_DISCONTINUED", at, record=("return_item", unit.pk)),
        factories.case("ORDER_OVERSOLD", at, record=("order", order.pk), cause=cause),
    ]
    foreign = [
        factories.case("ORDER_OVERSOLD", at, record=("order", other.pk), cause=cause + "9"),
        factories.case("OVERSELL_RISK", at, record=("sku", sku.pk + 999)),
    ]

    html = page(as_("omar"))

    assert all(f'href="/cases/{case.pk}/"' in html for case in mine)
    assert not any(f'href="/cases/{case.pk}/"' in html for case in foreign)
    assert "3 cases, the next due first" in html
    case_page = as_("omar").get(f"/cases/{mine[0].pk}/").content.decode()
    assert f'href="/skus/{sku.pk}/"' in case_page


def test_what_is_promised_is_what_the_oversell_look_counts(
    order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    """One definition of a unit that was sold and has not left."""
    for number, status in enumerate((UnitStatus.OPEN, UnitStatus.CANCELLED, UnitStatus.OPEN)):
        made = factories.order(f"20{number}", at)
        OrderItem.objects.filter(order=made).update(shipped_at=None, platform_status=status)
    sku = Sku.objects.get(code=CODE)

    html = page(as_("omar"))

    assert promised(sku).count() == len(oversold(scayle, sku).units) == 2
    link = re.search(r'href="(\?show=promised[^"#]*)#list">(\d+)<', html)
    assert link is not None
    assert link[2] == "2"
    rows = listed(page(as_("omar"), unescape(link[1])))
    assert re.findall(r'href="/orders/\d+/">(\d+)</a>', rows) == ["202", "200"]


def test_a_place_somebody_else_counts_is_said_to_be_unknown(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    factories.location()
    Location.objects.update(authority="scend", name="Bremen")
    unit_in(order, "RMA1", at, Bucket.QUARANTINE)

    html = words(page(as_("omar")))

    assert "Bremen" in html
    assert "Scend counts it, and we do not know its figure" in html


def test_an_article_nobody_returned_claims_no_figure(
    order: Order, as_: Callable[[str], Client]
) -> None:
    html = page(as_("omar"))

    assert "No figure known" in html
    assert equations(html) == []
    assert "No unit of this article ever came back." in html


def test_movements_page_through_every_one_once(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    for number in range(53):
        made = factories.order(f"3{number:03}", at)
        unit_in(made, f"RMA{number:03}", at, Bucket.RECEIVED)
    client = as_("omar")

    first = page(client)
    older = re.search(r'href="([^"#]+)#list">Older', first)
    assert older is not None
    second = page(client, unescape(older[1]))

    found = re.findall(r">(RMA\d+)</a>", listed(first) + listed(second))
    assert len(found) == len(set(found)) == 53


@pytest.mark.parametrize(
    "query",
    [
        "?show=%00",
        "?show=nothing",
        "?after=-1",
        "?after=" + "9" * 40,
        "?movement=x",
        "?movement=99999999",
        "?show=sellable&place=99",
        "?show=since&connection=99",
    ],
)
def test_a_broken_address_shows_the_page_all_the_same(
    query: str, order: Order, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    level(scayle, at, 9)

    assert as_("omar").get(f"/skus/{order.items.get().sku_id}/{query}").status_code == 200


@pytest.mark.parametrize("number", [999999, 10**40])
def test_an_article_that_is_not_there_is_a_page_with_a_search(
    number: int, as_: Callable[[str], Client]
) -> None:
    assert as_("omar").get(f"/skus/{number}/").status_code == 404


def test_order_and_off_sale_lead_to_the_article_and_it_leads_to_its_orders(
    order: Order, at: datetime, as_: Callable[[str], Client]
) -> None:
    other = factories.order("1", at, units=(("OTHER", "Other", 100),))
    unit_in(order, "RMA1", at, Bucket.RECEIVED, fine=True)
    client, sku = as_("omar"), order.items.get().sku_id

    assert f'href="/skus/{sku}/"' in client.get(f"/orders/{order.pk}/").content.decode()
    assert f'href="/skus/{sku}/"' in client.get("/off-sale/").content.decode()
    assert f'href="/orders/?sku={sku}"' in page(client)
    orders = client.get(f"/orders/?sku={sku}").content.decode()
    assert f'href="/orders/{order.pk}/"' in orders
    assert f'href="/orders/{other.pk}/"' not in orders


@pytest.mark.parametrize("show", ["", "off-sale", "promised"])
@pytest.mark.parametrize("rows", [1, 30])
def test_the_page_asks_no_more_often_for_more_units(
    rows: int, show: str, at: datetime, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    put_on_sale(scayle, factories.order("1", at), at, before=8, sent=9, confirmed=9)
    for number in range(rows):
        made = factories.order(f"4{number:03}", at)
        unit_in(made, f"RMA{number:03}", at, Bucket.RECEIVED, fine=True)
        unit = made.returns.get().items.get()
        factories.case("SKU_DISCONTINUED", at, record=("return_item", unit.pk))
        sold = factories.order(f"5{number:03}", at)
        OrderItem.objects.filter(order=sold).update(
            shipped_at=None, platform_status=UnitStatus.OPEN
        )
    client, path = as_("omar"), f"/skus/{Sku.objects.get(code=CODE).pk}/?show={show}"
    client.get("/")

    with CaptureQueriesContext(database) as queries:
        assert client.get(path).status_code == 200

    assert len(queries) <= 15
