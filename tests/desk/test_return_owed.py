"""What a return's page says is still owed: by steps, by people, and to the shop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client

from finance.models import Refund
from finance.states import RefundStatus
from fulfilment.models import Order
from integrator.engine.states import move
from integrator.models import Batch, BatchItem
from returns.models import ReturnItem
from returns.states import Custody
from tests.desk import factories
from tests.desk.test_return import opened, order, section, words

__all__ = ["opened", "order"]  # fixtures


@pytest.mark.requirement("R019")
def test_a_refund_that_a_person_has_to_pay_is_owed_until_it_is_paid(
    order: Order, at: datetime, opened: Callable[..., str], as_: Callable[[str], Client]
) -> None:
    """No step of ours will pay it: it is owed all the same, by whoever has its case."""
    rma = factories.return_of(order, "RMA1", at)
    refund = factories.refund_of(rma, at, status=RefundStatus.AUTHORISED)
    assert "1 open" not in section(opened(rma), "pr-h")  # SCAYLE pays this one, by a step
    Refund.objects.filter(pk=refund.pk).update(executor="manual")
    case = factories.case("REFUND_BY_HAND", at, record=("refund", refund.pk), order_id=order.pk)

    owed = section(opened(rma), "pr-h")

    assert "1 step open, 0 done" in owed
    assert f"Pay EUR 129.95 by hand C-{case.pk} with a person" in owed
    of_order = as_("omar").get(f"/orders/{order.pk}/").content.decode()
    assert f"Pay EUR 129.95 by hand C-{case.pk} with a person" in section(of_order, "pr-h")
    move(refund, "status", RefundStatus.SENT, trace=factories.trace(at), reason="paid")
    assert "by hand" not in section(opened(rma), "pr-h")


@pytest.mark.requirement("R019")
def test_it_says_what_is_missing_in_the_words_of_the_list_of_what_is_owed(
    order: Order, at: datetime, opened: Callable[..., str], as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(order, "RMA1", at, reached=Custody.RECEIVED)

    owed = section(opened(rma), "pr-h")

    assert "Still missing : refund recorded, return completed." in owed
    listed = words(as_("omar").get("/monitors/").content.decode())
    assert "refund recorded, return completed" in listed
    ReturnItem.objects.filter(return_record=rma).update(money="WAIVED")
    assert "Still missing : return completed." in section(opened(rma), "pr-h")


def test_what_the_shop_is_still_to_be_told_is_counted_by_changes(
    order: Order, at: datetime, opened: Callable[..., str]
) -> None:
    rma = factories.return_of(order, "RMA1", at)
    batch = Batch.objects.create(
        connection=order.connection, kind=Batch.Kind.RETURN_STATUSES, opened_at=at, closes_at=at
    )
    BatchItem.objects.create(
        batch=batch,
        record_kind="order",
        record_id=order.pk,
        order_id=order.pk,
        changes=[1, 2, 3],
        since=at,
    )

    assert "is still to be told of 3 changes, with its next batch" in section(opened(rma), "pr-h")
