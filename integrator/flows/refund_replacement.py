"""A replacement came back, and the customer wants money for it now.

In the shop it cost nothing, or the price difference: ``return-items`` would pay that and nothing
else. So finance pays what it is worth (``replacement_worth``), unless the returns platform has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from finance.evidence import missing_evidence
from finance.states import Executor
from fulfilment.shapes import OrderKind
from integrator.engine import cases
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.money import money_text
from integrator.engine.work import Work
from integrator.flows.capture_order import order_lane
from integrator.flows.decide_job import aim_case, the_case
from integrator.flows.replacement_worth import replacement_book, worth_of
from integrator.models import Case, CaseEvent, CaseState
from returns.exchange_cases import EXCHANGE_RETURNED
from returns.models import Return, ReturnItem
from returns.services import last_disposition
from returns.services.meanings import method_of, resolution_of
from returns.services.reporting import about_unit
from returns.shapes import Method, Resolution
from returns.states import Money


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    rows = ReturnItem.objects.filter(
        pk__in={fact.record_id for fact in facts},
        order_item__order__kind=OrderKind.EXCHANGE,
        blocked_by="",
    ).values_list("pk", "order_item__order_id", "order_item__order__connection_id")
    found = {pk: (order_id, where) for pk, order_id, where in rows}
    return {
        fact.id: Aim(
            "return_item",
            fact.record_id,
            order_lane(found[fact.record_id][0]),
            order_id=found[fact.record_id][0],
            connection_id=found[fact.record_id][1],
        )
        for fact in facts
        if fact.record_id in found
    }


def record(work: Work, _: None) -> Evidence:
    return _ask(work, _item(work.job.record_id))


def look_again(work: Work, record: Return) -> None:
    """The return shows something new: what finance is asked to pay for its units follows."""
    asked = Case.objects.filter(
        kind=EXCHANGE_RETURNED.code,
        record_kind="return_item",
        record_id__in=record.items.values("pk"),
    )
    for item_id in asked.exclude(state=CaseState.SOLVED).values_list("record_id", flat=True):
        _ask(work, _item(item_id))


def _ask(work: Work, item: ReturnItem) -> Evidence:
    """Put what is owed in front of finance. What is not owed, or not any more, is asked no more."""
    why = _why_nothing(work, item)
    if why:
        cases.close_by_fact(
            trace=work.trace,
            reason=f"Nothing is to be paid: {why}",
            kinds=[EXCHANGE_RETURNED],
            record_kind="return_item",
            record_id=item.pk,
        )
        return {"nothing": why}
    worth = worth_of(item)
    amount = money_text(worth.total_minor, item.currency)
    case = cases.open_case(
        EXCHANGE_RETURNED,
        # The replacement itself may have cost nothing: what is owed is the original's worth.
        replace(about_unit(item), money_minor=worth.total_minor, currency=item.currency),
        trace=work.trace,
        facts={
            "rma": item.return_record.external_id,
            "sku": item.sku_code,
            "order": item.order_item.order.number if item.order_item else "(unknown)",
            "original": worth.original.order.number,
            "amount": amount,
            "platform": item.return_record.connection.name,
            "shop": worth.original.order.connection.name,
        },
    )
    return {"case": case.pk, "amount": amount}


def _why_nothing(work: Work, item: ReturnItem) -> str:
    values = work.policy(item.return_record.connection.retailer_id).values
    wants_money = resolution_of(item) in (Resolution.REFUND, Resolution.STORE_CREDIT)
    method = method_of(item)
    if not wants_money or item.money != Money.NONE or method == Method.UNKNOWN:
        return "no money is owed for it"
    if missing_evidence(item, method, last_disposition(item), values):
        return "it has not all its evidence yet"
    return ""


def _item(item_id: int) -> ReturnItem:
    return ReturnItem.objects.select_related(
        "return_record__connection", "order_item__order__connection", "order_item__sku"
    ).get(pk=item_id)


def record_paid(work: Work, _: None) -> Evidence:
    """Finance has paid it: booked on both orders, once, and proved by the reference.

    Only what two people were shown: what it is worth may have changed since.
    """
    case = the_case(work)
    data = CaseEvent.objects.get(pk=work.job.fact).data
    reference = str(data["reference"]).strip()
    item = _item(case.record_id)
    if item.money != Money.NONE:
        return {"nothing": f"its money is {item.get_money_display().lower()}"}
    owed = worth_of(item).total_minor
    if owed != int(data.get("money_minor", owed)):
        now = money_text(owed, item.currency)
        said = f"Not recorded: {now} is owed by now. Say what was paid, if it was another amount"
        cases.note(case, text=said, trace=work.trace, by=None)
        _ask(work, item)
        return {"nothing": "it is worth another amount than was agreed to"}
    trace = work.trace.by(work.job.actor)
    # First the case: booking closes what is asked about the unit, and this is how it ended.
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=trace,
        reason=f"Paid by hand: {reference}",
    )
    booked = replacement_book(
        item,
        paid_minor=int(data.get("amount", owed)),
        executor=Executor.MANUAL,
        evidence={"by_hand": reference, "decided_by": work.job.actor},
        reference=reference,
        reason=f"A returned replacement was paid by hand: {reference}",
        policy_version=work.job.policy_version or 0,
        trace=trace,
    )
    return {"refunds": booked, "reference": reference}


FLOW = Flow(
    name="refund_replacement",
    says="Have finance pay for a replacement that came back",
    aim=aim,
    record=record,
    priority=30,
)
PAID = Flow(
    name="replacement_paid",
    says="Record a returned replacement as paid",
    aim=each(aim_case),
    record=record_paid,
    priority=15,
)
