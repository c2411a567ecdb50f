"""Each field has one owner. What the other side says about it changes nothing (R002, R041)."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.forms.models import model_to_dict

from fulfilment.models import Address, Customer, Order, OrderItem, StockLevel
from fulfilment.services import order_capture
from fulfilment.shapes import Billing, OrderSeen, Progress, UnitStatus
from integrator.engine.http import Http
from integrator.flows.truth import AUTHORITY, MATRIX, RETURNGO, SCAYLE
from integrator.models import Case, Payload
from integrator.platforms import PLATFORMS
from returns.models import Inspection, Return, ReturnItem
from returns.services import return_take
from returns.shapes import Method, PlatformStatus, Resolution, ReturnSeen
from tests.story import Row, Stage

SKU = "JKT-NVY-M"
MODELS: dict[str, type] = {
    "order": Order,
    "order_item": OrderItem,
    "customer": Customer,
    "address": Address,
    "return": Return,
    "return_item": ReturnItem,
    "inspection": Inspection,
    "stock_level": StockLevel,
}
# What reading something notes about itself, whoever owns the rest.
BOOKKEEPING = {"read_at", "source_updated_at", "order", "order_item", "sku", "blocked_by"}


def columns(owner: str) -> dict[str, Any]:
    """Every value our records hold in the columns this owner rules."""
    found: dict[str, Any] = {}
    for one in MATRIX:
        kind, column = one.column.split(".")
        if one.owner == owner:
            rows = MODELS[kind]._default_manager.order_by("pk").values_list("pk", column)
            found[one.column] = list(rows)
    return found


def whole(*models: type) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in model_to_dict(row).items() if key not in BOOKKEEPING}
        for model in models
        for row in model._default_manager.order_by("pk")  # type: ignore[attr-defined]
    ]


def client(stage: Stage, platform: str) -> Any:
    connection = stage.connection(platform)
    known = PLATFORMS[platform]
    return known.client(Http(connection, known.dialect), connection.settings)


@pytest.fixture
def returned(stage: Stage) -> tuple[Stage, Row, Row]:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma, restockable=False)
    return stage, order, rma


def other_value(value: Any) -> Any:
    """Another value of the same kind, for every field of a shape."""
    match value:
        case Resolution() | Method() | PlatformStatus() | Progress() | Billing() | UnitStatus():
            members = [one for one in type(value) if one.value != "UNKNOWN"]
            return members[(members.index(value) + 1) % len(members)]
        case bool():
            return not value
        case int():
            return value + 4242
        case str():
            return f"{value}9"
        case datetime():
            return value + timedelta(days=1)
        case tuple():
            return tuple(other_value(one) for one in value)
    return contradicting(value) if is_dataclass(value) else value


def contradicting(shape: Any, *, keep: frozenset[str] = frozenset()) -> Any:
    """The same thing under the same ids, with everything else said differently."""
    same = keep | {"external_id", "order_unit_id", "sku", "currency", "updated_at", "tax_rate"}
    changed = {
        one.name: other_value(getattr(shape, one.name))
        for one in fields(shape)
        if one.name not in same
    }
    return replace(shape, **changed)


@pytest.mark.requirement("R041")
def test_a_return_that_contradicts_everything_changes_nothing_on_its_order(
    returned: tuple[Stage, Row, Row],
) -> None:
    stage, _, rma = returned
    ours, records = columns(SCAYLE), whole(Order, OrderItem, Customer, Address)
    seen: ReturnSeen = client(stage, "returngo").rma(str(rma["id"]))
    forged = replace(contradicting(seen), status=PlatformStatus.VALIDATED, digest="f" * 64)

    return_take(connection=stage.connection("returngo"), seen=forged, trace=stage.trace("test"))

    assert columns(SCAYLE) == ours
    assert whole(Order, OrderItem, Customer, Address) == records
    assert "SOT_VIOLATION" in stage.open_cases()
    assert stage.unit(rma).claimed_minor == seen.units[0].paid_minor + 4242


@pytest.mark.requirement("R041")
def test_an_order_that_contradicts_everything_changes_nothing_on_its_return(
    returned: tuple[Stage, Row, Row],
) -> None:
    stage, order, _ = returned
    ours, records = columns(RETURNGO), whole(Return, ReturnItem, Inspection)
    assert all(ours.values()), "every field of the matrix is filled here"
    seen: OrderSeen = client(stage, "scayle").order(str(order["id"]))
    forged = replace(contradicting(seen), progress=Progress.COMPLETED)

    order_capture(connection=stage.connection("scayle"), seen=forged, trace=stage.trace("test"))

    assert columns(RETURNGO) == ours
    assert whole(Return, ReturnItem, Inspection) == records


@pytest.mark.requirement("R041")
@pytest.mark.parametrize("one", MATRIX, ids=lambda one: one.field)
def test_the_matrix_names_a_column_we_have_and_one_owner(one: Any) -> None:
    kind, column = one.column.split(".")

    assert MODELS[kind]._meta.get_field(column)
    assert one.owner in (SCAYLE, RETURNGO, AUTHORITY)
    assert one.others
    assert [other.column for other in MATRIX].count(one.column) == 1


def price(stage: Stage, rma: Row) -> None:
    stage.act("returngo", "tamper", rma_id=rma["id"], amount=2000)


def address(stage: Stage, rma: Row) -> None:
    stage.act("returngo", "tamper", rma_id=rma["id"], what="address")


def customer(stage: Stage, rma: Row) -> None:
    row = stage.sandbox.world.returngo.rmas[rma["id"]]
    row.address = replace(row.address, email="eve@example.test")


@pytest.mark.requirement("R002")
@pytest.mark.parametrize("tamper", [price, address, customer], ids=lambda one: one.__name__)
def test_a_tampered_return_is_kept_and_reported_and_the_refund_is_the_shops(
    stage: Stage, tamper: Callable[[Stage, Row], None]
) -> None:
    order = stage.sold(SKU)
    before = whole(Order, OrderItem, Customer, Address)
    rma = stage.shopper_returns(order)
    tamper(stage, rma)
    stage.approves(rma)

    case = stage.case("SOT_VIOLATION")
    assert case.facts["fields"] == tamper.__name__
    assert "eve@" not in str(case.facts)
    assert [{**row, "status": ""} for row in whole(Order, OrderItem, Customer, Address)] == [
        {**row, "status": ""} for row in before
    ]
    assert Payload.objects.filter(message__topic="rma").exists()
    stage.hands_in(rma)
    stage.arrives(rma)
    stage.warehouse_checks(rma)
    assert [row["amount"] for row in stage.refunds_there(order)] == [order["items"][0]["paid"]]
    assert Case.objects.get(kind="SOT_VIOLATION").regressions == 0


@pytest.mark.requirement("R023")
def test_only_the_authority_of_a_place_is_told_its_stock(stage: Stage) -> None:
    stage.warehouse_checks(stage.comes_back(stage.sold(SKU)))

    level = StockLevel.objects.get()
    assert (level.connection.platform, level.location.authority) == ("scayle", "scayle")
    assert level.confirmed == stage.sellable(SKU)
    assert {one.platform for one in stage.wire.calls if "stock" in one.path} == {"scayle"}


@pytest.mark.requirement("R002")
def test_only_the_alert_sends_mail() -> None:
    root = Path(settings.BASE_DIR)
    senders = []
    for app in ("integrator", "returns", "finance", "fulfilment"):
        for path in (root / app).rglob("*.py"):
            names = [
                name
                for node in ast.walk(ast.parse(path.read_text()))
                for name in _imported(node)
                if name.startswith(("django.core.mail", "smtplib"))
            ]
            if names:
                senders.append(str(path.relative_to(root)))
    assert senders == ["integrator/flows/alert.py"]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{one.name}" for one in node.names] + [str(node.module)]
    return []
