"""The critical transaction: when a refund is made, that it is made once, and in which order."""

from __future__ import annotations

import pytest

from finance.models import Refund
from integrator.models import Job
from tests.story import Row, Stage
from tests.wire import Death

SKU = "JKT-NVY-M"
RETURN_ITEMS = "POST /fulfillment/return-items"

# The three advised moments, as the evidence that must be there for a parcel.
TRIGGERS = {
    "on_approval": ["approved"],
    "on_received": ["approved", "received"],
    "on_disposition": ["approved", "inspected"],
}
KEPT = {"KEPT": ["approved"]}
STEPS = ("approves", "hands_in", "arrives", "warehouse_checks")
AT = {"on_approval": "approves", "on_received": "arrives", "on_disposition": "warehouse_checks"}


@pytest.mark.requirement("R003")
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_refund_is_made_at_the_chosen_moment(stage: Stage, trigger: str) -> None:
    stage.configure(refund_evidence={"SHIPPED": TRIGGERS[trigger], **KEPT})
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    made_at = None
    for step in STEPS:
        before = stage.now()
        getattr(stage, step)(rma)
        refund = Refund.objects.first()
        if refund is not None and made_at is None:
            made_at = step
            assert before <= refund.authorised_at <= stage.now()
    assert made_at == AT[trigger]
    stage.passes(minutes=6, step=3)
    assert len(stage.refunds_there(order)) == 1
    assert stage.rma_there(rma)["status"] == "Done"
    assert stage.open_cases() == []
    assert "0 differences" in stage.compare()


@pytest.mark.requirement("R003")
def test_a_new_choice_is_not_for_returns_past_their_moment(stage: Stage) -> None:
    """Each step keeps the version it was made under; a change is a new version."""
    early = {"SHIPPED": TRIGGERS["on_approval"], **KEPT}
    late = {"SHIPPED": TRIGGERS["on_disposition"], **KEPT}
    stage.configure(refund_evidence=early)
    first = stage.retailer.policies.order_by("-version").first()
    order = stage.sold(SKU)
    rma = stage.shopper_returns(order)
    stage.approves(rma)
    made = Refund.objects.get()

    stage.configure(refund_evidence=late)
    second = stage.retailer.policies.order_by("-version").first()
    assert first is not None and second is not None and second.version == first.version + 1
    other = stage.sold(SKU)
    later = stage.shopper_returns(other)
    stage.approves(later)
    stage.hands_in(rma)
    stage.passes(minutes=6, step=3)

    made.refresh_from_db()
    assert (made.policy_version, made.status) == (first.version, "RECORDED")
    assert not Refund.objects.filter(order=stage.order(other)).exists()
    job = Job.objects.filter(flow="refund", record_id=stage.returned(later).pk).first()
    assert job is not None and job.policy_version == second.version


def killed_once(stage: Stage, *, after: bool) -> Row:
    """One return whose worker dies around the call that pays. Nobody decides anything."""
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.checks_only(rma)
    stage.dies_at("POST", "/fulfillment/return-items", after=after)
    with pytest.raises(Death):
        stage.passes(minutes=10, step=5)
    refund = Refund.objects.get(order=stage.order(order))
    assert refund.status == "AUTHORISED"  # it was written down before anything was sent
    stage.new_worker()
    stage.clock.shift(61)  # the dead worker's lease runs out
    stage.settle()
    stage.passes(minutes=10, step=5)
    return order


def never_twice(stage: Stage, runs: int) -> None:
    for number in range(runs):
        after = number % 2 == 0
        order = killed_once(stage, after=after)
        sent = [row for row in stage.books("scayle")["returns"] if row["order_id"] == order["id"]]
        refund = Refund.objects.get(order=stage.order(order))
        if after:
            assert (len(sent), refund.status) == (1, "RECORDED")
            assert len(stage.refunds_there(order)) == 1
        else:
            assert (len(sent), refund.status) == (0, "IN_DOUBT")
            assert stage.refunds_there(order) == []


@pytest.mark.requirement("R025")
def test_killed_between_call_and_answer_it_is_never_paid_twice(stage: Stage) -> None:
    never_twice(stage, 4)


@pytest.mark.prove
@pytest.mark.requirement("R025")
def test_a_hundred_kills_between_call_and_answer_pay_nothing_twice(long_stage: Stage) -> None:
    never_twice(long_stage, 100)


@pytest.mark.requirement("R026")
@pytest.mark.parametrize(
    ("fault", "told"),
    [({"status": 422}, "Failed"), ({"status": 503}, "Requested")],
    ids=["it refuses", "it is down"],
)
def test_while_the_shop_fails_the_returns_platform_hears_of_no_completion(
    stage: Stage, fault: Row, told: str
) -> None:
    stage.breaks("scayle", RETURN_ITEMS, "error", **fault)
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    stage.passes(minutes=30, step=10)

    assert RETURN_ITEMS in stage.calls("POST")
    (asked,) = stage.transactions_there(rma)
    told_there = [one for one in stage.calls("PUT") if "custom-data" not in one]
    # A proven failure is told as one; what nobody knows yet is told as nothing at all.
    assert told_there == [f"PUT /transaction/{asked['id']}"] * (told == "Failed")
    assert stage.rma_there(rma)["status"] == "Validated"
    assert asked["status"] == told


@pytest.mark.requirement("R026")
@pytest.mark.parametrize("fee", [0, 250], ids=["paid by the shop", "paid by a person"])
def test_the_transaction_and_then_the_return_are_told_after_the_record(
    stage: Stage, fee: int
) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order, return_fee=fee)
    stage.warehouse_checks(rma)
    if fee:
        assert not [one for one in stage.calls("PUT") if one.startswith("PUT /transaction")]
        case = stage.case("REFUND_BY_HAND")
        data = {"reference": "BANK-5"}
        stage.decide(case, "paid_by_hand", by=stage.fiona, second=stage.conrad, data=data)
        stage.passes(minutes=4, step=2)

    refund = Refund.objects.get()
    (told,) = stage.transactions_there(rma)
    assert (told["status"], told["reference"]) == ("Success", refund.reference)
    assert refund.recorded_at is not None
    calls = [one for one in stage.wire.calls if one.platform == "returngo" and one.method == "PUT"]
    paths = [one.path.split("/")[1] for one in calls]
    assert paths == ["transaction", "rma"]
    assert all(one.at >= refund.recorded_at for one in calls)
    assert refund.executed_is_derived is not bool(fee)
