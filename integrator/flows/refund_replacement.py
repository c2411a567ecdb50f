"""A replacement came back, and the customer wants money for it now.

In the shop it cost nothing, or the price difference: ``return-items`` would pay that and nothing
else. What is owed is the price of the unit it replaced, less what was paid back of that, and the
difference. So finance pays it, and it is booked where the money was paid: on the original order's
unit, and the difference on the exchange order's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from finance.amounts import worked_out
from finance.evidence import missing_evidence
from finance.services import Share, refund_recorded, refund_reserve
from finance.states import Executor
from fulfilment.models import OrderItem
from fulfilment.shapes import OrderKind
from fulfilment.shares import spread
from integrator.engine import cases
from integrator.engine.flow import Aim, Evidence, Fact, Flow, each
from integrator.engine.money import money_text
from integrator.engine.states import move
from integrator.engine.work import Work
from integrator.flows.capture_order import order_lane
from integrator.flows.decide_job import aim_case, the_case
from integrator.models import Case, CaseEvent
from returns.exchange_cases import EXCHANGE_RETURNED
from returns.models import ExchangeItem, ReturnItem
from returns.services import last_disposition
from returns.services.reporting import about_unit
from returns.shapes import Method, Resolution
from returns.states import Money


@dataclass(frozen=True, slots=True)
class Worth:
    """What a replacement is worth: of the unit it replaced, and what was paid for it on top."""

    original: OrderItem
    of_original_minor: int
    on_top_minor: int

    @property
    def total_minor(self) -> int:
        return self.of_original_minor + self.on_top_minor


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
    item = _item(work.job.record_id)
    values = work.policy(item.return_record.connection.retailer_id).values
    wants_money = item.resolution in (Resolution.REFUND, Resolution.STORE_CREDIT)
    if not wants_money or item.money != Money.NONE or item.method == Method.UNKNOWN:
        return {"nothing": "no money is owed for it"}
    if missing_evidence(item, Method(item.method), last_disposition(item), values):
        return {"nothing": "it has not all its evidence yet"}
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


def _item(item_id: int) -> ReturnItem:
    return ReturnItem.objects.select_related(
        "return_record__connection", "order_item__order__connection", "order_item__sku"
    ).get(pk=item_id)


def worth_of(item: ReturnItem) -> Worth:
    """Follow the replacement back to the sale. Pieces sent for one unit share its price."""
    assert item.order_item is not None
    unit, share = item.order_item, 0
    while unit.order.kind == OrderKind.EXCHANGE:
        piece = ExchangeItem.objects.select_related("exchange__return_record").get(order_item=unit)
        exchange = piece.exchange
        replaced = (
            exchange.return_item
            or exchange.return_record.items.filter(blocked_by="", resolution=Resolution.EXCHANGE)
            .order_by("id")
            .first()
        )
        assert replaced is not None and replaced.order_item_id is not None
        unit = OrderItem.objects.select_related("order__connection", "sku").get(
            pk=replaced.order_item_id
        )
        pieces = list(exchange.items.order_by("place"))
        base = unit.paid_minor + min(exchange.difference_minor, 0)
        prices = [one.price_minor or 0 for one in pieces]
        share = spread(max(base, 0), prices)[pieces.index(piece)]
    taken_off = sum(int(fee["amount_minor"]) for fee in item.deductions)
    left = max(min(share, unit.paid_minor - unit.refunded_minor) - taken_off, 0)
    on_top, _ = worked_out(item.order_item, ())
    return Worth(unit, left, max(on_top - item.order_item.refunded_minor, 0))


def record_paid(work: Work, _: None) -> Evidence:
    """Finance has paid it: booked on both orders, once, and proved by the reference."""
    case = the_case(work)
    reference = str(CaseEvent.objects.get(pk=work.job.fact).data["reference"]).strip()
    item = _item(case.record_id)
    if item.money != Money.NONE:
        return {"nothing": f"its money is {item.get_money_display().lower()}"}
    worth = worth_of(item)
    assert item.order_item is not None
    parts = [
        (worth.original.order_id, Share(None, worth.of_original_minor, unit=worth.original)),
        (item.order_item.order_id, Share(None, worth.on_top_minor, unit=item.order_item)),
    ]
    booked = []
    for order_id, share in parts:
        if not share.amount_minor:
            continue
        refund = refund_reserve(
            return_record=item.return_record,
            order_id=order_id,
            shares=[share],
            executor=Executor.MANUAL,
            evidence_before=[],
            billing_before="",
            policy_version=work.job.policy_version or 0,
            trace=work.trace,
        )
        refund_recorded(
            refund,
            evidence={"by_hand": reference, "decided_by": work.job.actor},
            executed_minor=refund.calculated_minor,
            is_derived=False,
            reference=reference,
            trace=work.trace.by(work.job.actor),
            reason="A returned replacement was paid by hand",
        )
        booked.append(refund.pk)
    # The refunds name the units that were paid for; this one was sent for one of them.
    move(item, "money", Money.RECORDED, reason=f"Paid by hand: {reference}", trace=work.trace)
    cases.solve(
        case,
        resolution=Case.Resolution.FIXED_HERE,
        trace=work.trace.by(work.job.actor),
        reason=f"Paid by hand: {reference}",
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
