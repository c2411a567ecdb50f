"""Taking an order over: once, forwards only, and at the prices it was really sold for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction

from fulfilment.models import Customer, Order, OrderItem, Sku
from fulfilment.services import order_capture, order_find
from fulfilment.shapes import Billing, CustomerSeen, OrderSeen, Progress, UnitStatus
from integrator.models import Case, Connection, Link, Transition
from tests.factories import TRACE, connection, order_seen


def capture(seen: OrderSeen) -> Order:
    order_capture(connection=connection(), seen=seen, trace=TRACE)
    return Order.objects.get()


def test_the_same_reading_again_changes_nothing(db: None) -> None:
    seen = order_seen(900, 700)
    first = capture(seen)
    before = list(OrderItem.objects.values())
    facts = Transition.objects.count()

    for _ in range(3):
        assert capture(seen).pk == first.pk

    assert list(OrderItem.objects.values()) == before
    assert Transition.objects.count() == facts
    assert (Link.objects.count(), Sku.objects.count()) == (1, 1)


def test_a_unit_added_to_the_order_later_is_taken_over(db: None) -> None:
    capture(order_seen(900))

    order = capture(order_seen(900, 700, minutes=5))

    assert list(order.items.order_by("id").values_list("paid_minor", flat=True)) == [900, 700]
    assert order.paid_minor == 1600
    assert not Case.objects.exists()


def refunded(order: Order, amount: int) -> None:
    """The first unit was paid back."""
    Order.objects.filter(pk=order.pk).update(refunded_minor=amount)
    order.items.filter(external_id="77-1").update(refunded_minor=amount)


def test_a_unit_added_after_a_refund_counts_as_paid_and_changes_no_price(db: None) -> None:
    refunded(capture(order_seen(900)), 900)

    order = capture(order_seen(850, 700, minutes=5))
    assert order.paid_minor == 1550  # the shop's payments: they are less than our prices now
    assert list(order.items.order_by("id").values_list("paid_minor", flat=True)) == [900, 700]

    order = capture(order_seen(900, 700, minutes=9))
    assert (order.paid_minor, order.refunded_minor) == (1600, 900)
    assert not Case.objects.exists()


def test_after_a_refund_what_was_paid_never_shrinks(db: None) -> None:
    refunded(capture(order_seen(900, 700)), 900)

    assert capture(order_seen(100, 50, minutes=5)).paid_minor == 1600
    assert capture(order_seen(900, minutes=9)).paid_minor == 1600


def test_a_unit_whose_payment_is_missing_raises_nothing(db: None) -> None:
    refunded(capture(order_seen(900)), 900)

    assert capture(order_seen(900, 700, paid=900, minutes=5)).paid_minor == 900
    assert Case.objects.get().kind == "ORDER_DOES_NOT_ADD_UP"
    assert capture(order_seen(900, 700, minutes=9)).paid_minor == 1600


def test_buyers_without_an_id_are_not_one_person(db: None) -> None:
    """The check for a stranger's return rests on the buyer's e-mail."""
    shop = connection()
    for number, email in ((1, "ann@example.test"), (2, "bob@example.test")):
        guest = CustomerSeen("", "", email, "", "")
        seen = replace(order_seen(900), external_id=f"{number}", number=f"{number}", customer=guest)
        units = tuple(replace(one, external_id=f"{number}-1") for one in seen.units)
        order_capture(connection=shop, seen=replace(seen, units=units), trace=TRACE)

    emails = Order.objects.order_by("id").values_list("customer__email", flat=True)
    assert list(emails) == ["ann@example.test", "bob@example.test"]


def test_the_database_refuses_an_empty_id_of_a_buyer(db: None) -> None:
    with pytest.raises(IntegrityError, match="customer_id_given_or_null"), transaction.atomic():
        Customer.objects.create(connection=connection(), external_id="")


@pytest.mark.parametrize("progress", [Progress.OPEN, Progress.UNKNOWN])
def test_an_order_that_is_not_confirmed_is_not_ours(db: None, progress: Progress) -> None:
    seen = order_seen(900, progress=progress)

    assert order_capture(connection=connection(), seen=seen, trace=TRACE) is None
    assert not Order.objects.exists()


def test_an_older_reading_is_ignored(db: None) -> None:
    capture(order_seen(900, minutes=10, status=UnitStatus.RETURNED, billing=Billing.REFUNDED))
    known = capture(order_seen(900, minutes=5))

    assert known.billing == Billing.REFUNDED
    assert known.items.get().platform_status == UnitStatus.RETURNED


def test_it_follows_the_shop_forwards_and_never_unships(db: None) -> None:
    confirmed = order_seen(900, status=UnitStatus.OPEN, progress=Progress.CONFIRMED)
    assert capture(confirmed).status == "CAPTURED"
    assert capture(order_seen(900, minutes=1, progress=Progress.DELEGATED)).status == "SHIPPED"
    assert capture(order_seen(900, minutes=2)).status == "COMPLETED"
    assert capture(replace(confirmed, updated_at=order_seen(1, minutes=3).updated_at)).status == (
        "COMPLETED"
    )


def test_prices_are_those_of_the_sale(db: None) -> None:
    capture(order_seen(900, 700))
    later = capture(order_seen(100, 50, minutes=5))

    assert later.paid_minor == 1600
    assert sorted(later.items.values_list("paid_minor", flat=True)) == [700, 900]


def test_an_order_that_does_not_add_up_is_shown_until_it_does(db: None) -> None:
    capture(order_seen(900, 700, paid=1))
    assert Case.objects.get().kind == "ORDER_DOES_NOT_ADD_UP"

    mended = capture(order_seen(900, 700, minutes=5))

    assert Case.objects.get().state == "SOLVED"
    assert mended.paid_minor == 1600
    assert capture(order_seen(10, 20, minutes=9)).paid_minor == 1600  # the snapshot is taken now


def test_an_id_or_number_of_two_shops_means_an_order_only_together(db: None) -> None:
    """A return is never tied to another shop's order: the wrong buyer would be paid."""
    ours = capture(order_seen(900))
    second = connection("scayle")
    other = Connection.objects.create(
        retailer=second.retailer,
        slug="r1-second",
        platform="scayle",
        name="Second shop",
        base_url="http://127.0.0.1:1/",
        callback_token_hash="2".ljust(64, "0"),
    )
    theirs = order_capture(
        connection=other, seen=replace(order_seen(700), number="AT-1"), trace=TRACE
    )
    retailer = second.retailer_id
    assert theirs is not None and theirs.external_id == ours.external_id

    def found(number: str) -> Order | None:
        return order_find(retailer_id=retailer, external_id=ours.external_id, number=number)

    assert found(ours.number) == ours
    assert found("AT-1") == theirs
    assert found("") is None
    assert found("XX-9") is None
    assert order_find(retailer_id=retailer, external_id="", number="AT-1") == theirs
