"""What a return does to the pages of its order, its customer and its article."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client as Browser

from fulfilment.models import StockLevel
from integrator.desk import directory
from integrator.desk.sku_figures import MINUS
from integrator.models import Connection
from tests.journeys.causing import SKU
from tests.story import Row, Stage


def seen(stage: Stage, path: str, by: str = "carla") -> str:
    directory.forget()  # the names of connections are those of this stage
    browser = Browser()
    browser.force_login(stage.people[by])
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def pages(stage: Stage, order: Row) -> list[str]:
    found = stage.order(order)
    return [f"/orders/{found.pk}/", f"/customers/{found.customer_id}/"]


def article(stage: Stage, order: Row) -> str:
    return seen(stage, f"/skus/{stage.sold_unit(order).sku_id}/", by="omar")


def equations(html: str) -> list[str]:
    return [words(one).strip() for one in re.findall(r'<p class="equation">.*?</p>', html)]


def behind(html: str, label: str) -> str:
    """Where the number of a line of the side panels leads."""
    found = re.search(rf'<th scope="row">{label}.*?href="([^"]+)">(\d+)<', html, re.DOTALL)
    assert found is not None, label
    return unescape(found[1]).partition("#")[0]


def paid_back(stage: Stage, order: Row) -> str:
    """What the shop's own books say went back."""
    return f"EUR {stage.refunds_there(order)[0]['amount'] / 100:.2f}"


@pytest.mark.requirement("R063")
def test_order_and_customer_list_a_return_within_a_minute_and_say_the_same_of_it(
    stage: Stage,
) -> None:
    """The platform calls, the worker runs, and both pages show it: nobody has to look anywhere.

    With the pause between readings that real platforms get, which the demo does without.
    """
    returngo = stage.connection("returngo")
    settings = {key: value for key, value in returngo.settings.items() if "nudge" not in key}
    Connection.objects.filter(pk=returngo.pk).update(settings=settings)
    order = stage.sold(SKU)
    for path in pages(stage, order):
        assert 'id="return-' not in seen(stage, path)
        assert not re.search(r'href="/returns/\d', seen(stage, path))

    rma = stage.act("returngo", "request_return", order_id=order["id"])
    happened = stage.now()
    assert stage.deliver() > 0
    stage.work()

    assert stage.now() - happened <= timedelta(minutes=1)
    number = stage.returned(rma).external_id
    on_order, on_customer = (seen(stage, path) for path in pages(stage, order))
    assert f'id="return-{stage.returned(rma).pk}"' in on_order
    own = f"/returns/{stage.returned(rma).pk}/"
    assert f'href="{own}">{number}</a>' in on_customer
    assert f'href="{own}">{number}</a>' in on_order
    assert f'href="{own}">{number}</a>' in seen(stage, "/returns/")
    assert "Asked for, nobody has agreed yet" in words(seen(stage, own))
    assert "1 unit in this return, none arrived yet." in words(on_customer)

    stage.approves(rma)
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.passes(minutes=6, step=6)
    for path in pages(stage, order):
        assert "1 arrived" in words(seen(stage, path))
    assert "Received, not checked yet" in words(seen(stage, own))

    stage.warehouse_checks(rma)
    stage.passes(minutes=6, step=6)
    on_order, on_customer = (words(seen(stage, path)) for path in pages(stage, order))
    assert stage.rma_there(rma)["status"] == "Done"
    assert "ReturnGO says Done" in on_order
    assert f"Completed; {paid_back(stage, order)} paid back." in words(seen(stage, own))
    assert "Completed" in on_customer
    paid = paid_back(stage, order)
    assert f"{paid} proved" in on_customer
    assert "EUR 0.00 decided" not in on_customer


def test_the_customer_page_forgets_whom_the_shop_forgot(stage: Stage) -> None:
    order = stage.sold(SKU)
    customer = stage.order(order).customer
    assert customer is not None
    page = pages(stage, order)[1]
    assert order["customer_email"] in seen(stage, page)
    body = {
        "key": f"anon-{customer.external_id}",
        "type": "customer-anonymized",
        "occurredAt": stage.now().isoformat(),
        "payload": {"id": int(str(customer.external_id))},
    }

    assert stage.hears("scayle", body) == 200
    stage.work()

    html = seen(stage, page)
    assert "This customer was erased" in html
    assert order["customer_email"] not in html


def test_the_article_says_which_returned_unit_made_its_figure(stage: Stage) -> None:
    """The shop's own books are the judge: the equation ends in what may be sold there."""
    before = stage.sellable(SKU)
    order = stage.sold(SKU)
    shown = stage.sellable(SKU)
    assert shown == before - 1
    assert "No figure known" in article(stage, order)

    rma = stage.comes_back(order)
    html = article(stage, order)
    listed = seen(stage, f"/skus/{stage.sold_unit(order).sku_id}/{behind(html, 'Received, on no')}")
    assert stage.returned(rma).external_id in listed
    assert behind(html, "Received, on no shelf") == "?show=received"

    stage.warehouse_checks(rma)

    html = article(stage, order)
    (equation,) = equations(html)
    said = f"{shown} SCAYLE showed + 1 put back on sale = {shown + 1} SCAYLE shows, as counted"
    assert equation.startswith(said)
    assert stage.sellable(SKU) == shown + 1
    assert f"SCAYLE answered {shown + 1}" in words(html)
    movement = re.search(r'href="(\?movement=\d+)#list">put back', html)
    assert movement is not None
    listed = words(seen(stage, f"/skus/{stage.sold_unit(order).sku_id}/{movement[1]}"))
    assert "One movement" in listed
    assert "Received, on no shelf → Sellable" in listed.partition("One movement")[2]


def test_sales_after_the_count_are_listed_and_not_mixed_into_the_figure(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    figure = stage.sellable(SKU)

    later = stage.shop_sells(SKU)
    stage.settle()

    html = article(stage, order)
    assert f"= {figure} SCAYLE shows, as counted" in equations(html)[0]
    query = behind(html, "Sold since the figure was counted")
    listed = seen(stage, f"/skus/{stage.sold_unit(order).sku_id}/{query}")
    listed = listed[listed.index('id="list"') :]
    numbers = re.findall(r'<a class="id" href="/orders/\d+/">([^<]+)</a>', listed)
    assert numbers == [stage.order(later).number]
    assert re.search(rf'href="{re.escape(query).replace("&", "&amp;")}#list">1<', html)


def test_a_unit_that_is_not_fit_for_sale_takes_its_place_out_of_the_figure_again(
    stage: Stage,
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    figure = stage.sellable(SKU)

    wish = {"rma_id": rma["id"], "item_id": rma["items"][0]["id"], "restockable": False}
    stage.act("returngo", "correct_validation", **wish)
    stage.act("returngo", "reopen", rma_id=rma["id"], status="Received")
    stage.act("returngo", "done", rma_id=rma["id"])
    stage.settle()
    stage.passes(minutes=6, step=6)

    html = article(stage, order)
    assert stage.sellable(SKU) == figure - 1
    said = (
        f"{figure} SCAYLE showed {MINUS} 1 taken off sale = {figure - 1} SCAYLE shows, as counted"
    )
    (equation,) = equations(html)
    assert equation.startswith(said)
    assert behind(html, "Returned units kept here, not for sale").startswith("?show=quarantine")


def test_a_figure_somebody_else_counted_anew_is_not_split_up(stage: Stage) -> None:
    """Nothing is invented: what we did not write has no equation."""
    order = stage.sold(SKU)
    stage.warehouse_checks(stage.comes_back(order))
    StockLevel.objects.update(confirmed=3, confirmed_at=stage.now() + timedelta(minutes=1))

    html = article(stage, order)

    assert equations(html) == ["3 SCAYLE shows"]
    assert "so we cannot split it up" in html


def test_a_unit_off_sale_stands_there_with_the_case_that_holds_it(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, location="WH-9")

    html = article(stage, order)

    assert "units off sale" in html or "needs a person" in html
    assert "checked, fine, and nobody can buy them" in html
    listed = seen(
        stage, f"/skus/{stage.sold_unit(order).sku_id}/{behind(html, 'Off sale')}", by="omar"
    )
    assert stage.returned(rma).external_id in listed[listed.index('id="list"') :]
    assert f'href="/skus/{stage.sold_unit(order).sku_id}/"' in seen(stage, "/off-sale/", by="omar")
