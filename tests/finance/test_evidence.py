"""When a refund may go, and what proves that it went: the whole tables."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from finance.evidence import missing_evidence, proof_of_refund
from fulfilment.shapes import Billing, InvoiceSeen, UnitStatus
from returns.models import ReturnItem
from returns.shapes import Method
from returns.states import Custody, Disposition
from tests.factories import AT, order_seen

# From which custody on each piece of evidence is there.
REACHED = {
    "approved": {"AUTHORISED", "IN_TRANSIT", "RECEIVED", "INSPECTED"},
    "received": {"RECEIVED", "INSPECTED"},
    "goods_in": {"RECEIVED", "INSPECTED"},
    "inspected": {"INSPECTED"},
}


@pytest.mark.parametrize(("custody", "evidence"), list(product(Custody, REACHED)))
def test_a_piece_of_evidence_is_there_from_its_step_on(custody: Custody, evidence: str) -> None:
    policy = {"refund_evidence": {"SHIPPED": [evidence], "KEPT": ["approved"]}}
    item = ReturnItem(custody=custody)

    missing = missing_evidence(item, Method.SHIPPED, Disposition.RESTOCK, policy)

    assert missing == ([] if custody in REACHED[evidence] else [evidence])


def test_all_evidence_is_needed_and_each_missing_piece_is_named() -> None:
    policy = {"refund_evidence": {"SHIPPED": ["approved", "received", "inspected"]}}

    missing = missing_evidence(ReturnItem(custody=Custody.AUTHORISED), Method.SHIPPED, None, policy)

    assert missing == ["received", "inspected"]


@pytest.mark.parametrize("custody", Custody)
def test_what_was_not_in_the_parcel_is_never_paid(custody: Custody) -> None:
    policy = {"refund_evidence": {"SHIPPED": ["approved"]}}
    item = ReturnItem(custody=custody)

    assert missing_evidence(item, Method.SHIPPED, Disposition.NOT_RETURNED, policy)


def test_a_method_without_a_rule_is_an_error_and_not_a_default() -> None:
    with pytest.raises(KeyError):
        missing_evidence(ReturnItem(), Method.UNKNOWN, None, {"refund_evidence": {"SHIPPED": []}})


def invoice(number: str, *, is_corrective: bool = True) -> InvoiceSeen:
    return InvoiceSeen(number, "corrective_invoice", is_corrective, AT)


def proof(**other: Any) -> dict[str, Any] | None:
    facts: dict[str, Any] = {
        "seen": order_seen(1000, status=UnitStatus.RETURNED, billing=Billing.REFUNDED),
        "invoices": [invoice("1"), invoice("2")],
        "before": ["1"],
        "unit_ids": ["77-1"],
        "billing_before": Billing.PAID,
        "payment_succeeded": False,
    }
    return proof_of_refund(**(facts | other))


def test_unit_invoice_and_money_together_are_proof() -> None:
    found = proof()

    assert found is not None
    assert found["corrective_invoice"] == "2"


@pytest.mark.parametrize(
    "missing",
    [
        {"seen": order_seen(1000, billing=Billing.REFUNDED)},
        {"unit_ids": ["77-1", "77-2"]},
        {"invoices": [invoice("1")]},
        {"invoices": [invoice("1"), invoice("2", is_corrective=False)]},
        {"seen": order_seen(1000, status=UnitStatus.RETURNED)},
        {"billing_before": Billing.REFUNDED},
    ],
    ids=[
        "the unit is not booked as returned",
        "one of two units is not there",
        "no new invoice",
        "the new invoice corrects nothing",
        "no money moved",
        "the money had moved before",
    ],
)
def test_without_one_of_them_there_is_no_proof(missing: dict[str, Any]) -> None:
    assert proof(**missing) is None


@pytest.mark.parametrize(
    "facts",
    [
        {"seen": order_seen(1000, status=UnitStatus.RETURNED)},
        {"billing_before": Billing.REFUNDED},
    ],
)
def test_the_providers_notice_of_success_says_that_money_moved(facts: dict[str, Any]) -> None:
    assert proof(**facts, payment_succeeded=True) is not None
