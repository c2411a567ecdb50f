"""What each system says of a case: of a refund that was not paid, of a unit whose return ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from django.test import Client

from finance.models import Refund
from finance.states import Executor, RefundStatus
from integrator.engine.states import move
from returns.states import Custody
from tests.desk import factories
from tests.desk.case_page import text_of


def test_a_refund_that_was_not_sent_is_not_paid_yet_by_whoever_pays_it(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(factories.order("100482913", at), "RMA1", at)
    refund = factories.refund_of(rma, at, status=RefundStatus.AUTHORISED)
    Refund.objects.filter(pk=refund.pk).update(executor=Executor.MANUAL)
    case = factories.case("REFUND_BY_HAND", at, record=("refund", refund.pk))

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    paid = re.sub(r"\s+", " ", text_of(html[html.index("Refund, paid") :]))
    assert paid.startswith("Refund, paid – not kept there – not kept there not yet owns this value")


def test_a_refused_refund_of_a_return_is_shown_as_not_paid(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    """The case is about the return: what it is to decide about is the refund."""
    rma = factories.return_of(factories.order("100482913", at), "RMA1", at)
    refund = factories.refund_of(rma, at, status=RefundStatus.SENT)
    move(refund, "status", RefundStatus.REFUSED, reason="422", trace=factories.trace(at))
    case = factories.case("REFUND_REFUSED", at, record=("return", rma.pk))

    html = as_("fiona").get(f"/cases/{case.pk}/").content.decode()

    said = re.sub(r"\s+", " ", text_of(html[html.index("What each system says") :]))
    assert "Refund, calculated our policy – not kept there – not kept there EUR 129.95" in said
    assert "Refund, paid not paid owns this value" in said
    assert "State of the refund – not kept there – not kept there Refused" in said


def test_a_unit_whose_return_has_ended_is_where_it_lies(
    at: datetime, as_: Callable[[str], Client]
) -> None:
    rma = factories.return_of(factories.order("100482913", at), "RMA1", at)
    unit = rma.items.get()
    move(unit, "custody", Custody.CLOSED, reason="The return is done", trace=factories.trace(at))
    case = factories.case("RESTOCK_FAILED", at, record=("return_item", unit.pk))

    html = as_("omar").get(f"/cases/{case.pk}/").content.decode()

    said = re.sub(r"\s+", " ", text_of(html[html.index("What each system says") :]))
    assert re.search(r"Unit 4068-PET-M – not kept there – not kept there Sellable at \w+", said)
