"""Bundles in refunds: whatever comes back in whatever turns, no more and no less than was paid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finance.models import Refund, RefundItem
from finance.services import Share, refund_recorded, refund_refused, refund_reserve
from finance.states import Executor
from fulfilment.models import Order, OrderItem
from fulfilment.services import order_capture
from fulfilment.shapes import BundleSeen, ComponentSeen, PaymentSeen
from integrator.engine.errors import Refused
from tests import factories
from tests.factories import TRACE

pytestmark = pytest.mark.django_db

BUNDLES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9_000)), min_size=1, max_size=4)


def sold(
    paid: int, parts: list[tuple[int, int]], *, tax_minor: int = 0, voucher: int = 0, gift: int = 0
) -> tuple[Order, OrderItem, list[OrderItem]]:
    """An order of one bundle of ``parts`` (count, price of one), sold for ``paid``.

    Of that ``voucher`` was taken off, and ``gift`` of the rest was paid with a gift card.
    """
    bundle = BundleSeen(
        tuple(
            ComponentSeen(f"P{place}", str(place), "1", count, price)
            for place, (count, price) in enumerate(parts)
        )
    )
    seen = factories.order_seen(paid - voucher)
    (unit,) = seen.units
    payments = (
        PaymentSeen("card", paid - voucher - gift, False, "tx"),
        PaymentSeen("gift_card", gift, True, "tx-g"),
    )
    order = order_capture(
        connection=factories.connection(),
        seen=replace(
            seen,
            units=(replace(unit, tax_minor=tax_minor),),
            payments=payments if gift else payments[:1],
        ),
        trace=TRACE,
        bundles={"77-1": bundle},
    )
    assert order is not None
    line = order.items.get(parent=None)
    return order, line, list(order.items.filter(parent=line).order_by("id"))


def reserve(units: list[OrderItem], executor: Executor) -> Refund:
    items = [factories.returned(unit) for unit in units]
    return refund_reserve(
        return_record=items[0].return_record,
        shares=[Share(item, unit.paid_minor) for item, unit in zip(items, units, strict=True)],
        executor=executor,
        evidence_before=[],
        billing_before="",
        policy_version=1,
        trace=TRACE,
    )


def paid_out(refund: Refund) -> None:
    refund_recorded(
        refund,
        evidence={"by_hand": "B-1"},
        executed_minor=refund.calculated_minor,
        is_derived=False,
        reference="B-1",
        trace=TRACE,
        reason="paid",
    )


@pytest.mark.requirement("R035")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(paid=st.integers(100, 40_000), parts=BUNDLES, data=st.data())
def test_parts_in_any_turns_add_up_to_what_was_paid(
    db: None, paid: int, parts: list[tuple[int, int]], data: Any
) -> None:
    """Whatever was taken off, however it was paid and taxed: the sum, and every single part."""
    voucher = data.draw(st.integers(0, paid - 1))
    left = paid - voucher
    rate = data.draw(st.sampled_from((0, 7, 19)))
    tax = left * rate // (100 + rate)
    with transaction.atomic():
        order, line, units = sold(
            paid,
            parts,
            tax_minor=tax,
            voucher=voucher,
            gift=data.draw(st.integers(0, left)),
        )
        whole = sum(unit.catalogue_minor or 0 for unit in units)
        turns = data.draw(st.permutations(units))
        worth = [unit for unit in turns if unit.paid_minor]
        while worth:
            count = data.draw(st.integers(1, len(worth)))
            now, worth = worth[:count], worth[count:]
            paid_out(reserve(now, Executor.MANUAL))
        order.refresh_from_db()
        line.refresh_from_db()
        assert order.refunded_minor == left
        assert line.bundle_refund == "PARTS"
        assert sum(unit.tax_minor for unit in units) == tax
        given_back = dict(RefundItem.objects.values_list("order_item_id", "amount_minor"))
        for unit in units:
            exact = left * (unit.catalogue_minor or 0) / whole
            assert 0 <= given_back.get(unit.pk, 0) < exact + 1
            assert 0 <= unit.tax_minor <= unit.paid_minor
        transaction.set_rollback(True)


def test_whole_is_the_shops_and_a_refusal_takes_it_back() -> None:
    _, line, units = sold(6490, [(2, 2490), (1, 2490)])
    refund = reserve(units, Executor.SCAYLE)
    line.refresh_from_db()
    assert line.bundle_refund == "WHOLE"

    refund_refused(refund, trace=TRACE, reason="The shop refused it")

    line.refresh_from_db()
    assert line.bundle_refund == "NONE"


def test_the_shop_is_never_asked_to_take_back_a_part() -> None:
    _, line, units = sold(6490, [(2, 2490), (1, 2490)])

    with pytest.raises(Refused), transaction.atomic():
        reserve(units[:2], Executor.SCAYLE)
    line.refresh_from_db()
    assert line.bundle_refund == "NONE"


@pytest.mark.requirement("R033")
@pytest.mark.parametrize(
    ("way", "executor"),
    [("PARTS", "scayle"), ("NONE", "scayle"), ("WHOLE", "manual"), ("NONE", "manual")],
)
def test_the_database_itself_bars_a_bundle(way: str, executor: str) -> None:
    order, line, units = sold(6490, [(2, 2490), (1, 2490)])
    if way != "NONE":
        OrderItem.objects.filter(pk=line.pk).update(bundle_refund=way)
    refund = Refund.objects.create(
        order=order,
        number=1,
        executor=executor,
        currency="EUR",
        claimed_minor=1,
        calculated_minor=1,
        policy_version=1,
        authorised_at=factories.AT,
    )

    with pytest.raises(IntegrityError, match="cannot be paid by"), transaction.atomic():
        RefundItem.objects.create(refund=refund, order_item=units[0], amount_minor=1)


def test_the_database_refuses_more_than_the_bundle_cost() -> None:
    order, line, units = sold(6490, [(2, 2490), (1, 2490)])
    refund = reserve(units[:1], Executor.MANUAL)

    with pytest.raises(IntegrityError, match="than was paid for it"), transaction.atomic():
        RefundItem.objects.create(refund=refund, order_item=line, amount_minor=line.paid_minor)
    assert refund.order == order
