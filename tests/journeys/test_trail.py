"""Every effect on money and stock answers who, what, when, why, which message, which settings."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from finance.models import LedgerEntry
from fulfilment.models import StockMovement
from integrator.models import Attempt, CaseEvent, Job, Message, PolicyVersion, Transition
from returns.models import Inspection
from tests.story import Stage

SKU = "JKT-NVY-M"


def messages_behind(job: Job) -> set[int]:
    """The news a job goes back to: through the facts that made it, as far as they lead."""
    found: set[int] = set()
    facts, seen = [job.fact, *job.joined], set()
    while facts:
        fact = facts.pop()
        if fact in seen:
            continue
        seen.add(fact)
        if Message.objects.filter(pk=fact).exists():
            found.add(fact)
        for change in Transition.objects.filter(pk=fact).exclude(job_id=None):
            before = Job.objects.get(pk=change.job_id)
            facts += [before.fact, *before.joined]
    return found


@pytest.mark.requirement("R040")
def test_every_effect_on_money_and_stock_can_be_explained(stage: Stage) -> None:
    order = stage.sold(SKU)
    rma = stage.comes_back(order)
    stage.warehouse_checks(rma)
    ours = stage.order(order)

    effects = [*LedgerEntry.objects.all(), *StockMovement.objects.all()]
    assert len(effects) == 5
    for one in effects:
        assert one.actor.startswith("flow:")
        assert one.reason
        assert one.at is not None
        assert one.order_id == ours.pk
        policy = PolicyVersion.objects.get(retailer=stage.retailer, version=one.policy_version)
        assert policy.made_by == "configure"
        job = Job.objects.get(pk=one.job_id)
        assert job.order_id in (None, ours.pk)
        assert messages_behind(job), f"{one}: no message leads to it"
        assert Attempt.objects.filter(job=job, outcome="DONE").exists()
    sellable = StockMovement.objects.get(to_bucket="SELLABLE")
    verdict = Inspection.objects.get(pk=sellable.inspection_id)
    assert verdict.job_id is not None
    assert verdict.disposition == "RESTOCK"


@pytest.mark.requirement("R040")
def test_a_persons_decision_carries_both_names_and_its_reference(stage: Stage) -> None:
    stage.breaks("scayle", "POST /fulfillment/return-items", "error", status=422)
    rma = stage.comes_back(stage.sold(SKU))
    stage.warehouse_checks(rma)
    stage.decide(
        stage.case("REFUND_REFUSED"),
        "paid_by_hand",
        by=stage.fiona,
        second=stage.conrad,
        data={"reference": "BANK-1"},
    )

    decided = CaseEvent.objects.get(kind="DECIDED")
    assert (decided.actor, decided.data["reference"]) == ("user:fiona", "BANK-1")
    agreed = Transition.objects.get(record_kind="approval", new="GRANTED")
    assert agreed.reason == "Agreed by a second person"
    recorded = Transition.objects.get(record_kind="refund", new="RECORDED")
    assert recorded.actor == "user:fiona"
    paid = LedgerEntry.objects.get(to_account="PAYER")
    assert paid.actor == "user:fiona"
    assert paid.reason == "Paid by hand"


@pytest.mark.requirement("R040")
def test_what_is_written_cannot_be_edited_or_removed(stage: Stage) -> None:
    stage.warehouse_checks(stage.comes_back(stage.sold(SKU)))

    for model in (LedgerEntry, StockMovement, Inspection, Transition, Message, Attempt):
        row = model._default_manager.first()
        assert row is not None, model
        table = model._meta.db_table
        for statement in (
            # The table's name is the model's.
            f"UPDATE {table} SET id = id + 1000000 WHERE id = %s",  # noqa: S608
            f"DELETE FROM {table} WHERE id = %s",  # noqa: S608
        ):
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, [row.pk])
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table} CASCADE")
