"""The strip under every record: its ids with the way to them, how fresh, by which rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.test import Client

from fulfilment.models import Order, Sku, Variant
from integrator.desk import directory
from integrator.engine import choices
from integrator.models import Connection
from returns.states import Custody
from tests.desk import factories

PANEL = {
    "order": "https://demo.panel.example/orders/{id}",
    "customer": "https://demo.panel.example/customers/{id}",
    "product": "https://demo.panel.example/products/{id}",
}


@pytest.fixture
def order(scayle: Connection, returngo: Connection, at: datetime) -> Order:
    Connection.objects.filter(pk=scayle.pk).update(settings={"pages": PANEL})
    choices.save(retailer=scayle.retailer, values={}, made_by="ada")
    choices.save(retailer=scayle.retailer, values={"settling_minutes": 20}, made_by="ada")
    made = factories.order("100482913", at)
    factories.return_of(made, "RMA3271840", at, reached=Custody.RECEIVED)
    return made


def strip(client: Client, path: str) -> str:
    directory.forget()
    html = client.get(path).content.decode()
    return html[html.index('<footer class="trust"') : html.index("</footer>", html.index("trust"))]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_an_order_tells_its_ids_their_readings_the_rules_and_its_history(
    order: Order, as_: Callable[[str], Client]
) -> None:
    html = strip(as_("carla"), f"/orders/{order.pk}/")

    said = words(html)
    assert "order 9100482913 Open in SCAYLE : order 9100482913, in a new tab read 3 min ago" in said
    assert "customer c-100482913 Open in SCAYLE" in said
    assert "return RMA3271840 read 2 min ago" in said
    assert "Rules version 2" in said
    assert re.search(r"History \(\d+\)", said)
    assert 'href="#timeline"' in html


def test_a_way_into_a_platform_leaves_nothing_behind(
    order: Order, as_: Callable[[str], Client]
) -> None:
    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()

    links = re.findall(r'<a [^>]*href="https://[^>]*>', html)
    assert len(links) == 3  # on top, the order and its customer below
    for link in links:
        assert 'target="_blank" rel="noopener noreferrer"' in link


def test_an_id_without_a_way_there_is_copied_only(
    order: Order, as_: Callable[[str], Client]
) -> None:
    html = strip(as_("carla"), f"/orders/{order.pk}/")

    assert 'data-copy="RMA3271840" aria-label="Copy return RMA3271840"' in html
    assert "Open in ReturnGO" not in html


def test_the_history_is_as_long_as_the_page_says(
    order: Order, as_: Callable[[str], Client]
) -> None:
    client = as_("carla")
    customer = strip(client, f"/customers/{order.customer_id}/")
    article = strip(client, f"/skus/{order.items.get().sku_id}/")

    rows = client.get(f"/customers/{order.customer_id}/").context["rows"]
    assert f"History ({len(rows)})" in customer
    moved = client.get(f"/skus/{order.items.get().sku_id}/").context["moved"]
    assert f"History ({len(moved)})" in article


def test_customer_and_article_have_their_own_ways_there(
    order: Order, scayle: Connection, at: datetime, as_: Callable[[str], Client]
) -> None:
    sku = Sku.objects.get()
    Variant.objects.create(
        connection=scayle,
        external_id="881",
        product_id="88",
        sku=sku,
        is_composite=False,
        read_at=at - timedelta(hours=2),
    )

    customer = strip(as_("carla"), f"/customers/{order.customer_id}/")
    article = strip(as_("carla"), f"/skus/{sku.pk}/")

    assert 'href="https://demo.panel.example/customers/c-100482913"' in customer
    assert "read 3 min ago" in customer
    assert 'href="https://demo.panel.example/products/88"' in article
    assert "variant 881 read 2 h ago" in words(article)


def test_a_record_no_platform_has_named_says_so(at: datetime, as_: Callable[[str], Client]) -> None:
    sku = Sku.objects.create(retailer=factories.retailer(), code="NEW-1")

    assert "It has no number at any platform" in words(strip(as_("omar"), f"/skus/{sku.pk}/"))


def test_a_case_tells_the_ids_of_its_order_and_the_rules_its_step_follows(
    order: Order, scayle: Connection, at: datetime, as_: Callable[[str], Client]
) -> None:
    job = factories.job(
        "refund", at, record=("order", order.pk), order_id=order.pk, to=scayle, policy_version=1
    )
    case = factories.case(
        "JOB_FAILED", at, record=("order", order.pk), order_id=order.pk, job_id=job.pk
    )

    html = strip(as_("ada"), f"/cases/{case.pk}/")

    assert 'href="https://demo.panel.example/orders/9100482913"' in html
    assert "Rules version 2; this step follows version 1" in words(html)


def test_without_a_pattern_nothing_leads_out(
    order: Order, scayle: Connection, as_: Callable[[str], Client]
) -> None:
    Connection.objects.filter(pk=scayle.pk).update(
        settings={"pages": PANEL | {"order": "javascript:alert('{id}')"}}
    )
    directory.forget()

    html = as_("carla").get(f"/orders/{order.pk}/").content.decode()

    assert 'target="_blank"' not in html
    assert 'data-copy="9100482913"' in html
