"""The judge of a storm. It believes the books of those who pay, and compares ours with them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from django.db.models import Sum

from finance.models import LedgerEntry, RefundItem
from finance.states import Account
from integrator.models import Attempt, Case, CaseEvent, CaseState, Job, JobState, Transition
from tests.proofs.people import Payment
from tests.proofs.storm import Storm

RETURN_ITEMS = "/fulfillment/return-items"
# A payment whose outcome was never told is finance's after four hours, and people leave a case for
# a round or two. What waits for itself stands still for longer than that.
STANDS_STILL = timedelta(hours=7)


@dataclass(frozen=True)
class Verdict:
    paid: int
    doubts: int
    twice: list[Payment]
    forgotten: set[int]
    without_reason: list[Payment]
    sent_again: list[int]
    doubts_open: list[str]
    owed: list[str]
    stood_still: list[str]
    ledger_minor: int
    books_minor: int
    clearing_minor: int


def judge(storm: Storm) -> Verdict:
    payments = list(storm.people.payments())
    often = Counter(payment.unit for payment in payments)
    due = units_due(storm)
    doubtful = doubtful_jobs()
    live = RefundItem.objects.filter(is_live=True)
    booked = {int(unit) for unit in live.values_list("order_item__external_id", flat=True)}
    return Verdict(
        paid=len(due & set(often)),
        doubts=len(doubtful),
        twice=[one for one in payments if often[one.unit] > 1],
        forgotten=due - set(often) - in_front_of_finance(storm),
        without_reason=[
            one for one in payments if one.unit not in due and one.by in ("return-items", "bank")
        ],
        sent_again=[
            row["item_id"] for row in storm.stage.books("scayle")["returns"] if row["repeat"]
        ],
        doubts_open=[f"{job}: {job.state}" for job in doubtful if not is_resolved(job)],
        owed=storm.owed(),
        stood_still=stood_still(),
        ledger_minor=balance(Account.PAYER),
        # What others paid for goods that never came is money gone all the same. A payment in the
        # Panel names no unit: of one that was missing we know only if finance was asked about it.
        books_minor=sum(
            one.amount
            for one in payments
            if one.unit in due or one.by == "returngo" or (one.by == "hand" and one.unit in booked)
        ),
        clearing_minor=balance(Account.REFUNDS_OWED),
    )


def units_due(storm: Storm) -> set[int]:
    """Units that lay in their parcel, as the inspectors wrote down at ReturnGO."""
    return {
        int(item["shop_line_item_id"])
        for rma in storm.stage.books("returngo")["rmas"]
        for item in rma["items"]
        if item["validation"]["at"] is not None and item["validation"]["returned"]
    }


def in_front_of_finance(storm: Storm) -> set[int]:
    cases = Case.objects.filter(owner="FINANCE").exclude(state=CaseState.SOLVED)
    return {unit for case in cases for unit in storm.people.units(case)}


def doubtful_jobs() -> list[Job]:
    """Refunds whose call had left when nobody could say any more what had become of it."""
    tries = Attempt.objects.filter(job__flow="refund", outcome="IN_DOUBT").select_related("job")
    return list({one.job_id: one.job for one in tries if _left(one)}.values())


def _left(attempt: Attempt) -> bool:
    return any(call["path"].endswith(RETURN_ITEMS) for call in attempt.calls)


def is_resolved(job: Job) -> bool:
    """By a look-up that found it, or by people; a doubt of now must be a case of finance."""
    if job.state == JobState.IN_DOUBT:
        return job.cases.filter(owner="FINANCE").exclude(state=CaseState.SOLVED).exists()
    found = Attempt.objects.filter(job=job, outcome="DONE").exists()
    return found or CaseEvent.objects.filter(case__job=job, kind="DECIDED").exists()


def stood_still() -> list[str]:
    """Steps in whose order nothing moved for long, though they were owed: it ended by luck."""
    moved: dict[int, list[datetime]] = defaultdict(list)
    facts = Transition.objects.filter(order_id__isnull=False).order_by("at")
    for order_id, at in facts.values_list("order_id", "at"):
        moved[order_id].append(at)
    found = []
    for job in Job.objects.filter(order_id__isnull=False, finished_at__isnull=False):
        start, end = job.created_at, job.finished_at
        between = [at for at in moved[job.order_id] if start < at < end]
        longest = max(later - earlier for earlier, later in pairwise([start, *between, end]))
        if longest > STANDS_STILL:
            found.append(f"{job}: nothing moved for {longest}")
    return found


def balance(account: Account) -> int:
    def total(side: str) -> int:
        rows = LedgerEntry.objects.filter(**{side: account})
        return rows.aggregate(sum=Sum("amount_minor"))["sum"] or 0

    return total("to_account") - total("from_account")
