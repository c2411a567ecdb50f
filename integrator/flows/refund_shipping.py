"""Everything of an order came back: is what was paid for shipping paid back too? Policy says.

The shop's own call pays units only, so shipping is always paid past it.
"""

from __future__ import annotations

from collections.abc import Sequence

from finance.cases import REFUND_EXECUTOR_MISSING
from finance.models import Refund, RefundItem
from finance.services import refund_by_hand, refund_reserve_whole
from finance.states import REFUND_PROVED, Subject
from fulfilment.models import Order, OrderItem
from fulfilment.shapes import UnitStatus
from integrator.engine import choices
from integrator.engine.errors import Misconfigured
from integrator.engine.flow import Aim, Evidence, Fact, Flow
from integrator.engine.work import Work
from integrator.flows.capture_order import order_lane
from integrator.flows.refund_rules import payer_of
from integrator.platforms.scayle import CONTRACT
from returns.models import ReturnItem


def aim(facts: Sequence[Fact]) -> dict[int, Aim]:
    """Refunds of units that are proved, and units that were paid before they came back."""
    ids = {
        kind: {fact.record_id for fact in facts if fact.record_kind == kind}
        for kind in ("refund", "return_item")
    }
    refunds = Refund.objects.filter(pk__in=ids["refund"], subject=Subject.ITEM)
    units = ReturnItem.objects.filter(pk__in=ids["return_item"], order_item__isnull=False)
    rows = {
        "refund": refunds.values_list("pk", "order_id", "order__connection_id"),
        "return_item": units.values_list(
            "pk", "order_item__order_id", "order_item__order__connection_id"
        ),
    }
    found = {
        (kind, pk): Aim("order", order_id, order_lane(order_id), order_id, connection_id)
        for kind in ids
        for pk, order_id, connection_id in rows[kind]
    }
    keys = {fact.id: (fact.record_kind, fact.record_id) for fact in facts}
    return {fact_id: found[key] for fact_id, key in keys.items() if key in found}


def record(work: Work, _: None) -> Evidence:
    order = Order.objects.select_related("connection__retailer").get(pk=work.job.record_id)
    amount = min(_shipping(order), order.paid_minor - order.refunded_minor)
    if amount <= 0:
        return {"nothing": "nothing was paid for shipping, or nothing is left of it"}
    if not _all_back(order):
        return {"nothing": "not everything has come back"}
    if Refund.objects.filter(order=order, subject=Subject.SHIPPING).exists():
        return {"nothing": "its shipping has a refund already"}
    policy = work.policy(order.connection.retailer_id)
    rule = choices.choice(policy, "shipping_refund")
    if rule is None:
        raise Misconfigured(
            "the setting “shipping refund” is empty, and everything of an order came back",
            case=REFUND_EXECUTOR_MISSING,
            cause="policy:shipping_refund",
        )
    if rule == "never":
        return {"nothing": "shipping is never paid back"}
    why = "the shop's own call pays units only"
    refund = refund_reserve_whole(
        order_id=order.pk,
        subject=Subject.SHIPPING,
        amount_minor=amount,
        executor=payer_of(policy.values, "refund_executor_otherwise", why),
        policy_version=policy.version,
        trace=work.trace,
    )
    refund_by_hand(refund, trace=work.trace, why=why)
    return {"refund": refund.pk, "amount_minor": amount}


def _shipping(order: Order) -> int:
    kinds = CONTRACT.assumption("shipping_fee_categories")
    return sum(int(fee["amount_minor"]) for fee in order.fees if fee["category"] in kinds)


def _all_back(order: Order) -> bool:
    """Every unit that was not cancelled is proved as paid back."""
    units = OrderItem.objects.filter(order=order, is_bundle=False, paid_minor__gt=0).exclude(
        platform_status=UnitStatus.CANCELLED
    )
    paid = RefundItem.objects.filter(
        order_item__in=units,
        is_live=True,
        return_item__isnull=False,
        refund__status__in=REFUND_PROVED,
    )
    back = set(paid.values_list("order_item_id", flat=True))
    return bool(back) and set(units.values_list("pk", flat=True)) <= back


FLOW = Flow(
    name="refund_shipping",
    says="Look whether shipping is paid back as well",
    aim=aim,
    record=record,
    joins=True,
)
