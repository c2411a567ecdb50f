"""The shop anonymises a customer: nothing of the person stays here, and everything of the money."""

from __future__ import annotations

from fulfilment.models import Address, Customer
from integrator.models import Job, Payload
from tests.journeys.causing import SKU
from tests.story import Row, Stage


def anonymised(stage: Stage, order: Row) -> None:
    customer = stage.order(order).customer
    assert customer is not None
    body = {
        "key": f"anon-{customer.external_id}",
        "type": "customer-anonymized",
        "occurredAt": stage.now().isoformat(),
        "payload": {"id": int(str(customer.external_id))},
    }
    assert stage.hears("scayle", body) == 200
    stage.work()


def personal(order: Row) -> list[str]:
    return [order["customer_email"], order["customer_email"].partition("@")[0]]


def left(stage: Stage, order: Row) -> str:
    """Everything in rows that may hold personal data, as one text."""
    rows = [*Customer.objects.values_list(), *Address.objects.values_list()]
    bodies = [bytes(body).decode() for body in Payload.objects.values_list("body", flat=True)]
    return f"{rows} {bodies}"


def test_nothing_of_the_person_stays_and_everything_of_the_money(stage: Stage) -> None:
    order, other = stage.sold(SKU), stage.sold("TEE-BLK-L")
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    assert order["customer_email"] != other["customer_email"]
    assert order["customer_email"] in left(stage, order)

    anonymised(stage, order)

    assert order["customer_email"] not in left(stage, order)
    assert other["customer_email"] in left(stage, order)
    address = stage.order(order).shipping_address
    assert address is not None
    assert (address.street, address.country) == ("", "DE")
    assert Job.objects.get(flow="erase_customer").evidence["orders"] == 1
    assert stage.order(order).refunded_minor > 0
    assert "0 differences" in stage.compare()


def test_a_return_of_somebody_forgotten_is_not_held_as_a_strangers(stage: Stage) -> None:
    order = stage.sold(SKU)
    anonymised(stage, order)

    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)

    assert stage.open_cases() == []
    assert stage.rma_there(rma)["status"] == "Done"


def test_who_waits_for_money_is_forgotten_when_it_has_arrived(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.deliver()
    stage.tick_and_work()  # the refund is sent, and not proved
    stage.clock.shift(240)
    stage.tick_and_work()
    assert stage.order(order).refunds.get().status == "SENT"

    anonymised(stage, order)
    assert order["customer_email"] in left(stage, order)

    stage.passes(hours=2, step=30)
    assert stage.order(order).refunds.get().status == "RECORDED"
    assert order["customer_email"] not in left(stage, order)
