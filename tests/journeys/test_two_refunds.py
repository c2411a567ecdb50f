"""Two refunds of one order: the shop has one at a time, and neither may hold up the other for ever.

Found by a storm: one refund was refused, and set going again while the other's call was in doubt.
When two people had seen that the other had not happened, the first, which is older, stood before it
in the order's lane and waited for its proof, and the other waited for its turn: hours of "late",
and two customers without their money.
"""

from __future__ import annotations

import pytest

from integrator.models import Job
from tests.story import Row, Stage

RETURN_ITEMS = "POST /fulfillment/return-items"
BILLING = "PATCH /shops/nb/countries/DE/orders/{order}/billing-status"


def paid(stage: Stage, order: Row) -> list[int]:
    return sorted(one["amount"] for one in stage.refunds_there(order) if one["executed"])


def in_doubt(stage: Stage, rma: Row) -> None:
    """The call breaks off, and no look-up finds anything."""
    stage.breaks("scayle", RETURN_ITEMS, "refused", times=1)
    stage.warehouse_checks(rma)
    stage.passes(minutes=14, step=2)


@pytest.mark.requirement("R025")
def test_one_refused_and_tried_again_does_not_wait_for_one_that_waits_for_it(stage: Stage) -> None:
    order = stage.sold("JKT-NVY-M", "TEE-BLK-L")
    first, second = (stage.comes_back(order, unit) for unit in (0, 1))
    stage.breaks("scayle", RETURN_ITEMS, "error", status=422, times=1)
    stage.warehouse_checks(first)
    in_doubt(stage, second)
    stage.decide(stage.case("REFUND_REFUSED"), "try_again", by=stage.fiona)
    stage.passes(minutes=4, step=2)
    assert paid(stage, order) == []

    case = stage.case("REFUND_IN_DOUBT")
    stage.decide(case, "it_did_not_happen", by=stage.fiona, second=stage.conrad)
    stage.passes(minutes=15, step=1)

    assert paid(stage, order) == sorted(item["paid"] for item in order["items"])
    assert stage.open_cases() == []
    assert stage.owed() == []


@pytest.mark.requirement("R025")
def test_a_mirror_does_not_wait_for_a_refund_that_waits_for_it(stage: Stage) -> None:
    """What ReturnGO paid is shown in the shop only when the shop's own refund is proved."""
    order = stage.sold("JKT-NVY-M", "TEE-BLK-L")
    first, second = (stage.comes_back(order, unit) for unit in (0, 1))
    stage.breaks("scayle", BILLING, "error", status=422, times=1)
    stage.checks_only(first)
    asked = stage.act(
        "returngo",
        "request_refund_transaction",
        rma_id=first["id"],
        item_ids=[first["items"][0]["id"]],
    )
    stage.act("returngo", "mark_transaction", transaction_id=asked["id"])
    stage.passes(minutes=10, step=5)
    mirror = stage.case("REFUND_NOT_MIRRORED")
    in_doubt(stage, second)
    stage.decide(mirror, "try_again", by=stage.fiona)
    stage.passes(minutes=4, step=2)

    case = stage.case("REFUND_IN_DOUBT")
    stage.decide(case, "it_did_not_happen", by=stage.fiona, second=stage.conrad)
    stage.passes(minutes=15, step=1)

    assert paid(stage, order) == [order["items"][1]["paid"]]
    assert not Job.objects.filter(state__in=["DUE", "WAITING"], flow="mirror_refund").exists()
    assert stage.owed() == []


@pytest.mark.requirement("R025")
def test_one_that_waits_for_the_others_lost_proof_is_not_called_late_as_well(stage: Stage) -> None:
    """How a payment ended is told once. When that is lost, finance is asked: once, about that."""
    order = stage.sold("JKT-NVY-M", "TEE-BLK-L", "SHT-OXF-S", "TEE-BLK-L")
    before, first, second = (stage.comes_back(order, unit) for unit in (0, 1, 2))
    stage.warehouse_checks(before)
    # The order is partly paid back already: what it shows does not tell whether more was.
    stage.breaks("scayle", "payment-refund", "callback_suppress", times=1)
    stage.warehouse_checks(first)
    stage.warehouse_checks(second)
    stage.passes(hours=3, step=10)
    assert stage.open_cases() == []
    assert len(paid(stage, order)) == 2

    stage.passes(minutes=75, step=5)
    case = stage.case("REFUND_NOT_RECORDED")
    assert stage.open_cases() == [case.kind]
    proof = {"reference": "SCAYLE-2, seen in the Panel"}
    stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=proof)
    stage.passes(minutes=15, step=1)

    assert paid(stage, order) == sorted(item["paid"] for item in order["items"][:3])
    assert stage.open_cases() == []
