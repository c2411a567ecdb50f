"""The pages of the sandbox's own records: looked at, never changed by it."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from integrator.sandbox.app import Sandbox


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(seed=1)


@pytest.fixture
def sold(sandbox: Sandbox) -> dict[str, Any]:
    order = sandbox.act("scayle", "place_order", items=[{"sku": "JKT-NVY-M"}])
    return sandbox.act("scayle", "ship_order", order_id=order["id"])


def test_each_kind_of_record_has_a_page(sandbox: Sandbox, sold: dict[str, Any]) -> None:
    rma = sandbox.act("returngo", "request_return", order_id=sold["id"])
    order = sandbox.world.scayle.orders[sold["id"]]
    pages = {
        f"/_page/scayle/order/{sold['id']}": order.reference_key,
        f"/_page/scayle/customer/{order.customer.id}": order.customer.email,
        f"/_page/scayle/product/{order.items[0].product_id}": "JKT-NVY-M",
        f"/_page/returngo/rma/{rma['id']}": "JKT-NVY-M",
    }
    for path, holds in pages.items():
        answer = Client(sandbox).get(path)
        assert answer.status_code == 200, path
        assert answer.content_type.startswith("text/html")
        assert holds in answer.text, path


def test_a_page_shows_what_somebody_typed_as_text(sandbox: Sandbox, sold: dict[str, Any]) -> None:
    order = sandbox.world.scayle.orders[sold["id"]]
    order.customer.first_name = "<script>alert(1)</script>"

    html = Client(sandbox).get(f"/_page/scayle/order/{order.id}").text

    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    "path", ["scayle/order/1", "scayle/order/x", "scayle/rma/1", "reveni/order/1", "scayle/order/²"]
)
def test_what_is_not_there_has_no_page(path: str, sandbox: Sandbox) -> None:
    assert Client(sandbox).get(f"/_page/{path}").status_code == 404


def test_a_page_is_only_to_look_at(sandbox: Sandbox, sold: dict[str, Any]) -> None:
    path = f"/_page/scayle/order/{sold['id']}"

    assert Client(sandbox).post(path).status_code == 405
